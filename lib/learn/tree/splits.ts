// The best split of a node by one feature: the node's rows are sorted by their ranks, and every place where the rank
// changes is tried.
import { RankSorter } from './rank_sorter.js'
import type { Ranked, Ranks } from './ranked.js'

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

/** Finds splits of one node after the other; its arrays are used again and again. */
export class Splitter {
  private readonly ranked: Ranked
  private readonly targets: Targets
  private readonly criterion: Criterion
  private readonly leastRows: number
  private readonly sorter: RankSorter
  // of the node: its rows, and the class, the number and the weight of each
  private readonly rows: Int32Array
  private readonly classes: Int32Array
  private readonly numbers: Float64Array
  private readonly weights: Float64Array
  private readonly left: Float64Array
  private count = 0
  /** The weight of each class, or the weighted sum of y. */
  readonly totals: Float64Array
  weight = 0
  /** The weighted sum of y². */
  squares = 0

  /** @param most the most rows that a node has */
  constructor(ranked: Ranked, targets: Targets, criterion: Criterion, leastRows: number, most: number) {
    this.ranked = ranked
    this.targets = targets
    this.criterion = criterion
    this.leastRows = leastRows
    this.sorter = new RankSorter(most, ranked.rows)
    this.rows = new Int32Array(most)
    this.classes = new Int32Array(most)
    this.numbers = new Float64Array(targets.numbers === undefined ? 0 : most)
    this.weights = new Float64Array(most)
    this.left = new Float64Array(targets.outputs)
    this.totals = new Float64Array(targets.outputs)
  }

  /** Makes the rows order[begin..end) the node. */
  enter(order: Int32Array, begin: number, end: number): void {
    const { rows, totals, weights } = this
    const { classes, numbers, weights: all } = this.targets
    totals.fill(0)
    let [weight, squares] = [0, 0]
    for (let i = 0; i < end - begin; i++) {
      const row = order[begin + i]!
      const own = all[row]!
      rows[i] = row
      weights[i] = own
      weight += own
      if (classes !== undefined) {
        this.classes[i] = classes[row]!
        totals[classes[row]!]! += own
      } else {
        const y = numbers![row]!
        this.numbers[i] = y
        totals[0]! += own * y
        squares += own * y * y
      }
    }
    this.count = end - begin
    this.weight = weight
    this.squares = squares
  }

  /**
   * Puts the best split of the node by a feature into `best` where it is better than what is there. Returns whether
   * the feature varies in the node.
   */
  try(feature: number, best: Split): boolean {
    const { ranked, rows, count, sorter } = this
    if (!sorter.gather(ranked.ranks, feature * ranked.rows, rows, count, ranked.values[feature]!.length)) return false
    sorter.sort(count)
    if (this.criterion === 'gini') this.gini(feature, best)
    else if (this.criterion === 'entropy') this.entropy(feature, best)
    else this.squaredError(feature, best)
    return true
  }

  private gini(feature: number, best: Split): void {
    const { count, leastRows, classes, weights, left, totals, weight } = this
    const { keys, places } = this.sorter
    left.fill(0)
    let [leftWeight, leftSquares, rightSquares] = [0, 0, 0]
    for (let k = 0; k < totals.length; k++) rightSquares += totals[k]! * totals[k]!
    let before = keys[places[0]!]!
    for (let p = 0; p < count; p++) {
      const i = places[p]!
      const key = keys[i]!
      if (key !== before) {
        const rightWeight = weight - leftWeight
        if (p >= leastRows && count - p >= leastRows && rightWeight > 0) {
          const gain = leftSquares / leftWeight + rightSquares / rightWeight
          if (gain > best.gain) keep(best, gain, feature, before, key)
        }
        before = key
      }
      const own = weights[i]!
      const k = classes[i]!
      const sum = left[k]!
      // (a + d)² - a² = d · (2a + d)
      leftSquares += own * (2 * sum + own)
      rightSquares -= own * (2 * (totals[k]! - sum) - own)
      left[k] = sum + own
      leftWeight += own
    }
  }

  private entropy(feature: number, best: Split): void {
    const { count, leastRows, classes, weights, left, totals, weight } = this
    const { keys, places } = this.sorter
    left.fill(0)
    let leftWeight = 0
    let before = keys[places[0]!]!
    for (let p = 0; p < count; p++) {
      const i = places[p]!
      const key = keys[i]!
      if (key !== before) {
        const rightWeight = weight - leftWeight
        if (p >= leastRows && count - p >= leastRows && rightWeight > 0) {
          // minus the entropies of both sides, weighted
          let gain = 0
          for (let k = 0; k < totals.length; k++) {
            const a = left[k]!
            const b = totals[k]! - a
            if (a > 0) gain += a * Math.log2(a / leftWeight)
            if (b > 0) gain += b * Math.log2(b / rightWeight)
          }
          if (gain > best.gain) keep(best, gain, feature, before, key)
        }
        before = key
      }
      left[classes[i]!]! += weights[i]!
      leftWeight += weights[i]!
    }
  }

  private squaredError(feature: number, best: Split): void {
    const { count, leastRows, numbers, weights, totals, weight } = this
    const { keys, places } = this.sorter
    const total = totals[0]!
    let [leftWeight, leftSum] = [0, 0]
    let before = keys[places[0]!]!
    for (let p = 0; p < count; p++) {
      const i = places[p]!
      const key = keys[i]!
      if (key !== before) {
        const rightWeight = weight - leftWeight
        if (p >= leastRows && count - p >= leastRows && rightWeight > 0) {
          const rightSum = total - leftSum
          const gain = (leftSum * leftSum) / leftWeight + (rightSum * rightSum) / rightWeight
          if (gain > best.gain) keep(best, gain, feature, before, key)
        }
        before = key
      }
      leftWeight += weights[i]!
      leftSum += weights[i]! * numbers[i]!
    }
  }
}

function keep(best: Split, gain: number, feature: number, rank: number, above: number): void {
  best.gain = gain
  best.feature = feature
  best.rank = rank
  best.above = above
}

/** Whether a feature's ranks go up to this one, for each row of order[begin..end): those rows first, in their order. */
export function partition(
  ranks: Ranks,
  base: number,
  rank: number,
  order: Int32Array,
  spare: Int32Array,
  begin: number,
  end: number,
): number {
  let [low, high] = [begin, 0]
  for (let i = begin; i < end; i++) {
    const row = order[i]!
    if (ranks[base + row]! <= rank) order[low++] = row
    else spare[high++] = row
  }
  for (let i = 0; i < high; i++) order[low + i] = spare[i]!
  return low
}
