// Operands of pointwise operators in one order of axes, so that they broadcast.
import { reshape, transpose } from '../../../ops/index.js'
import { arranged, type Emitter, fixedOf, type Stored } from '../emitter.js'
import { identityOrder, isOne, sameExtent, sameExtents, sameOrder } from '../extent.js'
import type { Value } from '../probe.js'

/** Names of the operands, and how the result is stored. */
export interface Aligned {
  readonly names: readonly string[]
  readonly base: Stored['base']
  readonly order: Stored['order']
}

/** Brings operands that broadcast to the result into one order of axes, with as few transposes as there can be. */
export function aligned(operands: readonly Value[], out: Value, emitter: Emitter): Aligned {
  const rank = out.extents.length
  const computed = operands.filter((v) => !emitter.isConstant(v))
  const full = computed.filter((v) => sameExtents(v.extents, out.extents))
  if (full.length > 0) {
    const within = beforeReshape(operands, computed, out, emitter)
    if (within) return within
    const order = chosenOrder(full, emitter)
    return { names: operands.map((v) => operandIn(v, order, rank, emitter, true)), base: out.extents, order }
  }
  // constants of one number have no shape: one operand at least must have the whole one
  const scalars = operands.some((v) => emitter.constant(v) !== undefined && sameExtents(v.extents, out.extents)) || rank === 0
  const order = identityOrder(rank)
  return { names: operands.map((v) => operandIn(v, order, rank, emitter, scalars)), base: out.extents, order }
}

/** The order of the first operand that has one of its own, else the natural one. */
function chosenOrder(full: readonly Value[], emitter: Emitter): readonly number[] {
  const own = full.find((v) => sameExtents(emitter.stored(v).base, v.extents))
  return emitter.plain(own ?? full[0]!).order
}

/** The operands in the shape that their values had before a reshape, where all of them fit into it. */
function beforeReshape(operands: readonly Value[], computed: readonly Value[], out: Value, emitter: Emitter): Aligned | undefined {
  const places = computed.map((v) => emitter.stored(v))
  const [{ base, order }] = places as [Stored]
  if (sameExtents(base, out.extents)) return undefined
  if (!places.every((place) => sameExtents(place.base, base) && sameOrder(place.order, order))) return undefined
  if (!computed.every((v) => sameExtents(v.extents, out.extents))) return undefined
  const last = base.at(-1)
  const vector = (v: Value): boolean =>
    v.extents.length === 1 && last !== undefined && sameExtent(v.extents[0]!, last) && sameExtent(out.extents.at(-1)!, last)
  const fits = (v: Value): boolean => !emitter.isConstant(v) || isScalar(v) || emitter.uniform(v) !== undefined || vector(v)
  if (!operands.every(fits)) return undefined
  const names = operands.map((v) =>
    emitter.isConstant(v) ? constantIn(v, order, isScalar(v) ? 0 : base.length, emitter) : emitter.stored(v).name,
  )
  return { names, base, order }
}

const isScalar = (v: Value): boolean => v.extents.every(isOne)

/** A constant for an operator whose result has its axes in `order`. */
function constantIn(v: Value, order: readonly number[], rank: number, emitter: Emitter): string {
  const uniform = emitter.uniform(v)
  if (uniform !== undefined) return emitter.nodes.scalar(uniform, v.dtype)
  const shape = fixedOf(v.extents)!
  if (isScalar(v)) return emitter.reformed(v, 'scalar', (t) => reshape(t, []))
  const wide = [...Array.from({ length: rank - shape.length }, () => 1), ...shape]
  const narrow = order.map((axis) => wide[axis]!)
  const lead = narrow.findIndex((n) => n !== 1)
  const kept = narrow.slice(lead)
  // axes of extent 1 in front are left out: operands broadcast to them
  if (kept.length === shape.length && sameOrder(kept, shape) && order.slice(lead).every((axis, i) => axis === i + lead))
    return emitter.natural(v)
  return emitter.reformed(v, `${kept.join()} of ${order.join()}`, (t) => reshape(arranged(t, wide, order), kept))
}

/** An operand, of the result's rank or a lower one, for an operator whose result has its axes in `order`. */
function operandIn(v: Value, order: readonly number[], rank: number, emitter: Emitter, scalars: boolean): string {
  if (emitter.constant(v) !== undefined || (emitter.uniform(v) !== undefined && scalars)) return constantIn(v, order, rank, emitter)
  const shift = rank - v.extents.length
  const own = order.filter((axis) => axis >= shift).map((axis) => axis - shift)
  const name = emitter.ordered(v, own)
  const missing = order.flatMap((axis, i) => (axis < shift ? [i] : []))
  if (missing.every((place, i) => place === i)) return name
  return emitter.nodes.add('Unsqueeze', [name, emitter.nodes.ints(missing)])
}

/** A constant matrix as it is or transposed. */
export const transposedIf = (flag: boolean, v: Value, emitter: Emitter): string =>
  flag ? emitter.reformed(v, 'transposed', (t) => transpose(t, [1, 0])) : emitter.natural(v)
