// The best split of a node by one feature: rows are counted by rank where there are few ranks, and sorted where there
// are few rows.
import type { Ranked } from './ranked.js'

export type Criterion = 'gini' | 'entropy' | 'squaredError'

/** What splits are made for: classes or numbers, and the weight of each row. */
export interface Targets {
  /** The class of each row; undefined where numbers are learned. */
  readonly classes: Int32Array | undefined
  readonly numbers: Float64Array | undefined
  readonly outputs: number
  readonly weights: Float64Array
}

export interface Split {
  feature: number
  /** Rows up to this rank go left. */
  rank: number
  /** The next larger rank in the node. */
  above: number
  /** Larger is better: what is left of the impurity, turned around. */
  gain: number
}

/** Finds splits; its arrays are used again and again. */
export class Splitter {
  private readonly ranked: Ranked
  private readonly targets: Targets
  private readonly criterion: Criterion
  private readonly leastRows: number
  private readonly leastWeight: number
  private sums = new Float64Array(1024)
  private counts = new Int32Array(1024)
  private keys = new Float64Array(256)
  private found = new Int32Array(256)
  private readonly left: Float64Array

  constructor(ranked: Ranked, targets: Targets, criterion: Criterion, leastRows: number, leastWeight = 0) {
    this.ranked = ranked
    this.targets = targets
    this.criterion = criterion
    this.leastRows = leastRows
    this.leastWeight = leastWeight
    this.left = new Float64Array(targets.outputs)
  }

  /**
   * Puts the best split of rows by a feature into `best` where it is better than what is there. Returns whether the
   * feature varies in the node.
   * @param totals the weight of each class, or the weighted sum of y
   */
  try(feature: number, rows: Int32Array, totals: Float64Array, weight: number, best: Split): boolean {
    const ranks = this.ranked.ranks[feature]!
    const first = ranks[rows[0]!]!
    let other = 1
    while (other < rows.length && ranks[rows[other]!]! === first) other++
    if (other === rows.length) return false
    const span = this.ranked.values[feature]!.length
    if (span * (this.targets.outputs + 1) <= 16 * rows.length) this.counted(feature, rows, span, totals, weight, best)
    else this.sorted(feature, rows, totals, weight, best)
    return true
  }

  /** One entry for each rank: weight, and the weight of each class or the sum of y. */
  private counted(feature: number, rows: Int32Array, span: number, totals: Float64Array, weight: number, best: Split): void {
    const { classes, numbers, weights, outputs } = this.targets
    const ranks = this.ranked.ranks[feature]!
    const width = outputs + 1
    if (this.sums.length < span * width) this.sums = new Float64Array(2 * span * width)
    if (this.counts.length < span) this.counts = new Int32Array(2 * span)
    const { sums, counts } = this
    sums.fill(0, 0, span * width)
    counts.fill(0, 0, span)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const place = ranks[row]!
      const own = weights[row]!
      counts[place]!++
      sums[place * width]! += own
      if (classes !== undefined) sums[place * width + 1 + classes[row]!]! += own
      else sums[place * width + 1]! += own * numbers![row]!
    }
    this.scan(feature, span, undefined, rows.length, totals, weight, best)
  }

  private sorted(feature: number, rows: Int32Array, totals: Float64Array, weight: number, best: Split): void {
    const { classes, numbers, weights, outputs } = this.targets
    const ranks = this.ranked.ranks[feature]!
    const count = rows.length
    // rank and place in one number: typed arrays sort numbers fast
    if (this.keys.length < count) this.keys = new Float64Array(2 * count)
    if (this.found.length < count) this.found = new Int32Array(2 * count)
    const keys = this.keys.subarray(0, count)
    for (let i = 0; i < count; i++) keys[i] = ranks[rows[i]!]! * count + i
    keys.sort()
    const width = outputs + 1
    if (this.sums.length < count * width) this.sums = new Float64Array(2 * count * width)
    if (this.counts.length < count) this.counts = new Int32Array(2 * count)
    const { sums, counts } = this
    sums.fill(0, 0, count * width)
    counts.fill(0, 0, count)
    const { found } = this
    let place = -1
    for (let i = 0; i < count; i++) {
      const own = Math.floor(keys[i]! / count)
      if (place < 0 || own !== found[place]) found[++place] = own
      const row = rows[keys[i]! - own * count]!
      counts[place]!++
      sums[place * width]! += weights[row]!
      if (classes !== undefined) sums[place * width + 1 + classes[row]!]! += weights[row]!
      else sums[place * width + 1]! += weights[row]! * numbers![row]!
    }
    this.scan(feature, place + 1, found, count, totals, weight, best)
  }

  /**
   * Tries every boundary between ranks that occur; `found` has those of the places, by default the places themselves.
   */
  private scan(
    feature: number,
    span: number,
    found: Int32Array | undefined,
    rows: number,
    totals: Float64Array,
    weight: number,
    best: Split,
  ): void {
    const { sums, counts, left, leastRows, leastWeight } = this
    const { outputs } = this.targets
    const width = outputs + 1
    left.fill(0)
    let [count, leftWeight, leftSquares, rightSquares] = [0, 0, 0, 0]
    for (let k = 0; k < outputs; k++) rightSquares += totals[k]! ** 2
    const entropy = this.criterion === 'entropy'
    let pending = -1
    for (let place = 0; place < span; place++) {
      if (counts[place] === 0) continue
      if (pending >= 0 && count >= leastRows && rows - count >= leastRows) {
        const rightWeight = weight - leftWeight
        if (leftWeight > 0 && rightWeight > 0 && leftWeight >= leastWeight && rightWeight >= leastWeight) {
          const gain = entropy ? this.entropyGain(totals, leftWeight, rightWeight) : leftSquares / leftWeight + rightSquares / rightWeight
          if (gain > best.gain) {
            best.gain = gain
            best.feature = feature
            best.rank = found?.[pending] ?? pending
            best.above = found?.[place] ?? place
          }
        }
      }
      count += counts[place]!
      leftWeight += sums[place * width]!
      for (let k = 0; k < outputs; k++) {
        const own = sums[place * width + 1 + k]!
        if (own === 0) continue
        // (a + d)² - a² = d · (2a + d)
        const before = left[k]!
        leftSquares += own * (2 * before + own)
        rightSquares -= own * (2 * (totals[k]! - before) - own)
        left[k] = before + own
      }
      pending = place
    }
  }

  /** Minus the entropies of both sides, weighted. */
  private entropyGain(totals: Float64Array, leftWeight: number, rightWeight: number): number {
    let sum = 0
    for (let k = 0; k < totals.length; k++) {
      const a = this.left[k]!
      const b = totals[k]! - a
      if (a > 0) sum += a * Math.log2(a / leftWeight)
      if (b > 0) sum += b * Math.log2(b / rightWeight)
    }
    return sum
  }
}
