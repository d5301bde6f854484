// Comparison, logic and choice: results are bool, except where()'s.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { unbroadcast } from './broadcast.js'
import { broadcastShapes, operand, promoted } from './operands.js'
import { type Binary, binary, binaryOp, type Unary } from './pointwise.js'

export const Equal: Op = binaryOp('equal', 'bool')
export const NotEqual: Op = binaryOp('notEqual', 'bool')
export const Less: Op = binaryOp('less', 'bool')
export const LessEqual: Op = binaryOp('lessEqual', 'bool')
export const Greater: Op = binaryOp('greater', 'bool')
export const GreaterEqual: Op = binaryOp('greaterEqual', 'bool')
export const LogicalAnd: Op = binaryOp('logicalAnd', 'bool')
export const LogicalOr: Op = binaryOp('logicalOr', 'bool')
export const LogicalXor: Op = binaryOp('logicalXor', 'bool')
export const LogicalNot: Op = registerOp({ name: 'logicalNot', shape: ([x]) => [{ shape: x!.shape, dtype: 'bool' }] })
export const Where: Op = registerOp({
  name: 'where',
  shape: (inputs) => [
    {
      shape: broadcastShapes(
        'where',
        inputs.map((x) => x.shape),
      ),
      dtype: inputs[1]!.dtype,
    },
  ],
  grad: ([g], { inputs: [condition, a, b] }) => [
    undefined,
    unbroadcast(where(condition!, g!, 0), a!.shape),
    unbroadcast(where(condition!, 0, g!), b!.shape),
  ],
})

/** True where a = b. */
export const equal: Binary = binary(Equal, 'any')
/** True where a ≠ b. */
export const notEqual: Binary = binary(NotEqual, 'any')
/** True where a < b. */
export const less: Binary = binary(Less, 'any')
/** True where a ≤ b. */
export const lessEqual: Binary = binary(LessEqual, 'any')
/** True where a > b. */
export const greater: Binary = binary(Greater, 'any')
/** True where a ≥ b. */
export const greaterEqual: Binary = binary(GreaterEqual, 'any')

/** Logic takes bools only, so that a number is never taken for a truth value by accident. */
function truth(op: string, value: TensorLike): Tensor {
  const x = operand(op, value)
  if (x.dtype === 'bool') return x
  throw new WeftError('ERR_DTYPE', `${op}: operands must be bool, got ${x.dtype}`, {
    op,
    shapes: [x.shape],
    hint: "Compare first, or use cast('bool')",
  })
}

function logic(op: Op): Binary {
  return func((a: TensorLike, b: TensorLike) => applyOne(op, [truth(op.name, a), truth(op.name, b)], {}))
}

/** True where both are. */
export const logicalAnd: Binary = logic(LogicalAnd)
/** True where either is. */
export const logicalOr: Binary = logic(LogicalOr)
/** True where exactly one is. */
export const logicalXor: Binary = logic(LogicalXor)
/** True where x is false. */
export const logicalNot: Unary = func((x: TensorLike) => applyOne(LogicalNot, [truth('logicalNot', x)], {}))

/** a where the condition (bool) holds, else b; the three broadcast. */
export const where: (condition: TensorLike, a: TensorLike, b: TensorLike) => Tensor = func((condition, a, b) =>
  applyOne(Where, [truth('where', condition), ...promoted('where', [a, b], 'stored')], {}),
)

methods({ equal, notEqual, less, lessEqual, greater, greaterEqual, logicalAnd, logicalOr, logicalXor, logicalNot, where })

declare module '../core/tensor.js' {
  interface Tensor {
    equal(b: TensorLike): Tensor
    notEqual(b: TensorLike): Tensor
    less(b: TensorLike): Tensor
    lessEqual(b: TensorLike): Tensor
    greater(b: TensorLike): Tensor
    greaterEqual(b: TensorLike): Tensor
    logicalAnd(b: TensorLike): Tensor
    logicalOr(b: TensorLike): Tensor
    logicalXor(b: TensorLike): Tensor
    logicalNot(): Tensor
    /** a where this (bool) holds, else b. */
    where(a: TensorLike, b: TensorLike): Tensor
  }
}
