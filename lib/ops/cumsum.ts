// Running sums and products.
import { applyOne } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { mul } from './arithmetic.js'
import { axisOf, single } from './operands.js'
import { pad } from './pad.js'
import { slice } from './slice.js'

type CumSumAttrs = { readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean }

export const CumSum: Op<CumSumAttrs> = registerOp<CumSumAttrs>({
  name: 'cumSum',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g], { attrs }) => [applyOne(CumSum, [g!], { ...attrs, reverse: !attrs.reverse })],
})

/** Products of ever longer runs, by doubling: so that derivatives of every order are right at zeros too. */
function productsByDoubling([x]: readonly Tensor[], { axis, exclusive, reverse }: CumSumAttrs): Tensor[] {
  const n = x!.shape[axis]!
  // the values `by` places before, and 1 where there is none
  const before = (t: Tensor, by: number): Tensor => {
    const along = <V>(there: V, elsewhere: V): V[] => t.shape.map((_, i) => (i === axis ? there : elsewhere))
    return pad(slice(t, along(reverse ? by : 0, 0), along(n - by, -1)), along(reverse ? [0, by] : [by, 0], [0, 0]) as [number, number][], 1)
  }
  let y = exclusive && n > 0 ? before(x!, 1) : x!
  for (let run = 1; run < n; run *= 2) y = mul(y, before(y, run))
  return [y]
}

export const CumProd: Op<CumSumAttrs> = registerOp<CumSumAttrs>({
  name: 'cumProd',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  compose: productsByDoubling,
})

export interface CumSumOptions {
  /** Without the value itself: the sum or product of those before it. Default false. */
  exclusive?: boolean
  /** From the end. Default false. */
  reverse?: boolean
}

const OPTIONS: OptionTable<CumSumOptions> = { exclusive: 'boolean', reverse: 'boolean' }

type Cumulative = (x: TensorLike, axis?: number, options?: CumSumOptions) => Tensor

const cumulative = (op: Op<CumSumAttrs>): Cumulative =>
  func(`${op.name}(x, axis, options)`, OPTIONS, (x: TensorLike, axis = 0, options: CumSumOptions = {}) => {
    const source = single(op.name, x, 'total')
    const { exclusive = false, reverse = false } = options
    return applyOne(op, [source], { axis: axisOf(op.name, axis, source.rank), exclusive, reverse })
  })

/** The sum of the values up to each place along an axis (default 0); of bools and integers int32. */
export const cumSum: Cumulative = cumulative(CumSum)

/** The product of the values up to each place along an axis (default 0); of bools and integers int32. */
export const cumProd: Cumulative = cumulative(CumProd)

methods({ cumSum, cumProd })

declare module '../core/tensor.js' {
  interface TensorMethods {
    cumSum: Method<typeof cumSum>
    cumProd: Method<typeof cumProd>
  }
}
