// Masks of operations: the result keeps the mask [batch, time] of its operands, as long as its first two axes are still
// those. An operation that ends a mask says so, once, unless the code around it sees to masks itself.
import { during } from '../core/during.js'
import { maskedCalls } from '../core/symbolic.js'
import { Tensor, tracing } from '../core/tensor.js'
import { walk } from '../core/tree.js'
import { warnOnce } from '../core/warnings.js'
import { call } from './raw.js'

/** Whether the first two axes of x are those of the mask. */
export function covers(mask: Tensor, x: Tensor): boolean {
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

/**
 * Marks a result that has the values of x in their order. Axes of the same extents are the same steps; without an axis
 * after them the result has no time any more that losses and layers would know.
 */
export const passMaskInOrder = (result: Tensor, x: unknown): Tensor => (result.rank >= 3 ? passMask(result, x) : result)

/** Runs fn, which sees to masks itself: no operation in it warns. */
export const seeingToMasks = <T>(fn: () => T): T => during(maskedCalls, { own: true }, fn)

/**
 * Calls an operation whose operands may be masked; warns where the mask ends, once for each `subject`.
 * @param place what stands before the name in the warning
 * @param told masks of which the caller knows
 */
export function callMasked(
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  name: string,
  place: string,
  subject: string | object,
  told: readonly (Tensor | undefined)[] = [],
): unknown {
  // what the operation is made of does not warn by itself
  const result = seeingToMasks(() => fn(...(args as never[])))
  let ended = false
  for (const arg of args)
    walk(arg, (t) => {
      ended ||= t.mask !== undefined && !told.includes(t.mask)
    })
  if (!ended) return result
  let tensors = 0
  walk(result, (t) => {
    tensors++
    ended &&= t.mask === undefined
  })
  if (ended && tensors > 0) {
    warnOnce(
      'WEFT_MASK',
      `${place}${name} cannot keep the mask of its operand: the mask ends here, and what follows sees all steps. Where that is right, set mask = undefined on the operand`,
      subject,
    )
  }
  return result
}

maskedCalls.run = (fn, args, called) => {
  const place = tracing.layer === undefined ? '' : `layer '${tracing.layer}': `
  return callMasked(fn, args, called.name, place, `${called.name} ${place}`, maskedCalls.told)
}
