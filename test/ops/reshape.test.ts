// Rows of reshape and its kin.
import { expandDims, flatten, reshape, squeeze, type Tensor } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const reshaped = (name: string, from: readonly number[], to: readonly number[], run: (x: Tensor) => Tensor): Row =>
  one('reshape', name, from, run, (x) => reference.reshape(x, to))

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
])
