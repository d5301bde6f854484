// Shapes: what moves values or sees them in another shape.
import { sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { storedAxis } from './layout.js'
import type { Call, OperatorTable } from './operator.js'
import { numbersTensor, Value } from './values.js'

/** The value seen in a shape of the same size. */
const seen = (value: Value, shape: readonly number[]): Value => new Value(ops.reshape(value.plain, shape), { type: value.type })

function reshape(call: Call): Value {
  const value = call.value(0)
  const wanted = call.opset < 5 ? call.attributes.ints('shape')! : call.numbers(1)
  const keepsZeros = call.attributes.int('allowzero', 0) !== 0
  const shape = wanted.map((extent, i) => (extent === 0 && !keepsZeros ? (value.shape[i] ?? 0) : extent))
  const free = shape.indexOf(-1)
  if (free >= 0) shape[free] = value.size / sizeOf(shape.filter((extent) => extent !== -1))
  if (shape.some((extent) => !Number.isInteger(extent) || extent < 0) || sizeOf(shape) !== value.size)
    throw call.error(`[${value.shape}] cannot be seen as [${wanted}]`, [value.shape])
  return seen(value, shape)
}

function squeeze(call: Call): Value {
  const value = call.value(0)
  const axes = call.listOf('axes', 1)?.map((axis) => call.axis(axis, value.rank)) ?? value.shape.flatMap((n, i) => (n === 1 ? [i] : []))
  const wide = axes.find((axis) => value.shape[axis] !== 1)
  if (wide !== undefined) throw call.error(`axis ${wide} of [${value.shape}] has not the extent 1`, [value.shape])
  return seen(
    value,
    value.shape.filter((_, i) => !axes.includes(i)),
  )
}

function unsqueeze(call: Call): Value {
  const value = call.value(0)
  const given = call.listOf('axes', 1) ?? []
  const rank = value.rank + given.length
  const axes = given.map((axis) => call.axis(axis, rank))
  const extents = [...value.shape]
  return seen(
    value,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : extents.shift()!)),
  )
}

function flatten(call: Call): Value {
  const value = call.value(0)
  const given = call.attributes.int('axis', 1)
  const axis = given < 0 ? given + value.rank : given
  return seen(value, [sizeOf(value.shape.slice(0, axis)), sizeOf(value.shape.slice(axis))])
}

function transpose(call: Call): Value {
  const value = call.value(0)
  const order = call.attributes.ints('perm') ?? value.shape.map((_, i) => value.rank - 1 - i)
  if (order.length !== value.rank || new Set(order).size !== order.length || order.some((axis) => !(axis >= 0 && axis < value.rank)))
    throw call.error(`perm [${order}] does not order the axes of [${value.shape}]`, [value.shape])
  // channels that are last already only get their name
  if (value.isLast && order.every((axis, i) => storedAxis(value, axis) === i)) return new Value(value.stored, { type: value.type })
  return new Value(ops.transpose(value.plain, order), { type: value.type })
}

function concat(call: Call): Value {
  const values = call.values()
  const axis = call.axis(call.attributes.int('axis', 1), values[0]!.rank)
  const isLast = values[0]!.rank > 2 && values.some((value) => value.isLast)
  if (values.length === 1) return values[0]!
  const type = values[0]!.type
  if (!isLast)
    return new Value(
      ops.concat(
        values.map((value) => value.plain),
        axis,
      ),
      { type },
    )
  const joined = ops.concat(
    values.map((value) => value.last),
    storedAxis(values.find((value) => value.isLast)!, axis),
  )
  return new Value(joined, { isLast, type })
}

function split(call: Call): Value[] {
  const value = call.value(0)
  const axis = call.axis(call.attributes.int('axis', 0), value.rank)
  const extent = value.shape[axis]!
  let sizes = call.listOf('split', 1)
  if (sizes === undefined) {
    const count = call.host(call.attributes.int('num_outputs', call.outputs), 'parts', 2 ** 16)
    const size = Math.ceil(extent / count)
    sizes = Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, extent - i * size)))
  }
  const facts = { isLast: value.isLast, type: value.type }
  return ops.split(value.stored, [...sizes], storedAxis(value, axis)).map((part) => new Value(part, facts))
}

function slice(call: Call): Value {
  const value = call.value(0)
  const before10 = call.opset < 10
  const starts = before10 ? call.attributes.ints('starts')! : call.numbers(1)
  const ends = before10 ? call.attributes.ints('ends')! : call.numbers(2)
  const axes = (before10 ? call.attributes.ints('axes') : call.has(3) ? call.numbers(3) : undefined) ?? starts.map((_, i) => i)
  const steps = (!before10 && call.has(4) ? call.numbers(4) : undefined) ?? starts.map(() => 1)
  const begin = value.stored.shape.map(() => 0)
  const size = [...value.stored.shape]
  const by = value.stored.shape.map(() => 1)
  axes.forEach((given, i) => {
    const axis = call.axis(given, value.rank)
    const n = value.shape[axis]!
    const step = steps[i]!
    if (step === 0) throw call.error('a step is 0')
    const from = (at: number): number => (at < 0 ? at + n : at)
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1]
    const first = Math.min(Math.max(from(starts[i]!), step > 0 ? 0 : low), high)
    const end = Math.min(Math.max(from(ends[i]!), low), high)
    const place = storedAxis(value, axis)
    const count = Math.max(0, Math.ceil((end - first) / step))
    begin[place] = count === 0 ? 0 : first
    size[place] = count
    by[place] = count === 0 ? 1 : step
  })
  if (size.every((extent, i) => extent === value.stored.shape[i]) && by.every((step) => step === 1)) return value
  return new Value(ops.slice(value.stored, begin, size, by), { isLast: value.isLast, type: value.type })
}

