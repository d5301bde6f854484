// Joining tensors along an existing or a new axis.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { AxisCheck, Inserted, Reduced, Replaced } from '../core/tensor_shapes.js'
import type { DTypeOf, JoinedDType, Result, ShapeOf } from '../core/tensor_types.js'
import { keepMask } from './masks.js'
import { axisOf, operand, promoted } from './operands.js'
import { expandDims, squeeze } from './reshape.js'
import { split } from './slice.js'

type ConcatAttrs = { readonly axis: number }

export const Concat: Op<ConcatAttrs> = registerOp({
  name: 'concat',
  shape: (inputs, { axis }) => {
    const first = inputs[0]!
    for (const x of inputs) {
      if (x.shape.length !== first.shape.length || x.shape.some((n, i) => i !== axis && n !== first.shape[i])) {
        throw new WeftError(
          'ERR_SHAPE',
          `concat: shapes ${inputs.map((input) => `[${input.shape}]`).join(', ')} differ in more than axis ${axis}`,
          {
            op: 'concat',
            shapes: inputs.map((input) => input.shape),
          },
        )
      }
    }
    const extent = inputs.reduce((n, x) => n + x.shape[axis]!, 0)
    return [{ shape: first.shape.map((n, i) => (i === axis ? extent : n)), dtype: first.dtype }]
  },
  grad: ([g], { inputs, attrs: { axis } }) =>
    split(
      g!,
      inputs.map((x) => x.shape[axis]!),
      axis,
    ),
})

function list(op: string, tensors: readonly TensorLike[]): Tensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new WeftError('ERR_ARGUMENT', `${op}: the first argument is a list of at least one tensor`, { op })
  }
  return promoted(op, tensors as readonly TensorLike[], 'stored')
}

/** Tensors joined along an axis (default the first); their other extents are equal. dtypes are promoted. */
export const concat: <X extends TensorLike, const A extends number = 0>(
  tensors: readonly X[],
  axis?: A,
) => Result<Replaced<ShapeOf<X>, A, number>, JoinedDType<X>> = func(
  'concat(tensors, axis)',
  (tensors: readonly TensorLike[], axis: number = 0): Tensor => {
    const inputs = list('concat', tensors)
    const along = axisOf('concat', axis, inputs[0]!.rank)
    const result = applyOne(Concat, inputs, { axis: along })
    return along < 2 ? result : keepMask(result, tensors)
  },
)

/** Tensors of one shape side by side along a new axis (default the first). */
export const stack: <const L extends readonly TensorLike[], const A extends number = 0>(
  tensors: L,
  axis?: A,
) => Result<Inserted<ShapeOf<L[number]>, A, L['length']>, JoinedDType<L[number]>> = func(
  'stack(tensors, axis)',
  (tensors: readonly TensorLike[], axis: number = 0): Tensor => {
    const inputs = list('stack', tensors)
    const along = axisOf('stack', axis, inputs[0]!.rank + 1)
    return applyOne(
      Concat,
      inputs.map((x) => expandDims(x, along)),
      { axis: along },
    )
  },
)

/** The parts of a tensor along an axis (default the first), without that axis: the reverse of stack. */
export const unstack: <X extends TensorLike, const A extends number = 0>(
  x: X & AxisCheck<ShapeOf<X>, A>,
  axis?: A,
) => Result<Reduced<ShapeOf<X>, A, false>, DTypeOf<X>>[] = func('unstack(x, axis)', (x: TensorLike, axis: number = 0): Tensor[] => {
  const source = operand('unstack', x)
  const along = axisOf('unstack', axis, source.rank)
  const count = source.shape[along]!
  return count === 0 ? [] : split(source, count, along).map((part) => squeeze(part, along))
})

methods({ unstack })

declare module '../core/tensor.js' {
  interface TensorMethods {
    unstack<X extends Tensor, const A extends number = 0>(
      this: X & AxisCheck<ShapeOf<X>, A>,
      axis?: A,
    ): Result<Reduced<ShapeOf<X>, A, false>, DTypeOf<X>>[]
  }
}
