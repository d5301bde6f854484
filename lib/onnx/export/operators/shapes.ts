// Shapes, selection and creation: what moves values without computing with them.
import { isFloat } from '../../../core/spec.js'
import type { Emitter } from '../emitter.js'
import { combined, type Extent, fixedExtent, isOne, sameExtent, sameExtents, sizeOfExtents } from '../extent.js'
import { attrAt, type SymbolicCall, type Value } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { attribute, type Operator, type Operators } from './operator.js'

/** Nothing is written: what is stored has its axes in another order. */
const transpose: Operator = (call, emitter) => {
  const permutation = attribute<readonly number[]>(call, 'permutation')
  const { name, order } = emitter.plain(call.inputs[0]!)
  const [out] = call.outputs
  emitter.define(out!, name, { base: out!.extents, order: order.map((axis) => permutation.indexOf(axis)) })
}

/** A list attribute as extents, one for each axis. */
function listAt(call: SymbolicCall, name: string): Extent[] {
  const lists = attrAt<readonly number[]>(call, name)
  return lists[0]!.map((_, axis) => lists.map((list) => list[axis]!))
}

/** What stands for "to the end" in Slice. */
const END = 2 ** 31 - 1

const slice: Operator = (call, emitter) => {
  const [x] = call.inputs
  const [out] = call.outputs
  const { name, order } = emitter.plain(x!)
  const begins = listAt(call, 'begin')
  const steps = attribute<readonly number[]>(call, 'steps')
  const parts = x!.extents.flatMap((extent, axis) => {
    const [begin, step, count] = [begins[axis]!, steps[axis]!, out!.extents[axis]!]
    if (step === 1 && fixedExtent(begin) === 0 && sameExtent(count, extent)) return []
    return [{ place: order.indexOf(axis), step, ...span(begin, step, count, extent) }]
  })
  const ordered = [...parts].sort((a, b) => a.place - b.place)
  const { nodes, sizes } = emitter
  const made =
    ordered.length === 0
      ? name
      : nodes.add('Slice', [
          name,
          sizes.shape(ordered.map(({ start }) => start)),
          sizes.shape(ordered.map(({ end }) => end)),
          nodes.ints(ordered.map(({ place }) => place)),
          ...(ordered.every(({ step }) => step === 1) ? [] : [nodes.ints(ordered.map(({ step }) => step))]),
        ])
  emitter.define(out!, made, { base: out!.extents, order })
}

/** Where a slice of `count` values starts and ends; places that move with the extent are counted from its end. */
function span(begin: Extent, step: number, count: Extent, extent: Extent): { start: Extent; end: Extent } {
  const fromEnd = (place: Extent): Extent => {
    if (fixedExtent(place) !== undefined) return place
    const behind = combined([place, extent], ([a, n]) => a! - n!)
    const fixed = fixedExtent(behind)
    return fixed !== undefined && fixed < 0 ? behind : place
  }
  const last = combined([begin, count], ([a, n]) => a! + n! * step)
  const all = (n: number): Extent => extent.map(() => n)
  // the last value lies less than a step from the end
  const reachesEnd = step > 0 && last.every((place, i) => place >= extent[i]!)
  const reachesStart = step < 0 && last.every((place) => place < 0)
  return { start: fromEnd(begin), end: reachesEnd ? all(END) : reachesStart ? all(-END) : fromEnd(last) }
}

const concat: Operator = (call, emitter) => {
  const axis = attribute<number>(call, 'axis')
  const [out] = call.outputs
  const first = call.inputs.find((v) => !emitter.isConstant(v)) ?? call.inputs[0]!
  const { order } = emitter.plain(first)
  const names = call.inputs.map((v) => emitter.ordered(v, order))
  emitter.define(out!, emitter.nodes.add('Concat', names, { axis: { int: order.indexOf(axis) } }), { base: out!.extents, order })
}

const pad: Operator = (call, emitter) => {
  const [x] = call.inputs
  const [out] = call.outputs
  const { name, order } = emitter.plain(x!)
  const before = listAt(call, 'before')
  const after = before.map((n, axis) =>
    combined([out!.extents[axis]!, x!.extents[axis]!, n], ([whole, part, front]) => whole! - part! - front!),
  )
  const places = [...order.map((axis) => before[axis]!), ...order.map((axis) => after[axis]!)]
  const { nodes, sizes } = emitter
  const made = nodes.add('Pad', [name, sizes.shape(places), nodes.scalar(attribute<number>(call, 'value'), x!.dtype)])
  emitter.define(out!, made, { base: out!.extents, order })
}

/**
 * The image [n, h, w, c] of which a repetition [n, h, 1, w, 1, c] → [n, h, rows, w, columns, c] is asked: how
 * enlargement is written in reshapes.
 */
