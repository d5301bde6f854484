// Batch normalization over all axes but the last (Ioffe and Szegedy 2015).
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, div, mul, sub } from './arithmetic.js'
import { isZeros } from './creation.js'
import { rsqrt } from './math.js'
import { numberOf, sameFloats } from './operands.js'
import { sum } from './reduce.js'
import { reshape } from './reshape.js'

type NormAttrs = { readonly epsilon: number }

/** (x [r, c], gamma [c], beta [c]) → y, mean [c], biased variance [c]. */
export const BatchNorm: Op<NormAttrs> = registerOp<NormAttrs>({
  name: 'batchNorm',
  shape: ([x, gamma]) => [x!, gamma!, gamma!].map(({ shape }) => ({ shape, dtype: x!.dtype })),
  grad: ([g, gMean, gVariance], { inputs: [x, gamma], outputs: [, mean, variance], attrs }) => {
    const rows = Math.max(1, x!.shape[0]!)
    let [dx, ...rest] = apply(BatchNormGrad, [g!, x!, gamma!, mean!, variance!], attrs)
    if (!isZeros(gMean!)) dx = add(dx!, div(gMean!, rows))
    if (!isZeros(gVariance!)) dx = add(dx!, mul(sub(x!, mean!), mul(gVariance!, 2 / rows)))
    return [dx, ...rest]
  },
})
/** (g, x, gamma, mean, variance) → gradients of x, gamma and beta. */
export const BatchNormGrad: Op<NormAttrs> = registerOp<NormAttrs>({
  name: 'batchNormGrad',
  shape: ([, x, gamma]) => [x!, gamma!, gamma!].map(({ shape }) => ({ shape, dtype: x!.dtype })),
  compose: ([g, x, gamma, mean, variance], { epsilon }) => {
    const rows = Math.max(1, x!.shape[0]!)
    const scale = rsqrt(add(variance!, epsilon)) // [c]
    const normal = mul(sub(x!, mean!), scale) // [r, c]
    const dbeta = sum(g!, 0)
    const dgamma = sum(mul(g!, normal), 0)
    const centered = sub(g!, div(add(dbeta, mul(normal, dgamma)), rows))
    return [mul(centered, mul(gamma!, scale)), dgamma, dbeta]
  },
})

export interface NormalizationOptions {
  /** Added to the variance. Default 1e-3. */
  epsilon?: number
}
const OPTIONS: OptionTable<NormalizationOptions> = { epsilon: 'number' }

/**
 * x [..., c] normalized per channel with the mean and (biased) variance of this batch, then gamma·x + beta.
 * @returns y like x, mean [c] and variance [c]
 */
export const batchNorm: (
  x: TensorLike,
  gamma: TensorLike,
  beta: TensorLike,
  options?: NormalizationOptions,
) => { y: Tensor; mean: Tensor; variance: Tensor } = func(
  'batchNorm(x, gamma, beta, options)',
  OPTIONS,
  (x, gamma, beta, { epsilon = 1e-3 } = {}) => {
    const [input, scale, offset] = sameFloats('batchNorm', [x, gamma, beta]) as [Tensor, Tensor, Tensor]
    const c = input.shape[input.rank - 1]
    if (input.rank < 2 || scale.rank !== 1 || scale.shape[0] !== c || offset.rank !== 1 || offset.shape[0] !== c) {
      throw new WeftError(
        'ERR_SHAPE',
        `batchNorm: x [${input.shape}], gamma [${scale.shape}] and beta [${offset.shape}] do not fit: they are [..., c], [c] and [c]`,
        {
          op: 'batchNorm',
          shapes: [input.shape, scale.shape, offset.shape],
        },
      )
    }
    const rows = input.rank === 2 ? input : reshape(input, [sizeOf(input.shape.slice(0, -1)), c!])
    const [y, mean, variance] = apply(BatchNorm, [rows, scale, offset], { epsilon: numberOf('batchNorm', 'epsilon', epsilon) })
    return { y: input.rank === 2 ? y! : reshape(y!, input.shape), mean: mean!, variance: variance! }
  },
)
