// Grows a tree: the best split of each node, from the root on (CART; Breiman et al., 1984).
import type { Random } from '../random.js'
import type { Ranked } from './ranked.js'
import { type Criterion, partition, type Split, Splitter, type Targets } from './splits.js'
import type { Tree } from './tree.js'

export interface GrowOptions {
  criterion: Criterion
  maxDepth: number
  minSamplesSplit: number
  minSamplesLeaf: number
  minImpurityDecrease: number
  /** How many features are tried at each node, and more until one of them varies. */
  features: number
}

/**
 * @param rows the rows that the tree learns from; the weight of a row says how often it counts, and is above 0
 */
export function grow(ranked: Ranked, targets: Targets, rows: Int32Array, options: GrowOptions, random: Random): Tree {
  const { numbers, outputs } = targets
  const { criterion, maxDepth, minSamplesSplit, minSamplesLeaf, minImpurityDecrease } = options
  const splitter = new Splitter(ranked, targets, criterion, minSamplesLeaf, rows.length)
  const { totals } = splitter
  const order = rows.slice()
  const spare = new Int32Array(order.length)
  const columns = ranked.values.length
  const candidates = options.features >= columns ? new AllFeatures(columns) : new DrawnFeatures(columns, options.features, random)
  const best: Split = { feature: -1, rank: 0, above: 0, gain: 0 }
  const [feature, threshold, left, right] = [[] as number[], [] as number[], [] as number[], [] as number[]]
  const [value, weight, impurity, samples] = [[] as number[], [] as number[], [] as number[], [] as number[]]
  let whole = 0
  const stack = [{ begin: 0, end: order.length, depth: 0, parent: -1, isLeft: false, constant: 0 }]
  while (stack.length > 0) {
    const { begin, end, depth, parent, isLeft, constant: known } = stack.pop()!
    const node = feature.length
    if (parent >= 0) (isLeft ? left : right)[parent] = node
    splitter.enter(order, begin, end)
    const { weight: sum, squares } = splitter
    if (parent < 0) whole = sum
    const mixed = impurityOf(criterion, totals, sum, squares)
    feature.push(-1)
    threshold.push(0)
    left.push(-1)
    right.push(-1)
    for (let k = 0; k < outputs; k++) value.push(totals[k]! / sum)
    weight.push(sum)
    impurity.push(mixed)
    samples.push(end - begin)
    if (
      depth >= maxDepth ||
      end - begin < minSamplesSplit ||
      end - begin < 2 * minSamplesLeaf ||
      mixed <= 1e-14 * (numbers ? squares / sum : 1)
    )
      continue
    best.feature = -1
    best.gain = Number.NEGATIVE_INFINITY
    const constant = candidates.tryAll(splitter, best, known)
    if (best.feature < 0) continue
    const lowered = decrease(criterion, best.gain, totals, sum, mixed)
    if (lowered / whole < minImpurityDecrease) continue
    const middle = partition(ranked.ranks, best.feature * ranked.rows, best.rank, order, spare, begin, end)
    feature[node] = best.feature
    threshold[node] = between(ranked.values[best.feature]!, best.rank, best.above)
    stack.push({ begin: middle, end, depth: depth + 1, parent: node, isLeft: false, constant })
    stack.push({ begin, end: middle, depth: depth + 1, parent: node, isLeft: true, constant })
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

/** All features are tried, in their own order. */
class AllFeatures {
  private readonly columns: number

  constructor(columns: number) {
    this.columns = columns
  }
  tryAll(splitter: Splitter, best: Split, _constant: number): number {
    for (let c = 0; c < this.columns; c++) splitter.try(c, best)
    return 0
  }
}

/**
 * Features are drawn without replacement until enough were tried and one of them varies, as in scikit-learn. What is
 * constant in a node is so in all nodes below it, and is not looked at there again.
 */
class DrawnFeatures {
  private readonly most: number
  private readonly random: Random
  /** Those that are constant in the node first. */
  private readonly features: Int32Array
  /** The constant ones in the order in which they were found, which nodes beside and below this one must find again. */
  private readonly found: Int32Array

  constructor(columns: number, most: number, random: Random) {
    this.most = most
    this.random = random
    this.features = Int32Array.from({ length: columns }, (_, column) => column)
    this.found = new Int32Array(columns)
  }

  /** @param known how many features are known to be constant; returns how many are now */
  tryAll(splitter: Splitter, best: Split, known: number): number {
    const { features, found, most, random } = this
    // [drawn constants | other known constants | found constants | not drawn | tried]
    let [drawn, total, end] = [0, known, features.length]
    for (let visited = 0; end > total && (visited < most || visited <= total - known + drawn); visited++) {
      const place = drawn + random.integer(end - (total - known) - drawn)
      if (place < known) {
        swap(features, drawn++, place)
        continue
      }
      const at = place + total - known
      const feature = features[at]!
      if (splitter.try(feature, best)) swap(features, --end, at)
      else swap(features, total++, at)
    }
    // the known ones as they were
    for (let i = 0; i < known; i++) features[i] = found[i]!
    for (let i = known; i < total; i++) found[i] = features[i]!
    return total
  }
}

function swap(list: Int32Array, a: number, b: number): void {
  const value = list[a]!
  list[a] = list[b]!
  list[b] = value
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
