// Activation functions and their gradient kernels.
import { applyOne } from '../core/apply.js'
import type { Op } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { abs, add, div, mul, square, sub } from './arithmetic.js'
import { greater, less, logicalAnd, where } from './compare.js'
import { erf, exp } from './math.js'
import { numberOf, single } from './operands.js'
import { gradientOp, type Unary, unary, unaryOp } from './pointwise.js'

// gradients written from the output y
export const Relu: Op = unaryOp('relu', (g, _, y) => applyOne(ReluGrad, [g, y], {}))
export const ReluGrad: Op = gradientOp('reluGrad', (g, y) => where(greater(y, 0), g, 0))
export const Sigmoid: Op = unaryOp('sigmoid', (g, _, y) => applyOne(SigmoidGrad, [g, y], {}))
export const SigmoidGrad: Op = gradientOp('sigmoidGrad', (g, y) => mul(g, mul(y, sub(1, y))))
export const Tanh: Op = unaryOp('tanh', (g, _, y) => applyOne(TanhGrad, [g, y], {}))
export const TanhGrad: Op = gradientOp('tanhGrad', (g, y) => mul(g, sub(1, square(y))))

// gradients written from the input x
export const Softplus: Op = unaryOp('softplus', (g, x) => applyOne(SoftplusGrad, [g, x], {}))
export const SoftplusGrad: Op = gradientOp('softplusGrad', (g, x) => mul(g, sigmoid(x)))
export const Softsign: Op = unaryOp('softsign', (g, x) => applyOne(SoftsignGrad, [g, x], {}))
export const SoftsignGrad: Op = gradientOp('softsignGrad', (g, x) => div(g, square(add(abs(x), 1))))
export const Gelu: Op = unaryOp('gelu', (g, x) => applyOne(GeluGrad, [g, x], {}))
export const GeluGrad: Op = gradientOp('geluGrad', (g, x) => {
  const cumulative = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5)
  const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return mul(g, add(cumulative, mul(x, density)))
})
export const GeluTanh: Op = unaryOp('geluTanh', (g, x) => applyOne(GeluTanhGrad, [g, x], {}))
export const GeluTanhGrad: Op = gradientOp('geluTanhGrad', (g, x) => {
  const rate = Math.sqrt(2 / Math.PI)
  const squared = square(x)
  const t = tanh(mul(mul(x, add(mul(squared, 0.044715), 1)), rate))
  const slope = mul(add(mul(squared, 3 * 0.044715), 1), rate)
  return mul(g, mul(add(add(t, 1), mul(mul(x, sub(1, square(t))), slope)), 0.5))
})
export const Silu: Op = unaryOp('silu', (g, x) => applyOne(SiluGrad, [g, x], {}))
export const SiluGrad: Op = gradientOp('siluGrad', (g, x) => {
  const s = sigmoid(x)
  return mul(g, mul(s, add(mul(x, sub(1, s)), 1)))
})
const SELU_SCALE = 1.0507009873554805
const SELU_ALPHA = 1.6732632423543772
export const Selu: Op = unaryOp('selu', (g, x) => applyOne(SeluGrad, [g, x], {}))
export const SeluGrad: Op = gradientOp('seluGrad', (g, x) => mul(g, where(greater(x, 0), SELU_SCALE, mul(exp(x), SELU_SCALE * SELU_ALPHA))))
export const Mish: Op = unaryOp('mish', (g, x) => applyOne(MishGrad, [g, x], {}))
export const MishGrad: Op = gradientOp('mishGrad', (g, x) => {
  const t = tanh(softplus(x))
  return mul(g, add(t, mul(mul(x, sub(1, square(t))), sigmoid(x))))
})
export const HardSigmoid: Op = unaryOp('hardSigmoid', (g, x) => applyOne(HardSigmoidGrad, [g, x], {}))
export const HardSigmoidGrad: Op = gradientOp('hardSigmoidGrad', (g, x) => where(logicalAnd(greater(x, -3), less(x, 3)), mul(g, 1 / 6), 0))

