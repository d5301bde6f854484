// Reductions over any axes: sums, means, products, extremes, any and all.
import { applyOne } from '../core/apply.js'
import { type Call, type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { type DType, isFloat, type Shape, sizeOf } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { AxisCheck, Reduced } from '../core/tensor_shapes.js'
import type { DTypeOf, Result, ResultKind, ShapeOf, UnaryDType } from '../core/tensor_types.js'
import { div, mul } from './arithmetic.js'
import { broadcastTo } from './broadcast.js'
import { cast } from './cast.js'
import { equal } from './compare.js'
import { ones } from './creation.js'
import { passMask } from './masks.js'
import { axesOf, type Kind, operand, single } from './operands.js'
import { pad } from './pad.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'
import { transpose } from './transpose.js'

export type ReduceAttrs = { readonly axes: readonly number[]; readonly keepDims: boolean }
export interface ReduceOptions<Keep extends boolean = boolean> {
  /** The reduced axes stay, with extent 1. Default false. */
  keepDims?: Keep
}
export const REDUCE_OPTIONS: OptionTable<ReduceOptions> = { keepDims: 'boolean' }
/** Over one axis, several, or (by default) all. */
export type Reduction<K extends ResultKind = 'float'> = <
  X extends TensorLike,
  const A extends Axes = undefined,
  Keep extends boolean = false,
>(
  x: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
  options?: ReduceOptions<Keep>,
) => Result<Reduced<ShapeOf<X>, A, Keep>, UnaryDType<K, DTypeOf<X>>>
export type ReductionMethod<K extends ResultKind = 'float'> = <
  X extends Tensor,
  const A extends Axes = undefined,
  Keep extends boolean = false,
>(
  this: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
  options?: ReduceOptions<Keep>,
) => Result<Reduced<ShapeOf<X>, A, Keep>, UnaryDType<K, DTypeOf<X>>>
type Axes = number | readonly number[] | undefined

/** The shape that a reduction leaves. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims ? shape.map((n, i) => (axes.includes(i) ? 1 : n)) : shape.filter((_, i) => !axes.includes(i))
}

/** The number of values that a reduction makes one of. */
function reducedSize(shape: Shape, axes: readonly number[]): number {
  return sizeOf(axes.map((i) => shape[i]!))
}

/** A reduced value, or its gradient, repeated over the axes that were reduced. */
function expanded(reduced: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  return broadcastTo(reshape(reduced, reducedShape(shape, axes, true)), shape)
}

function reduceOp(name: string, dtype: (x: DType) => DType, rest: Partial<Op<ReduceAttrs>> = {}): Op<ReduceAttrs> {
  return registerOp<ReduceAttrs>({
    name,
    shape: ([x], { axes, keepDims }) => [{ shape: reducedShape(x!.shape, axes, keepDims), dtype: dtype(x!.dtype) }],
    ...rest,
  })
}

/** Equal shares for all places that hold the extreme, as in Keras. */
function extremeGrad([g]: readonly Tensor[], { inputs: [x], outputs: [y], attrs: { axes } }: Call<ReduceAttrs>): Tensor[] {
  const hits = cast(equal(x!, expanded(y!, x!.shape, axes)), x!.dtype)
  return [mul(expanded(g!, x!.shape, axes), div(hits, sum(hits, axes, { keepDims: true })))]
}

/** Products of pairs until one value is left: so that derivatives of every order are right at zeros too. */
function productByPairs([x]: readonly Tensor[], { axes, keepDims }: ReduceAttrs): Tensor[] {
  const shape = reducedShape(x!.shape, axes, keepDims)
  let n = reducedSize(x!.shape, axes)
  if (n === 0) return [ones(shape, { dtype: x!.dtype })]
  const kept = x!.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]))
  const rowCount = sizeOf(shape)
  let rows = reshape(transpose(x!, [...kept, ...axes]), [rowCount, n])
  for (; n > 1; n = (n + 1) >> 1) {
    const even =
      n % 2 === 0
        ? rows
        : pad(
            rows,
            [
              [0, 0],
              [0, 1],
            ],
            1,
          ) // [rowCount, 2 * half]
    const half = (n + 1) >> 1
    rows = mul(slice(even, [0, 0], [rowCount, half]), slice(even, [0, half], [rowCount, half]))
  }
  return [reshape(rows, shape)]
}

