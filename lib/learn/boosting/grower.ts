// One tree of boosting, grown leaf by leaf from histograms of slopes (as in LightGBM; Ke et al., 2017).
import type { Binned } from './bins.js'
import type { Histograms, Split, Sums } from './histograms.js'

/** A row goes left where its value is at most the threshold, or is missing and missing values go left. */
export interface BoostedTree {
  /** -1 in leaves. */
  feature: Int32Array
  threshold: Float64Array
  missingLeft: Uint8Array
  /** Children; -1 in leaves. */
  left: Int32Array
  right: Int32Array
  /** What a leaf adds to the score, the learning rate included. */
  value: Float64Array
  /** The training rows in each node. */
  samples: Int32Array
}

export interface GrowerOptions {
  learningRate: number
  maxLeafNodes: number
  maxDepth: number
  minSamplesLeaf: number
  l2: number
}

interface Leaf extends Sums {
  readonly node: number
  readonly depth: number
}

/**
 * The tree that lowers the loss most, by slopes and curvatures of all rows. `scores` are raised by it.
 */
export function growTree(
  { words, thresholds, rows }: Binned,
  histograms: Histograms,
  gradients: Float64Array,
  hessians: Float64Array,
  scores: Float64Array,
  { learningRate, maxLeafNodes, maxDepth, minSamplesLeaf, l2 }: GrowerOptions,
): BoostedTree {
  const order = Int32Array.from({ length: rows }, (_, row) => row)
  const spare = new Int32Array(rows)
  const tree = { feature: [-1], threshold: [0], missingLeft: [0], left: [-1], right: [-1], value: [0], samples: [rows] }

  let [gradient, hessian] = [0, 0]
  for (let row = 0; row < rows; row++) {
    gradient += gradients[row]!
    hessian += hessians[row]!
  }
  const root: Leaf = { node: 0, begin: 0, end: rows, depth: 0, gradient, hessian, histogram: undefined, split: undefined }
  const splittable = ({ depth, begin, end }: Leaf): boolean => depth < maxDepth && end - begin >= 2 * minSamplesLeaf
  const leaves: Leaf[] = [root]
  if (splittable(root)) histograms.fill(root, undefined, undefined, order, gradients, hessians)
  while (leaves.length < maxLeafNodes) {
    let chosen: Leaf | undefined
    for (const leaf of leaves) if (leaf.split !== undefined && (chosen === undefined || leaf.split.gain > chosen.split!.gain)) chosen = leaf
    if (chosen === undefined) break
    const split = chosen.split!
    const { node, begin, end, depth } = chosen
    const { feature, bin, missingLeft } = split
    const middle = part(
      order,
      spare,
      chosen,
      words.subarray((feature >> 2) * rows),
      8 * (feature & 3),
      thresholds[feature]!.length + 1,
      split,
    )
    const left: Leaf = {
      ...histograms.leftOf(chosen.histogram!, split),
      node: tree.feature.length,
      begin,
      end: middle,
      depth: depth + 1,
      histogram: undefined,
      split: undefined,
    }
    const right: Leaf = {
      node: left.node + 1,
      begin: middle,
      end,
      depth: depth + 1,
      gradient: chosen.gradient - left.gradient,
      hessian: chosen.hessian - left.hessian,
      histogram: undefined,
      split: undefined,
    }
    tree.feature[node] = feature
    // where only missing values go right, all others are at most infinite
    tree.threshold[node] = thresholds[feature]![bin] ?? Number.POSITIVE_INFINITY
    tree.missingLeft[node] = missingLeft ? 1 : 0
    tree.left[node] = left.node
    tree.right[node] = right.node
    for (const { begin: from, end: to } of [left, right]) {
      tree.feature.push(-1)
      tree.threshold.push(0)
      tree.missingLeft.push(0)
      tree.left.push(-1)
      tree.right.push(-1)
      tree.value.push(0)
      tree.samples.push(to - from)
    }
    leaves.splice(leaves.indexOf(chosen), 1, left, right)
    if (leaves.length < maxLeafNodes && (splittable(left) || splittable(right))) {
      // the smaller side is counted, the larger one is what is left
      const [small, large] = middle - begin <= end - middle ? [left, right] : [right, left]
      histograms.fill(small, large, chosen.histogram, order, gradients, hessians)
      chosen.histogram = undefined
    }
    histograms.release(chosen)
    for (const leaf of [left, right]) {
      if (!splittable(leaf)) leaf.split = undefined
      if (leaf.split === undefined) histograms.release(leaf)
    }
  }
  for (const leaf of leaves) {
    const { node, begin, end, gradient: g, hessian: h } = leaf
    histograms.release(leaf)
    const value = (tree.value[node] = (-learningRate * g) / (h + l2 + 1e-15))
    for (let i = begin; i < end; i++) scores[order[i]!]! += value
  }
  return {
    feature: Int32Array.from(tree.feature),
    threshold: Float64Array.from(tree.threshold),
    missingLeft: Uint8Array.from(tree.missingLeft),
    left: Int32Array.from(tree.left),
    right: Int32Array.from(tree.right),
    value: Float64Array.from(tree.value),
    samples: Int32Array.from(tree.samples),
  }
}

/** Puts the rows of the left side of a split first, each side in its order. Returns where the right one begins. */
function part(
  order: Int32Array,
  spare: Int32Array,
  { begin, end }: Leaf,
  words: Int32Array,
  shift: number,
  lost: number,
  { bin, missingLeft }: Split,
): number {
  let [low, high] = [begin, 0]
  for (let i = begin; i < end; i++) {
    const row = order[i]!
    const own = (words[row]! >>> shift) & 0xff
    if (own === lost ? missingLeft : own <= bin) order[low++] = row
    else spare[high++] = row
  }
  for (let i = 0; i < high; i++) order[low + i] = spare[i]!
  return low
}

/** Adds what the tree gives for each row of X to `scores`. */
export function addTree(tree: BoostedTree, data: Float64Array, columns: number, scores: Float64Array): void {
  const { feature, threshold, missingLeft, left, right, value } = tree
  for (let row = 0, at = 0; row < scores.length; row++, at += columns) {
    let node = 0
    while (feature[node]! >= 0) {
      const own = data[at + feature[node]!]!
      const goesLeft = Number.isNaN(own) ? missingLeft[node] === 1 : own <= threshold[node]!
      node = goesLeft ? left[node]! : right[node]!
    }
    scores[row]! += value[node]!
  }
}
