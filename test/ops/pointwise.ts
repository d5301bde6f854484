// What rows of several families share: shapes of pointwise operations, rearrangements of one operand.
import type { DType, Tensor } from '../../lib/index.js'
import { FLOATS, type Operand, type Row } from '../check.js'
import { elementwise, type Values } from '../reference.js'

export type Interval = readonly [number, number]
export type Options = Partial<Pick<Row, 'dtypes' | 'results' | 'derivatives' | 'roundings'>>

export const AWAY_FROM_ZERO: readonly Interval[] = [
  [-2, -0.25],
  [0.25, 2],
]

const PAIRS: readonly [string, readonly number[], readonly number[]][] = [
  ['equal shapes', [3, 5], [3, 5]],
  ['vector lengths', [33], [33]],
  ['rows', [3, 5], [5]],
  ['columns', [3, 1], [3, 5]],
  ['both', [2, 1, 3], [4, 1]],
  ['a scalar', [], [7]],
  ['two scalars', [], []],
  ['size 1', [1], [1, 1]],
  ['no rows', [0, 3], [3]],
  ['five axes', [2, 1, 2, 1, 3], [1, 2, 1, 2, 1]],
  ['long', [37, 41], [37, 41]],
]

const SHAPES: readonly (readonly number[])[] = [[], [1], [7], [3, 5], [0], [2, 0, 3], [67], [19, 23]]

const operand = (shape: readonly number[], domain?: readonly Interval[]): Operand => (domain ? { shape, domain } : { shape })

/** Rows of an operation of one operand. */
export function unary(
  op: string,
  run: (x: Tensor) => Tensor,
  f: (x: number) => number,
  options: Options & { domain?: readonly Interval[] } = {},
): Row[] {
  const { domain, ...rest } = options
  return SHAPES.map((shape) => ({ op, name: `[${shape}]`, operands: [operand(shape, domain)], run, reference: elementwise(f), ...rest }))
}

/** Rows of an operation of two operands, for each way of broadcasting. */
export function binary(
  op: string,
  run: (a: Tensor, b: Tensor) => Tensor,
  f: (a: number, b: number) => number,
  options: Options & { a?: readonly Interval[]; b?: readonly Interval[] } = {},
): Row[] {
  const { a, b, ...rest } = options
  return PAIRS.map(([name, left, right]) => ({
    op,
    name,
    operands: [operand(left, a), operand(right, b)],
    run,
    reference: elementwise(f),
    ...rest,
  }))
}

/** A row of chosen values, in all floats or the given dtypes; no derivatives. */
export function special(
  op: string,
  name: string,
  run: (...xs: Tensor[]) => Tensor,
  f: (...args: number[]) => number,
  lists: readonly (readonly number[])[],
  options: Options = {},
): Row {
  return {
    op,
    name,
    operands: lists.map((values) => ({ shape: [values.length], values })),
    run,
    reference: elementwise(f),
    derivatives: 0,
    ...options,
  }
}

export const ANY_DTYPE: readonly DType[] = [...FLOATS, 'int32', 'uint8', 'int8', 'int64', 'bool']

/** A row of an operation that moves values without computing. */
export const rearranged = (
  op: string,
  name: string,
  shape: readonly number[],
  run: (x: Tensor) => Tensor | Tensor[],
  of: (x: Values) => Values | Values[],
  dtypes: readonly DType[] = ANY_DTYPE,
): Row => ({
  op,
  name,
  operands: [{ shape }],
  run: (x) => run(x!),
  reference: (x) => of(x!),
  dtypes,
})