export const Sum: Op<ReduceAttrs> = reduceOp('sum', (dtype) => (isFloat(dtype) ? dtype : 'int32'), {
  grad: ([g], { inputs: [x], attrs: { axes } }) => [expanded(g!, x!.shape, axes)],
})
export const Mean: Op<ReduceAttrs> = reduceOp('mean', (dtype) => dtype, {
  grad: ([g], { inputs: [x], attrs: { axes } }) => [expanded(div(g!, Math.max(1, reducedSize(x!.shape, axes))), x!.shape, axes)],
})
export const Prod: Op<ReduceAttrs> = reduceOp('prod', (dtype) => dtype, { compose: productByPairs })
export const Max: Op<ReduceAttrs> = reduceOp('max', (dtype) => dtype, { grad: extremeGrad })
export const Min: Op<ReduceAttrs> = reduceOp('min', (dtype) => dtype, { grad: extremeGrad })
export const Any: Op<ReduceAttrs> = reduceOp('any', () => 'bool', { noGradient: true })
export const All: Op<ReduceAttrs> = reduceOp('all', () => 'bool', { noGradient: true })

function reduction<K extends ResultKind>(op: Op<ReduceAttrs>, convert: (x: TensorLike) => Tensor): Reduction<K> {
  return func(
    `${op.name}(x, axis, options)`,
    REDUCE_OPTIONS,
    (x: TensorLike, axis?: number | readonly number[], options?: ReduceOptions) => {
      const source = convert(x)
      const axes = axesOf(op.name, axis, source.rank)
      const result = applyOne(op, [source], { axes, keepDims: options?.keepDims ?? false })
      return axes.some((reduced) => reduced < 2) ? result : passMask(result, x)
    },
  )
}

function numeric<K extends ResultKind>(op: Op<ReduceAttrs>, kind: Kind): Reduction<K> {
  return reduction(op, (x) => single(op.name, x, kind))
}

function logical(op: Op<ReduceAttrs>): Reduction<'bool'> {
  return reduction(op, (x) => cast(operand(op.name, x), 'bool'))
}

/** The sum; of bools and integers int32, over nothing 0. */
export const sum: Reduction<'total'> = numeric<'total'>(Sum, 'any')
/** The mean; of integers float32, over nothing NaN. */
export const mean: Reduction<'float'> = numeric(Mean, 'float')
/** The product; of bools and integers int32, over nothing 1. */
export const prod: Reduction<'total'> = numeric<'total'>(Prod, 'total')
/**
 * The largest value, NaN if there is one; over nothing -infinity, or the smallest integer. The gradient is shared
 * equally among ties.
 */
export const max: Reduction<'number'> = numeric<'number'>(Max, 'number')
/**
 * The smallest value, NaN if there is one; over nothing infinity, or the largest integer. The gradient is shared
 * equally among ties.
 */
export const min: Reduction<'number'> = numeric<'number'>(Min, 'number')
/** Whether any value is true (not zero). */
export const any: Reduction<'bool'> = logical(Any)
/** Whether all values are true (not zero). */
export const all: Reduction<'bool'> = logical(All)

methods({ sum, mean, prod, max, min, any, all })

declare module '../core/tensor.js' {
  interface TensorMethods {
    sum: ReductionMethod<'total'>
    mean: ReductionMethod<'float'>
    prod: ReductionMethod<'total'>
    max: ReductionMethod<'number'>
    min: ReductionMethod<'number'>
    any: ReductionMethod<'bool'>
    all: ReductionMethod<'bool'>
  }
}