type AlphaAttrs = { readonly alpha: number }
export const Elu: Op<AlphaAttrs> = unaryOp<AlphaAttrs>('elu', (g, x, _, attrs) => applyOne(EluGrad, [g, x], attrs))
export const EluGrad: Op<AlphaAttrs> = gradientOp<AlphaAttrs>('eluGrad', (g, x, { alpha }) =>
  mul(g, where(greater(x, 0), 1, mul(exp(x), alpha))),
)
export const LeakyRelu: Op<AlphaAttrs> = unaryOp<AlphaAttrs>('leakyRelu', (g, x, _, attrs) => applyOne(LeakyReluGrad, [g, x], attrs))
export const LeakyReluGrad: Op<AlphaAttrs> = gradientOp<AlphaAttrs>('leakyReluGrad', (g, x, { alpha }) =>
  where(greater(x, 0), g, mul(g, alpha)),
)

/** max(x, 0); the gradient at 0 is 0. */
export const relu: Unary = unary(Relu, 'number')
/** 1 / (1 + e⁻ˣ). */
export const sigmoid: Unary = unary(Sigmoid, 'float')
/** The hyperbolic tangent. */
export const tanh: Unary = unary(Tanh, 'float')
/** ln(1 + eˣ). */
export const softplus: Unary = unary(Softplus, 'float')
/** x / (1 + |x|). */
export const softsign: Unary = unary(Softsign, 'float')
/** x·sigmoid(x), also called swish (Elfwing et al. 2017). */
export const silu: Unary = unary(Silu, 'float')
/** scale · (x, or alpha·(eˣ - 1) below 0), with the constants of Klambauer et al. 2017. */
export const selu: Unary = unary(Selu, 'float')
/** x·tanh(softplus(x)) (Misra 2019). */
export const mish: Unary = unary(Mish, 'float')
/** clip(x / 6 + 0.5, 0, 1). */
export const hardSigmoid: Unary = unary(HardSigmoid, 'float')

/** x·Φ(x) with the normal distribution's Φ (Hendrycks and Gimpel 2016). `approximate`: by the tanh formula of the paper. */
export const gelu: (x: TensorLike, options?: { approximate?: boolean }) => Tensor = func((x, { approximate = false } = {}) =>
  applyOne(approximate ? GeluTanh : Gelu, [single('gelu', x, 'float')], {}),
)

/** x, or alpha·(eˣ - 1) below 0 (Clevert et al. 2015). */
export const elu: (x: TensorLike, alpha?: number) => Tensor = func((x, alpha = 1) =>
  applyOne(Elu, [single('elu', x, 'float')], { alpha: numberOf('elu', 'alpha', alpha) }),
)

/** x, or alpha·x below 0. Keras' default slope, 0.3, is that of its layer; this function's is 0.2. */
export const leakyRelu: (x: TensorLike, alpha?: number) => Tensor = func((x, alpha = 0.2) =>
  applyOne(LeakyRelu, [single('leakyRelu', x, 'float')], { alpha: numberOf('leakyRelu', 'alpha', alpha) }),
)

/** min(max(x, 0), 6). */
export const relu6: Unary = func((x: TensorLike) => applyOne(Relu, [single('relu6', x, 'number')], {}).minimum(6))

/** x·hardSigmoid(x) (Howard et al. 2019). */
export const hardSilu: Unary = func((x: TensorLike) => {
  const source = single('hardSilu', x, 'float')
  return mul(source, hardSigmoid(source))
})

/** The gradient through an activation from its output: what fused ops keep. */
export function activationGrad(activation: string, g: Tensor, y: Tensor): Tensor {
  switch (activation) {
    case 'relu':
      return applyOne(ReluGrad, [g, y], {})
    case 'sigmoid':
      return applyOne(SigmoidGrad, [g, y], {})
    case 'tanh':
      return applyOne(TanhGrad, [g, y], {})
    default:
      return g
  }
}

methods({ relu, sigmoid, tanh, softplus, softsign, silu, selu, mish, hardSigmoid, gelu, elu, leakyRelu, relu6, hardSilu })

declare module '../core/tensor.js' {
  interface Tensor {
    relu(): Tensor
    sigmoid(): Tensor
    tanh(): Tensor
    softplus(): Tensor
    softsign(): Tensor
    silu(): Tensor
    selu(): Tensor
    mish(): Tensor
    hardSigmoid(): Tensor
    gelu(options?: { approximate?: boolean }): Tensor
    elu(alpha?: number): Tensor
    leakyRelu(alpha?: number): Tensor
    relu6(): Tensor
    hardSilu(): Tensor
  }
}
