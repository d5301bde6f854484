// Trees of one fit: a single one, or many on random rows whose predictions are averaged (Breiman, 2001).
import type { Matrix } from '../matrix.js'
import { nextSeed } from '../../core/random.js'
import { breathe, Random } from '../random.js'
import { grow, type GrowOptions } from './grow.js'
import { featureCount, type TreeOptions } from './options.js'
import { rank } from './ranked.js'
import type { Criterion, Targets } from './splits.js'
import { addPredictions, leavesOf, type Tree } from './tree.js'

export interface Grown {
  trees: Tree[]
  /** The mean prediction of the trees that did not learn from a row: [rows][outputs]; NaN where all did. */
  out: Float64Array | undefined
}

export interface ForestShape {
  /** The first tree that is grown, and the one behind the last. */
  first: number
  count: number
  /** How many rows each tree draws with replacement; undefined: it learns from all. */
  draws: number | undefined
  outOfBag: boolean
}

/** Tree t draws from a stream of its own, whatever was grown before it. */
const streamOf = (seed: number, t: number): Random => new Random(seed + t * 2 ** 32)

export async function growTrees(
  x: Matrix,
  targets: Targets,
  criterion: Criterion,
  params: Required<TreeOptions>,
  { first, count, draws, outOfBag }: ForestShape,
): Promise<Grown> {
  const ranked = rank(x)
  const seed = params.seed ?? nextSeed()
  const options: GrowOptions = {
    ...params,
    criterion,
    maxDepth: params.maxDepth ?? Number.POSITIVE_INFINITY,
    features: featureCount(params.maxFeatures, x.columns),
  }
  const { outputs } = targets
  const trees: Tree[] = []
  const sums = outOfBag ? new Float64Array(x.rows * outputs) : undefined
  const times = new Int32Array(outOfBag ? x.rows : 0)
  for (let t = first; t < count; t++) {
    const random = streamOf(seed, t)
    const drawn = new Float64Array(x.rows).fill(draws === undefined ? 1 : 0)
    for (let i = 0; i < (draws ?? 0); i++) drawn[random.integer(x.rows)]!++
    const weights = drawn.map((n, row) => n * targets.weights[row]!)
    const rows = Int32Array.from(weights.keys()).filter((row) => weights[row]! > 0)
    const tree = grow(ranked, { ...targets, weights }, rows, options, random)
    trees.push(tree)
    if (sums !== undefined) {
      const leaves = leavesOf(tree, x)
      for (let row = 0; row < x.rows; row++) {
        if (drawn[row]! > 0) continue
        times[row]!++
        for (let k = 0; k < outputs; k++) sums[row * outputs + k]! += tree.value[leaves[row]! * outputs + k]!
      }
    }
    await breathe()
  }
  return { trees, out: sums?.map((sum, i) => sum / times[Math.floor(i / outputs)]!) }
}

/** The mean prediction of all trees: [rows][outputs]. */
export function meanPrediction(trees: readonly Tree[], x: Matrix, outputs: number): Float64Array {
  const sums = new Float64Array(x.rows * outputs)
  for (const tree of trees) addPredictions(tree, x, outputs, sums)
  return sums.map((sum) => sum / trees.length)
}
