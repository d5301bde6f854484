// Arithmetic on numbers, with numpy broadcasting and promotion of dtypes.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import type { Op } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { cast } from './cast.js'
import { equal, greater, greaterEqual, less, lessEqual, logicalAnd, where } from './compare.js'
import { single } from './operands.js'
import { type Binary, binary, binaryOp, gradientOp, type Unary, unary, unaryOp } from './pointwise.js'
import { log } from './math.js'

export const Add: Op = binaryOp('add', undefined, (g) => [() => g, () => g])
export const Sub: Op = binaryOp('sub', undefined, (g) => [() => g, () => neg(g)])
export const Mul: Op = binaryOp('mul', undefined, (g, { inputs: [a, b] }) => [() => mul(g, b!), () => mul(g, a!)])
export const Div: Op = binaryOp('div', undefined, (g, { inputs: [, b], outputs: [y] }) => [
  () => div(g, b!),
  () => neg(div(mul(g, y!), b!)),
])
export const Pow: Op = binaryOp('pow', undefined, (g, { inputs: [a, b], outputs: [y] }) => [
  // x⁰ has slope 0 also at 0, where x⁻¹ has a pole
  () => mul(g, mul(b!, pow(a!, where(equal(b!, 0), 1, sub(b!, 1))))),
  () => mul(g, where(greater(a!, 0), mul(y!, log(where(greater(a!, 0), a!, 1))), 0)),
])
export const Minimum: Op = binaryOp('minimum', undefined, (g, { inputs: [a, b] }) => [
  () => where(lessEqual(a!, b!), g, 0),
  () => where(greater(a!, b!), g, 0),
])
export const Maximum: Op = binaryOp('maximum', undefined, (g, { inputs: [a, b] }) => [
  () => where(greaterEqual(a!, b!), g, 0),
  () => where(less(a!, b!), g, 0),
])
export const SquaredDifference: Op = binaryOp('squaredDifference', undefined, (g, { inputs: [a, b] }) => [
  () => mul(g, mul(sub(a!, b!), 2)),
  () => mul(g, mul(sub(b!, a!), 2)),
])
export const Mod: Op = binaryOp('mod', undefined, (g, { inputs: [a, b] }) => [() => g, () => neg(mul(g, floorDiv(a!, b!)))])
export const FloorDiv: Op = binaryOp('floorDiv')
export const Atan2: Op = binaryOp('atan2', undefined, (g, { inputs: [a, b] }) => [
  () => div(mul(g, b!), add(square(a!), square(b!))),
  () => neg(div(mul(g, a!), add(square(a!), square(b!)))),
])
export const Neg: Op = unaryOp('neg', (g) => neg(g))
export const Abs: Op = unaryOp('abs', (g, x) => mul(g, sign(x)))
export const Sign: Op = unaryOp('sign')
export const Square: Op = unaryOp('square', (g, x) => mul(g, mul(x, 2)))

type ClipAttrs = { readonly min: number; readonly max: number }
export const Clip: Op<ClipAttrs> = unaryOp<ClipAttrs>('clip', (g, x, _, attrs) => applyOne(ClipGrad, [g, x], attrs))
export const ClipGrad: Op<ClipAttrs> = gradientOp<ClipAttrs>('clipGrad', (g, x, { min, max }) =>
  where(logicalAnd(greaterEqual(x, min), lessEqual(x, max)), g, 0),
)

/** a + b. */
export const add: Binary = binary(Add, 'number')
/** a - b. */
export const sub: Binary = binary(Sub, 'number')
/** a · b, element by element. */
export const mul: Binary = binary(Mul, 'number')
/** a / b; of integers: float32. */
export const div: Binary = binary(Div, 'float')
/** a to the power b; of integers: float32. */
export const pow: Binary = binary(Pow, 'float')
/** The smaller of a and b; NaN where either is. Its gradient goes to a on ties. */
export const minimum: Binary = binary(Minimum, 'number')
/** The larger of a and b; NaN where either is. Its gradient goes to a on ties. */
export const maximum: Binary = binary(Maximum, 'number')
/** (a - b)². */
export const squaredDifference: Binary = binary(SquaredDifference, 'number')
/** The remainder of a / b with the sign of b, as in Python; of integers by 0: 0. */
export const mod: Binary = binary(Mod, 'number')
/** a / b rounded down, as Python's //; of integers by 0: 0. */
export const floorDiv: Binary = binary(FloorDiv, 'number')
/** The angle of the point (b, a), in (-π, π]. */
export const atan2: Binary = binary(Atan2, 'float')
/** -x. */
export const neg: Unary = unary(Neg, 'number')
/** |x|; the gradient at 0 is 0. */
export const abs: Unary = unary(Abs, 'number')
/** -1, 0 or 1; no gradient flows. */
export const sign: Unary = unary(Sign, 'number')
/** x². */
export const square: Unary = unary(Square, 'number')

/** x limited to [min, max]; the gradient is 1 within, both ends included, and 0 outside. Integers with fractional limits become float32. */
export const clip: (x: TensorLike, min: number, max: number) => Tensor = func((x, min, max) => {
  if (typeof min !== 'number' || typeof max !== 'number' || !(min <= max)) {
    throw new WeftError('ERR_ARGUMENT', `clip: needs numbers min ≤ max, got ${min} and ${max}`, { op: 'clip' })
  }
  const source = single('clip', x, 'number')
  const fraction = (limit: number): boolean => Number.isFinite(limit) && !Number.isInteger(limit)
  const integer = source.dtype === 'int32' || source.dtype === 'uint8'
  return applyOne(Clip, [integer && (fraction(min) || fraction(max)) ? cast(source, 'float32') : source], { min, max })
})

methods({ add, sub, mul, div, pow, minimum, maximum, squaredDifference, mod, floorDiv, atan2, neg, abs, sign, square, clip })

declare module '../core/tensor.js' {
  interface Tensor {
    add(b: TensorLike): Tensor
    sub(b: TensorLike): Tensor
    mul(b: TensorLike): Tensor
    div(b: TensorLike): Tensor
    pow(b: TensorLike): Tensor
    minimum(b: TensorLike): Tensor
    maximum(b: TensorLike): Tensor
    squaredDifference(b: TensorLike): Tensor
    mod(b: TensorLike): Tensor
    floorDiv(b: TensorLike): Tensor
    atan2(b: TensorLike): Tensor
    neg(): Tensor
    abs(): Tensor
    sign(): Tensor
    square(): Tensor
    clip(min: number, max: number): Tensor
  }
}