function enlarged(x: Value, out: Value, emitter: Emitter): string | undefined {
  if (x.extents.length !== 6 || emitter.isConstant(x)) return undefined
  const { name, base, order } = emitter.stored(x)
  const [n, h, w, c] = [0, 1, 3, 5].map((axis) => x.extents[axis]!) as [Extent, Extent, Extent, Extent]
  const fits = sameExtents(base, [n, h, w, c]) && order.join() === '0,3,1,2' && isOne(x.extents[2]!) && isOne(x.extents[4]!)
  const [rows, columns] = [2, 4].map((axis) => fixedExtent(out.extents[axis]!))
  const rest = [0, 1, 3, 5].every((axis) => sameExtent(x.extents[axis]!, out.extents[axis]!))
  if (!fits || !rest || rows === undefined || columns === undefined) return undefined
  const { nodes } = emitter
  const factors = nodes.add('Cast', [nodes.ints([1, 1, rows, columns])], { to: { int: 1 } })
  const nearest = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
  return nodes.add('Resize', [name, '', factors], Object.fromEntries(Object.entries(nearest).map(([key, text]) => [key, { text }])))
}

const broadcastTo: Operator = (call, emitter) => {
  const [x] = call.inputs
  const [out] = call.outputs
  const { extents } = out!
  const image = enlarged(x!, out!, emitter)
  if (image !== undefined) {
    const [n, h, rows, w, columns, c] = extents as [Extent, Extent, Extent, Extent, Extent, Extent]
    const times = (a: Extent, b: Extent): Extent => combined([a, b], ([p, q]) => p! * q!)
    emitter.define(out!, image, { base: [n, times(h, rows), times(w, columns), c], order: [0, 3, 1, 2] })
    return
  }
  if (sameExtents(x!.extents, extents)) {
    const { name, base, order } = emitter.stored(x!)
    emitter.define(out!, name, { base, order })
    return
  }
  emitter.define(out!, emitter.nodes.add('Expand', [emitter.natural(x!), emitter.sizes.shape(extents)]))
}

const gather: Operator = (call, emitter) => {
  const [x, indices] = call.inputs
  const axis = attribute<number>(call, 'axis')
  // which order the indices are in decides that of the result, where it is the first axis that is picked from
  const { name, order } = axis === 0 ? emitter.plain(indices!) : { name: emitter.natural(indices!), order: [] }
  const made = emitter.nodes.add('Gather', [emitter.natural(x!), name], { axis: { int: axis } })
  const [out] = call.outputs
  const rest = x!.extents.slice(1).map((_, i) => order.length + i)
  emitter.define(out!, made, axis === 0 ? { base: out!.extents, order: [...order, ...rest] } : {})
}

const gatherAlong: Operator = (call, emitter) => {
  const [x, indices] = call.inputs
  emitter.define(
    call.outputs[0]!,
    emitter.nodes.add('GatherElements', [emitter.natural(x!), emitter.natural(indices!)], { axis: { int: -1 } }),
  )
}

/** The places where the class is the index; what is out of range is nowhere. */
const oneHot: Operator = (call, emitter) => {
  const [indices] = call.inputs
  const [out] = call.outputs
  const { nodes, sizes } = emitter
  const classes = nodes.add('Range', [nodes.int(0), sizes.scalar(out!.extents.at(-1)!), nodes.int(1)])
  const places = nodes.add('Unsqueeze', [emitter.natural(indices!), nodes.ints([-1])])
  const hit = nodes.add('Equal', [emitter.cast(places, 'int64'), classes])
  const [on, off] = (['on', 'off'] as const).map((name) => attribute<number>(call, name)) as [number, number]
  if (out!.dtype === 'bool') throw new Unsupported('oneHot of bool')
  const wide = isFloat(out!.dtype) ? out!.dtype : 'int32'
  const made = nodes.add('Where', [hit, nodes.scalar(on, wide), nodes.scalar(off, wide)])
  emitter.define(out!, wide === out!.dtype ? made : emitter.cast(made, out!.dtype))
}

const dynamicSlice: Operator = (call, emitter) => {
  const [x, start] = call.inputs
  const [out] = call.outputs
  const axis = attribute<number>(call, 'axis')
  const { nodes, sizes } = emitter
  const { name, order } = emitter.plain(x!)
  const begin = emitter.cast(emitter.natural(start!), 'int64')
  const end = nodes.add('Add', [begin, sizes.vector(out!.extents[axis]!)])
  const made = nodes.add('Slice', [name, begin, end, nodes.ints([order.indexOf(axis)])])
  emitter.define(out!, made, { base: out!.extents, order })
}

