// Tree SHAP: Shapley's value of each feature, exactly, for models that are sums of trees; features that are not known
// have the values of a background row ("interventional", Lundberg et al. 2020).
import type { Label, Matrix } from '../learn/matrix.js'
import { isClassifier } from '../learn/selection/cross_validation.js'

/** A tree as models of weftjs/learn have it. */
interface FlatTree {
  readonly feature: Int32Array
  readonly threshold: Float64Array
  readonly left: Int32Array
  readonly right: Int32Array
  readonly value: Float64Array
  /** Of boosted trees: where missing values go. */
  readonly missingLeft?: Uint8Array
}

export interface TreeModel {
  readonly trees: readonly FlatTree[]
  readonly outputs: number
  /** Values that a leaf has: all outputs, or the one of its tree. */
  readonly width: number
  /** What each tree's value is multiplied with. */
  readonly scale: number
  readonly baseline: readonly number[]
  readonly output: 'probability' | 'decision' | 'prediction'
  readonly classes: readonly Label[] | undefined
}

/** The trees of a model; undefined for another model. */
export function treesOf(model: unknown): TreeModel | undefined {
  const own = model as { kind?: unknown; trees?: readonly FlatTree[]; baseline?: readonly number[]; classes?: readonly Label[] } | null
  if (typeof own !== 'object' || own === null || typeof own.kind !== 'string') return undefined
  const boosted = /^histGradientBoosting/.test(own.kind)
  if (!boosted && !/^(decisionTree|randomForest)/.test(own.kind)) return undefined
  const trees = own.trees!
  const classes = isClassifier(own) ? own.classes : undefined
  if (boosted) {
    const baseline = own.baseline!
    return { trees, outputs: baseline.length, width: 1, scale: 1, baseline, output: classes ? 'decision' : 'prediction', classes }
  }
  const outputs = classes?.length ?? 1
  const baseline = new Array<number>(outputs).fill(0)
  return { trees, outputs, width: outputs, scale: 1 / trees.length, baseline, output: classes ? 'probability' : 'prediction', classes }
}

const goesLeft = (tree: FlatTree, node: number, value: number): boolean => {
  if (tree.missingLeft === undefined) return Math.fround(value) <= tree.threshold[node]!
  return Number.isNaN(value) ? tree.missingLeft[node] === 1 : value <= tree.threshold[node]!
}

/** Whose value of a feature the way to a node took: neither's yet, or both go the same way; x's alone; the other's. */
const [BOTH, OWN, OTHER] = [0, 1, 2]

/** Adds the shares of one tree for a row x against a background row z to `shares`: [features][outputs]. */
function addShares(
  tree: FlatTree,
  model: TreeModel,
  output: number,
  x: Float64Array,
  z: Float64Array,
  weight: number,
  shares: number[][],
): void {
  const taken = new Uint8Array(x.length)
  const [mine, others]: [number[], number[]] = [[], []]
  const leaf = (node: number): void => {
    const [a, b] = [mine.length, others.length]
    if (a + b === 0) return
    // (a - 1)! b! / (a + b)!, and a! (b - 1)! / (a + b)!
    const [plus, minus] = [a > 0 ? 1 / (a * chooses(a + b, a)) : 0, b > 0 ? 1 / (b * chooses(a + b, b)) : 0]
    for (let k = 0; k < model.width; k++) {
      const value = weight * tree.value[node * model.width + k]!
      if (value === 0) continue
      for (const feature of mine) shares[feature]![output + k]! += value * plus
      for (const feature of others) shares[feature]![output + k]! -= value * minus
    }
  }
  const visit = (node: number): void => {
    const feature = tree.feature[node]!
    if (feature < 0) {
      leaf(node)
      return
    }
    const [xNext, zNext] = [x, z].map((row) => (goesLeft(tree, node, row[feature]!) ? tree.left[node]! : tree.right[node]!)) as [
      number,
      number,
    ]
    const before = taken[feature]!
    if (xNext === zNext || before === OWN) visit(xNext)
    else if (before === OTHER) visit(zNext)
    else {
      for (const [whose, list, next] of [
        [OWN, mine, xNext],
        [OTHER, others, zNext],
      ] as const) {
        taken[feature] = whose
        list.push(feature)
        visit(next)
        list.pop()
      }
      taken[feature] = BOTH
    }
  }
  visit(0)
}

/** C(n, k). */
function chooses(n: number, k: number): number {
  let product = 1
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i
  return product
}

/** Shares [rows][features][outputs], and the mean output of the background. */
export function treeShares(model: TreeModel, x: Matrix, background: Matrix): { values: number[][][]; base: number[] } {
  const { trees, outputs, width, scale, baseline } = model
  const rowOf = ({ data, columns }: Matrix, row: number): Float64Array => data.subarray(row * columns, (row + 1) * columns)
  const base = [...baseline]
  trees.forEach((tree, t) => {
    for (let row = 0; row < background.rows; row++) {
      let node = 0
      const own = rowOf(background, row)
      while (tree.feature[node]! >= 0) node = goesLeft(tree, node, own[tree.feature[node]!]!) ? tree.left[node]! : tree.right[node]!
      const output = width === 1 ? t % outputs : 0
      for (let k = 0; k < width; k++) base[output + k]! += (scale * tree.value[node * width + k]!) / background.rows
    }
  })
  const values = Array.from({ length: x.rows }, (_, row) => {
    const shares = Array.from({ length: x.columns }, () => new Array<number>(outputs).fill(0))
    trees.forEach((tree, t) => {
      const output = width === 1 ? t % outputs : 0
      for (let other = 0; other < background.rows; other++)
        addShares(tree, model, output, rowOf(x, row), rowOf(background, other), scale / background.rows, shares)
    })
    return shares
  })
  return { values, base }
}
