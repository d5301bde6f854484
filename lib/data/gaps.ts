// Gaps: rows before which data.csv left others out. They were no neighbours of the row before them, so windows over
// time must not join them.

/** The number of rows that are missing before a row. */
const before = new WeakMap<object, number>()

/** Marks the rows as the first ones after `count` that were left out. */
export function markGap(rows: readonly unknown[], count: number): void {
  if (count > 0) for (const row of rows) if (typeof row === 'object' && row !== null) before.set(row, count)
}

/** Marks a row as its original is. */
export function keepGap<T extends object>(row: T, original: object): T {
  const count = before.get(original)
  if (count !== undefined) before.set(row, count)
  return row
}

/** The places in a series, in order, at which rows are missing before; the first place is none. */
export function gapsIn(series: unknown): number[] {
  if (!Array.isArray(series)) return []
  return series.flatMap((row: unknown, i) => (i > 0 && typeof row === 'object' && row !== null && before.has(row) ? [i] : []))
}

/** The begins of windows of so many steps, `stride` apart, which do not reach over a gap. */
export function beginsBetween(gaps: readonly number[], steps: number, length: number, stride: number): number[] {
  const begins: number[] = []
  let next = 0
  for (let begin = 0; begin + length <= steps; begin += stride) {
    while (next < gaps.length && gaps[next]! <= begin) next++
    if (next === gaps.length || gaps[next]! >= begin + length) begins.push(begin)
  }
  return begins
}
