// Rows of slices, split and reverse.
import { reverse, slice, split } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { rearranged as one } from './pointwise.js'

const sliced = (
  shape: readonly number[],
  begin: readonly number[],
  size: readonly number[],
  steps: readonly number[],
  from = begin,
  count = size,
): Row =>
  one(
    'slice',
    `[${shape}] from [${begin}], ${size}, by [${steps}]`,
    shape,
    (x) => slice(x, begin, size, steps),
    (x) => reference.slice(x, from, count, steps),
  )

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

export const rows: readonly Row[] = checkRows(import.meta.url, [
  sliced([7], [2], [3], [1]),
  sliced([7], [1], [3], [2]),
  sliced([7], [6], [4], [-2]),
  sliced([7], [-3], [2], [1], [4]),
  sliced([3, 5], [1, 0], [-1, -1], [1, 2], [1, 0], [2, 3]),
  sliced([3, 5], [2, 4], [-1, -1], [-1, -1], [2, 4], [3, 5]),
  sliced([2, 3, 4], [0, 1, 1], [2, 1, 2], [1, 1, 2]),
  sliced([4, 3], [1, 3], [2, 0], [1, 1]),
  sliced([0, 3], [0, 1], [0, 2], [1, 1]),
  sliced([], [], [], []),
  sliced([41, 37], [3, 1], [30, 12], [1, 3]),
  one(
    'slice',
    'a number for the first axis',
    [5, 2],
    (x) => slice(x, 3),
    (x) => reference.slice(x, [3, 0], [2, 2]),
  ),
  one(
    'slice',
    'reverse one axis',
    [3, 4],
    (x) => reverse(x, 1),
    (x) => reference.take(x, range(4).reverse(), 1),
  ),
  one(
    'slice',
    'reverse all',
    [5],
    (x) => reverse(x),
    (x) => reference.take(x, range(5).reverse(), 0),
  ),
  one(
    'slice',
    'reverse of nothing',
    [2, 0],
    (x) => reverse(x),
    (x) => x,
  ),
  one(
    'slice',
    'split in three',
    [6, 2],
    (x) => split(x, 3),
    (x) => [0, 2, 4].map((i) => reference.slice(x, [i, 0], [2, 2])),
  ),
  one(
    'slice',
    'split by sizes',
    [2, 7],
    (x) => split(x, [1, -1, 2], 1),
    (x) =>
      [
        [0, 1],
        [1, 4],
        [5, 2],
      ].map(([i, n]) => reference.slice(x, [0, i!], [2, n!])),
  ),
])
