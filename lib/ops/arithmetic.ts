// Arithmetic on numbers, with numpy broadcasting and promotion of dtypes.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { keepMask } from './masks.js'
import { single } from './operands.js'
import { type Binary, type BinaryMethod, binary, type Unary, type UnaryMethod, unary, unaryOp } from './pointwise.js'
import * as raw from './raw.js'

/** g where the condition holds, else 0. */
const where0 = (condition: Tensor, g: Tensor): Tensor => raw.where(condition, g, 0)

/** a + b. */
export const add: Binary = binary({ name: 'add', kind: 'number', gradient: (g) => [() => g, () => g] })
/** a - b. */
export const sub: Binary = binary({ name: 'sub', kind: 'number', gradient: (g) => [() => g, () => raw.neg(g)] })
/** a · b, element by element. */
export const mul: Binary = binary({ name: 'mul', kind: 'number', gradient: (g, a, b) => [() => raw.mul(g, b), () => raw.mul(g, a)] })
/** a / b; of integers: float32. */
export const div: Binary<'float'> = binary({
  name: 'div',
  kind: 'float',
  gradient: (g, _, b, y) => [() => raw.div(g, b), () => raw.neg(raw.div(raw.mul(g, y), b))],
})
/** a to the power b; of integers: float32. */
export const pow: Binary<'float'> = binary({
  name: 'pow',
  kind: 'float',
  gradient: (g, a, b, y) => [
    // x⁰ has slope 0 also at 0, where x⁻¹ has a pole
    () => raw.mul(g, raw.mul(b, raw.pow(a, raw.where(raw.equal(b, 0), 1, raw.sub(b, 1))))),
    () => raw.mul(g, where0(raw.greater(a, 0), raw.mul(y, raw.log(raw.where(raw.greater(a, 0), a, 1))))),
  ],
})
/** The smaller of a and b; NaN where either is. Its gradient goes to a on ties. */
export const minimum: Binary = binary({
  name: 'minimum',
  kind: 'number',
  gradient: (g, a, b) => [() => where0(raw.lessEqual(a, b), g), () => where0(raw.greater(a, b), g)],
})
/** The larger of a and b; NaN where either is. Its gradient goes to a on ties. */
export const maximum: Binary = binary({
  name: 'maximum',
  kind: 'number',
  gradient: (g, a, b) => [() => where0(raw.greaterEqual(a, b), g), () => where0(raw.less(a, b), g)],
})
/** (a - b)². */
export const squaredDifference: Binary = binary({
  name: 'squaredDifference',
  kind: 'number',
  gradient: (g, a, b) => [() => raw.mul(g, raw.mul(raw.sub(a, b), 2)), () => raw.mul(g, raw.mul(raw.sub(b, a), 2))],
})
/** The remainder of a / b with the sign of b, as in Python; of integers by 0: 0. */
export const mod: Binary = binary({
  name: 'mod',
  kind: 'number',
  gradient: (g, a, b) => [() => g, () => raw.neg(raw.mul(g, raw.floorDiv(a, b)))],
})
/** a / b rounded down, as Python's //; of integers by 0: 0. */
export const floorDiv: Binary = binary({ name: 'floorDiv', kind: 'number', gradient: 'zero' })
/** The angle of the point (b, a), in (-π, π]. */
export const atan2: Binary<'float'> = binary({
  name: 'atan2',
  kind: 'float',
  gradient: (g, a, b) => {
    const radius = raw.add(raw.square(a), raw.square(b))
    return [() => raw.div(raw.mul(g, b), radius), () => raw.neg(raw.div(raw.mul(g, a), radius))]
  },
})
/** -x. */
export const neg: Unary<'number'> = unary({ name: 'neg', kind: 'number', gradient: (g) => raw.neg(g) })
/** |x|; the gradient at 0 is 0. */
export const abs: Unary<'number'> = unary({ name: 'abs', kind: 'number', gradient: (g, x) => raw.mul(g, raw.sign(x)) })
/** -1, 0 or 1; no gradient flows. */
export const sign: Unary<'number'> = unary({ name: 'sign', kind: 'number', gradient: 'zero' })
/** x². */
export const square: Unary<'number'> = unary({ name: 'square', kind: 'number', gradient: (g, x) => raw.mul(g, raw.mul(x, 2)) })

const Clip = unaryOp<{ min: number; max: number }>({
  name: 'clip',
  gradient: { input: (g, x, { min, max }) => where0(raw.logicalAnd(raw.greaterEqual(x, min), raw.lessEqual(x, max)), g) },
})
const WHOLE: Readonly<Record<string, readonly [number, number]>> = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] }

/**
 * x limited to [min, max]; the gradient is 1 within, both ends included, and 0 outside. Integers with fractional limits
 * become float32.
 */
export const clip: Unary<'number', [min: number, max: number]> = func('clip(x, min, max)', (x: TensorLike, min: number, max: number) => {
  if (typeof min !== 'number' || typeof max !== 'number' || !(min <= max)) {
    throw new WeftError('ERR_ARGUMENT', `clip: needs numbers min ≤ max, got ${show(min)} and ${show(max)}`, { op: 'clip' })
  }
  const fraction = (limit: number): boolean => Number.isFinite(limit) && !Number.isInteger(limit)
  let source = single('clip', x, 'number')
  if (WHOLE[source.dtype] && (fraction(min) || fraction(max))) source = raw.cast(source, 'float32')
  // kernels of integers take limits that are whole numbers of the dtype
  const [least, most] = WHOLE[source.dtype] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  const within = (limit: number): number => Math.min(Math.max(limit, least), most)
  return keepMask(applyOne(Clip, [source], { min: within(min), max: within(max) }), [x])
})

methods({ clip })

declare module '../core/tensor.js' {
  interface TensorMethods {
    add: BinaryMethod
    sub: BinaryMethod
    mul: BinaryMethod
    div: BinaryMethod<'float'>
    pow: BinaryMethod<'float'>
    minimum: BinaryMethod
    maximum: BinaryMethod
    squaredDifference: BinaryMethod
    mod: BinaryMethod
    floorDiv: BinaryMethod
    atan2: BinaryMethod<'float'>
    neg: UnaryMethod<'number'>
    abs: UnaryMethod<'number'>
    sign: UnaryMethod<'number'>
    square: UnaryMethod<'number'>
    clip: UnaryMethod<'number', [min: number, max: number]>
  }
}
