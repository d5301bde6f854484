// Rotary position embedding (Su et al. 2021): pairs of features are turned by an angle that grows with the position.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, mul, neg, sub } from './arithmetic.js'
import { checkRank, sameFloats } from './operands.js'
import { sum } from './reduce.js'
import { slice } from './slice.js'

type RotaryAttrs = { readonly interleaved: boolean }

/** (x [b, t, h, d], cos [t, d/2], sin [t, d/2]) → x with its pairs turned. */
export const Rotary: Op<RotaryAttrs> = registerOp<RotaryAttrs>({
  name: 'rotary',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x, cos, sin], attrs }) => {
    const [first, second] = pairs(x!, attrs.interleaved)
    const [g1, g2] = pairs(g!, attrs.interleaved)
    return [
      applyOne(Rotary, [g!, cos!, neg(sin!)], attrs),
      sum(add(mul(g1, first), mul(g2, second)), [0, 2]),
      sum(sub(mul(g2, first), mul(g1, second)), [0, 2]),
    ]
  },
})

/** Both members of every pair: [b, t, h, d/2] each. */
function pairs(x: Tensor, interleaved: boolean): [Tensor, Tensor] {
  const [b, t, h, d] = x.shape as [number, number, number, number]
  const size = [b, t, h, d / 2]
  if (d === 0) return [x, x]
  return interleaved
    ? [slice(x, [0, 0, 0, 0], size, [1, 1, 1, 2]), slice(x, [0, 0, 0, 1], size, [1, 1, 1, 2])]
    : [slice(x, [0, 0, 0, 0], size), slice(x, [0, 0, 0, d / 2], size)]
}

export interface RotaryOptions {
  /** Pairs are features (2i, 2i + 1). Default false: (i, i + d/2). */
  interleaved?: boolean
}
const OPTIONS: OptionTable<RotaryOptions> = { interleaved: 'boolean' }

/**
 * Turns each pair (x₁, x₂) of x's features into (x₁·cos - x₂·sin, x₂·cos + x₁·sin).
 * @param x queries or keys [b, t, h, d], d even
 * @param cos cosines of the angles [t, d/2]
 * @param sin sines of the angles [t, d/2]
 * @param options interleaved: pairs are features (2i, 2i + 1); default: (i, i + d/2)
 */
export const rotary: (x: TensorLike, cos: TensorLike, sin: TensorLike, options?: RotaryOptions) => Tensor = func(
  'rotary(x, cos, sin, options)',
  OPTIONS,
  (x, cos, sin, options = {}) => {
    const [input, c, s] = sameFloats('rotary', [x, cos, sin]) as [Tensor, Tensor, Tensor]
    checkRank('rotary', 'x', input, 4, 'The layout is [batch, time, heads, features]')
    const [, t, , d] = input.shape as [number, number, number, number]
    if ([c, s].some(({ rank, shape }) => rank !== 2 || shape[0] !== t || shape[1]! * 2 !== d)) {
      throw new WeftError(
        'ERR_SHAPE',
        `rotary: x [${input.shape}], cos [${c.shape}] and sin [${s.shape}] do not fit: they are [b, t, h, d], [t, d/2] and [t, d/2]`,
        { op: 'rotary', shapes: [input.shape, c.shape, s.shape] },
      )
    }
    return applyOne(Rotary, [input, c, s], { interleaved: Boolean(options.interleaved) })
  },
)
