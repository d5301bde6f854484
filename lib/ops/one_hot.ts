// One-hot rows of class ids.
import { applyOne } from '../core/apply.js'
import { checkOptions } from '../core/error.js'
import { type DType, type Op, registerOp } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { indexOperand, integerOf, numberOf } from './operands.js'

type OneHotAttrs = { readonly on: number; readonly off: number; readonly shape: readonly number[]; readonly dtype: DType }

export const OneHot: Op<OneHotAttrs> = registerOp<OneHotAttrs>({ name: 'oneHot', shape: (_, { shape, dtype }) => [{ shape, dtype }] })

export interface OneHotOptions {
  /** Value at the index. Default 1. */
  on?: number
  /** Value elsewhere. Default 0. */
  off?: number
  /** Default float32. */
  dtype?: DType
}

/** indices [...] → [..., depth]: `on` at the index, `off` elsewhere; an index out of range gives a row of `off`. */
export const oneHot: (indices: TensorLike, depth: number, options?: OneHotOptions) => Tensor = func((indices, depth, options = {}) => {
  checkOptions('oneHot', options, ['on', 'off', 'dtype'])
  const { on = 1, off = 0, dtype = 'float32' } = options
  const ids = indexOperand('oneHot', indices)
  integerOf('oneHot', 'depth', depth, 0)
  return applyOne(OneHot, [ids], {
    on: numberOf('oneHot', 'on', on),
    off: numberOf('oneHot', 'off', off),
    shape: [...ids.shape, depth],
    dtype,
  })
})

methods({ oneHot })

declare module '../core/tensor.js' {
  interface Tensor {
    oneHot(depth: number, options?: OneHotOptions): Tensor
  }
}
