// Root-mean-square normalization over the last axis (Zhang & Sennrich 2019).
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, mul, sub } from './arithmetic.js'
import { isZeros } from './creation.js'
import { numberOf, sameFloats } from './operands.js'
import { mean, sum } from './reduce.js'
import { expandDims, reshape } from './reshape.js'

type NormAttrs = { readonly epsilon: number }

/** (x [r, c], gamma [c]) → y, 1 / √(mean(x²) + epsilon) [r]. */
export const RmsNorm: Op<NormAttrs> = registerOp<NormAttrs>({
  name: 'rmsNorm',
  shape: ([x]) => [x!.shape, x!.shape.slice(0, 1)].map((shape) => ({ shape, dtype: x!.dtype })),
  grad: ([g, gRstd], { inputs: [x, gamma], outputs: [, rstd] }) => {
    const [dx, dgamma] = apply(RmsNormGrad, [g!, x!, gamma!, rstd!], {})
    if (isZeros(gRstd!)) return [dx, dgamma]
    const slope = mul(mul(gRstd!, mul(rstd!, mul(rstd!, rstd!))), -1 / Math.max(1, x!.shape[1]!)) // [r]
    return [add(dx!, mul(x!, expandDims(slope, -1))), dgamma]
  },
})
/** (g, x, gamma, rstd) → gradients of x and gamma. */
export const RmsNormGrad: Op = registerOp({
  name: 'rmsNormGrad',
  shape: ([, x, gamma]) => [x!, gamma!].map(({ shape }) => ({ shape, dtype: x!.dtype })),
  compose: ([g, x, gamma, rstd]) => {
    const scale = expandDims(rstd!, -1) // [r, 1]
    const normal = mul(x!, scale) // [r, c]
    const inner = mul(g!, gamma!)
    return [mul(sub(inner, mul(normal, mean(mul(inner, normal), -1, { keepDims: true }))), scale), sum(mul(g!, normal), 0)]
  },
})

export interface RmsNormOptions {
  /** Added to the mean square. Default 1e-6. */
  epsilon?: number
}
const OPTIONS: OptionTable<RmsNormOptions> = { epsilon: 'number' }

/**
 * Each row of x [..., c] divided by its root mean square, times gamma [c]: x·gamma / √(mean(x²) + epsilon).
 * @param options epsilon: default 1e-6
 */
export const rmsNorm: (x: TensorLike, gamma: TensorLike, options?: RmsNormOptions) => Tensor = func(
  'rmsNorm(x, gamma, options)',
  OPTIONS,
  (x, gamma, options = {}) => {
    const [input, scale] = sameFloats('rmsNorm', [x, gamma]) as [Tensor, Tensor]
    const c = input.shape[input.rank - 1]
    if (input.rank < 1 || scale.rank !== 1 || scale.shape[0] !== c) {
      throw new WeftError('ERR_SHAPE', `rmsNorm: x [${input.shape}] and gamma [${scale.shape}] do not fit: they are [..., c] and [c]`, {
        op: 'rmsNorm',
        shapes: [input.shape, scale.shape],
      })
    }
    const rows = input.rank === 2 ? input : reshape(input, [sizeOf(input.shape.slice(0, -1)), c!])
    const [y] = apply(RmsNorm, [rows, scale], { epsilon: numberOf('rmsNorm', 'epsilon', options.epsilon ?? 1e-6) })
    return input.rank === 2 ? y! : reshape(y!, input.shape)
  },
)
