// Features as ranks: each value is the number of different smaller values in its column, so that splits are counted
// instead of sorted.
import { columnsOf } from '../linalg/qr.js'
import type { Matrix } from '../matrix.js'

export interface Ranked {
  readonly rows: number
  /** The ranks of each feature. */
  readonly ranks: readonly (Uint16Array | Int32Array)[]
  /** The different values of each feature in ascending order, as float32. */
  readonly values: readonly Float32Array[]
}

/** Values are compared as float32, as in scikit-learn. */
export function rank({ data, rows, columns }: Matrix): Ranked {
  const ranks: (Uint16Array | Int32Array)[] = []
  const values: Float32Array[] = []
  const turned = columnsOf(data, rows, columns).data
  const column = new Float32Array(rows)
  for (let c = 0; c < columns; c++) {
    column.set(turned.subarray(c * rows, (c + 1) * rows))
    const sorted = column.slice().sort()
    let count = 0
    for (let i = 0; i < rows; i++) if (i === 0 || sorted[i]! > sorted[count - 1]!) sorted[count++] = sorted[i]!
    const different = sorted.slice(0, count)
    const own = count <= 65_536 ? new Uint16Array(rows) : new Int32Array(rows)
    for (let row = 0; row < rows; row++) own[row] = placeOf(different, column[row]!)
    ranks.push(own)
    values.push(different)
  }
  return { rows, ranks, values }
}

/** The place of a value that is in the list. */
function placeOf(sorted: Float32Array, value: number): number {
  let [low, high] = [0, sorted.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
