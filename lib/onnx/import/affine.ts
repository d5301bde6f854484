// Affine functions of weights: products and sums by channel that become a part of the weights before them.
import { currentTrace } from '../../core/graph.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import type { Call } from './operator.js'
import { type Affine, type Linear, type Remember, Value } from './values.js'

interface Change {
  readonly factor: Tensor | undefined
  readonly shift: Tensor | undefined
  readonly channels: number
}

/** Weights [..., channels] and a bias [channels] times `factor`, plus `shift`. */
export function affineWeights(
  weights: Tensor,
  bias: Tensor | undefined,
  { factor, shift, channels }: Change,
  remember: Remember | undefined,
): { weights: Tensor; bias: Tensor | undefined } {
  const kept: Remember = remember ?? ((_, make) => make())
  const vector = (t: Tensor): Tensor =>
    t.size === channels ? ops.reshape(t, [channels]) : ops.broadcastTo(ops.reshape(t, [1]), [channels])
  const scaled = factor && kept('factor vector', () => vector(factor))
  const moved = shift && kept('shift vector', () => vector(shift))
  const product = scaled ? kept('weights', () => ops.mul(weights, scaled)) : weights
  const offset = bias && scaled ? kept('bias', () => ops.mul(bias, scaled)) : bias
  return { weights: product, bias: offset && moved ? kept('offset', () => ops.add(offset, moved)) : (offset ?? moved) }
}

/** Whether a value of this shape has one number, or one for each channel of the other. */
function fits(shape: readonly number[], { axis, channels }: Affine, rank: number): boolean {
  if (shape.length > rank) return false
  const at = axis - (rank - shape.length)
  return shape.every((extent, i) => extent === 1 || (i === at && extent === channels))
}

/**
 * The sum or product of two operands, where one of them is made by weights that can take up the other. Products only
 * where weights stay the same, so that they are made once.
 */
export function takenUp(call: Call, kind: 'add' | 'mul'): Value | undefined {
  if (currentTrace() === undefined) return undefined
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const [value, other] = [call.value(i), call.value(j)]
    const { affine } = value
    if (affine === undefined || other.dtype !== value.dtype || !fits(other.shape, affine, value.rank)) continue
    const remember = call.remember([j])
    if (kind === 'mul' && remember === undefined) continue
    const asker = { remember, isReadOnce: call.node.isReadOnce }
    return kind === 'mul' ? affine.apply(other.plain, undefined, asker) : affine.apply(undefined, other.plain, asker)
  }
  return undefined
}

/** The sum or product of a value and one number that stays the same, with both noted. */
export function linearOf(call: Call, kind: 'add' | 'mul', result: Value): Value {
  if (call.run.frozen === undefined || !result.isLast) return result
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const [value, other] = [call.value(i), call.value(j)]
    const remember = other.size === 1 && other.dtype === value.dtype && value.isLast ? call.remember([j]) : undefined
    if (remember === undefined) continue
    const number = remember('number', () => ops.reshape(other.plain, []))
    const before = value.linear
    const linear: Linear | undefined =
      kind === 'mul'
        ? before === undefined
          ? { base: value, factor: number, shift: undefined }
          : undefined
        : before !== undefined && before.shift === undefined
          ? { ...before, shift: number }
          : undefined
    if (linear === undefined) continue
    return new Value(result.stored, { isLast: true, type: result.type, linear })
  }
  return result
}

/**
 * What a convolution reads instead of factor·base + shift, with its weights changed to it: the base where nothing is
 * added to its border, else base + shift / factor.
 */
export function throughLinear(
  { base, factor, shift }: Linear,
  kernel: Tensor,
  bias: Tensor | undefined,
  isPadded: boolean,
  remember: Remember,
): { x: Tensor; kernel: Tensor; bias: Tensor | undefined } {
  const scaled = remember('kernel of the base', () => ops.mul(kernel, factor))
  if (shift === undefined) return { x: base.last, kernel: scaled, bias }
  if (isPadded)
    return {
      x: ops.add(
        base.last,
        remember('shift of the base', () => ops.div(shift, factor)),
      ),
      kernel: scaled,
      bias,
    }
  const sums = remember('shift of the result', () => {
    const total = ops.mul(
      ops.sum(
        kernel,
        Array.from({ length: kernel.rank - 1 }, (_, axis) => axis),
      ),
      shift,
    )
    return bias === undefined ? total : ops.add(total, bias)
  })
  return { x: base.last, kernel: scaled, bias: sums }
}
