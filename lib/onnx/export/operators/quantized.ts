// Quantized operations as pairs of QuantizeLinear and DequantizeLinear around those of floats: what a runtime that
// knows integers computes in integers (ONNX, "Quantize Linear"; Jacob et al. 2018).
import { tensor } from '../../../core/create.js'
import type { Tensor } from '../../../core/tensor.js'
import { cast, reshape, slice, transpose } from '../../../ops/index.js'
import { unpackInt4 } from '../../../ops/quantized.js'
import { type Emitter, fixedOf } from '../emitter.js'
import { fixedExtent, type Extent } from '../extent.js'
import type { SymbolicCall, Value } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { convolution, NCHW, OIHW } from './images.js'
import { activated, attribute, type Operator, type Operators } from './operator.js'
import { rowsOf } from './products.js'
import { lastOf } from './reduce.js'

interface Range {
  readonly scale: string
  readonly zeroPoint: string
}

/** Scale and zero point of bytes, as attributes of a call say them. */
function rangeOf(call: SymbolicCall, which: 'input' | 'output', { nodes }: Emitter): Range | undefined {
  const scale = attribute<number>(call, `${which}Scale`)
  if (scale === 0) return undefined
  return { scale: nodes.scalar(scale, 'float32'), zeroPoint: nodes.scalar(attribute<number>(call, `${which}ZeroPoint`), 'uint8') }
}

const asBytes = (name: string, { scale, zeroPoint }: Range, { nodes }: Emitter): string =>
  nodes.add('QuantizeLinear', [name, scale, zeroPoint])
const asFloats = (name: string, { scale, zeroPoint }: Range, { nodes }: Emitter): string =>
  nodes.add('DequantizeLinear', [name, scale, zeroPoint])

/** The constant values that an operand has. */
function constantOf(v: Value, what: string, emitter: Emitter): Tensor {
  const found = emitter.constant(v)
  if (found === undefined) throw new Unsupported(`${what} that is computed`)
  return found
}

/** Weights of int8 with a scale for each place along `axis`, or one for all, as floats. */
function weights(w: Value, scale: Value, key: string, form: (t: Tensor) => Tensor, axis: number, emitter: Emitter): string {
  const { nodes } = emitter
  const steps = constantOf(scale, 'a scale of weights', emitter)
  constantOf(w, 'a kernel of int8', emitter)
  const kernel = emitter.reformed(w, key, form)
  const whole = steps.size === 1
  const scales = emitter.reformed(scale, whole ? 'scalar' : '', (t) => reshape(t, whole ? [] : [t.size]))
  const zeros = emitter.shared(scale, 'zero points', () =>
    whole ? nodes.scalar(0, 'int8') : nodes.tensor('zeroPoint', cast(tensor(new Int32Array(steps.size)), 'int8')),
  )
  return nodes.add('DequantizeLinear', [kernel, scales, zeros], whole ? {} : { axis: { int: axis } })
}

/** The most that a bias of int32 holds. */
const MOST_BIAS = 2 ** 31 - 1

/** The bias as int32 in steps of the sums, which runtimes add as it is; as floats where these are too large. */
function biasOf(b: Value, scale: Value, inputScale: number, emitter: Emitter): string {
  const { nodes } = emitter
  const values = constantOf(b, 'a bias', emitter).dataSync() as Float32Array
  const steps = constantOf(scale, 'a scale of weights', emitter).dataSync() as Float32Array
  const stepOf = (i: number): number => Math.fround(inputScale * steps[steps.length === 1 ? 0 : i]!)
  const whole = Array.from(values, (value, i) => Math.round(value / stepOf(i)))
  if (inputScale === 0 || !whole.every((value) => Math.abs(value) <= MOST_BIAS)) return emitter.natural(b)
  const made = emitter.reformed(b, `steps of ${inputScale}`, () => tensor(Int32Array.from(whole)))
  const scales = nodes.tensor('biasScale', tensor(Float32Array.from(whole, (_, i) => stepOf(i))))
  const zeros = nodes.tensor('biasZeroPoint', tensor(new Int32Array(whole.length)))
  return nodes.add('DequantizeLinear', [made, scales, zeros], { axis: { int: 0 } })
}

