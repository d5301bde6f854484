// Layout: how values whose channels are stored last meet others, so that networks of images need few transposes.
import type { Tensor } from '../../core/tensor.js'
import { reshape, transpose } from '../../ops/index.js'
import { Value } from './values.js'

/** Gives a result the layout of the operands it was computed from. */
type Wrap = (result: Tensor) => Value

/** The operand as it meets one of rank `rank` with its channels last; undefined where it must be the other way. */
function atLast(value: Value, rank: number): Tensor {
  if (value.rank === rank) return value.last
  // axes that are missing in front are 1: [c, h, w] meets [n, c, h, w]
  const shape = [...Array.from({ length: rank - value.rank }, () => 1), ...value.shape]
  const order = [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]
  if (value.rank <= 1 || shape.filter((extent) => extent !== 1).length <= 1)
    return reshape(
      value.plain,
      order.map((axis) => shape[axis]!),
    )
  return transpose(reshape(value.plain, shape), order)
}

/**
 * Operands that broadcast together, stored in one order: channels last where the largest one is stored so.
 * @returns the tensors, and what gives their result its order
 */
export function meeting(values: readonly Value[]): { tensors: Tensor[]; wrap: Wrap } {
  const rank = Math.max(...values.map((value) => value.rank))
  const isLast = values.some((value) => value.isLast && value.rank === rank)
  if (!isLast) return { tensors: values.map((value) => value.plain), wrap: (result) => new Value(result) }
  return {
    tensors: values.map((value) => (value.rank === 0 ? value.plain : atLast(value, rank))),
    wrap: (result) => new Value(result, { isLast: true }),
  }
}

export function broadcastPair(a: Value, b: Value): [Tensor, Tensor, Wrap] {
  const { tensors, wrap } = meeting([a, b])
  return [tensors[0]!, tensors[1]!, wrap]
}

/** An axis of the graph as one of the stored tensor. */
export const storedAxis = (value: Value, axis: number): number => {
  if (!value.isLast || axis === 0) return axis
  return axis === 1 ? value.rank - 1 : axis - 1
}
