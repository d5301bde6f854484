// Batch normalization as one operator: (x - mean) · gamma / √(variance + ε) + beta, which a layer writes with simpler
// operations. It takes values whose channels come second, as convolutions leave them.
import { full } from '../../../ops/index.js'
import type { Tensor } from '../../../core/tensor.js'
import type { Emitter } from '../emitter.js'
import { sameExtents } from '../extent.js'
import type { SymbolicCall, Value } from '../probe.js'
import type { Operator } from './operator.js'

interface Found {
  readonly x: Value
  readonly mean: Value
  readonly variance: Value
  readonly epsilon: number
  readonly gamma: Value | undefined
  readonly beta: Value | undefined
}

/** The operands of a call of an operation. */
const operandsOf = (v: Value | undefined, op: string): readonly Value[] | undefined => (v?.call?.op.name === op ? v.call.inputs : undefined)

/** The parts of (x - mean) · scale, where scale is gamma / √(variance + ε). */
function normalizedBy([difference, scale]: readonly Value[], emitter: Emitter): Omit<Found, 'beta'> | undefined {
  const [x, mean] = operandsOf(difference, 'sub') ?? []
  const [gamma, inverse] = operandsOf(scale, 'mul') ?? [undefined, scale]
  const [sum] = operandsOf(inverse, 'rsqrt') ?? []
  const [variance, addend] = operandsOf(sum, 'add') ?? []
  const epsilon = addend && emitter.uniform(addend)
  if (!x || !mean || !variance || epsilon === undefined || emitter.isConstant(x)) return undefined
  const vectors = [mean, variance, ...(gamma ? [gamma] : [])]
  return vectors.every((v) => emitter.constant(v) && v.extents.length === 1 && sameExtents(v.extents, mean.extents))
    ? { x, mean, variance, epsilon, gamma }
    : undefined
}

function found({ op, inputs }: SymbolicCall, emitter: Emitter): Found | undefined {
  if (op.name === 'mul') {
    const parts = normalizedBy(inputs, emitter)
    return parts && { ...parts, beta: undefined }
  }
  const [scaled, beta] = inputs
  const parts = scaled?.call?.op.name === 'mul' && emitter.constant(beta!) ? normalizedBy(scaled.call.inputs, emitter) : undefined
  return parts && sameExtents(beta!.extents, parts.mean.extents) ? { ...parts, beta } : undefined
}

/** The operation, or the whole normalization that it is the end of. */
export const endOfNormalization =
  (otherwise: Operator): Operator =>
  (call, emitter) => {
    const parts = found(call, emitter)
    const [out] = call.outputs
    const place = parts && sameExtents(parts.x.extents, out!.extents) ? emitter.stored(parts.x) : undefined
    const channels = out!.extents.length - 1
    const second = place !== undefined && sameExtents(place.base, out!.extents) && channels > 0 && place.order[1] === channels
    if (!parts || !place || !second) {
      otherwise(call, emitter)
      return
    }
    const [size] = parts.mean.extents[0]!
    const vector = (v: Value | undefined, value: number): string =>
      v
        ? emitter.natural(v)
        : emitter.shared(parts.mean, `all ${value}`, () => emitter.nodes.tensor('constant', constant(size!, value, parts.mean)))
    const operands = [
      place.name,
      vector(parts.gamma, 1),
      vector(parts.beta, 0),
      emitter.natural(parts.mean),
      emitter.natural(parts.variance),
    ]
    const made = emitter.nodes.add('BatchNormalization', operands, { epsilon: { float: parts.epsilon } })
    emitter.define(out!, made, { base: place.base, order: place.order })
  }

const constant = (size: number, value: number, { dtype }: Value): Tensor => full([size], value, { dtype })
