// Elementary functions of floats (integers become float32), rounding, and tests for NaN and infinity.
import { type Op, registerOp } from '../core/op.js'
import { methods } from '../core/symbolic.js'
import { add, div, mul, neg, square } from './arithmetic.js'
import { type Unary, unary, unaryOp } from './pointwise.js'

export const Exp: Op = unaryOp('exp', (g, _, y) => mul(g, y))
export const Expm1: Op = unaryOp('expm1', (g, _, y) => mul(g, add(y, 1)))
export const Log: Op = unaryOp('log', (g, x) => div(g, x))
export const Log1p: Op = unaryOp('log1p', (g, x) => div(g, add(x, 1)))
export const Sqrt: Op = unaryOp('sqrt', (g, _, y) => div(g, mul(y, 2)))
export const Rsqrt: Op = unaryOp('rsqrt', (g, _, y) => mul(g, mul(mul(y, square(y)), -0.5)))
export const Reciprocal: Op = unaryOp('reciprocal', (g, _, y) => neg(mul(g, square(y))))
export const Sin: Op = unaryOp('sin', (g, x) => mul(g, cos(x)))
export const Cos: Op = unaryOp('cos', (g, x) => neg(mul(g, sin(x))))
export const Tan: Op = unaryOp('tan', (g, _, y) => mul(g, add(square(y), 1)))
export const Erf: Op = unaryOp('erf', (g, x) => mul(g, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))))
export const Floor: Op = unaryOp('floor')
export const Ceil: Op = unaryOp('ceil')
export const Round: Op = unaryOp('round')
export const IsNaN: Op = registerOp({ name: 'isNaN', shape: ([x]) => [{ shape: x!.shape, dtype: 'bool' }] })
export const IsFinite: Op = registerOp({ name: 'isFinite', shape: ([x]) => [{ shape: x!.shape, dtype: 'bool' }] })

/** eˣ. */
export const exp: Unary = unary(Exp, 'float')
/** eˣ - 1, exact near 0. */
export const expm1: Unary = unary(Expm1, 'float')
/** The natural logarithm. */
export const log: Unary = unary(Log, 'float')
/** ln(1 + x), exact near 0. */
export const log1p: Unary = unary(Log1p, 'float')
/** √x. */
export const sqrt: Unary = unary(Sqrt, 'float')
/** 1 / √x. */
export const rsqrt: Unary = unary(Rsqrt, 'float')
/** 1 / x. */
export const reciprocal: Unary = unary(Reciprocal, 'float')
/** Sine of an angle in radians. */
export const sin: Unary = unary(Sin, 'float')
/** Cosine of an angle in radians. */
export const cos: Unary = unary(Cos, 'float')
/** Tangent of an angle in radians. */
export const tan: Unary = unary(Tan, 'float')
/** The error function 2/√π · ∫₀ˣ e^(-t²) dt. */
export const erf: Unary = unary(Erf, 'float')
/** Rounded down; no gradient flows. */
export const floor: Unary = unary(Floor, 'number')
/** Rounded up; no gradient flows. */
export const ceil: Unary = unary(Ceil, 'number')
/** Rounded to the nearest integer, halves to even; no gradient flows. */
export const round: Unary = unary(Round, 'number')
/** True where x is NaN. */
export const isNaN: Unary = unary(IsNaN, 'float')
/** True where x is neither NaN nor infinite. */
export const isFinite: Unary = unary(IsFinite, 'float')

methods({ exp, expm1, log, log1p, sqrt, rsqrt, reciprocal, sin, cos, tan, erf, floor, ceil, round, isNaN, isFinite })

declare module '../core/tensor.js' {
  interface Tensor {
    exp(): Tensor
    expm1(): Tensor
    log(): Tensor
    log1p(): Tensor
    sqrt(): Tensor
    rsqrt(): Tensor
    reciprocal(): Tensor
    sin(): Tensor
    cos(): Tensor
    tan(): Tensor
    erf(): Tensor
    floor(): Tensor
    ceil(): Tensor
    round(): Tensor
    isNaN(): Tensor
    isFinite(): Tensor
  }
}
