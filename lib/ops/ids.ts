// Ids: indices, class numbers and rows of tables, as the int32 that kernels read.
import { WeftError } from '../core/error.js'
import { isFloat } from '../core/spec.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { cast } from './cast.js'
import { equal, where } from './compare.js'
import { operand } from './operands.js'

/** What no table has as a row. */
const NO_ID = -(2 ** 31)

/**
 * Numbers as int32. What is no whole number, NaN included, and an int64 that int32 cannot hold become one that is out
 * of every range, so that the op that looks it up fails instead of taking another row.
 */
export function wholeNumbers(t: Tensor): Tensor {
  if (t.dtype === 'int32') return t
  const ids = cast(t, 'int32')
  if (t.dtype !== 'int64' && !isFloat(t.dtype)) return ids
  // of int64, what has wrapped is 2³² away: farther than float32 rounds either of the two
  const shown = isFloat(t.dtype) ? t.dtype : 'float32'
  return where(equal(cast(ids, shown), cast(t, shown)), ids, NO_ID)
}

/** Indices as int32. ERR_DTYPE for a tensor of floats, ERR_ARGUMENT for a number that is not whole. */
export function indexOperand(op: string, value: TensorLike): Tensor {
  const x = operand(op, value)
  if (!isFloat(x.dtype)) return wholeNumbers(x)
  if (value instanceof Tensor)
    throw new WeftError('ERR_DTYPE', `${op}: indices must be integers, got ${x.dtype}`, { op, hint: "Use cast('int32')" })
  checkWhole(op, value)
  return cast(x, 'int32')
}

/** Refuses numbers of the caller that are not whole: there is no row between two rows. */
function checkWhole(op: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) {
    for (const part of value as Iterable<unknown>) checkWhole(op, part)
  } else if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: indices are whole numbers, got ${value}`, { op, hint: 'Use Math.trunc() or Math.round()' })
  }
}
