// Features in at most 255 bins, and a bin of their own for missing values.
import type { Matrix } from '../matrix.js'

export interface Binned {
  readonly rows: number
  /** The bin of each row, for each feature. Missing values are in the one behind the last. */
  readonly bins: readonly Uint8Array[]
  /** A value is in the first bin whose threshold it does not exceed; behind the last one in the last bin. */
  readonly thresholds: readonly Float64Array[]
  /** Whether values are missing in a feature. */
  readonly missing: readonly boolean[]
}

/** Thresholds that part the values of a column into at most `most` bins of about as many rows. */
function thresholdsOf(column: Float64Array, most: number): Float64Array {
  const sorted = column.filter((value) => !Number.isNaN(value)).sort()
  if (sorted.length === 0) return new Float64Array(0)
  const different = sorted.filter((value, i) => i === 0 || value !== sorted[i - 1])
  if (different.length <= most)
    return Float64Array.from({ length: different.length - 1 }, (_, i) => middle(different[i]!, different[i + 1]!))
  const found: number[] = []
  for (let bin = 1; bin < most; bin++) {
    // the percentile of midpoints between neighbors
    const place = (bin / most) * (sorted.length - 1)
    const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
    const value = middle(low, high)
    if (found.length === 0 || value > found.at(-1)!) found.push(value)
  }
  return Float64Array.from(found)
}

const middle = (low: number, high: number): number => low / 2 + high / 2

export function bin({ data, rows, columns }: Matrix, most: number): Binned {
  const [bins, thresholds, missing]: [Uint8Array[], Float64Array[], boolean[]] = [[], [], []]
  const column = new Float64Array(rows)
  for (let c = 0; c < columns; c++) {
    let lacks = false
    for (let row = 0; row < rows; row++) {
      column[row] = data[row * columns + c]!
      lacks ||= Number.isNaN(column[row])
    }
    const own = thresholdsOf(column, most)
    bins.push(Uint8Array.from(column, (value) => (Number.isNaN(value) ? own.length + 1 : placeOf(own, value))))
    thresholds.push(own)
    missing.push(lacks)
  }
  return { rows, bins, thresholds, missing }
}

/** The number of thresholds below a value. */
function placeOf(thresholds: Float64Array, value: number): number {
  let [low, high] = [0, thresholds.length]
  while (low < high) {
    const half = (low + high) >> 1
    if (thresholds[half]! < value) low = half + 1
    else high = half
  }
  return low
}
