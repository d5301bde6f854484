// Padding with a constant.
import { isIntegers } from '../core/checks.js'
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { show } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { operand, type ResultAttrs } from './operands.js'
import { slice } from './slice.js'

type PadAttrs = ResultAttrs & { readonly before: readonly number[]; readonly value: number }

export const Pad: Op<PadAttrs> = registerOp({
  name: 'pad',
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x], attrs: { before } }) => [slice(g!, before, x!.shape)],
})

/** A border of `value` around a tensor: paddings[axis] = [before, after]; a number pads all axes on both sides. */
export const pad: (x: TensorLike, paddings: number | readonly (readonly [number, number])[], value?: number) => Tensor = func(
  'pad(x, paddings, value)',
  (x, paddings, value = 0) => {
    const source = operand('pad', x)
    const pairs = typeof paddings === 'number' ? source.shape.map(() => [paddings, paddings] as const) : paddings
    const valid = Array.isArray(pairs) && pairs.length === source.rank
    if (!valid || !pairs.every((pair) => isIntegers(pair, 0, 2))) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `pad: paddings for shape [${source.shape}] are ${source.rank} pairs [before, after], got ${show(paddings)}`,
        {
          op: 'pad',
          shapes: [source.shape],
        },
      )
    }
    if (typeof value !== 'number') throw new WeftError('ERR_ARGUMENT', `pad: the value must be a number, got ${show(value)}`, { op: 'pad' })
    const shape = source.shape.map((n, i) => n + pairs[i]![0] + pairs[i]![1])
    return applyOne(Pad, [source], { before: pairs.map(([before]) => before), value, shape })
  },
)

methods({ pad })

declare module '../core/tensor.js' {
  interface TensorMethods {
    pad: Method<typeof pad>
  }
}
