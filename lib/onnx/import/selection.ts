// Selection: values at indices, and values put there.
import { isFloat, type Shape, sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { type Call, made, type OperatorTable } from './operator.js'
import { lasting } from './lasting.js'
import { numbersTensor, Value } from './values.js'

/** Indices from the end, below 0, as those from the front. */
const fromFront = (indices: Tensor, n: number): Tensor => {
  const whole = indices.dtype === 'int32' ? indices : ops.cast(indices, 'int32')
  return ops.where(ops.less(whole, 0), ops.add(whole, n), whole)
}

/** Known indices are brought to the front on the host. */
function places(value: Value, n: number, call: Call): Tensor {
  const known = value.size <= 4096 ? value.atHand : undefined
  if (known === undefined) return fromFront(value.plain, n)
  const wrong = known.find((index) => index < -n || index >= n)
  if (wrong !== undefined) throw call.error(`index ${wrong} is out of range for ${n} values`)
  if (known.every((index) => index >= 0)) return value.plain
  return numbersTensor(
    known.map((index) => (index < 0 ? index + n : index)),
    value.shape,
    'int32',
  )
}

function gather(call: Call): Value {
  const value = call.value(0)
  const axis = call.axis(call.attributes.int('axis', 0), value.rank)
  const indices = places(call.value(1), value.shape[axis]!, call)
  return new Value(ops.gather(value.plain, indices, axis), { type: value.type })
}

/** x [..., n, ...] at indices of the same rank; the other extents may be smaller. */
function gatherElements(call: Call): Value {
  const value = call.value(0)
  const axis = call.axis(call.attributes.int('axis', 0), value.rank)
  const indices = fromFront(call.tensor(1), value.shape[axis]!)
  const cut = value.shape.map((n, i) => (i === axis ? n : indices.shape[i]!))
  return new Value(
    ops.gatherAlong(
      ops.slice(
        value.plain,
        cut.map(() => 0),
        cut,
      ),
      indices,
      axis,
    ),
    { type: value.type },
  )
}

/** Tuples of indices [..., k] into a shape, as positions in row-major order. */
function flatPlaces(indices: Tensor, shape: readonly number[]): Tensor {
  const k = indices.shape.at(-1)!
  const strides = shape.slice(0, k).map((_, i) => sizeOf(shape.slice(i + 1, k)))
  const front = ops.where(ops.less(indices, 0), ops.add(indices, numbersTensor(shape.slice(0, k), [k], 'int32')), indices)
  return ops.sum(ops.mul(front, numbersTensor(strides, [k], 'int32')), -1)
}

function gatherNd(call: Call): Value {
  const value = call.value(0)
  const batchDims = call.attributes.int('batch_dims', 0)
  const indices = ops.cast(call.tensor(1), 'int32')
  const k = indices.shape.at(-1)!
  const x = value.plain
  const rows = sizeOf(x.shape.slice(0, batchDims))
  const inner = x.shape.slice(batchDims)
  const kept = inner.slice(k)
  const flat = flatPlaces(ops.reshape(indices, [rows, -1, k]), inner) // [rows, places]
  const size = sizeOf(inner.slice(0, k))
  const offsets = ops.reshape(ops.mul(ops.arange(0, rows, 1, made('int32')), size), [rows, 1])
  const taken = ops.gather(ops.reshape(x, [rows * size, ...kept]), ops.add(flat, offsets), 0)
  return new Value(ops.reshape(taken, [...indices.shape.slice(0, -1), ...kept]), { type: value.type })
}

/** How values that are put somewhere meet those that are there, and each other. */
type Meeting = 'none' | 'add' | 'mul' | 'max' | 'min'

/**
 * x [m, c] with updates [k, c] at rows `at` [k]. Where several meet a row: 'none' takes the last of them, the others
 * all.
 */
function putRows(x: Tensor, at: Tensor, updates: Tensor, meeting: Meeting): Tensor {
  const [m, c] = x.shape as [number, number]
  const k = at.shape[0]!
  if (k === 0) return x
  if (meeting === 'add') return ops.scatterAdd(x, at, updates, 0)
  if (meeting === 'none') {
    // the update that a row takes: the last one that names it
    const own = ops.equal(ops.reshape(ops.arange(0, m, 1, made('int32')), [m, 1]), at) // [m, k]
    const order = ops.where(own, ops.arange(1, k + 1, 1, made('int32')), 0)
    const last = ops.max(order, 1) // [m], 0: none
    const taken = ops.gather(updates, ops.maximum(ops.sub(last, 1), 0), 0)
    return ops.where(ops.reshape(ops.greater(last, 0), [m, 1]), taken, x)
  }
  let result = x
  const rows = ops.reshape(ops.arange(0, m, 1, made('int32')), [m, 1])
  const combine = { mul: ops.mul, max: ops.maximum, min: ops.minimum }[meeting]
  for (let i = 0; i < k; i++) {
    const here = ops.equal(rows, ops.slice(at, [i], [1]))
    result = ops.where(here, combine(result, ops.slice(updates, [i, 0], [1, c])), result)
  }
  return result
}

/** Rows above which 'none' and products would take too much memory. */
const MOST_MET = 2 ** 26

const meetingOf = (call: Call): Meeting => call.attributes.string('reduction', 'none') as Meeting

function checkMet(call: Call, rows: number, updates: number): void {
  if (rows * updates > MOST_MET) throw call.error(`${updates} updates of ${rows} places are too many for it`)
}

/** Distinct known places need no comparison of all with all. */
function scatterDistinct(x: Tensor, at: Tensor, updates: Tensor): Tensor {
  const there = ops.scatterAdd(ops.zeros([x.shape[0]!], made('int32')), at, ops.ones(at.shape, made('int32')), 0)
  const put = ops.scatterAdd(ops.zerosLike(x), at, updates, 0)
  return ops.where(ops.reshape(ops.greater(there, 0), [-1, 1]), put, x)
}

function put(call: Call, x: Tensor, at: Tensor, updates: Tensor, known: readonly number[] | undefined): Tensor {
  const meeting = meetingOf(call)
  if (meeting === 'none' && known !== undefined && new Set(known).size === known.length && (isFloat(x.dtype) || x.dtype === 'int32'))
    return scatterDistinct(x, at, updates)
  if (meeting !== 'add' && meeting !== 'none') call.host(at.shape[0]!, `updates that meet by '${meeting}'`, 4096)
  if (meeting !== 'add') checkMet(call, x.shape[0]!, at.shape[0]!)
  return putRows(x, at, updates, meeting)
}

/** Positions that follow from indices: those of constant indices are constants too. */
const positions = (indices: Value, make: () => Tensor): Tensor => (indices.isKnown ? lasting(make) : make())

function scatterNd(call: Call): Value {
  const [value, indices] = [call.value(0), call.value(1)]
  const x = value.plain
  const k = indices.shape.at(-1)!
  const rows = sizeOf(x.shape.slice(0, k))
  const columns = sizeOf(x.shape.slice(k))
  const at = positions(indices, () => ops.reshape(flatPlaces(ops.cast(indices.plain, 'int32'), x.shape), [-1]))
  const updates = ops.reshape(call.tensor(2), [at.shape[0]!, columns])
  const result = put(call, ops.reshape(x, [rows, columns]), at, updates, new Value(at).atHand)
  return new Value(ops.reshape(result, x.shape), { type: value.type })
}

/** Indices along an axis as positions in the whole tensor, one for each update. */
function elementPlaces(given: Tensor, shape: Shape, axis: number): Tensor {
  const indices = fromFront(given, shape[axis]!)
  let flat = ops.mul(indices, sizeOf(shape.slice(axis + 1)))
  indices.shape.forEach((extent, i) => {
    if (i === axis) return
    const along = ops.mul(ops.arange(0, extent, 1, made('int32')), sizeOf(shape.slice(i + 1)))
    const aligned = indices.shape.map((_, j) => (j === i ? extent : 1))
    flat = ops.add(flat, ops.reshape(along, aligned))
  })
  return ops.reshape(flat, [-1])
}

function scatterElements(call: Call): Value {
  const value = call.value(0)
  const x = value.plain
  const axis = call.axis(call.attributes.int('axis', 0), x.rank)
  const at = positions(call.value(1), () => elementPlaces(call.tensor(1), x.shape, axis))
  const result = put(call, ops.reshape(x, [-1, 1]), at, ops.reshape(call.tensor(2), [-1, 1]), new Value(at).atHand)
  return new Value(ops.reshape(result, x.shape), { type: value.type })
}

function oneHot(call: Call): Value {
  const depth = call.number(1, 0)
  const [off = 0, on = 1] = call.numbers(2)
  const like = call.value(2)
  const indices = fromFront(call.tensor(0), depth)
  const axis = call.axis(call.attributes.int('axis', -1), indices.rank + 1)
  const dtype = isFloat(like.dtype) ? like.dtype : 'int32'
  call.grown([...indices.shape, depth], indices.size)
  return new Value(ops.moveAxis(ops.cast(ops.oneHot(indices, depth, { on, off, dtype }), like.dtype), -1, axis), { type: like.type })
}

function topK(call: Call): Value[] {
  const value = call.value(0)
  const axis = call.axis(call.attributes.int('axis', -1), value.rank)
  const k = call.opset < 10 ? call.attributes.int('k', 1) : call.number(1, 1)
  const largest = call.attributes.int('largest', 1) !== 0
  const x = ops.moveAxis(value.plain, axis, -1)
  const back = (t: Tensor): Tensor => ops.moveAxis(t, -1, axis)
  if (largest) {
    const { values, indices } = ops.topK(x, k)
    return [new Value(back(values), { type: value.type }), new Value(back(indices))]
  }
  const order = ops.argSort(x)
  const first = ops.slice(
    order,
    order.shape.map(() => 0),
    [...order.shape.slice(0, -1), k],
  )
  return [new Value(back(ops.gatherAlong(x, first)), { type: value.type }), new Value(back(first))]
}

export const selectionOperators: OperatorTable = {
  Gather: { run: gather },
  GatherElements: { since: 11, run: gatherElements },
  GatherND: { since: 11, run: gatherNd },
  Scatter: { since: 9, run: scatterElements },
  ScatterElements: { since: 11, run: scatterElements },
  ScatterND: { since: 11, run: scatterNd },
  OneHot: { since: 9, reads: [1, 2], run: oneHot },
  TopK: { reads: [1], run: topK },
}
