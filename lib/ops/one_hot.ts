// One-hot rows of class ids.
import { applyOne } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import type { DType } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { WithNew } from '../core/tensor_shapes.js'
import type { KnownDType, Result, ShapeOf } from '../core/tensor_types.js'
import { checkDType } from './creation.js'
import { passMask } from './masks.js'
import { indexOperand } from './ids.js'
import { integerOf, numberOf } from './operands.js'

type OneHotAttrs = { readonly on: number; readonly off: number; readonly shape: readonly number[]; readonly dtype: DType }

export const OneHot: Op<OneHotAttrs> = registerOp<OneHotAttrs>({
  name: 'oneHot',
  noGradient: true,
  shape: (_, { shape, dtype }) => [{ shape, dtype }],
})

export interface OneHotOptions<D extends DType = DType> {
  /** Value at the index. Default 1. */
  on?: number
  /** Value elsewhere. Default 0. */
  off?: number
  /** Default float32. */
  dtype?: D
}

const OPTIONS: OptionTable<OneHotOptions> = { on: 'any', off: 'any', dtype: 'any' }

/** indices [...] → [..., depth]: `on` at the index, `off` elsewhere; an index out of range gives a row of `off`. */
export const oneHot: <X extends TensorLike, const N extends number, D extends DType = 'float32'>(
  indices: X,
  depth: N,
  options?: OneHotOptions<D>,
) => Result<WithNew<ShapeOf<X>, N>, KnownDType<D>> = func('oneHot(indices, depth, options)', OPTIONS, (indices, depth, options = {}) => {
  const { on = 1, off = 0, dtype = 'float32' } = options
  const ids = indexOperand('oneHot', indices)
  checkDType('oneHot', dtype)
  integerOf('oneHot', 'depth', depth, 0)
  const result = applyOne(OneHot, [ids], {
    on: numberOf('oneHot', 'on', on),
    off: numberOf('oneHot', 'off', off),
    shape: [...ids.shape, depth],
    dtype,
  })
  return passMask(result, indices)
})

methods({ oneHot })

declare module '../core/tensor.js' {
  interface TensorMethods {
    oneHot<X extends Tensor, const N extends number, D extends DType = 'float32'>(
      this: X,
      depth: N,
      options?: OneHotOptions<D>,
    ): Result<WithNew<ShapeOf<X>, N>, KnownDType<D>>
  }
}
