// Sorts the columns of a matrix, all of one length.

/** The digits of a key: its lower, middle and upper bits. */
const DIGITS = [
  { shift: 0, mask: 0x7ff },
  { shift: 11, mask: 0x7ff },
  { shift: 22, mask: 0x3ff },
] as const

/** Sorts columns of a matrix by the digits of their float32 (radix sort); its arrays are used again and again. */
export class ColumnSorter {
  private readonly column: Float32Array
  private readonly bits: Int32Array
  private readonly keys: Int32Array
  private order: Int32Array
  private spare: Int32Array

  constructor(rows: number) {
    this.column = new Float32Array(rows)
    this.bits = new Int32Array(this.column.buffer)
    this.keys = new Int32Array(rows)
    this.order = new Int32Array(rows)
    this.spare = new Int32Array(rows)
  }

  /** The values as float32, and their places in ascending order. Both are overwritten by the next call. */
  sort(values: Float64Array): { column: Float32Array; order: Int32Array } {
    const { column, bits, keys } = this
    const rows = column.length
    column.set(values)
    const counts = DIGITS.map(({ mask }) => new Int32Array(mask + 1))
    const [low, middle, high] = counts as [Int32Array, Int32Array, Int32Array]
    for (let row = 0; row < rows; row++) {
      // the order of floats is that of their bits, after the sign is turned around, and everything below 0
      const own = bits[row]!
      const key = own ^ ((own >> 31) | 0x80000000)
      keys[row] = key
      this.order[row] = row
      low[key & 0x7ff]!++
      middle[(key >>> 11) & 0x7ff]!++
      high[key >>> 22]!++
    }
    for (const [place, { shift, mask }] of DIGITS.entries()) if (rows > 0) this.pass(counts[place]!, shift, mask)
    return { column, order: this.order }
  }

  /** The values in ascending order, NaN last. */
  sorted(values: Float64Array): Float64Array {
    const { order } = this.sort(values)
    const sorted = new Float64Array(values.length)
    for (let i = 0; i < sorted.length; i++) sorted[i] = values[order[i]!]!
    // what float32 does not tell apart is still in any order
    for (let i = 1, from = 0; i <= sorted.length; i++) {
      if (i < sorted.length && Math.fround(sorted[i]!) === Math.fround(sorted[from]!)) continue
      if (i - from > 1 && !isAscending(sorted, from, i)) sorted.subarray(from, i).sort()
      from = i
    }
    return sorted
  }

  /** Sorts by one digit; what was sorted by lower ones stays so where it is equal. */
  private pass(counts: Int32Array, shift: number, mask: number): void {
    const { keys, order, spare } = this
    const rows = keys.length
    if (counts[(keys[0]! >>> shift) & mask] === rows) return
    let sum = 0
    for (let digit = 0; digit < counts.length; digit++) {
      const own = counts[digit]!
      counts[digit] = sum
      sum += own
    }
    for (let i = 0; i < rows; i++) {
      const row = order[i]!
      spare[counts[(keys[row]! >>> shift) & mask]!++] = row
    }
    this.order = spare
    this.spare = order
  }
}

function isAscending(values: Float64Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (values[i]! < values[i - 1]!) return false
  return true
}
