// Running sums.
import { applyOne } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { axisOf, single } from './operands.js'

type CumSumAttrs = { readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean }

export const CumSum: Op<CumSumAttrs> = registerOp<CumSumAttrs>({
  name: 'cumSum',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g], { attrs }) => [applyOne(CumSum, [g!], { ...attrs, reverse: !attrs.reverse })],
})

export interface CumSumOptions {
  /** Without the value itself: the sum of those before it. Default false. */
  exclusive?: boolean
  /** From the end. Default false. */
  reverse?: boolean
}

const OPTIONS: OptionTable<CumSumOptions> = { exclusive: 'boolean', reverse: 'boolean' }

/** The sum of the values up to each place along an axis (default 0). */
export const cumSum: (x: TensorLike, axis?: number, options?: CumSumOptions) => Tensor = func(
  'cumSum(x, axis, options)',
  OPTIONS,
  (x, axis = 0, options = {}) => {
    const source = single('cumSum', x, 'number')
    const { exclusive = false, reverse = false } = options
    return applyOne(CumSum, [source], { axis: axisOf('cumSum', axis, source.rank), exclusive, reverse })
  },
)

methods({ cumSum })

declare module '../core/tensor.js' {
  interface Tensor {
    cumSum: Method<typeof cumSum>
  }
}
