// Arithmetic, comparison and logic of tensors that broadcast.
import { isFloat } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { linearOf, takenUp } from './affine.js'
import { broadcastPair, meeting } from './layout.js'
import type { Call, Operator, OperatorTable } from './operator.js'
import { Value } from './values.js'

/** A function of two operands that broadcast. */
function broadcast(call: Call, fn: (a: Tensor, b: Tensor) => Tensor): Value {
  const [first, second] = [call.value(0), call.value(1)]
  const [a, b, wrap] = broadcastPair(first, second)
  const result = wrap(fn(a, b))
  return result.dtype === first.dtype ? new Value(result.stored, { isLast: result.isLast, type: first.type }) : result
}

const binary = (fn: (a: Tensor, b: Tensor, call: Call) => Tensor, since = 1): Operator => ({
  since,
  run: (call) => broadcast(call, (a, b) => fn(a, b, call)),
})

const pair = (fn: (a: Tensor, b: Tensor) => Tensor, since = 1): Operator => binary((a, b) => fn(a, b), since)

function variadic(fn: (a: Tensor, b: Tensor) => Tensor, after: (x: Tensor, count: number) => Tensor = (x) => x): Operator {
  return {
    run: (call) => {
      const values = call.values()
      const { tensors, wrap } = meeting(values)
      const [first, ...rest] = tensors
      if (first === undefined) throw call.error('no inputs')
      return wrap(after(rest.length === 0 ? ops.identity(first) : rest.reduce((a, b) => fn(a, b), first), tensors.length))
    },
  }
}

/** Whole numbers are divided as in C: toward zero. */
function divide(a: Tensor, b: Tensor): Tensor {
  if (isFloat(a.dtype)) return ops.div(a, b)
  if (a.dtype === 'uint8') return ops.floorDiv(a, b)
  return ops.mul(ops.floorDiv(ops.abs(a), ops.abs(b)), ops.mul(ops.sign(a), ops.sign(b)))
}

/** The remainder with the sign of the divisor, or with `fmod` that of the dividend. */
function modulo(a: Tensor, b: Tensor, { attributes }: Call): Tensor {
  if (attributes.int('fmod', 0) === 0) return ops.mod(a, b)
  return ops.mul(ops.mod(ops.abs(a), ops.abs(b)), ops.sign(a))
}

/** Powers of whole numbers are computed in float32 and rounded. */
function power(a: Tensor, b: Tensor, call: Call): Tensor {
  const [exponent, ...others] = (b.size === 1 ? call.value(1).atHand : undefined) ?? []
  if (isFloat(a.dtype) && others.length === 0 && exponent === 2) return ops.square(a)
  if (isFloat(a.dtype) && others.length === 0 && exponent === 0.5) return ops.sqrt(a)
  if (isFloat(a.dtype)) return b.dtype === a.dtype && b.size === 1 ? ops.pow(a, b) : ops.pow(a, ops.cast(b, a.dtype))
  return ops.cast(ops.round(ops.pow(ops.cast(a, 'float32'), ops.cast(b, 'float32'))), a.dtype)
}

/** Shifts of whole numbers are products and quotients by powers of 2. */
function shift(a: Tensor, b: Tensor, { attributes }: Call): Tensor {
  const factor = ops.cast(ops.pow(ops.fullLike(ops.cast(b, 'float32'), 2), ops.cast(b, 'float32')), 'int32')
  const whole = ops.cast(a, 'int32')
  const right = attributes.string('direction', '') === 'RIGHT'
  const result = right ? ops.floorDiv(whole, factor) : ops.mul(whole, factor)
  // bits that leave a byte are gone
  return ops.cast(a.dtype === 'uint8' && !right ? ops.mod(result, 256) : result, a.dtype)
}

export const arithmeticOperators: OperatorTable = {
  Add: { run: (call) => takenUp(call, 'add') ?? linearOf(call, 'add', broadcast(call, ops.add)) },
  Sub: pair(ops.sub),
  Mul: { run: (call) => takenUp(call, 'mul') ?? linearOf(call, 'mul', broadcast(call, ops.mul)) },
  Div: binary(divide),
  Mod: binary(modulo, 10),
  Pow: binary(power),
  BitShift: binary(shift, 11),
  Equal: pair(ops.equal),
  Greater: pair(ops.greater),
  Less: pair(ops.less),
  GreaterOrEqual: pair(ops.greaterEqual, 12),
  LessOrEqual: pair(ops.lessEqual, 12),
  And: pair(ops.logicalAnd),
  Or: pair(ops.logicalOr),
  Xor: pair(ops.logicalXor),
  Sum: variadic(ops.add),
  Max: variadic(ops.maximum),
  Min: variadic(ops.minimum),
  Mean: variadic(ops.add, (x, count) => ops.div(x, count)),
  Where: {
    since: 9,
    run: (call) => {
      const { tensors, wrap } = meeting([call.value(0), call.value(1), call.value(2)])
      const result = wrap(ops.where(tensors[0]!, tensors[1]!, tensors[2]!))
      return new Value(result.stored, { isLast: result.isLast, type: call.value(1).type })
    },
  },
}
