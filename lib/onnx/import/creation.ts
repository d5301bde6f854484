// Creation: constants, ranges, masks, and the change of an element type.
import { isFloat } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { dtypeOfElements, elementFacts, ElementType, elementTypeName } from '../element_types.js'
import { constantOf } from './constants.js'
import { type Call, made, type OperatorTable } from './operator.js'
import type { GraphNode } from './graph.js'
import { computedDType, numbersTensor, Value } from './values.js'

/** Whole numbers of fewer bits than the dtype in which they are computed. */
const LIMITS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [ElementType.INT8, [-128, 127]],
  [ElementType.INT16, [-32768, 32767]],
  [ElementType.UINT16, [0, 65535]],
])

/** The value with elements of another type; those that do not fit into a small integer are brought to its limits. */
export function castTo(value: Value, type: ElementType): Value {
  if (value.type === type) return value
  const dtype = computedDType(dtypeOfElements(type, 'onnx Cast'))
  const limits = LIMITS.get(type)
  const cast = value.dtype === dtype ? value.stored : ops.cast(value.stored, dtype)
  return new Value(limits === undefined ? cast : ops.clip(cast, limits[0], limits[1]), { isLast: value.isLast, type })
}

const refusesType =
  (attribute: string) =>
  ({ attributes }: GraphNode): string | undefined => {
    const type = attributes.int(attribute, ElementType.FLOAT)
    return elementFacts(type)?.dtype === undefined ? `elements of ${elementTypeName(type)} have no dtype here` : undefined
  }

function constant(call: Call): Value {
  const { attributes } = call
  const tensor = attributes.get('value')?.t
  if (tensor) return constantOf(tensor, call.node.outputs[0]!)
  if (attributes.has('value_float')) return new Value(numbersTensor([attributes.float('value_float', 0)], [], 'float32'))
  if (attributes.has('value_floats')) return new Value(numbersTensor(attributes.floats('value_floats')!, [-1], 'float32'))
  const type = ElementType.INT64
  if (attributes.has('value_int')) return new Value(numbersTensor([attributes.int('value_int', 0)], [], 'int32'), { type })
  return new Value(numbersTensor(attributes.ints('value_ints')!, [-1], 'int32'), { type })
}

function constantOfShape(call: Call): Value {
  const shape = [...call.grown(call.numbers(0))]
  const tensor = call.attributes.get('value')?.t
  if (tensor === undefined) return new Value(ops.zeros(shape, made('float32')))
  const value = constantOf(tensor, 'value')
  const [number = 0] = value.numbers!
  return new Value(ops.full(shape, number, made(value.dtype)), { type: value.type })
}

function range(call: Call): Value {
  const like = call.value(0)
  const [start, limit, delta] = [call.number(0, 0), call.number(1, 0), call.number(2, 1)]
  const count = Math.max(0, Math.ceil((limit - start) / delta))
  const dtype = like.dtype
  call.grown([count])
  const steps = ops.arange(0, count, 1, made(isFloat(dtype) ? dtype : 'int32'))
  return new Value(ops.add(ops.mul(steps, delta), start), { type: like.type })
}

function eyeLike(call: Call): Value {
  const value = call.value(0)
  const type = call.attributes.int('dtype', value.type)
  const [rows, columns] = value.shape as [number, number]
  const offset = call.attributes.int('k', 0)
  const dtype = computedDType(dtypeOfElements(type, 'onnx EyeLike'))
  const down = ops.reshape(ops.arange(0, rows, 1, made('int32')), [rows, 1])
  const across = ops.arange(0, columns, 1, made('int32'))
  return new Value(ops.cast(ops.equal(ops.add(down, offset), across), dtype), { type })
}

/** The part of matrices on one side of a diagonal. */
function triangle(call: Call): Value {
  const value = call.value(0)
  const x = value.plain
  const upper = call.attributes.int('upper', 1) !== 0
  const k = call.number(1, 0)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  const down = ops.reshape(ops.arange(0, rows, 1, made('int32')), [rows, 1])
  const distance = ops.sub(ops.arange(0, columns, 1, made('int32')), down)
  const kept = upper ? ops.greaterEqual(distance, k) : ops.lessEqual(distance, k)
  return new Value(ops.where(kept, x, ops.zerosLike(x)), { type: value.type })
}

