// Dense: a matrix product with its bias and activation in one kernel.
import { applyOne } from '../core/apply.js'
import { unknownName, WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { matMul } from './matmul.js'
import { sameFloats } from './operands.js'
import { activationGrad } from './raw.js'
import { sum } from './reduce.js'
import { reshape } from './reshape.js'

/** Activations that fused kernels apply to what they compute. */
export type FusedActivation = 'linear' | 'relu' | 'sigmoid' | 'tanh'
export const FUSED_ACTIVATIONS: readonly FusedActivation[] = ['linear', 'relu', 'sigmoid', 'tanh']

type DenseAttrs = { readonly activation: FusedActivation }

export const Dense: Op<DenseAttrs> = registerOp({
  name: 'dense',
  shape: ([x, w]) => [{ shape: [x!.shape[0]!, w!.shape[1]!], dtype: x!.dtype }],
  grad: ([g], { inputs: [x, w], outputs: [y], attrs: { activation } }) => {
    const inner = activationGrad(activation, g!, y!) // [m, n]
    return [matMul(inner, w!, { transposeB: true }), matMul(x!, inner, { transposeA: true }), sum(inner, 0)]
  },
})

export interface DenseOptions {
  /** Applied to the sums. Default 'linear'. */
  activation?: FusedActivation
}
const OPTIONS: OptionTable<DenseOptions> = { activation: 'any' }

/** activation(x·w + b) over the last axis: x [..., k], w [k, n], b [n] → [..., n]. */
export const dense: (x: TensorLike, w: TensorLike, b: TensorLike, options?: DenseOptions) => Tensor = func(
  'dense(x, w, b, options)',
  OPTIONS,
  (x, w, b, options = {}) => {
    const { activation = 'linear' } = options
    if (!FUSED_ACTIVATIONS.includes(activation)) throw unknownName('activation of dense', activation, FUSED_ACTIVATIONS)
    const [input, kernel, bias] = sameFloats('dense', [x, w, b]) as [Tensor, Tensor, Tensor]
    const [k, n] = kernel.shape
    if (input.rank < 1 || kernel.rank !== 2 || input.shape[input.rank - 1] !== k || bias.rank !== 1 || bias.shape[0] !== n) {
      throw new WeftError(
        'ERR_SHAPE',
        `dense: x [${input.shape}], w [${kernel.shape}] and b [${bias.shape}] do not fit: they are [..., k], [k, n] and [n]`,
        {
          op: 'dense',
          shapes: [input.shape, kernel.shape, bias.shape],
        },
      )
    }
    const leading = input.shape.slice(0, -1)
    const rows = input.rank === 2 ? input : reshape(input, [sizeOf(leading), k!])
    const result = applyOne(Dense, [rows, kernel, bias], { activation })
    return input.rank === 2 ? result : reshape(result, [...leading, n!])
  },
)
