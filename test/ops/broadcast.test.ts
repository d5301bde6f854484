// Rows of broadcastTo and tile.
import { broadcastTo, tile } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const broadcast = (from: readonly number[], to: readonly number[]): Row =>
  one(
    'broadcastTo',
    `[${from}] to [${to}]`,
    from,
    (x) => broadcastTo(x, to),
    (x) => reference.broadcastTo(x, to),
  )

export const rows: readonly Row[] = checkRows(import.meta.url, [
  broadcast([3], [2, 3]),
  broadcast([3, 1], [3, 4]),
  broadcast([], [2, 2]),
  broadcast([2, 1, 3], [2, 2, 2, 3]),
  broadcast([1, 3], [0, 3]),
  broadcast([1], [1]),
  broadcast([1, 51], [43, 51]),
  one(
    'broadcastTo',
    'tile of a matrix',
    [2, 3],
    (x) => tile(x, [2, 2]),
    (x) => reference.tile(x, [2, 2]),
  ),
  one(
    'broadcastTo',
    'tile with new axes',
    [3],
    (x) => tile(x, [2, 1, 2]),
    (x) => reference.tile(reference.reshape(x, [1, 1, 3]), [2, 1, 2]),
  ),
  one(
    'broadcastTo',
    'tile no times',
    [3],
    (x) => tile(x, 0),
    (x) => reference.tile(x, [0]),
  ),
])
