// Features as ranks: each value is the number of different smaller values in its column, so that splits are counted
// instead of compared.
import { ColumnSorter } from '../linalg/column_sorter.js'
import { columnsOf } from '../linalg/qr.js'
import type { Matrix } from '../matrix.js'

export type Ranks = Uint8Array | Uint16Array | Int32Array

export interface Ranked {
  readonly rows: number
  /** [columns][rows], of the smallest type that holds the ranks of every column. */
  readonly ranks: Ranks
  /** The different values of each feature in ascending order, as float32. */
  readonly values: readonly Float32Array[]
}

/** Values are compared as float32, as in scikit-learn. */
export function rank({ data, rows, columns }: Matrix): Ranked {
  const turned = columnsOf(data, rows, columns).data
  const sorter = new ColumnSorter(rows)
  const values: Float32Array[] = []
  let ranks: Ranks = new Uint8Array(rows * columns)
  for (let c = 0; c < columns; c++) {
    const { column, order } = sorter.sort(turned.subarray(c * rows, (c + 1) * rows))
    const different = new Float32Array(rows)
    let count = 0
    for (let i = 0; i < rows; i++) {
      const row = order[i]!
      const value = column[row]!
      if (count === 0 || value > different[count - 1]!) {
        // a rank that the type does not hold: the ranks so far in the next larger one
        if (count === 256 && ranks instanceof Uint8Array) ranks = Uint16Array.from(ranks)
        if (count === 65_536 && ranks instanceof Uint16Array) ranks = Int32Array.from(ranks)
        different[count++] = value
      }
      ranks[c * rows + row] = count - 1
    }
    values.push(different.slice(0, count))
  }
  return { rows, ranks, values }
}
