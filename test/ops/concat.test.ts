// Rows of concat, stack and unstack.
import { concat, stack, unstack } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import * as reference from '../reference.js'
import { ANY_DTYPE, rearranged } from './pointwise.js'

const joined = (name: string, shapes: readonly (readonly number[])[], axis: number): Row => ({
  op: 'concat',
  name,
  operands: shapes.map((shape) => ({ shape })),
  run: (...xs) => concat(xs, axis),
  reference: (...xs) => reference.concat(xs, axis < 0 ? axis + shapes[0]!.length : axis),
  dtypes: ANY_DTYPE,
})

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

export const rows: readonly Row[] = checkRows(import.meta.url, [
  joined(
    'rows',
    [
      [2, 3],
      [1, 3],
      [3, 3],
    ],
    0,
  ),
  joined(
    'columns',
    [
      [2, 3],
      [2, 1],
    ],
    -1,
  ),
  joined('one tensor', [[3]], 0),
  joined(
    'nothing and something',
    [
      [0, 2],
      [3, 2],
    ],
    0,
  ),
  joined(
    'in the middle',
    [
      [2, 1, 3],
      [2, 2, 3],
    ],
    1,
  ),
  joined(
    'many',
    range(9).map((i) => [3, i + 1]),
    1,
  ),
  {
    ...joined(
      'stack',
      [
        [2, 3],
        [2, 3],
      ],
      0,
    ),
    run: (...xs) => stack(xs),
    reference: (...xs) =>
      reference.concat(
        xs.map((x) => reference.reshape(x, [1, 2, 3])),
        0,
      ),
  },
  {
    ...joined(
      'stack at the end',
      [
        [2, 3],
        [2, 3],
      ],
      0,
    ),
    run: (...xs) => stack(xs, -1),
    reference: (...xs) =>
      reference.concat(
        xs.map((x) => reference.reshape(x, [2, 3, 1])),
        2,
      ),
  },
  ...[0, 1, -1].map((axis) =>
    rearranged(
      'slice',
      `unstack along ${axis}`,
      [2, 3, 2],
      (x) => unstack(x, axis),
      (x) => {
        const along = axis < 0 ? axis + 3 : axis
        const shape = x.shape.filter((_, i) => i !== along)
        return range(x.shape[along]!).map((i) => reference.reshape(reference.take(x, [i], along), shape))
      },
    ),
  ),
  {
    op: 'slice',
    name: 'unstack of nothing',
    operands: [{ shape: [0, 2] }],
    run: (x) => unstack(x!),
    reference: () => [],
    derivatives: 0,
  },
])
