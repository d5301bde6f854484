// Comparison, logic and choice: results are bool, except where()'s.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { Broadcast, BroadcastCheck } from '../core/tensor_shapes.js'
import type { BinaryDType, Result, ShapeOf } from '../core/tensor_types.js'
import { keepMask } from './masks.js'
import { operand, promoted } from './operands.js'
import { type Binary, type BinaryMethod, binary, broadcasting, type Unary, type UnaryMethod, unaryOp } from './pointwise.js'
import * as raw from './raw.js'

/** True where a = b. */
export const equal: Binary<'bool'> = binary<'bool'>({ name: 'equal', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≠ b. */
export const notEqual: Binary<'bool'> = binary<'bool'>({ name: 'notEqual', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a < b. */
export const less: Binary<'bool'> = binary<'bool'>({ name: 'less', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≤ b. */
export const lessEqual: Binary<'bool'> = binary<'bool'>({ name: 'lessEqual', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a > b. */
export const greater: Binary<'bool'> = binary<'bool'>({ name: 'greater', kind: 'any', result: 'bool', gradient: 'none' })
/** True where a ≥ b. */
export const greaterEqual: Binary<'bool'> = binary<'bool'>({ name: 'greaterEqual', kind: 'any', result: 'bool', gradient: 'none' })

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
export const logicalAnd: Binary<'bool'> = binary<'bool'>({
  name: 'logicalAnd',
  kind: 'any',
  result: 'bool',
  operands: truths,
  gradient: 'none',
})
/** True where either is. */
export const logicalOr: Binary<'bool'> = binary<'bool'>({
  name: 'logicalOr',
  kind: 'any',
  result: 'bool',
  operands: truths,
  gradient: 'none',
})
/** True where exactly one is. */
export const logicalXor: Binary<'bool'> = binary<'bool'>({
  name: 'logicalXor',
  kind: 'any',
  result: 'bool',
  operands: truths,
  gradient: 'none',
})

const LogicalNot = unaryOp({ name: 'logicalNot', result: 'bool', gradient: 'none' })

/** True where x is false. */
export const logicalNot: Unary<'bool'> = func('logicalNot(x)', (x: TensorLike) =>
  keepMask(applyOne(LogicalNot, [truth('logicalNot', x)], {}), [x]),
)

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
export const where: <C extends TensorLike, A extends TensorLike, B extends TensorLike>(
  condition: C,
  a: A & BroadcastCheck<ShapeOf<C>, ShapeOf<A>>,
  b: B & BroadcastCheck<Broadcast<ShapeOf<C>, ShapeOf<A>>, ShapeOf<B>>,
) => Result<Broadcast<Broadcast<ShapeOf<C>, ShapeOf<A>>, ShapeOf<B>>, BinaryDType<'any', A, B>> = func(
  'where(condition, a, b)',
  (condition: TensorLike, a: TensorLike, b: TensorLike) =>
    keepMask(applyOne(Where, [truth('where', condition), ...promoted('where', [a, b], 'stored')], {}), [condition, a, b]),
)

methods({ logicalNot, where })

declare module '../core/tensor.js' {
  interface TensorMethods {
    equal: BinaryMethod<'bool'>
    notEqual: BinaryMethod<'bool'>
    less: BinaryMethod<'bool'>
    lessEqual: BinaryMethod<'bool'>
    greater: BinaryMethod<'bool'>
    greaterEqual: BinaryMethod<'bool'>
    logicalAnd: BinaryMethod<'bool'>
    logicalOr: BinaryMethod<'bool'>
    logicalXor: BinaryMethod<'bool'>
    logicalNot: UnaryMethod<'bool'>
    where<C extends Tensor, A extends TensorLike, B extends TensorLike>(
      this: C,
      a: A & BroadcastCheck<ShapeOf<C>, ShapeOf<A>>,
      b: B & BroadcastCheck<Broadcast<ShapeOf<C>, ShapeOf<A>>, ShapeOf<B>>,
    ): Result<Broadcast<Broadcast<ShapeOf<C>, ShapeOf<A>>, ShapeOf<B>>, BinaryDType<'any', A, B>>
  }
}
