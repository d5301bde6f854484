// Rows of pad.
import { pad } from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const padded = (shape: readonly number[], paddings: readonly (readonly [number, number])[], value: number): Row =>
  one(
    'pad',
    `[${shape}] by ${JSON.stringify(paddings)} with ${value}`,
    shape,
    (x) => pad(x, paddings, value),
    (x) => reference.pad(x, paddings, value),
    [...FLOATS, 'int32', 'uint8', 'int8'],
  )

export const rows: readonly Row[] = checkRows(import.meta.url, [
  padded([5], [[1, 2]], 0),
  padded(
    [2, 3],
    [
      [0, 1],
      [2, 0],
    ],
    3,
  ),
  padded(
    [0, 2],
    [
      [1, 1],
      [0, 0],
    ],
    1,
  ),
  padded([1], [[0, 0]], 1),
  padded(
    [2, 1, 3, 2],
    [
      [1, 0],
      [1, 1],
      [0, 2],
      [0, 0],
    ],
    2,
  ),
  padded(
    [31, 33],
    [
      [2, 1],
      [0, 4],
    ],
    0,
  ),
  one(
    'pad',
    'a number for all axes',
    [2, 2],
    (x) => pad(x, 1),
    (x) =>
      reference.pad(
        x,
        [
          [1, 1],
          [1, 1],
        ],
        0,
      ),
  ),
])
