// Masks of operations: the result keeps the mask [batch, time] of its operands, as long as its first two axes are still
// those. lib/model warns of the operations of a functional model that end a mask.
import { Tensor } from '../core/tensor.js'
import { call } from './raw.js'

/** Whether the first two axes of x are those of the mask. */
function covers(mask: Tensor, x: Tensor): boolean {
  return x.rank >= 2 && mask.shape[0] === x.shape[0] && mask.shape[1] === x.shape[1]
}

/** Whether the operand's first two axes are those of the result, so that its mask says the same of both. */
function aligned(operand: Tensor, result: Tensor): boolean {
  return operand.rank === result.rank && covers(operand.mask!, result)
}

/** Results that an operation has marked, and with which mask: layers decide for themselves what becomes of it. */
const carried = new WeakMap<Tensor, Tensor>()

function mark(result: Tensor, mask: Tensor): void {
  result.mask = mask
  carried.set(result, mask)
}

/** Whether the tensor has its mask from an operation, and not from a layer or a user. */
export function carriesMask(x: Tensor): boolean {
  return x.mask !== undefined && carried.get(x) === x.mask
}

/** Marks the result of a pointwise operation with the masks of its operands; a step counts where all of them say so. */
export function keepMask(result: Tensor, operands: readonly unknown[]): Tensor {
  let mask: Tensor | undefined
  for (const operand of operands) {
    if (!(operand instanceof Tensor) || operand.mask === undefined || operand.mask === mask) continue
    if (!aligned(operand, result)) continue
    mask = mask === undefined ? operand.mask : call('logicalAnd', [mask, operand.mask])
  }
  if (mask !== undefined) mark(result, mask)
  return result
}

/** Marks a result whose first two axes are, in their meaning, those of x, with the mask of x. */
export function passMask(result: Tensor, x: unknown): Tensor {
  if (x instanceof Tensor && x.mask !== undefined && covers(x.mask, x) && covers(x.mask, result)) mark(result, x.mask)
  return result
}
