// Histograms of slopes: for each feature and bin the sum of slopes, the sum of curvatures, and the number of rows; and
// the best split by them. Four features are taken at once, so that what one step wrote is in the cache for the next.
import type { Binned } from './bins.js'

export interface Split {
  gain: number
  feature: number
  /** Bins up to this one go left. */
  bin: number
  missingLeft: boolean
}

/** A node's rows and sums; what is found for it. */
export interface Sums {
  readonly begin: number
  readonly end: number
  readonly gradient: number
  readonly hessian: number
  histogram: Float64Array | undefined
  split: Split | undefined
}

/** The least curvature of a side of a split. */
const LEAST_HESSIAN = 1e-3
/** Less than 1 by more than what rounding adds to a product. */
const BARELY = 1 - 1e-14

export class Histograms {
  private readonly binned: Binned
  private readonly minSamplesLeaf: number
  private readonly l2: number
  /** Where each feature begins: a bin has three sums, and the last one is of missing values. */
  private readonly begins: Int32Array
  private readonly free: Float64Array[] = []
  /** Slope and curvature of the rows of a node, in their order. */
  private readonly pairs: Float64Array

  constructor(binned: Binned, minSamplesLeaf: number, l2: number) {
    const { groups, thresholds, rows } = binned
    this.binned = binned
    this.minSamplesLeaf = minSamplesLeaf
    this.l2 = l2
    this.begins = new Int32Array(4 * groups.length + 1)
    for (let f = 0; f < this.begins.length - 1; f++) this.begins[f + 1] = this.begins[f]! + 3 * ((thresholds[f]?.length ?? 0) + 2)
    this.pairs = new Float64Array(2 * rows)
  }

  /** A node has no more use for its histogram. */
  release(node: Sums): void {
    if (node.histogram !== undefined) this.free.push(node.histogram)
    node.histogram = undefined
  }

  /**
   * Counts the rows order[begin..end) of a node. Of `other`, which has the rest of its parent's rows, the histogram is
   * what is left of the parent's. Both get their best split, if they may have one.
   */
  fill(
    node: Sums,
    other: Sums | undefined,
    parent: Float64Array | undefined,
    order: Int32Array,
    gradients: Float64Array,
    hessians: Float64Array,
  ): void {
    const { pairs, begins, binned } = this
    const { begin, end } = node
    for (let i = begin, p = 0; i < end; i++, p += 2) {
      const row = order[i]!
      pairs[p] = gradients[row]!
      pairs[p + 1] = hessians[row]!
    }
    const histogram = this.free.pop() ?? new Float64Array(begins.at(-1)!)
    const [ownBest, otherBest]: [Split, Split] = [nothing(), nothing()]
    for (let group = 0; group < binned.groups.length; group++) {
      const f = 4 * group
      const [from, to] = [begins[f]!, begins[f + 4]!]
      histogram.fill(0, from, to)
      const common = binned.common[group]!
      count(histogram, binned.groups[group]!, common, order, begin, end, pairs, from, begins[f + 1]!, begins[f + 2]!, begins[f + 3]!)
      if (parent !== undefined) for (let i = from; i < to; i++) parent[i]! -= histogram[i]!
      for (let own = f; own < Math.min(f + 4, binned.thresholds.length); own++) {
        this.search(histogram, own, node, ownBest)
        if (other !== undefined) this.search(parent!, own, other, otherBest)
      }
    }
    node.histogram = histogram
    node.split = ownBest.feature < 0 ? undefined : ownBest
    if (other === undefined) return
    other.histogram = parent
    other.split = otherBest.feature < 0 ? undefined : otherBest
  }

