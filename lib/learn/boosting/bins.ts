// Features in at most 255 bins, and a bin of their own for missing values.
import { ColumnSorter } from '../linalg/column_sorter.js'
import { columnsOf } from '../linalg/qr.js'
import type { Matrix } from '../matrix.js'

export interface Binned {
  readonly rows: number
  /**
   * [groups][rows]: the bins of features 4g, 4g + 1, 4g + 2, 4g + 3 are the bytes of words[g · rows + row], the lowest
   * first. Missing values are in the bin behind the last; behind the last feature all rows are in bin 0.
   */
  readonly words: Int32Array
  /** Of each group the bins that rows have most often, as far as a sample of them tells. */
  readonly common: Int32Array
  /** A value is in the first bin whose threshold it does not exceed; behind the last one in the last bin. */
  readonly thresholds: readonly Float64Array[]
  /** Whether values are missing in a feature. */
  readonly missing: readonly boolean[]
}

/** Thresholds that part the sorted values of a column into at most `most` bins of about as many rows. */
function thresholdsOf(all: Float64Array, most: number): Float64Array {
  // NaN is sorted behind everything else
  let count = all.length
  while (count > 0 && Number.isNaN(all[count - 1]!)) count--
  const sorted = all.subarray(0, count)
  if (count === 0) return new Float64Array(0)
  const different: number[] = [sorted[0]!]
  for (let i = 1, last = sorted[0]!; i < count && different.length <= most; i++) {
    const value = sorted[i]!
    if (value === last) continue
    different.push(value)
    last = value
  }
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
  const words = new Int32Array(Math.ceil(columns / 4) * rows)
  const groupOf = (g: number): Int32Array => words.subarray(g * rows, (g + 1) * rows)
  const [thresholds, missing]: [Float64Array[], boolean[]] = [[], []]
  const sorter = new ColumnSorter(rows)
  const turned = columnsOf(data, rows, columns).data
  for (let c = 0; c < columns; c++) {
    const column = turned.subarray(c * rows, (c + 1) * rows)
    const own = thresholdsOf(sorter.sorted(column), most)
    thresholds.push(own)
    missing.push(place(column, own, groupOf(c >> 2), 8 * (c & 3)))
  }
  const common = Int32Array.from({ length: words.length / rows }, (_, g) => commonOf(groupOf(g)))
  return { rows, words, common, thresholds, missing }
}

/** Writes the bin of each value into a byte of `words`; returns whether values are missing. */
function place(column: Float64Array, thresholds: Float64Array, words: Int32Array, shift: number): boolean {
  let lacks = false
  for (let row = 0; row < column.length; row++) {
    const value = column[row]!
    // the number of thresholds below the value
    let low = 0
    for (let left = thresholds.length; left > 0; ) {
      const half = left >> 1
      if (thresholds[low + half]! < value) low += left - half
      left = half
    }
    if (Number.isNaN(value)) {
      lacks = true
      low = thresholds.length + 1
    }
    words[row]! |= low << shift
  }
  return lacks
}

const SAMPLE = 500

/** The most frequent of the words of a sample. */
function commonOf(words: Int32Array): number {
  const step = Math.max(1, Math.floor(words.length / SAMPLE))
  const sample = Int32Array.from({ length: Math.ceil(words.length / step) }, (_, i) => words[i * step]!).sort()
  let [best, most] = [0, 0]
  for (let i = 1, from = 0; i <= sample.length; i++) {
    if (i < sample.length && sample[i] === sample[from]) continue
    if (i - from > most) [best, most] = [sample[from]!, i - from]
    from = i
  }
  return best
}
