// Rows of reshape and its kin, transpose, broadcast and tile.
import { broadcastTo, expandDims, flatten, moveAxis, reshape, squeeze, type Tensor, tile, transpose } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const reshaped = (name: string, from: readonly number[], to: readonly number[], run: (x: Tensor) => Tensor): Row =>
  one('reshape', name, from, run, (x) => reference.reshape(x, to))
const transposed = (shape: readonly number[], permutation?: readonly number[]): Row =>
  one(
    'transpose',
    `[${shape}] by ${permutation ? `[${permutation}]` : 'default'}`,
    shape,
    (x) => transpose(x, permutation),
    (x) => reference.transpose(x, permutation),
  )
const broadcast = (from: readonly number[], to: readonly number[]): Row =>
  one(
    'broadcastTo',
    `[${from}] to [${to}]`,
    from,
    (x) => broadcastTo(x, to),
    (x) => reference.broadcastTo(x, to),
  )

export const rows: readonly Row[] = checkRows(import.meta.url, [
  reshaped('to a matrix', [6], [2, 3], (x) => reshape(x, [2, 3])),
  reshaped('with -1', [4, 3], [2, 6], (x) => reshape(x, [2, -1])),
  reshaped('to a scalar', [1, 1], [], (x) => reshape(x, [])),
  reshaped('of nothing', [0, 3], [3, 0, 2], (x) => reshape(x, [3, 0, 2])),
  reshaped('expandDims', [2, 3], [2, 1, 3], (x) => expandDims(x, 1)),
  reshaped('expandDims at the end', [2, 3], [2, 3, 1], (x) => expandDims(x, -1)),
  reshaped('squeeze', [1, 2, 1, 3], [2, 3], (x) => squeeze(x)),
  reshaped('squeeze one axis', [1, 2, 1], [1, 2], (x) => squeeze(x, -1)),
  reshaped('flatten', [2, 3], [6], (x) => flatten(x)),
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