function expand(call: Call): Value {
  const value = call.value(0)
  const wanted = call.numbers(1)
  const rank = Math.max(wanted.length, value.rank)
  const shape = Array.from({ length: rank }, (_, i) => {
    const own = value.shape[value.rank - rank + i] ?? 1
    const other = wanted[wanted.length - rank + i] ?? 1
    return own === 1 ? other : own
  })
  return new Value(ops.broadcastTo(value.plain, call.grown(shape, value.size)), { type: value.type })
}

function tile(call: Call): Value {
  const value = call.value(0)
  const times = [...call.numbers(1)]
  call.grown(
    value.shape.map((n, i) => n * (times[i] ?? 1)),
    value.size,
  )
  return new Value(ops.tile(value.plain, times), { type: value.type })
}

function shapeOf(call: Call): Tensor {
  const { shape } = call.value(0)
  const { attributes } = call
  return numbersTensor(shape.slice(attributes.int('start', 0), attributes.has('end') ? attributes.int('end', 0) : undefined), [-1], 'int32')
}

/** Blocks of the channels become places, or the other way: [n, c, h, w]. */
function depthToSpace(call: Call): Value {
  const x = call.value(0).last
  const size = call.attributes.int('blocksize', 1)
  const [n, h, w, c] = x.shape as [number, number, number, number]
  const rest = c / (size * size)
  const isColumnFirst = call.attributes.string('mode', 'DCR') === 'CRD'
  const parts = ops.reshape(x, isColumnFirst ? [n, h, w, rest, size, size] : [n, h, w, size, size, rest])
  const moved = ops.transpose(parts, isColumnFirst ? [0, 1, 4, 2, 5, 3] : [0, 1, 3, 2, 4, 5])
  return new Value(ops.reshape(moved, [n, h * size, w * size, rest]), { isLast: true })
}

function spaceToDepth(call: Call): Value {
  const x = call.value(0).last
  const size = call.attributes.int('blocksize', 1)
  const [n, h, w, c] = x.shape as [number, number, number, number]
  const parts = ops.reshape(x, [n, h / size, size, w / size, size, c])
  const moved = ops.transpose(parts, [0, 1, 3, 2, 4, 5])
  return new Value(ops.reshape(moved, [n, h / size, w / size, size * size * c]), { isLast: true })
}

/** Each row of the batch backwards up to its length. */
function reverseSequence(call: Call): Value {
  const value = call.value(0)
  const time = call.attributes.int('time_axis', 0)
  const batch = call.attributes.int('batch_axis', 1)
  const x = value.plain
  const n = x.shape[time]!
  const places = ops.arange(0, n, 1, { dtype: 'int32', device: x.device }) // [time]
  const lengths = ops.reshape(ops.cast(call.tensor(1), 'int32'), [-1, 1]) // [batch, 1]
  const backwards = ops.sub(ops.sub(lengths, 1), places)
  const order = ops.where(ops.less(places, lengths), backwards, ops.broadcastTo(places, [x.shape[batch]!, n])) // [batch, time]
  const shape = x.shape.map((_, i) => (i === time ? n : i === batch ? x.shape[batch]! : 1))
  const aligned = ops.reshape(batch < time ? order : ops.transpose(order), shape)
  return new Value(ops.gatherAlong(x, ops.broadcastTo(aligned, x.shape), time), { type: value.type })
}

export const shapeOperators: OperatorTable = {
  Reshape: { reads: [1], run: reshape },
  Squeeze: { reads: [1], run: squeeze },
  Unsqueeze: { reads: [1], run: unsqueeze },
  Flatten: { run: flatten },
  Transpose: { run: transpose },
  Concat: { run: concat },
  Split: { reads: [1], run: split },
  Slice: { reads: [1, 2, 3, 4], run: slice },
  Expand: { since: 8, reads: [1], run: expand },
  Tile: { reads: [1], run: tile },
  Shape: { run: shapeOf },
  Size: { run: (call) => numbersTensor([call.value(0).size], [], 'int32') },
  Identity: { run: (call) => call.inputs[0] },
  DepthToSpace: { run: depthToSpace },
  SpaceToDepth: { run: spaceToDepth },
  ReverseSequence: { since: 10, run: reverseSequence },
}
