// Functions of single values.
import { isFloat } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { type OperatorTable, pointwise } from './operator.js'

const one = (x: Tensor): Tensor => ops.onesLike(x)
/** √(1 - x²) without loss of digits near 1. */
const beside = (x: Tensor): Tensor => ops.sqrt(ops.mul(ops.sub(1, x), ops.add(x, 1)))

/** asinh(x) = sign(x)·log1p(|x| + x² / (1 + √(1 + x²))). */
function asinh(x: Tensor): Tensor {
  const size = ops.abs(x)
  const square = ops.square(size)
  return ops.mul(ops.sign(x), ops.log1p(ops.add(size, ops.div(square, ops.add(ops.sqrt(ops.add(square, 1)), 1)))))
}

/** sinh(x) = sign(x)·(e + e / (e + 1)) / 2 with e = expm1(|x|). */
function sinh(x: Tensor): Tensor {
  const e = ops.expm1(ops.abs(x))
  return ops.mul(ops.mul(ops.sign(x), ops.add(e, ops.div(e, ops.add(e, 1)))), 0.5)
}

function isInfinite(x: Tensor, positive: boolean, negative: boolean): Tensor {
  const above = ops.equal(x, ops.fullLike(x, Number.POSITIVE_INFINITY))
  const below = ops.equal(x, ops.fullLike(x, Number.NEGATIVE_INFINITY))
  if (positive && negative) return ops.logicalOr(above, below)
  return positive ? above : negative ? below : ops.less(one(x), 0)
}

const rounded =
  (fn: (x: Tensor) => Tensor) =>
  (x: Tensor): Tensor =>
    isFloat(x.dtype) ? fn(x) : x

export const mathOperators: OperatorTable = {
  ...pointwise({
    Abs: (x) => ops.abs(x),
    Neg: (x) => ops.neg(x),
    Ceil: rounded(ops.ceil),
    Floor: rounded(ops.floor),
    Exp: (x) => ops.exp(x),
    Log: (x) => ops.log(x),
    Sqrt: (x) => ops.sqrt(x),
    Reciprocal: (x) => ops.reciprocal(x),
    Sin: (x) => ops.sin(x),
    Cos: (x) => ops.cos(x),
    Tan: (x) => ops.tan(x),
    Asin: (x) => ops.atan2(x, beside(x)),
    Acos: (x) => ops.atan2(beside(x), x),
    Atan: (x) => ops.atan2(x, one(x)),
    Not: (x) => ops.logicalNot(x),
  }),
  ...pointwise(
    {
      Sinh: sinh,
      Cosh: (x) => ops.mul(ops.add(ops.exp(x), ops.exp(ops.neg(x))), 0.5),
      Asinh: asinh,
      Acosh: (x) => ops.log(ops.add(x, ops.mul(ops.sqrt(ops.sub(x, 1)), ops.sqrt(ops.add(x, 1))))),
      Atanh: (x) => ops.mul(ops.sub(ops.log1p(x), ops.log1p(ops.neg(x))), 0.5),
      Sign: (x) => ops.sign(x),
      Erf: (x) => ops.erf(x),
      IsNaN: (x) => ops.isNaN(x),
    },
    { since: 9 },
  ),
  ...pointwise(
    { IsInf: (x, { attributes }) => isInfinite(x, attributes.int('detect_positive', 1) !== 0, attributes.int('detect_negative', 1) !== 0) },
    { since: 10 },
  ),
  ...pointwise({ Round: rounded(ops.round) }, { since: 11 }),
}