/** An operand as floats that are rounded to bytes: pairs of the two operators, or the second one alone for bytes. */
function roundedInput(call: SymbolicCall, name: string, emitter: Emitter): string {
  const range = rangeOf(call, 'input', emitter)
  if (range === undefined) return dynamicRows(name, emitter)
  return asFloats(call.inputs[0]!.dtype === 'uint8' ? name : asBytes(name, range, emitter), range, emitter)
}

/**
 * Rows [..., k] rounded to bytes with a range of their own, written in floats: ONNX has that for whole tensors alone.
 */
function dynamicRows(name: string, { nodes }: Emitter): string {
  const zero = nodes.scalar(0, 'float32')
  const last = nodes.ints([-1])
  const ends = ['ReduceMin', 'ReduceMax'].map((op) =>
    // axes became an input with opset 18
    nodes.opset >= 18 ? nodes.add(op, [name, last]) : nodes.add(op, [name], { axes: { ints: [-1] } }),
  )
  const low = nodes.add('Min', [ends[0]!, zero])
  const high = nodes.add('Max', [ends[1]!, zero])
  const step = nodes.add('Div', [nodes.add('Sub', [high, low]), nodes.scalar(255, 'float32')])
  const scale = nodes.add('Where', [nodes.add('Equal', [step, zero]), nodes.scalar(1, 'float32'), step])
  const zeroPoint = nodes.add('Round', [nodes.add('Neg', [nodes.add('Div', [low, scale])])])
  const places = nodes.add('Add', [nodes.add('Round', [nodes.add('Div', [name, scale])]), zeroPoint])
  const kept = nodes.add('Clip', [places, zero, nodes.scalar(255, 'float32')])
  return nodes.add('Mul', [nodes.add('Sub', [kept, zeroPoint]), scale])
}

/** The activation, and the rounding of the result where it is bytes. */
function finished(call: SymbolicCall, name: string, emitter: Emitter): string {
  const made = activated(name, attribute<string>(call, 'activation'), emitter)
  const range = rangeOf(call, 'output', emitter)
  return range === undefined ? made : asBytes(made, range, emitter)
}

const int8Conv2d: Operator = (call, emitter) => {
  const [x, w, scale, b] = call.inputs
  const [out] = call.outputs
  const image = roundedInput(call, emitter.ordered(x!, NCHW), emitter)
  const kernel = weights(w!, scale!, 'OIHW', (t) => transpose(t, OIHW), 0, emitter)
  const operands = [image, kernel, ...(b ? [biasOf(b, scale!, attribute<number>(call, 'inputScale'), emitter)] : [])]
  emitter.define(out!, finished(call, convolution(call, operands, emitter), emitter), { base: out!.extents, order: NCHW })
}

/** The matrix [k, n] of weights that packInt8() has put into the order in which they are read. */
function unpacked(t: Tensor, k: number, n: number): Tensor {
  const [panels, quads, width, depth] = t.shape as [number, number, number, number]
  return slice(reshape(transpose(t, [1, 3, 0, 2]), [quads * depth, panels * width]), [0, 0], [k, n])
}

const int8Dense: Operator = (call, emitter) => {
  const [x, w, scale, b] = call.inputs
  const [out] = call.outputs
  const { nodes } = emitter
  const [inputs, units] = [fixedExtent(x!.extents[1]!), fixedExtent(out!.extents[1]!)]
  if (inputs === undefined || units === undefined) throw new Unsupported('weights whose number varies')
  const { name, base, order, weights: rowOrder } = rowsOf(x!, true, emitter)
  const form = (t: Tensor): Tensor => {
    const matrix = t.rank === 4 ? unpacked(t, inputs, units) : t
    return rowOrder ? rowOrder(matrix) : matrix
  }
  const rows = roundedInput(call, name, emitter)
  const kernel = weights(w!, scale!, rowOrder ? `rows of ${name}` : 'matrix', form, 1, emitter)
  const bias = b && biasOf(b, scale!, attribute<number>(call, 'inputScale'), emitter)
  const product =
    base.length === 2
      ? nodes.add('Gemm', [rows, kernel, ...(bias ? [bias] : [])])
      : [nodes.add('MatMul', [rows, kernel])].map((made) => (bias ? nodes.add('Add', [made, bias]) : made))[0]!
  emitter.define(out!, finished(call, product, emitter), { base: [...base.slice(0, -1), out!.extents[1]!], order })
}

