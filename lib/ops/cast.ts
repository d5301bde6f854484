// Cast and identity: the same values in another dtype, as a copy, or without gradient.
import { applyOne } from '../core/apply.js'
import { unknownName, WeftError } from '../core/error.js'
import { currentTrace } from '../core/graph.js'
import { type Op, registerOp } from '../core/op.js'
import { show } from '../core/options.js'
import { type DType, isFloat } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import { type Tensor, type TensorLike, Variable } from '../core/tensor.js'
import type { DTypeOf, KnownDType, ShapeOf } from '../core/tensor_types.js'
import { keepMask } from './masks.js'
import { operand } from './operands.js'
import * as raw from './raw.js'

type CastAttrs = { readonly dtype: DType }

export const DTYPES: readonly DType[] = ['bool', 'uint8', 'int8', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64']

export const Cast: Op<CastAttrs> = registerOp({
  name: 'cast',
  shape: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
  grad: ([g], { inputs: [x], outputs: [y] }) => (isFloat(x!.dtype) && isFloat(y!.dtype) ? [raw.cast(g!, x!.dtype)] : []),
})

export const Identity: Op = registerOp({
  name: 'identity',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g]) => [g],
})

const Stop: Op = { ...Identity, grad: () => [], stopsGradient: true }

/** A tensor of its own with the same values: memory is shared where nobody can write it. */
export function alike(x: Tensor): Tensor {
  const trace = currentTrace()
  if (trace) return trace.resolve(x)
  return x instanceof Variable ? raw.identity(x) : raw.call('reshape', [x], { shape: x.shape })
}

/**
 * The values in another dtype. Floats to integers truncate toward zero and saturate, NaN becomes 0; to bool is `!= 0`.
 * The gradient is cast back; none flows through integers and bools.
 */
export const cast: <X extends TensorLike, D extends DType>(x: X, dtype: D) => Tensor<ShapeOf<X>, KnownDType<D>> = func(
  'cast(x, dtype)',
  (x: TensorLike, dtype: DType): Tensor => {
    const source = operand('cast', x)
    if (!DTYPES.includes(dtype)) {
      if (typeof dtype !== 'string') throw new WeftError('ERR_DTYPE', `cast: a dtype is a string, got ${show(dtype)}`, { op: 'cast' })
      throw new WeftError('ERR_DTYPE', `cast: ${unknownName('dtype', dtype, DTYPES).message}`, { op: 'cast' })
    }
    return keepMask(source.dtype === dtype ? alike(source) : applyOne(Cast, [source], { dtype }), [x])
  },
)

/** A copy of the values. */
export const identity: <X extends TensorLike>(x: X) => Tensor<ShapeOf<X>, DTypeOf<X>> = func('identity(x)', (x) =>
  keepMask(applyOne(Identity, [operand('identity', x)], {}), [x]),
)

/** A copy of the values through which no gradient flows. */
export const stopGradient: <X extends TensorLike>(x: X) => Tensor<ShapeOf<X>, DTypeOf<X>> = func('stopGradient(x)', (x) =>
  keepMask(applyOne(Stop, [operand('stopGradient', x)], {}), [x]),
)

methods({ cast, identity, stopGradient })

declare module '../core/tensor.js' {
  interface TensorMethods {
    /** The values in another dtype; see cast(). */
    cast<X extends Tensor, D extends DType>(this: X, dtype: D): Tensor<ShapeOf<X>, KnownDType<D>>
    identity<X extends Tensor>(this: X): Tensor<ShapeOf<X>, DTypeOf<X>>
    stopGradient<X extends Tensor>(this: X): Tensor<ShapeOf<X>, DTypeOf<X>>
  }
}
