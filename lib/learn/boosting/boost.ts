// Boosting: trees one after the other, each lowering the loss of those before.
import type { Matrix } from '../matrix.js'
import { breathe, Random } from '../random.js'
import { bin } from './bins.js'
import { addTree, type BoostedTree, growTree } from './grower.js'
import { Histograms } from './histograms.js'
import type { Loss } from './losses.js'
import type { HistGradientBoostingOptions } from './options.js'

export interface Boosted {
  columns: number
  outputs: number
  baseline: Float64Array
  /** [steps · outputs] */
  trees: BoostedTree[]
  trainScores: Float64Array
  validationScores: Float64Array
}

/** @param strata classes whose shares the validation rows keep; undefined for numbers */
export async function boost(
  x: Matrix,
  targets: Float64Array,
  weights: Float64Array,
  loss: Loss,
  params: Required<HistGradientBoostingOptions>,
  strata: Int32Array | undefined,
): Promise<Boosted> {
  const { columns } = x
  const stops = params.earlyStopping === 'auto' ? x.rows > 10_000 : params.earlyStopping
  const random = new Random(stops ? params.seed : 0)
  const held = stops ? heldOut(x.rows, params.validationFraction, strata, random) : new Uint8Array(x.rows)
  const pick = (wanted: number): { x: Matrix; targets: Float64Array; weights: Float64Array } => {
    const places = Array.from(held.keys()).filter((row) => held[row] === wanted)
    if (places.length === x.rows) return { x, targets, weights }
    const data = new Float64Array(places.length * columns)
    for (const [i, row] of places.entries()) data.set(x.data.subarray(row * columns, (row + 1) * columns), i * columns)
    const of = (values: Float64Array): Float64Array => Float64Array.from(places, (row) => values[row]!)
    return { x: { data, rows: places.length, columns }, targets: of(targets), weights: of(weights) }
  }
  const [train, validation] = [pick(0), pick(1)]
  const binned = bin(train.x, params.maxBins)
  const baseline = loss.baseline(train.targets, train.weights)
  const scoresOf = (rows: number): Float64Array[] => Array.from(baseline, (value) => new Float64Array(rows).fill(value))
  const [scores, unseen] = [scoresOf(train.x.rows), scoresOf(validation.x.rows)]
  const [gradients, hessians] = [new Float64Array(train.x.rows), new Float64Array(train.x.rows)]
  const trees: BoostedTree[] = []
  const trainScores: number[] = []
  const validationScores: number[] = []
  const histograms = new Histograms(binned, params.minSamplesLeaf, params.l2Regularization)
  const grower = {
    learningRate: params.learningRate,
    maxLeafNodes: params.maxLeafNodes ?? Number.POSITIVE_INFINITY,
    maxDepth: params.maxDepth ?? Number.POSITIVE_INFINITY,
    minSamplesLeaf: params.minSamplesLeaf,
    l2: params.l2Regularization,
  }
  const record = (): void => {
    if (!stops) return
    trainScores.push(-loss.value(scores, train.targets, train.weights))
    validationScores.push(-loss.value(unseen, validation.targets, validation.weights))
  }
  record()
  for (let step = 0; step < params.maxIter; step++) {
    // all slopes of a step are those of the scores before it
    const before = loss.outputs === 1 ? scores : scores.map((own) => own.slice())
    for (let k = 0; k < loss.outputs; k++) {
      loss.slopes(k, before, train.targets, train.weights, gradients, hessians)
      const tree = growTree(binned, histograms, gradients, hessians, scores[k]!, grower)
      trees.push(tree)
      if (stops) addTree(tree, validation.x.data, columns, unseen[k]!)
    }
    record()
    if (stops && settled(validationScores, params.nIterNoChange, params.tol)) break
    await breathe()
  }
  return {
    columns,
    outputs: loss.outputs,
    baseline,
    trees,
    trainScores: Float64Array.from(trainScores),
    validationScores: Float64Array.from(validationScores),
  }
}

/** Whether none of the last scores is better than the one before them by more than `tolerance`. */
function settled(scores: readonly number[], patience: number, tolerance: number): boolean {
  if (scores.length <= patience) return false
  const reference = scores.at(-patience - 1)! + tolerance
  return scores.slice(-patience).every((score) => score <= reference)
}

/** 1 for rows that are held out, of each class its share. */
function heldOut(rows: number, fraction: number, strata: Int32Array | undefined, random: Random): Uint8Array {
  const held = new Uint8Array(rows)
  const groups = new Map<number, number[]>()
  for (let row = 0; row < rows; row++) {
    const own = strata?.[row] ?? 0
    if (!groups.has(own)) groups.set(own, [])
    groups.get(own)!.push(row)
  }
  for (const group of groups.values()) for (const row of random.shuffle(group).slice(0, Math.round(fraction * group.length))) held[row] = 1
  return held
}

/** The scores of rows: [rows][outputs]. */
export function boostedScores({ baseline, trees, outputs }: Boosted, { data, rows, columns }: Matrix): Float64Array {
  const scores = Array.from(baseline, (value) => new Float64Array(rows).fill(value))
  for (const [t, tree] of trees.entries()) addTree(tree, data, columns, scores[t % outputs]!)
  return Float64Array.from({ length: rows * outputs }, (_, i) => scores[i % outputs]![Math.floor(i / outputs)]!)
}
