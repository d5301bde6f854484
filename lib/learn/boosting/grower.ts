// One tree of boosting, grown leaf by leaf from histograms of slopes (as in LightGBM; Ke et al., 2017).
import type { Binned } from './bins.js'

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

/** The least curvature of a side of a split. */
const LEAST_HESSIAN = 1e-3

interface Split {
  gain: number
  feature: number
  /** Bins up to this one go left. */
  bin: number
  missingLeft: boolean
}
interface Leaf {
  node: number
  begin: number
  end: number
  depth: number
  gradient: number
  hessian: number
  histogram: Float64Array | undefined
  split: Split | undefined
}

/**
 * The tree that lowers the loss most, by slopes and curvatures of all rows. `scores` are raised by it.
 */
export function growTree(
  { bins, thresholds, missing, rows }: Binned,
  gradients: Float64Array,
  hessians: Float64Array,
  scores: Float64Array,
  { learningRate, maxLeafNodes, maxDepth, minSamplesLeaf, l2 }: GrowerOptions,
  pool: HistogramPool,
): BoostedTree {
  const order = Int32Array.from({ length: rows }, (_, row) => row)
  const spare = new Int32Array(rows)
  const pairs = new Float64Array(2 * rows)
  // where each feature begins in a histogram: a bin has three sums, and the last one is of missing values
  const begins = new Int32Array(bins.length + 1)
  for (let f = 0; f < bins.length; f++) begins[f + 1] = begins[f]! + 3 * (thresholds[f]!.length + 2)
  const tree = { feature: [-1], threshold: [0], missingLeft: [0], left: [-1], right: [-1], value: [0], samples: [rows] }

  /** For each feature and bin: sum of slopes, sum of curvatures, number of rows. */
  const histogramOf = (begin: number, end: number): Float64Array => {
    const histogram = pool.take(begins[bins.length]!)
    // slopes in the order of the rows, so that each feature reads them one after the other
    for (let i = begin; i < end; i++) {
      pairs[2 * (i - begin)] = gradients[order[i]!]!
      pairs[2 * (i - begin) + 1] = hessians[order[i]!]!
    }
    const own = order.subarray(begin, end)
    let f = 0
    for (; f + 3 < bins.length; f += 4) count4(histogram, own, pairs, bins, begins, f)
    for (; f < bins.length; f++) count(histogram, own, pairs, bins[f]!, begins[f]!)
    return histogram
  }
  const worth = (gradient: number, hessian: number): number => (gradient * gradient) / (hessian + l2 + 1e-15)

  const bestSplit = ({ histogram, gradient, hessian, begin, end }: Leaf): Split | undefined => {
    const best: Split = { gain: 0, feature: -1, bin: 0, missingLeft: false }
    const before = worth(gradient, hessian)
    const count = end - begin
    for (let f = 0; f < bins.length; f++) {
      const base = begins[f]!
      const last = thresholds[f]!.length
      const lost = base + (last + 1) * 3
      // missing values go right, and then left; the last bin of all values is a side of its own only against them
      for (const missingLeft of missing[f] ? [false, true] : [false]) {
        let [g, h, n] = missingLeft ? [histogram![lost]!, histogram![lost + 1]!, histogram![lost + 2]!] : [0, 0, 0]
        const stop = missing[f] && !missingLeft ? last : last - 1
        for (let bin = 0; bin <= stop; bin++) {
          const at = base + bin * 3
          // an empty bin parts the rows as the one before it
          if (histogram![at + 2] === 0) continue
          g += histogram![at]!
          h += histogram![at + 1]!
          n += histogram![at + 2]!
          if (n < minSamplesLeaf || h < LEAST_HESSIAN) continue
          if (count - n < minSamplesLeaf || hessian - h < LEAST_HESSIAN) break
          const gain = worth(g, h) + worth(gradient - g, hessian - h) - before
          if (gain > best.gain) {
            best.gain = gain
            best.feature = f
            best.bin = bin
            best.missingLeft = missingLeft
          }
        }
      }
    }
    return best.feature < 0 ? undefined : best
  }

  const part = ({ begin, end }: Leaf, { feature, bin, missingLeft }: Split): number => {
    const own = bins[feature]!
    const lost = thresholds[feature]!.length + 1
    let [low, high] = [begin, 0]
    for (let i = begin; i < end; i++) {
      const row = order[i]!
      const place = own[row]!
      if (place === lost ? missingLeft : place <= bin) order[low++] = row
      else spare[high++] = row
    }
    order.set(spare.subarray(0, high), low)
    return low
  }

  let [gradient, hessian] = [0, 0]
  for (let row = 0; row < rows; row++) {
    gradient += gradients[row]!
    hessian += hessians[row]!
  }
  const root: Leaf = { node: 0, begin: 0, end: rows, depth: 0, gradient, hessian, histogram: undefined, split: undefined }
  const splittable = ({ depth, begin, end }: Leaf): boolean => depth < maxDepth && end - begin >= 2 * minSamplesLeaf
  const leaves: Leaf[] = [root]
  if (splittable(root)) {
    root.histogram = histogramOf(0, rows)
    root.split = bestSplit(root)
  }
  while (leaves.length < maxLeafNodes) {
    let chosen: Leaf | undefined
    for (const leaf of leaves) if (leaf.split !== undefined && (chosen === undefined || leaf.split.gain > chosen.split!.gain)) chosen = leaf
    if (chosen === undefined) break
    const split = chosen.split!
    const middle = part(chosen, split)
    const { node, begin, end, depth, histogram } = chosen
    const left: Leaf = {
      ...sumsOf(histogram!, split, begins[split.feature]!, thresholds[split.feature]!.length + 1),
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
    tree.feature[node] = split.feature
    // where only missing values go right, all others are at most infinite
    tree.threshold[node] = thresholds[split.feature]![split.bin] ?? Number.POSITIVE_INFINITY
    tree.missingLeft[node] = split.missingLeft ? 1 : 0
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
      small.histogram = histogramOf(small.begin, small.end)
      large.histogram = subtract(histogram!, small.histogram)
      for (const leaf of [left, right]) if (splittable(leaf)) leaf.split = bestSplit(leaf)
    } else pool.give(histogram!)
    chosen.histogram = undefined
    for (const leaf of [left, right])
      if (leaf.split === undefined && leaf.histogram !== undefined) {
        pool.give(leaf.histogram)
        leaf.histogram = undefined
      }
  }
  for (const { node, begin, end, gradient: g, hessian: h, histogram } of leaves) {
    if (histogram !== undefined) pool.give(histogram)
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

/** Adds the rows of a node to the histogram of one feature. */
function count(histogram: Float64Array, rows: Int32Array, pairs: Float64Array, own: Uint8Array, base: number): void {
  for (let i = 0, p = 0; i < rows.length; i++, p += 2) {
    const at = base + own[rows[i]!]! * 3
    histogram[at]! += pairs[p]!
    histogram[at + 1]! += pairs[p + 1]!
    histogram[at + 2]!++
  }
}

/** The same for four features at once, which read the rows and their slopes only once. */
function count4(
  histogram: Float64Array,
  rows: Int32Array,
  pairs: Float64Array,
  bins: readonly Uint8Array[],
  begins: Int32Array,
  f: number,
): void {
  const [a, b, c, d] = [bins[f]!, bins[f + 1]!, bins[f + 2]!, bins[f + 3]!]
  const [baseA, baseB, baseC, baseD] = [begins[f]!, begins[f + 1]!, begins[f + 2]!, begins[f + 3]!]
  for (let i = 0, p = 0; i < rows.length; i++, p += 2) {
    const row = rows[i]!
    const gradient = pairs[p]!
    const hessian = pairs[p + 1]!
    const atA = baseA + a[row]! * 3
    histogram[atA]! += gradient
    histogram[atA + 1]! += hessian
    histogram[atA + 2]!++
    const atB = baseB + b[row]! * 3
    histogram[atB]! += gradient
    histogram[atB + 1]! += hessian
    histogram[atB + 2]!++
    const atC = baseC + c[row]! * 3
    histogram[atC]! += gradient
    histogram[atC + 1]! += hessian
    histogram[atC + 2]!++
    const atD = baseD + d[row]! * 3
    histogram[atD]! += gradient
    histogram[atD + 1]! += hessian
    histogram[atD + 2]!++
  }
}

function subtract(from: Float64Array, part: Float64Array): Float64Array {
  for (let i = 0; i < from.length; i++) from[i]! -= part[i]!
  return from
}

/** Histograms that are used again: those of all leaves of a tree are large. */
export class HistogramPool {
  private readonly free: Float64Array[] = []

  /** A histogram of zeros. */
  take(size: number): Float64Array {
    return this.free.pop()?.fill(0) ?? new Float64Array(size)
  }
  give(histogram: Float64Array): void {
    this.free.push(histogram)
  }
}

/** Sums of slopes and curvatures on the left side of a split. */
function sumsOf(
  histogram: Float64Array,
  { bin, missingLeft }: Split,
  base: number,
  missingBin: number,
): { gradient: number; hessian: number } {
  const lost = base + missingBin * 3
  let [gradient, hessian] = missingLeft ? [histogram[lost]!, histogram[lost + 1]!] : [0, 0]
  for (let at = base; at <= base + bin * 3; at += 3) {
    gradient += histogram[at]!
    hessian += histogram[at + 1]!
  }
  return { gradient, hessian }
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
