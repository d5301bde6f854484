// Grows a tree: the best split of each node, from the root on (CART; Breiman et al., 1984).
import type { Random } from '../random.js'
import type { Ranked } from './ranked.js'
import { type Criterion, type Split, Splitter, type Targets } from './splits.js'
import type { Tree } from './tree.js'

export interface GrowOptions {
  criterion: Criterion
  maxDepth: number
  minSamplesSplit: number
  minSamplesLeaf: number
  minImpurityDecrease: number
  /** How many features that vary are tried at each node. */
  features: number
}

/**
 * @param rows the rows that the tree learns from; the weight of a row says how often it counts
 */
export function grow(ranked: Ranked, targets: Targets, rows: Int32Array, options: GrowOptions, random: Random): Tree {
  const { classes, numbers, outputs, weights } = targets
  const { criterion, maxDepth, minSamplesSplit, minSamplesLeaf, minImpurityDecrease } = options
  const splitter = new Splitter(ranked, targets, criterion, minSamplesLeaf)
  const order = rows.slice()
  const spare = new Int32Array(order.length)
  const features = Int32Array.from(ranked.ranks.keys())
  const [feature, threshold, left, right] = [[] as number[], [] as number[], [] as number[], [] as number[]]
  const [value, weight, impurity, samples] = [[] as number[], [] as number[], [] as number[], [] as number[]]
  let whole = 0
  const stack = [{ begin: 0, end: order.length, depth: 0, parent: -1, isLeft: false }]
  while (stack.length > 0) {
    const { begin, end, depth, parent, isLeft } = stack.pop()!
    const own = order.subarray(begin, end)
    const node = feature.length
    if (parent >= 0) (isLeft ? left : right)[parent] = node
    const totals = new Float64Array(outputs)
    let [sum, squares] = [0, 0]
    for (let i = 0; i < own.length; i++) {
      const row = own[i]!
      sum += weights[row]!
      if (classes !== undefined) totals[classes[row]!]! += weights[row]!
      else {
        totals[0]! += weights[row]! * numbers![row]!
        squares += weights[row]! * numbers![row]! ** 2
      }
    }
    if (parent < 0) whole = sum
    const mixed = impurityOf(criterion, totals, sum, squares)
    feature.push(-1)
    threshold.push(0)
    left.push(-1)
    right.push(-1)
    for (const total of totals) value.push(total / sum)
    weight.push(sum)
    impurity.push(mixed)
    samples.push(own.length)
    if (
      depth >= maxDepth ||
      own.length < minSamplesSplit ||
      own.length < 2 * minSamplesLeaf ||
      mixed <= 1e-14 * (numbers ? squares / sum : 1)
    )
      continue
    const best: Split = { feature: -1, rank: 0, above: 0, gain: Number.NEGATIVE_INFINITY }
    // features are drawn until enough of those that vary were tried; where all are, in their own order
    for (let drawn = 0, tried = 0; drawn < features.length && tried < options.features; drawn++) {
      const at = options.features >= features.length ? drawn : drawn + random.integer(features.length - drawn)
      ;[features[drawn], features[at]] = [features[at]!, features[drawn]!]
      if (splitter.try(features[drawn]!, own, totals, sum, best)) tried++
    }
    if (best.feature < 0) continue
    const lowered = decrease(criterion, best.gain, totals, sum, mixed)
    if (lowered / whole < minImpurityDecrease) continue
    const ranks = ranked.ranks[best.feature]!
    let [low, high] = [begin, 0]
    for (let i = begin; i < end; i++) {
      const row = order[i]!
      if (ranks[row]! <= best.rank) order[low++] = row
      else spare[high++] = row
    }
    order.set(spare.subarray(0, high), low)
    feature[node] = best.feature
    threshold[node] = between(ranked.values[best.feature]!, best.rank, best.above)
    stack.push({ begin: low, end, depth: depth + 1, parent: node, isLeft: false })
    stack.push({ begin, end: low, depth: depth + 1, parent: node, isLeft: true })
  }
  return {
    feature: Int32Array.from(feature),
    threshold: Float64Array.from(threshold),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    value: Float64Array.from(value),
    weight: Float64Array.from(weight),
    impurity: Float64Array.from(impurity),
    samples: Int32Array.from(samples),
  }
}

/** The middle of two values; where rounding makes it the larger one, the smaller. */
function between(values: Float32Array, rank: number, above: number): number {
  const [low, high] = [values[rank]!, values[above]!]
  const middle = low / 2 + high / 2
  return middle >= high || !Number.isFinite(middle) ? low : middle
}

function impurityOf(criterion: Criterion, totals: Float64Array, sum: number, squares: number): number {
  if (criterion === 'squaredError') return Math.max(0, squares / sum - (totals[0]! / sum) ** 2)
  let mixed = criterion === 'gini' ? 1 : 0
  for (const total of totals) {
    const share = total / sum
    if (criterion === 'gini') mixed -= share * share
    else if (share > 0) mixed -= share * Math.log2(share)
  }
  return Math.max(0, mixed)
}

/** How much a split lowers the impurity, times the weight of the node. */
function decrease(criterion: Criterion, gain: number, totals: Float64Array, sum: number, mixed: number): number {
  if (criterion === 'entropy') return sum * mixed + gain
  let squares = 0
  for (const total of totals) squares += total * total
  return gain - squares / sum
}