/** x with `update` in the place of its values from `start` on: what is before, the update, what is behind. */
const updateSlice: Operator = (call, emitter) => {
  const [x, update, start] = call.inputs
  const [out] = call.outputs
  const axis = attribute<number>(call, 'axis')
  const { nodes, sizes } = emitter
  const { name, order } = emitter.plain(x!)
  const place = order.indexOf(axis)
  const begin = emitter.cast(emitter.natural(start!), 'int64')
  const behind = nodes.add('Add', [begin, sizes.vector(update!.extents[axis]!)])
  const part = (from: string, to: string): string => nodes.add('Slice', [name, from, to, nodes.ints([place])])
  const parts = [part(nodes.ints([0]), begin), emitter.ordered(update!, order), part(behind, nodes.ints([END]))]
  emitter.define(out!, nodes.add('Concat', parts, { axis: { int: place } }), { base: out!.extents, order })
}

/** Updates added into zeros along an axis; `places`: which of an update's axes the indices stand for. */
function scattered(call: SymbolicCall, emitter: Emitter, axis: number, places: number): void {
  const [indices, updates] = call.inputs
  const [out] = call.outputs
  const { nodes, sizes } = emitter
  const { extents } = updates!
  const count = sizeOfExtents(extents.slice(axis, axis + places), extents[0]?.length ?? 1)
  const shape = [...extents.slice(0, axis), count, ...extents.slice(axis + places)]
  const one = count.map(() => 1)
  const shaped = (v: Value, to: readonly Extent[]): string =>
    sameExtents(v.extents, to) ? emitter.natural(v) : nodes.add('Reshape', [emitter.natural(v), sizes.shape(to)])
  // along the last axis there is an index for each update; else one for each part of them
  const own = sameExtents(indices!.extents, extents) ? extents : shape.map((_, i) => (i === axis ? count : one))
  const wide = nodes.add('Expand', [emitter.cast(shaped(indices!, own), 'int64'), sizes.shape(shape)])
  const zeros = nodes.add('Expand', [nodes.scalar(0, out!.dtype), sizes.shape(out!.extents)])
  const attributes = { axis: { int: axis }, reduction: { text: 'add' } }
  emitter.define(out!, nodes.add('ScatterElements', [zeros, wide, shaped(updates!, shape)], attributes))
}

/** A number that follows from the sizes: their multiple or reciprocal, for means over axes that vary. */
function sizeNumber(values: Extent, dtype: Value['dtype'], emitter: Emitter): string {
  const { nodes, sizes } = emitter
  const scalar = (extent: Extent): string => emitter.cast(sizes.scalar(extent), dtype)
  if (values.every(Number.isInteger)) return scalar(values)
  const inverse = values.map((n) => Math.round(1 / n))
  if (!values.every((n, i) => Math.abs(n * inverse[i]! - 1) < 1e-6))
    throw new Unsupported('a number that varies with the size of the inputs')
  return nodes.add('Reciprocal', [scalar(inverse)])
}

/** Fills of one number are written where they are needed; this is one whose number varies. */
const fill: Operator = (call, emitter) => {
  const [out] = call.outputs
  if (emitter.uniform(out!) !== undefined) return
  const { nodes, sizes } = emitter
  const number = sizeNumber(attrAt<number>(call, 'value'), out!.dtype, emitter)
  emitter.define(out!, out!.extents.length === 0 ? number : nodes.add('Expand', [number, sizes.shape(out!.extents)]))
}

const arange: Operator = (call, emitter) => {
  const [out] = call.outputs
  const start = attrAt<number>(call, 'start')
  const step = attribute<number>(call, 'step')
  const { nodes, sizes } = emitter
  if (!Number.isInteger(step) || !start.every(Number.isInteger)) throw new Unsupported('arange in fractions whose length varies')
  const end = combined([start, out!.extents[0]!], ([from, count]) => from! + count! * step)
  const made = nodes.add('Range', [sizes.scalar(start), sizes.scalar(end), nodes.int(step)])
  emitter.define(out!, out!.dtype === 'int64' ? made : emitter.cast(made, out!.dtype))
}

export const shapes: Operators = {
  transpose,
  slice,
  concat,
  pad,
  broadcastTo,
  gather,
  gatherAlong,
  oneHot,
  dynamicSlice,
  updateSlice,
  scatterAdd: (call, emitter) => scattered(call, emitter, attribute<number>(call, 'axis'), call.inputs[0]!.extents.length),
  scatterAlong: (call, emitter) => scattered(call, emitter, call.inputs[1]!.extents.length - 1, 1),
  fill,
  arange,
}

export { sizeNumber }
