// Smoothing of n-gram counts: how much of a context's probability goes to what followed it, and how much to the next
// shorter context.
import type { NgramCounts } from './ngram_counts.js'

export type Smoothing = 'kneserNey' | 'wittenBell'

/**
 * The probability of a token after a context is amount(node, length) / total[context] + backoff[context] · that after
 * the shorter context.
 */
export interface Smoothed {
  /** What is left of an n-gram's count. */
  amount: (node: number) => number
  /** By context; 0: nothing ever followed it. */
  total: Float64Array
  backoff: Float64Array
}

/**
 * Interpolated, modified Kneser-Ney: S. F. Chen, J. Goodman, An Empirical Study of Smoothing Techniques for Language
 * Modeling (1998), 3.1.
 */
function kneserNey(counts: NgramCounts): Smoothed {
  const { size, order, parents, lengths, suffixes } = counts
  // below the highest order what counts is after how many different tokens an n-gram was seen
  const adjusted = new Int32Array(size)
  for (let node = 1; node < size; node++) {
    if (lengths[node] === order) adjusted[node] = counts.counts[node]!
    else adjusted[node]! += counts.begins[node]!
    if (lengths[node]! > 1) adjusted[suffixes[node]!]!++
  }
  const discounts = Array.from({ length: order + 1 }, (_, length) => discountsOf(counts, adjusted, length))
  const discount = (node: number): number => discounts[lengths[node]!]![Math.min(3, adjusted[node]!)]!
  const total = new Float64Array(size)
  const backoff = new Float64Array(size)
  for (let node = 1; node < size; node++) {
    total[parents[node]!]! += adjusted[node]!
    backoff[parents[node]!]! += discount(node)
  }
  for (let node = 0; node < size; node++) if (total[node]! > 0) backoff[node]! /= total[node]!
  return { amount: (node) => adjusted[node]! - discount(node), total, backoff }
}

/** What is taken from counts of 1, 2 and more among the n-grams of a length (index 0 is not used). */
function discountsOf(counts: NgramCounts, adjusted: Int32Array, length: number): number[] {
  const having = [0, 0, 0, 0, 0]
  for (let node = 1; node < counts.size; node++) {
    if (counts.lengths[node] === length && adjusted[node]! < having.length) having[adjusted[node]!]!++
  }
  const [, one, two, three, four] = having as [number, number, number, number, number]
  const share = one / (one + 2 * two)
  const estimates = [1 - (2 * share * two) / one, 2 - (3 * share * three) / two, 3 - (4 * share * four) / three]
  // too few n-grams are rare for an estimate, as with single characters
  const fallback = [0.5, 1, 1.5]
  return [0, ...estimates.map((estimate, i) => (estimate > 0 && estimate < i + 1 ? estimate : fallback[i]!))]
}

/** Interpolated Witten-Bell: I. H. Witten, T. C. Bell, The Zero-Frequency Problem (1991), method C. */
function wittenBell({ size, parents, counts }: NgramCounts): Smoothed {
  const total = new Float64Array(size)
  const followers = new Float64Array(size)
  for (let node = 1; node < size; node++) {
    total[parents[node]!]! += counts[node]!
    followers[parents[node]!]!++
  }
  for (let node = 0; node < size; node++) if (total[node]! > 0) total[node]! += followers[node]!
  return { amount: (node) => counts[node]!, total, backoff: followers.map((n, node) => (n > 0 ? n / total[node]! : 0)) }
}

export const smoothings: Readonly<Record<Smoothing, (counts: NgramCounts) => Smoothed>> = { kneserNey, wittenBell }
