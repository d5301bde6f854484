// Elementary functions of floats (integers become float32), rounding, and tests for NaN and infinity.
import { type Unary, type UnaryMethod, unary } from './pointwise.js'
import * as raw from './raw.js'

const { add, div, mul, neg, square } = raw

/** eˣ. */
export const exp: Unary = unary({ name: 'exp', kind: 'float', gradient: (g, _, y) => mul(g, y) })
/** eˣ - 1, exact near 0. */
export const expm1: Unary = unary({ name: 'expm1', kind: 'float', gradient: (g, _, y) => mul(g, add(y, 1)) })
/** The natural logarithm. */
export const log: Unary = unary({ name: 'log', kind: 'float', gradient: (g, x) => div(g, x) })
/** ln(1 + x), exact near 0. */
export const log1p: Unary = unary({ name: 'log1p', kind: 'float', gradient: (g, x) => div(g, add(x, 1)) })
/** √x. */
export const sqrt: Unary = unary({ name: 'sqrt', kind: 'float', gradient: (g, _, y) => div(g, mul(y, 2)) })
/** 1 / √x. */
export const rsqrt: Unary = unary({ name: 'rsqrt', kind: 'float', gradient: (g, _, y) => mul(g, mul(mul(y, square(y)), -0.5)) })
/** 1 / x. */
export const reciprocal: Unary = unary({ name: 'reciprocal', kind: 'float', gradient: (g, _, y) => neg(mul(g, square(y))) })
/** Sine of an angle in radians. */
export const sin: Unary = unary({ name: 'sin', kind: 'float', gradient: (g, x) => mul(g, raw.cos(x)) })
/** Cosine of an angle in radians. */
export const cos: Unary = unary({ name: 'cos', kind: 'float', gradient: (g, x) => neg(mul(g, raw.sin(x))) })
/** Tangent of an angle in radians. */
export const tan: Unary = unary({ name: 'tan', kind: 'float', gradient: (g, _, y) => mul(g, add(square(y), 1)) })
/** The error function 2/√π · ∫₀ˣ e^(-t²) dt. */
export const erf: Unary = unary({
  name: 'erf',
  kind: 'float',
  gradient: (g, x) => mul(g, mul(raw.exp(neg(square(x))), 2 / Math.sqrt(Math.PI))),
})
/** Rounded down; no gradient flows. */
export const floor: Unary<'number'> = unary({ name: 'floor', kind: 'number', gradient: 'zero' })
/** Rounded up; no gradient flows. */
export const ceil: Unary<'number'> = unary({ name: 'ceil', kind: 'number', gradient: 'zero' })
/** Rounded to the nearest integer, halves to even; no gradient flows. */
export const round: Unary<'number'> = unary({ name: 'round', kind: 'number', gradient: 'zero' })
/** True where x is NaN. */
export const isNaN: Unary<'bool'> = unary({ name: 'isNaN', kind: 'float', result: 'bool', gradient: 'none' })
/** True where x is neither NaN nor infinite. */
export const isFinite: Unary<'bool'> = unary({ name: 'isFinite', kind: 'float', result: 'bool', gradient: 'none' })

declare module '../core/tensor.js' {
  interface TensorMethods {
    exp: UnaryMethod
    expm1: UnaryMethod
    log: UnaryMethod
    log1p: UnaryMethod
    sqrt: UnaryMethod
    rsqrt: UnaryMethod
    reciprocal: UnaryMethod
    sin: UnaryMethod
    cos: UnaryMethod
    tan: UnaryMethod
    erf: UnaryMethod
    floor: UnaryMethod<'number'>
    ceil: UnaryMethod<'number'>
    round: UnaryMethod<'number'>
    isNaN: UnaryMethod<'bool'>
    isFinite: UnaryMethod<'bool'>
  }
}
