// Positions of extremes along one axis.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { AxisCheck, Reduced } from '../core/tensor_shapes.js'
import type { Result, ShapeOf } from '../core/tensor_types.js'
import { passMask } from './masks.js'
import { axisOf, single } from './operands.js'
import { REDUCE_OPTIONS, type ReduceOptions, reducedShape } from './reduce.js'
import { reshape } from './reshape.js'

type ArgAttrs = { readonly axis: number; readonly keepDims: boolean }
/** Along one axis; without one, over all values in row-major order. */
export type ArgReduction = <X extends TensorLike, const A extends number | undefined = undefined, Keep extends boolean = false>(
  x: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
  options?: ReduceOptions<Keep>,
) => Result<Reduced<ShapeOf<X>, A, Keep>, 'int32'>
export type ArgReductionMethod = <X extends Tensor, const A extends number | undefined = undefined, Keep extends boolean = false>(
  this: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
  options?: ReduceOptions<Keep>,
) => Result<Reduced<ShapeOf<X>, A, Keep>, 'int32'>

function argOp(name: string): Op<ArgAttrs> {
  return registerOp<ArgAttrs>({
    name,
    noGradient: true,
    shape: ([x], { axis, keepDims }) => [{ shape: reducedShape(x!.shape, [axis], keepDims), dtype: 'int32' }],
  })
}

export const ArgMax: Op<ArgAttrs> = argOp('argMax')
export const ArgMin: Op<ArgAttrs> = argOp('argMin')

function argReduction(op: Op<ArgAttrs>): ArgReduction {
  return func(`${op.name}(x, axis, options)`, REDUCE_OPTIONS, (x: TensorLike, axis?: number, options?: ReduceOptions) => {
    const source = single(op.name, x, 'number')
    const keepDims = options?.keepDims ?? false
    const along = axis === undefined ? 0 : axisOf(op.name, axis, source.rank)
    const rows = axis === undefined ? reshape(source, [source.size]) : source
    if (rows.shape[along] === 0) {
      throw new WeftError('ERR_SHAPE', `${op.name}: no values along axis ${along} of shape [${source.shape}]`, {
        op: op.name,
        shapes: [source.shape],
      })
    }
    const found = applyOne(op, [rows], { axis: along, keepDims: keepDims && axis !== undefined })
    if (axis !== undefined && along >= 2) return passMask(found, x)
    return keepDims && axis === undefined
      ? reshape(
          found,
          source.shape.map(() => 1),
        )
      : found
  })
}

/** The position of the largest value, int32; the first on ties; NaN counts as the largest. */
export const argMax: ArgReduction = argReduction(ArgMax)
/** The position of the smallest value, int32; the first on ties; NaN counts as the smallest. */
export const argMin: ArgReduction = argReduction(ArgMin)

methods({ argMax, argMin })

declare module '../core/tensor.js' {
  interface TensorMethods {
    argMax: ArgReductionMethod
    argMin: ArgReductionMethod
  }
}
