// Layer normalization over the last axis (Ba et al. 2016).
import { apply } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, div, mul, sub } from './arithmetic.js'
import type { NormalizationOptions } from './batch_norm.js'
import { isZeros } from './creation.js'
import { numberOf, sameFloats } from './operands.js'
import { mean as meanOf, sum } from './reduce.js'
import { expandDims, reshape } from './reshape.js'

type NormAttrs = { readonly epsilon: number }

/** (x [r, c], gamma [c], beta [c]) → y, mean [r], 1 / √(variance + epsilon) [r]. */
export const LayerNorm: Op<NormAttrs> = registerOp<NormAttrs>({
  name: 'layerNorm',
  shape: ([x]) => [x!.shape, x!.shape.slice(0, 1), x!.shape.slice(0, 1)].map((shape) => ({ shape, dtype: x!.dtype })),
  grad: ([g, gMean, gRstd], { inputs: [x, gamma], outputs: [, mean, rstd] }) => {
    const columns = Math.max(1, x!.shape[1]!)
    let [dx, ...rest] = apply(LayerNormGrad, [g!, x!, gamma!, mean!, rstd!], {})
    if (!isZeros(gMean!)) dx = add(dx!, expandDims(div(gMean!, columns), -1))
    if (!isZeros(gRstd!)) {
      const slope = mul(mul(gRstd!, mul(rstd!, mul(rstd!, rstd!))), -1 / columns) // [r]
      dx = add(dx!, mul(sub(x!, expandDims(mean!, -1)), expandDims(slope, -1)))
    }
    return [dx, ...rest]
  },
})
/** (g, x, gamma, mean, rstd) → gradients of x, gamma and beta. */
export const LayerNormGrad: Op = registerOp({
  name: 'layerNormGrad',
  shape: ([, x, gamma]) => [x!, gamma!, gamma!].map(({ shape }) => ({ shape, dtype: x!.dtype })),
  compose: ([g, x, gamma, mean, rstd]) => {
    const scale = expandDims(rstd!, -1) // [r, 1]
    const normal = mul(sub(x!, expandDims(mean!, -1)), scale) // [r, c]
    const inner = mul(g!, gamma!)
    const shared = add(meanOf(inner, -1, { keepDims: true }), mul(normal, meanOf(mul(inner, normal), -1, { keepDims: true })))
    return [mul(sub(inner, shared), scale), sum(mul(g!, normal), 0), sum(g!, 0)]
  },
})

const OPTIONS: OptionTable<NormalizationOptions> = { epsilon: 'number' }

/** Each row of x [..., c] normalized to mean 0 and variance 1, then gamma·x + beta with gamma and beta [c]. */
export const layerNorm: (x: TensorLike, gamma: TensorLike, beta: TensorLike, options?: NormalizationOptions) => Tensor = func(
  'layerNorm(x, gamma, beta, options)',
  OPTIONS,
  (x, gamma, beta, { epsilon = 1e-3 } = {}) => {
    const [input, scale, offset] = sameFloats('layerNorm', [x, gamma, beta]) as [Tensor, Tensor, Tensor]
    const c = input.shape[input.rank - 1]
    if (input.rank < 1 || scale.rank !== 1 || scale.shape[0] !== c || offset.rank !== 1 || offset.shape[0] !== c) {
      throw new WeftError(
        'ERR_SHAPE',
        `layerNorm: x [${input.shape}], gamma [${scale.shape}] and beta [${offset.shape}] do not fit: they are [..., c], [c] and [c]`,
        {
          op: 'layerNorm',
          shapes: [input.shape, scale.shape, offset.shape],
        },
      )
    }
    const rows = input.rank === 2 ? input : reshape(input, [sizeOf(input.shape.slice(0, -1)), c!])
    const [y] = apply(LayerNorm, [rows, scale, offset], { epsilon: numberOf('layerNorm', 'epsilon', epsilon) })
    return input.rank === 2 ? y! : reshape(y!, input.shape)
  },
)
