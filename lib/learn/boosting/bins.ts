// Features in at most 255 bins, and a bin of their own for missing values.
import { columnsOf } from '../linalg/qr.js'
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
  const all = column.slice().sort()
  // NaN is sorted behind everything else
  let count = all.length
  while (count > 0 && Number.isNaN(all[count - 1]!)) count--
  const sorted = all.subarray(0, count)
  if (count === 0) return new Float64Array(0)
  const different: number[] = [sorted[0]!]
  for (let i = 1; i < count && different.length <= most; i++) if (sorted[i] !== sorted[i - 1]) different.push(sorted[i]!)
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
  const turned = columnsOf(data, rows, columns).data
  for (let c = 0; c < columns; c++) {
    const column = turned.subarray(c * rows, (c + 1) * rows)
    let lacks = false
    for (let row = 0; row < rows; row++) lacks ||= Number.isNaN(column[row]!)
    const own = thresholdsOf(column, most)
    const places = new Uint8Array(rows)
    for (let row = 0; row < rows; row++) places[row] = Number.isNaN(column[row]!) ? own.length + 1 : placeOf(own, column[row]!)
    bins.push(places)
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