/** The matrix float32 [k, n] of weights in groups: their values, each times the scale of its group. */
function grouped(call: SymbolicCall, k: Extent, emitter: Emitter): string {
  const [, w, scale] = call.inputs
  const { nodes } = emitter
  const [groupSize, bits] = [attribute<number>(call, 'groupSize'), attribute<number>(call, 'bits')]
  const rows = fixedExtent(k)
  if (rows === undefined) throw new Unsupported('weights whose number varies')
  constantOf(w!, 'a kernel in groups', emitter)
  const kernel = emitter.reformed(w!, 'int8', (t) => (bits === 4 ? unpackInt4(t, { k: rows }) : t))
  const scales = emitter.natural(scale!)
  if (nodes.opset >= 21) {
    const zeros = nodes.tensor(
      'zeroPoint',
      cast(
        tensor(new Int32Array(Math.ceil(rows / groupSize) * fixedOf(w!.extents)![1]!)).reshape([Math.ceil(rows / groupSize), -1]),
        'int8',
      ),
    )
    return nodes.add('DequantizeLinear', [kernel, scales, zeros], { axis: { int: 0 }, block_size: { int: groupSize } })
  }
  const group = nodes.tensor('group', tensor(Int32Array.from({ length: rows }, (_, i) => Math.floor(i / groupSize))))
  const each = nodes.add('Gather', [scales, group], { axis: { int: 0 } })
  return nodes.add('Mul', [emitter.cast(kernel, 'float32'), each])
}

const groupedDense: Operator = (call, emitter) => {
  const [x, , , b] = call.inputs
  const [out] = call.outputs
  const { nodes } = emitter
  const { name, base, order } = lastOf(x!, emitter)
  const product = nodes.add('MatMul', [name, grouped(call, x!.extents[1]!, emitter)])
  const made = b ? nodes.add('Add', [product, emitter.natural(b)]) : product
  emitter.define(out!, made, { base: [...base.slice(0, -1), out!.extents[1]!], order })
}

/** quantize and dequantize, one operator each. */
function linear(op: 'QuantizeLinear' | 'DequantizeLinear'): Operator {
  return (call, emitter) => {
    const [x, scale, zeroPoint] = call.inputs
    const [out] = call.outputs
    const { nodes } = emitter
    const { name, order } = emitter.plain(x!)
    const [steps, zeros] = [constantOf(scale!, 'a scale', emitter), constantOf(zeroPoint!, 'a zero point', emitter)]
    const bytes = op === 'QuantizeLinear' ? out!.dtype : x!.dtype
    const count = Math.max(steps.size, zeros.size)
    const spread = (t: Tensor): number[] =>
      Array.from({ length: count }, (_, i) => Number((t.dataSync() as Float32Array)[t.size === 1 ? 0 : i]))
    const shape = count === 1 ? [] : [count]
    const scales = nodes.tensor('scale', tensor(Float32Array.from(spread(steps)), shape))
    const points = nodes.tensor('zeroPoint', cast(tensor(Int32Array.from(spread(zeros)), shape), bytes))
    const axis = order.indexOf(attribute<number>(call, 'axis'))
    emitter.define(out!, nodes.add(op, [name, scales, points], count === 1 ? {} : { axis: { int: axis } }), { base: out!.extents, order })
  }
}

export const quantized: Operators = {
  int8Conv2d,
  int8Dense,
  groupedDense,
  quantize: linear('QuantizeLinear'),
  dequantize: linear('DequantizeLinear'),
}
