// Histograms of weights: how many values lie in each of some buckets; and what is said of a step under a tag.

/** How values lie: counts of buckets up to each limit. */
export interface Histogram {
  readonly min: number
  readonly max: number
  readonly count: number
  readonly sum: number
  readonly sumOfSquares: number
  readonly limits: readonly number[]
  readonly counts: readonly number[]
}
export interface Summary {
  readonly tag: string
  readonly value: number | Histogram
}

/** Values in `bins` buckets of one width; those that are no finite numbers are left out. */
export function histogramOf(values: ArrayLike<number>, bins = 30): Histogram | undefined {
  let [min, max, count, sum, sumOfSquares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) continue
    min = Math.min(min, value)
    max = Math.max(max, value)
    count++
    sum += value
    sumOfSquares += value * value
  }
  if (count === 0) return undefined
  const width = (max - min) / bins
  const limits = width > 0 ? Array.from({ length: bins }, (_, i) => (i === bins - 1 ? max : min + width * (i + 1))) : [max]
  const counts = limits.map(() => 0)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (Number.isFinite(value)) counts[width > 0 ? Math.min(bins - 1, Math.floor((value - min) / width)) : 0]!++
  }
  return { min, max, count, sum, sumOfSquares, limits, counts }
}
