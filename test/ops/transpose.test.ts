// Rows of transpose and moveAxis.
import { moveAxis, transpose } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const transposed = (shape: readonly number[], permutation?: readonly number[]): Row =>
  one(
    'transpose',
    `[${shape}] by ${permutation ? `[${permutation}]` : 'default'}`,
    shape,
    (x) => transpose(x, permutation),
    (x) => reference.transpose(x, permutation),
  )

export const rows: readonly Row[] = checkRows(import.meta.url, [
  transposed([3, 5]),
  transposed([7]),
  transposed([]),
  transposed([2, 3, 4], [0, 2, 1]),
  transposed([2, 3, 4], [2, 0, 1]),
  transposed([2, 1, 3, 2], [3, 1, 0, 2]),
  transposed([0, 3], [1, 0]),
  transposed([2, 1, 2, 1, 2, 3], [5, 4, 3, 2, 1, 0]),
  transposed([67, 45]),
  transposed([5, 33, 19], [0, 2, 1]),
  one(
    'transpose',
    'moveAxis',
    [2, 3, 4],
    (x) => moveAxis(x, 0, -1),
    (x) => reference.transpose(x, [1, 2, 0]),
  ),
])
