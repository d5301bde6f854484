// Rows of comparison, logic and choice.
import {
  type DType,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  notEqual,
  type Tensor,
  where,
} from '../../lib/index.js'
import { checkRows, FLOATS, type Row } from '../check.js'
import { elementwise } from '../reference.js'
import { binary, special, unary } from './pointwise.js'

const ALL: readonly DType[] = [...FLOATS, 'int32', 'uint8', 'bool']
const comparison = (op: string, run: (a: Tensor, b: Tensor) => Tensor, f: (a: number, b: number) => boolean): Row[] => [
  ...binary(op, run, (a, b) => Number(f(a, b)), { dtypes: ALL, results: ['bool'], derivatives: 0 }),
  special(
    op,
    'ties and NaN',
    (a, b) => run(a!, b!),
    (a, b) => Number(f(a!, b!)),
    [
      [1, 2, 3, NaN, 1, NaN],
      [1, 3, 2, 1, NaN, NaN],
    ],
    { results: ['bool'] },
  ),
]
const logic = (op: string, run: (a: Tensor, b: Tensor) => Tensor, f: (a: number, b: number) => number): Row[] =>
  binary(op, run, f, { dtypes: ['bool'] })

const choice = (
  name: string,
  condition: readonly number[],
  a: readonly number[],
  b: readonly number[],
  dtypes: readonly DType[] = ALL,
): Row => ({
  op: 'where',
  name,
  operands: [{ shape: condition, dtype: 'bool' }, { shape: a }, { shape: b }],
  run: (c, x, y) => where(c!, x!, y!),
  reference: elementwise((c, x, y) => (c ? x! : y!)),
  dtypes,
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...comparison('equal', equal, (a, b) => a === b),
  ...comparison('notEqual', notEqual, (a, b) => a !== b),
  ...comparison('less', less, (a, b) => a < b),
  ...comparison('lessEqual', lessEqual, (a, b) => a <= b),
  ...comparison('greater', greater, (a, b) => a > b),
  ...comparison('greaterEqual', greaterEqual, (a, b) => a >= b),
  ...logic('logicalAnd', logicalAnd, (a, b) => a & b),
  ...logic('logicalOr', logicalOr, (a, b) => a | b),
  ...logic('logicalXor', logicalXor, (a, b) => a ^ b),
  ...unary('logicalNot', logicalNot, (x) => 1 - x, { dtypes: ['bool'] }),
  choice('equal shapes', [3, 5], [3, 5], [3, 5]),
  choice('vector lengths', [33], [33], [33]),
  choice('a column and a row', [3, 1], [5], [3, 5]),
  choice('a scalar', [7], [], [7]),
  choice('scalars', [], [], []),
  choice('a condition repeated', [5], [2, 3, 5], [2, 1, 5]),
  choice('no rows', [0, 3], [3], [1]),
  choice('storage dtypes', [9], [9], [9], ['int64', 'int8']),
])
