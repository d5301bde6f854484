// Rows of creation.
import { arange, eye, full, fullLike, ones, onesLike, type Tensor, zeros, zerosLike } from '../../lib/index.js'
import { checkRows, type Row } from '../check.js'
import { generate } from '../reference.js'

const made = (op: string, name: string, run: () => Tensor, shape: readonly number[], value: (position: number[]) => number, dtype: NonNullable<Row['dtypes']>[number] = 'float32'): Row => ({
  op,
  name,
  operands: [],
  run,
  reference: () => generate(shape, value),
  dtypes: [dtype],
})

export const rows: readonly Row[] = checkRows(import.meta.url, [
  made('fill', 'zeros', () => zeros([2, 3]), [2, 3], () => 0),
  made('fill', 'ones', () => ones([7]), [7], () => 1),
  made('fill', 'a scalar', () => full([], 2.5), [], () => 2.5),
  made('fill', 'nothing', () => zeros([0, 4]), [0, 4], () => 0),
  made('fill', 'more than a constant holds', () => full([5000], -1.5), [5000], () => -1.5),
  ...(['float64', 'bfloat16', 'float16', 'int32', 'uint8', 'int8', 'int64', 'bool'] as const).map((dtype) => made('fill', `ones of ${dtype}`, () => ones([3], { dtype }), [3], () => 1, dtype)),
  made('fill', 'zerosLike', () => zerosLike(ones([2, 2], { dtype: 'int32' })), [2, 2], () => 0, 'int32'),
  made('fill', 'onesLike', () => onesLike(zeros([2], { dtype: 'float64' })), [2], () => 1, 'float64'),
  made('fill', 'fullLike', () => fullLike(zeros([3, 1]), 7), [3, 1], () => 7),
  made('arange', 'to 5', () => arange(5), [5], ([i]) => i!, 'int32'),
  made('arange', 'from 2 to 11 by 3', () => arange(2, 11, 3), [3], ([i]) => 2 + 3 * i!, 'int32'),
  made('arange', 'by fractions', () => arange(0, 1, 0.125), [8], ([i]) => i! / 8),
  made('arange', 'downwards', () => arange(3, -2, -2, { dtype: 'float64' }), [3], ([i]) => 3 - 2 * i!, 'float64'),
  made('arange', 'of nothing', () => arange(3, 3), [0], () => 0, 'int32'),
  made('arange', 'of bfloat16', () => arange(0, 9, 1, { dtype: 'bfloat16' }), [9], ([i]) => i!, 'bfloat16'),
  made('eye', 'square', () => eye(3), [3, 3], ([i, j]) => Number(i === j)),
  made('eye', 'wide', () => eye(2, 5, { dtype: 'int32' }), [2, 5], ([i, j]) => Number(i === j), 'int32'),
  made('eye', 'above', () => eye(4, 3, { offset: 1 }), [4, 3], ([i, j]) => Number(i! + 1 === j)),
  made('eye', 'below, float64', () => eye(3, 4, { offset: -2, dtype: 'float64' }), [3, 4], ([i, j]) => Number(i! - 2 === j), 'float64'),
  made('eye', 'of nothing', () => eye(0), [0, 0], () => 0),
  made('eye', 'of one', () => eye(1), [1, 1], () => 1),
])
