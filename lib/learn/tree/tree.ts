// A grown tree: nodes in flat arrays, and its predictions.
import type { Matrix } from '../matrix.js'

/** Node 0 is the root. A row goes left where its feature, as float32, is at most the threshold. */
export interface Tree {
  /** -1 in leaves. */
  readonly feature: Int32Array
  readonly threshold: Float64Array
  /** Children; -1 in leaves. */
  readonly left: Int32Array
  readonly right: Int32Array
  /** [nodes][outputs]: shares of classes, or the mean of y. */
  readonly value: Float64Array
  /** The weight of the training rows in each node. */
  readonly weight: Float64Array
  /** How mixed the training rows of each node are, by the criterion. */
  readonly impurity: Float64Array
  /** How many training rows are in each node. */
  readonly samples: Int32Array
}

/** The leaf of each row. */
export function leavesOf({ feature, threshold, left, right }: Tree, { data, rows, columns }: Matrix): Int32Array {
  const leaves = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const at = row * columns
    let node = 0
    while (feature[node]! >= 0) node = Math.fround(data[at + feature[node]!]!) <= threshold[node]! ? left[node]! : right[node]!
    leaves[row] = node
  }
  return leaves
}

/** Adds the values of each row's leaf to `sums`: [rows][outputs]. */
export function addPredictions(tree: Tree, x: Matrix, outputs: number, sums: Float64Array): void {
  const leaves = leavesOf(tree, x)
  for (let row = 0; row < x.rows; row++)
    for (let k = 0; k < outputs; k++) sums[row * outputs + k]! += tree.value[leaves[row]! * outputs + k]!
}

export function depthOf({ left, right }: Tree): number {
  const depths = new Int32Array(left.length)
  let most = 0
  // children stand behind their parents
  for (let node = 0; node < left.length; node++) {
    if (left[node]! < 0) continue
    depths[left[node]!] = depths[right[node]!] = depths[node]! + 1
    most = Math.max(most, depths[node]! + 1)
  }
  return most
}

export const leafCount = ({ feature }: Tree): number => feature.reduce((count, own) => count + (own < 0 ? 1 : 0), 0)

/**
 * How much each feature lowers the impurity, weighted; the sum is 1 unless nothing was split (Breiman et al., 1984).
 */
export function importances(tree: Tree, features: number): Float64Array {
  const sums = new Float64Array(features)
  const { feature, left, right, weight, impurity } = tree
  for (let node = 0; node < feature.length; node++) {
    if (feature[node]! < 0) continue
    const [a, b] = [left[node]!, right[node]!]
    sums[feature[node]!]! += weight[node]! * impurity[node]! - weight[a]! * impurity[a]! - weight[b]! * impurity[b]!
  }
  const total = sums.reduce((a, b) => a + b, 0)
  return total > 0 ? sums.map((sum) => sum / total) : sums
}
