// Activation functions. Those with a kernel for their gradient give it from the input x or from the output y.
import { applyOne } from '../core/apply.js'
import type { OptionTable } from '../core/options.js'
import { func, methods } from '../core/symbolic.js'
import type { TensorLike } from '../core/tensor.js'
import { mul } from './arithmetic.js'
import { keepMask } from './masks.js'
import { single } from './operands.js'
import { type Unary, type UnaryMethod, unary, unaryOp } from './pointwise.js'
import * as raw from './raw.js'

const { add, div, exp, greater, less, lessEqual, logicalAnd, sub, where } = raw

/** max(x, 0); the gradient at 0 is 0. */
export const relu: Unary<'number'> = unary({ name: 'relu', kind: 'number', gradient: { output: (g, y) => where(greater(y, 0), g, 0) } })
/** 1 / (1 + e⁻ˣ). */
export const sigmoid: Unary = unary({ name: 'sigmoid', kind: 'float', gradient: { output: (g, y) => raw.mul(g, raw.mul(y, sub(1, y))) } })
/** The hyperbolic tangent. */
export const tanh: Unary = unary({ name: 'tanh', kind: 'float', gradient: { output: (g, y) => raw.mul(g, sub(1, raw.square(y))) } })
/** ln(1 + eˣ). */
export const softplus: Unary = unary({ name: 'softplus', kind: 'float', gradient: { input: (g, x) => raw.mul(g, raw.sigmoid(x)) } })
/** x / (1 + |x|). */
export const softsign: Unary = unary({
  name: 'softsign',
  kind: 'float',
  gradient: { input: (g, x) => div(g, raw.square(add(raw.abs(x), 1))) },
})
/** x·sigmoid(x), also called swish (Elfwing et al. 2017). */
export const silu: Unary = unary({
  name: 'silu',
  kind: 'float',
  gradient: {
    input: (g, x) => {
      const s = raw.sigmoid(x)
      return raw.mul(g, raw.mul(s, add(raw.mul(x, sub(1, s)), 1)))
    },
  },
})
/** x·tanh(softplus(x)) (Misra 2019). */
export const mish: Unary = unary({
  name: 'mish',
  kind: 'float',
  gradient: {
    input: (g, x) => {
      const t = raw.tanh(raw.softplus(x))
      return raw.mul(g, add(t, raw.mul(raw.mul(x, sub(1, raw.square(t))), raw.sigmoid(x))))
    },
  },
})
/** clip(x / 6 + 0.5, 0, 1). */
export const hardSigmoid: Unary = unary({
  name: 'hardSigmoid',
  kind: 'float',
  gradient: { input: (g, x) => where(logicalAnd(greater(x, -3), less(x, 3)), raw.mul(g, 1 / 6), 0) },
})

const SELU_SCALE = 1.0507009873554805
const SELU_ALPHA = 1.6732632423543772
/** scale · (x, or alpha·(eˣ - 1) below 0), with the constants of Klambauer et al. 2017. */
export const selu: Unary = unary({
  name: 'selu',
  kind: 'float',
  gradient: { input: (g, x) => raw.mul(g, where(greater(x, 0), SELU_SCALE, raw.mul(exp(x), SELU_SCALE * SELU_ALPHA))) },
})

/** A function with a slope that can be given. */
type Sloped = Unary<'float', [alpha?: number]>

/** x, or alpha·(eˣ - 1) below 0 (Clevert et al. 2015). */
export const elu: Sloped = unary({
  name: 'elu',
  kind: 'float',
  attributes: { alpha: 1 },
  gradient: { input: (g, x, { alpha }) => raw.mul(g, where(greater(x, 0), 1, raw.mul(exp(x), alpha))) },
})
/** x, or alpha·x below 0. Keras' default slope, 0.3, is that of its layer; this function's is 0.2. */
export const leakyRelu: Sloped = unary({
  name: 'leakyRelu',
  kind: 'float',
  attributes: { alpha: 0.2 },
  gradient: { input: (g, x, { alpha }) => where(greater(x, 0), g, raw.mul(g, alpha)) },
})
/** x, or 0 where |x| ≤ lambda; the gradient there is 0 (torch.nn.Hardshrink). */
export const hardShrink: Unary<'float', [lambda?: number]> = unary({
  name: 'hardShrink',
  kind: 'float',
  attributes: { lambda: 0.5 },
  gradient: { input: (g, x, { lambda }) => where(lessEqual(raw.abs(x), lambda), 0, g) },
})

const Gelu = unaryOp({
  name: 'gelu',
  gradient: {
    input: (g, x) => {
      const cumulative = raw.mul(add(raw.erf(raw.mul(x, Math.SQRT1_2)), 1), 0.5)
      const density = raw.mul(exp(raw.mul(raw.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
      return raw.mul(g, add(cumulative, raw.mul(x, density)))
    },
  },
})
const GeluTanh = unaryOp({
  name: 'geluTanh',
  gradient: {
    input: (g, x) => {
      const rate = Math.sqrt(2 / Math.PI)
      const squared = raw.square(x)
      const t = raw.tanh(raw.mul(raw.mul(x, add(raw.mul(squared, 0.044715), 1)), rate))
      const slope = raw.mul(add(raw.mul(squared, 3 * 0.044715), 1), rate)
      return raw.mul(g, raw.mul(add(add(t, 1), raw.mul(raw.mul(x, sub(1, raw.square(t))), slope)), 0.5))
    },
  },
})
export interface GeluOptions {
  /** By the tanh formula of the paper. Default false. */
  approximate?: boolean
}
const GELU_OPTIONS: OptionTable<GeluOptions> = { approximate: 'boolean' }

/** x·Φ(x) with the normal distribution's Φ (Hendrycks and Gimpel 2016). */
export const gelu: Unary<'float', [options?: GeluOptions]> = func(
  'gelu(x, options)',
  GELU_OPTIONS,
  (x: TensorLike, { approximate = false }: GeluOptions = {}) =>
    keepMask(applyOne(approximate ? GeluTanh : Gelu, [single('gelu', x, 'float')], {}), [x]),
)

/** min(max(x, 0), 6). */
export const relu6: Unary<'number'> = func('relu6(x)', (x: TensorLike) => relu(single('relu6', x, 'number')).minimum(6))

/** x·hardSigmoid(x) (Howard et al. 2019). */
export const hardSilu: Unary = func('hardSilu(x)', (x: TensorLike) => {
  const source = single('hardSilu', x, 'float')
  return mul(source, hardSigmoid(source))
})

methods({ gelu, relu6, hardSilu })

declare module '../core/tensor.js' {
  interface TensorMethods {
    relu: UnaryMethod<'number'>
    sigmoid: UnaryMethod
    tanh: UnaryMethod
    softplus: UnaryMethod
    softsign: UnaryMethod
    silu: UnaryMethod
    selu: UnaryMethod
    mish: UnaryMethod
    hardSigmoid: UnaryMethod
    elu: UnaryMethod<'float', [alpha?: number]>
    leakyRelu: UnaryMethod<'float', [alpha?: number]>
    hardShrink: UnaryMethod<'float', [lambda?: number]>
    gelu: UnaryMethod<'float', [options?: GeluOptions]>
    relu6: UnaryMethod<'number'>
    hardSilu: UnaryMethod
  }
}
