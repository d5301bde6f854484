// Histograms of slopes: for each feature and bin the sum of slopes, the sum of curvatures, and the number of rows; and
// the best split by them. They are counted and searched in native/learn_histograms.cc.
import { native } from '../../core/addon.js'
import { guard } from '../../core/error.js'
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

export class Histograms {
  private readonly binned: Binned
  private readonly minSamplesLeaf: number
  private readonly l2: number
  private readonly facts: { words: Int32Array; common: Int32Array; begins: Int32Array; missing: Uint8Array }
  private readonly free: Float64Array[] = []
  /** Slope and curvature of the rows of a node, in their order. */
  private readonly pairs: Float64Array
  private readonly best = new Float64Array(8)

  constructor(binned: Binned, minSamplesLeaf: number, l2: number) {
    const { words, common, thresholds, rows } = binned
    this.binned = binned
    this.minSamplesLeaf = minSamplesLeaf
    this.l2 = l2
    // where each feature begins: a bin has three sums, and the last one is of missing values
    const begins = new Int32Array(4 * common.length + 1)
    for (let f = 0; f < begins.length - 1; f++) begins[f + 1] = begins[f]! + 3 * ((thresholds[f]?.length ?? 0) + 2)
    this.facts = { words, common, begins, missing: Uint8Array.from(binned.missing, Number) }
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
    const { pairs, facts, best } = this
    const { begin, end } = node
    for (let i = begin, p = 0; i < end; i++, p += 2) {
      const row = order[i]!
      pairs[p] = gradients[row]!
      pairs[p + 1] = hessians[row]!
    }
    const histogram = this.free.pop() ?? new Float64Array(facts.begins.at(-1)!)
    const sums = [node, other].flatMap((one) => (one ? [one.gradient, one.hessian, one.end - one.begin] : [0, 0, 0]))
    const numbers = Float64Array.of(...sums, this.minSamplesLeaf, this.l2)
    guard(() => native.fillHistogram(facts, order.subarray(begin, end), pairs, histogram, parent ?? null, numbers, best))
    node.histogram = histogram
    node.split = splitAt(best, 0)
    if (other === undefined) return
    other.histogram = parent
    other.split = splitAt(best, 4)
  }

  /** Sums of slopes and curvatures on the left side of a split. */
  leftOf(histogram: Float64Array, { feature, bin, missingLeft }: Split): { gradient: number; hessian: number } {
    const base = this.facts.begins[feature]!
    const lost = base + (this.binned.thresholds[feature]!.length + 1) * 3
    let [gradient, hessian] = missingLeft ? [histogram[lost]!, histogram[lost + 1]!] : [0, 0]
    for (let at = base; at <= base + bin * 3; at += 3) {
      gradient += histogram[at]!
      hessian += histogram[at + 1]!
    }
    return { gradient, hessian }
  }
}

function splitAt(best: Float64Array, at: number): Split | undefined {
  const [gain, feature, bin, missingLeft] = best.subarray(at, at + 4) as unknown as [number, number, number, number]
  return feature < 0 ? undefined : { gain, feature, bin, missingLeft: missingLeft === 1 }
}