  /** The best split by one feature, where it is better than `best`. */
  private search(histogram: Float64Array, f: number, { gradient, hessian, begin, end }: Sums, best: Split): void {
    const { minSamplesLeaf, l2 } = this
    const count = end - begin
    if (count < 2 * minSamplesLeaf) return
    const base = this.begins[f]!
    const last = this.binned.thresholds[f]!.length
    const lost = base + (last + 1) * 3
    const missing = this.binned.missing[f]!
    const before = worth(gradient, hessian + l2)
    // missing values go right, and then left; the last bin of all values is a side of its own only against them
    for (let pass = 0; pass < (missing ? 2 : 1); pass++) {
      const missingLeft = pass === 1
      let g = missingLeft ? histogram[lost]! : 0
      let h = missingLeft ? histogram[lost + 1]! : 0
      let n = missingLeft ? histogram[lost + 2]! : 0
      const stop = missing && !missingLeft ? last : last - 1
      let limit = (best.gain + before) * BARELY
      for (let bin = 0, at = base; bin <= stop; bin++, at += 3) {
        const own = histogram[at + 2]!
        // an empty bin parts the rows as the one before it
        if (own === 0) continue
        n += own
        g += histogram[at]!
        h += histogram[at + 1]!
        if (n < minSamplesLeaf || h < LEAST_HESSIAN) continue
        const [restG, restH] = [gradient - g, hessian - h]
        if (count - n < minSamplesLeaf || restH < LEAST_HESSIAN) break
        // both quotients over one denominator: most bins need no division
        const [a, b] = [h + l2, restH + l2]
        if (g * g * b + restG * restG * a <= limit * (a * b)) continue
        const gain = worth(g, a) + worth(restG, b) - before
        if (gain <= best.gain) continue
        best.gain = gain
        best.feature = f
        best.bin = bin
        best.missingLeft = missingLeft
        limit = (gain + before) * BARELY
      }
    }
  }

  /** Sums of slopes and curvatures on the left side of a split. */
  leftOf(histogram: Float64Array, { feature, bin, missingLeft }: Split): { gradient: number; hessian: number } {
    const base = this.begins[feature]!
    const lost = base + (this.binned.thresholds[feature]!.length + 1) * 3
    let [gradient, hessian] = missingLeft ? [histogram[lost]!, histogram[lost + 1]!] : [0, 0]
    for (let at = base; at <= base + bin * 3; at += 3) {
      gradient += histogram[at]!
      hessian += histogram[at + 1]!
    }
    return { gradient, hessian }
  }
}

const nothing = (): Split => ({ gain: 0, feature: -1, bin: 0, missingLeft: false })

const worth = (gradient: number, hessian: number): number => (gradient * gradient) / (hessian + 1e-15)

/**
 * Adds the rows order[begin..end) to the histograms of four features, whose bins are the bytes of `words`. Rows whose
 * bins are the common ones are summed first: of images and of counts there are many.
 */
function count(
  histogram: Float64Array,
  words: Int32Array,
  common: number,
  order: Int32Array,
  begin: number,
  end: number,
  pairs: Float64Array,
  baseA: number,
  baseB: number,
  baseC: number,
  baseD: number,
): void {
  let [commonGradient, commonHessian, commonRows] = [0, 0, 0]
  for (let i = begin, p = 0; i < end; i++, p += 2) {
    const word = words[order[i]!]!
    const gradient = pairs[p]!
    const hessian = pairs[p + 1]!
    if (word === common) {
      commonGradient += gradient
      commonHessian += hessian
      commonRows++
      continue
    }
    add(histogram, baseA + (word & 0xff) * 3, gradient, hessian, 1)
    add(histogram, baseB + ((word >>> 8) & 0xff) * 3, gradient, hessian, 1)
    add(histogram, baseC + ((word >>> 16) & 0xff) * 3, gradient, hessian, 1)
    add(histogram, baseD + (word >>> 24) * 3, gradient, hessian, 1)
  }
  if (commonRows === 0) return
  add(histogram, baseA + (common & 0xff) * 3, commonGradient, commonHessian, commonRows)
  add(histogram, baseB + ((common >>> 8) & 0xff) * 3, commonGradient, commonHessian, commonRows)
  add(histogram, baseC + ((common >>> 16) & 0xff) * 3, commonGradient, commonHessian, commonRows)
  add(histogram, baseD + (common >>> 24) * 3, commonGradient, commonHessian, commonRows)
}

function add(histogram: Float64Array, at: number, gradient: number, hessian: number, rows: number): void {
  histogram[at]! += gradient
  histogram[at + 1]! += hessian
  histogram[at + 2]! += rows
}
