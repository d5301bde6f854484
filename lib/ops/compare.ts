// Comparison, logic and choice: results are bool, except where()'s.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { keepMask } from './masks.js'
import { operand, promoted } from './operands.js'
import { type Binary, binary, broadcasting, type Unary, unaryOp } from './pointwise.js'
import * as raw from './raw.js'

/** True where a = b. */
export const equal: Binary = binary({ name: 'equal', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≠ b. */
export const notEqual: Binary = binary({ name: 'notEqual', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a < b. */
export const less: Binary = binary({ name: 'less', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≤ b. */
export const lessEqual: Binary = binary({ name: 'lessEqual', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a > b. */
export const greater: Binary = binary({ name: 'greater', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≥ b. */
export const greaterEqual: Binary = binary({ name: 'greaterEqual', kind: 'any', result: 'bool', gradient: 'none' })

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

const truths = (op: string, values: readonly TensorLike[]): Tensor[] => values.map((value) => truth(op, value))

/** True where both are. */
export const logicalAnd: Binary = binary({ name: 'logicalAnd', kind: 'any', result: 'bool', operands: truths, gradient: 'none' })
/** True where either is. */
export const logicalOr: Binary = binary({ name: 'logicalOr', kind: 'any', result: 'bool', operands: truths, gradient: 'none' })
/** True where exactly one is. */
export const logicalXor: Binary = binary({ name: 'logicalXor', kind: 'any', result: 'bool', operands: truths, gradient: 'none' })

const LogicalNot = unaryOp({ name: 'logicalNot', result: 'bool', gradient: 'none' })

/** True where x is false. */
export const logicalNot: Unary = func('logicalNot(x)', (x: TensorLike) => keepMask(applyOne(LogicalNot, [truth('logicalNot', x)], {}), [x]))

const Where: Op = registerOp({
  name: 'where',
  shape: broadcasting('where'),
  grad: ([g], { inputs: [condition, a, b] }) => [
    undefined,
    raw.unbroadcast(raw.where(condition!, g!, 0), a!.shape),
    raw.unbroadcast(raw.where(condition!, 0, g!), b!.shape),
  ],
})

/** a where the condition (bool) holds, else b; the three broadcast. */
export const where: (condition: TensorLike, a: TensorLike, b: TensorLike) => Tensor = func(
  'where(condition, a, b)',
  (condition: TensorLike, a: TensorLike, b: TensorLike) =>
    keepMask(applyOne(Where, [truth('where', condition), ...promoted('where', [a, b], 'stored')], {}), [condition, a, b]),
)

methods({ logicalNot, where })

declare module '../core/tensor.js' {
  interface TensorMethods {
    equal: Method<typeof equal>
    notEqual: Method<typeof notEqual>
    less: Method<typeof less>
    lessEqual: Method<typeof lessEqual>
    greater: Method<typeof greater>
    greaterEqual: Method<typeof greaterEqual>
    logicalAnd: Method<typeof logicalAnd>
    logicalOr: Method<typeof logicalOr>
    logicalXor: Method<typeof logicalXor>
    logicalNot: Method<typeof logicalNot>
    where: Method<typeof where>
  }
}