/** Modes of Pad that repeat values: the places that the padded axis takes from. */
function placesOf(mode: string, n: number, before: number, after: number): number[] {
  const last = n - 1
  return Array.from({ length: n + before + after }, (_, i) => {
    const at = i - before
    if (mode === 'edge') return Math.min(Math.max(at, 0), last)
    if (mode === 'wrap') return ((at % n) + n) % n
    if (last === 0) return 0
    const turn = ((at % (2 * last)) + 2 * last) % (2 * last)
    return turn > last ? 2 * last - turn : turn
  })
}

function pad(call: Call): Value {
  const value = call.value(0)
  const { attributes, opset } = call
  const pads = opset < 11 ? (attributes.ints('pads') ?? attributes.ints('paddings')!) : call.numbers(1)
  const fill = opset < 11 ? attributes.float('value', 0) : call.number(2, 0)
  const axes = (call.has(3) ? call.numbers(3) : value.shape.map((_, i) => i)).map((axis) => call.axis(axis, value.rank))
  const mode = attributes.string('mode', 'constant')
  const pairs: [number, number][] = value.shape.map(() => [0, 0])
  axes.forEach((axis, i) => {
    pairs[axis] = [pads[i]!, pads[axes.length + i]!]
  })
  const stored = value.isLast ? [pairs[0]!, ...pairs.slice(2), pairs[1]!] : pairs
  // what is below 0 is cut off
  let x: Tensor = value.stored
  if (stored.some((pair) => pair.some((n) => n < 0))) {
    const begin = stored.map(([before]) => Math.max(0, -before))
    const size = stored.map(([before, after], i) => x.shape[i]! + Math.min(0, before) + Math.min(0, after))
    x = ops.slice(x, begin, size)
  }
  const grown = stored.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)])
  const facts = { isLast: value.isLast, type: value.type }
  call.grown(
    x.shape.map((n, i) => n + grown[i]![0] + grown[i]![1]),
    value.size,
  )
  if (mode === 'constant') return new Value(grown.some((pair) => pair[0] + pair[1] > 0) ? ops.pad(x, grown, fill) : x, facts)
  grown.forEach(([before, after], axis) => {
    call.host(x.shape[axis]! + before + after, 'places along an axis')
    if (before + after > 0) x = ops.gather(x, numbersTensor(placesOf(mode, x.shape[axis]!, before, after), [-1], 'int32'), axis)
  })
  return new Value(x, facts)
}

/** The middle of a tensor in another shape: cut where it is smaller, with zeros around it where it is larger. */
function centerCropPad(call: Call): Value {
  const value = call.value(0)
  const wanted = call.numbers(1)
  const axes = (call.attributes.ints('axes') ?? value.shape.map((_, i) => i)).map((axis) => call.axis(axis, value.rank))
  const shape = [...value.shape]
  axes.forEach((axis, i) => {
    shape[axis] = wanted[i]!
  })
  call.grown(shape, value.size)
  const begin = value.shape.map((n, i) => Math.max(0, Math.floor((n - shape[i]!) / 2)))
  const size = value.shape.map((n, i) => Math.min(n, shape[i]!))
  const pairs = size.map((n, i): [number, number] => {
    const missing = shape[i]! - n
    return [Math.floor(missing / 2), missing - Math.floor(missing / 2)]
  })
  return new Value(ops.pad(ops.slice(value.plain, begin, size), pairs), { type: value.type })
}

export const creationOperators: OperatorTable = {
  Constant: {
    run: constant,
    refuses: ({ attributes }) => {
      if (attributes.has('value_string') || attributes.has('value_strings')) return 'constants of text have no dtype here'
      if (attributes.has('sparse_value')) return 'sparse constants are not computed here'
      const tensor = attributes.get('value')?.t
      return tensor && elementFacts(tensor.dataType)?.dtype === undefined
        ? `elements of ${elementTypeName(tensor.dataType)} have no dtype here`
        : undefined
    },
  },
  ConstantOfShape: { since: 9, reads: [0], run: constantOfShape },
  Range: { since: 11, reads: [0, 1, 2], run: range },
  EyeLike: { since: 9, run: eyeLike, refuses: refusesType('dtype') },
  Trilu: { since: 14, reads: [1], run: triangle },
  Cast: { run: (call) => castTo(call.value(0), call.attributes.int('to', ElementType.FLOAT)), refuses: refusesType('to') },
  CastLike: { since: 15, run: (call) => castTo(call.value(0), call.value(1).type) },
  Pad: { reads: [1, 2, 3], run: pad },
  CenterCropPad: { since: 18, reads: [1], run: centerCropPad },
}
