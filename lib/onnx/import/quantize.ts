// Quantization: whole numbers of 8 bits and the floats that they stand for. Products of bytes are summed in float64 on
// the CPU and in float32 elsewhere: exact as long as sums stay below 2^24.
import { device } from '../../core/device.js'
import type { DType } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { ElementType } from '../element_types.js'
import { checkRanks, convolve } from './conv.js'
import { kernelOf, Value } from './values.js'
import type { Call, OperatorTable } from './operator.js'
import type { GraphNode } from './graph.js'
import { windowsOf } from './windows.js'

/** The dtype in which sums of products of whole numbers are exact. */
const exact = (): DType => (device() === 'cpu' ? 'float64' : 'float32')

const RANGES: ReadonlyMap<number, readonly [number, number]> = new Map([
  [ElementType.UINT8, [0, 255]],
  [ElementType.INT8, [-128, 127]],
  [ElementType.UINT16, [0, 65535]],
  [ElementType.INT16, [-32768, 32767]],
])

/** A scale or zero point as it meets x: one number, one for each place of an axis, or one for each block. */
function aligned(t: Tensor, x: Tensor, axis: number, block: number): Tensor {
  if (t.size === 1) return ops.reshape(t, [])
  if (t.rank === x.rank && block > 0) {
    const shape = t.shape.flatMap((n, i) => (i === axis ? [n, block] : [n]))
    const wide = ops.broadcastTo(ops.expandDims(t, axis + 1), shape)
    const whole = ops.reshape(
      wide,
      t.shape.map((n, i) => (i === axis ? n * block : n)),
    )
    return ops.slice(
      whole,
      x.shape.map(() => 0),
      x.shape,
    )
  }
  return ops.reshape(
    t,
    x.shape.map((n, i) => (i === axis ? n : 1)),
  )
}

/** round(x / scale) + zero point, within the limits of the type. */
function quantized(x: Tensor, scale: Tensor, zero: Tensor | undefined, type: ElementType): Value {
  const steps = ops.round(ops.div(x, scale))
  const shifted = zero === undefined ? steps : ops.add(steps, ops.cast(zero, steps.dtype))
  const [low, high] = RANGES.get(type)!
  return new Value(ops.cast(ops.clip(shifted, low, high), type === ElementType.UINT8 ? 'uint8' : 'int32'), { type })
}

function quantizeLinear(call: Call): Value {
  const x = call.tensor(0)
  const float = x.dtype === 'float64' || x.dtype.startsWith('float') ? x : ops.cast(x, 'float32')
  const { attributes } = call
  const axis = x.rank === 0 ? 0 : Math.min(call.axis(clampAxis(attributes.int('axis', 1), x.rank), x.rank), x.rank - 1)
  const block = attributes.int('block_size', 0)
  const scale = aligned(ops.cast(call.tensor(1), float.dtype), float, axis, block)
  const zero = call.optional(2)
  const type = zero?.type ?? (attributes.int('output_dtype', 0) || ElementType.UINT8)
  return quantized(float, scale, zero && aligned(zero.plain, float, axis, block), type)
}

const clampAxis = (axis: number, rank: number): number => (axis >= rank ? rank - 1 : axis)

function dequantizeLinear(call: Call): Tensor {
  const x = call.tensor(0)
  const scale = call.tensor(1)
  const { attributes } = call
  const axis = x.rank === 0 ? 0 : call.axis(clampAxis(attributes.int('axis', 1), x.rank), x.rank)
  const block = attributes.int('block_size', 0)
  const whole = ops.cast(x, scale.dtype)
  const zero = call.optional(2)
  const centered = zero === undefined ? whole : ops.sub(whole, aligned(ops.cast(zero.plain, scale.dtype), x, axis, block))
  return ops.mul(centered, aligned(scale, x, axis, block))
}

/** Scale and zero point from the values themselves. */
function dynamicQuantizeLinear(call: Call): (Value | Tensor)[] {
  const x = call.tensor(0)
  const low = ops.minimum(ops.min(x), 0)
  const high = ops.maximum(ops.max(x), 0)
  const scale = ops.div(ops.sub(high, low), 255)
  const safe = ops.where(ops.equal(scale, 0), ops.onesLike(scale), scale)
  const zero = ops.clip(ops.round(ops.div(ops.neg(low), safe)), 0, 255)
  return [quantized(x, safe, zero, ElementType.UINT8), scale, new Value(ops.cast(zero, 'uint8'), { type: ElementType.UINT8 })]
}

/** Whole numbers less their zero point, in a dtype whose products are exact. */
function centered(call: Call, input: number, zeroInput: number, place: (zero: Tensor, x: Tensor) => Tensor = (zero) => zero): Tensor {
  const x = ops.cast(call.tensor(input), exact())
  const zero = call.optional(zeroInput)
  if (zero === undefined) return x
  const shift = ops.cast(zero.plain, exact())
  return ops.sub(x, zero.size === 1 ? ops.reshape(shift, []) : place(shift, x))
}

const perRow = (zero: Tensor, x: Tensor): Tensor => (zero.rank === 1 && x.rank > 1 ? ops.reshape(zero, [-1, 1]) : zero)
const perOutput = (zero: Tensor, kernel: Tensor): Tensor =>
  ops.reshape(
    zero,
    kernel.shape.map((_, i) => (i === 0 ? -1 : 1)),
  )

function matMulInteger(call: Call): Tensor {
  return ops.cast(ops.matMul(centered(call, 0, 2, perRow), centered(call, 1, 3)), 'int32')
}

/** The sums of a convolution of whole numbers, channels last. */
function convolved(call: Call, x: Tensor, kernel: Tensor): Tensor {
  const value = new Value(x)
  const weights = kernelOf(new Value(kernel))
  checkRanks(call, value, weights)
  const windows = windowsOf(call, weights.shape.slice(0, -2), value.shape.slice(2))
  return convolve(value.last, weights, windows, call.attributes.int('group', 1))
}

function convInteger(call: Call): Value {
  return new Value(ops.cast(convolved(call, centered(call, 0, 2), centered(call, 1, 3, perOutput)), 'int32'), { isLast: true })
}

/** Sums of whole numbers as those of another scale: multiplied in float32, as the reference does. */
function requantized(sums: Tensor, scales: readonly [Tensor, Tensor, Tensor], zero: Value): Value {
  const float = (t: Tensor): Tensor => (t.size === 1 ? ops.reshape(ops.cast(t, 'float32'), []) : ops.cast(t, 'float32'))
  const [a, b, y] = scales.map(float) as [Tensor, Tensor, Tensor]
  const factor = ops.div(ops.mul(a, b), y)
  return quantized(ops.mul(ops.cast(sums, 'float32'), factor), ops.onesLike(y), ops.reshape(zero.plain, []), zero.type)
}

function qLinearMatMul(call: Call): Value {
  const rows = (t: Tensor, of: Tensor): Tensor => (t.rank === 1 && t.size > 1 && of.rank > 1 ? ops.reshape(t, [-1, 1]) : t)
  const a = centered(call, 0, 2, perRow)
  const sums = ops.matMul(a, centered(call, 3, 5))
  return requantized(sums, [rows(call.tensor(1), a), call.tensor(4), call.tensor(6)], call.value(7))
}

function qLinearConv(call: Call): Value {
  let sums = convolved(call, centered(call, 0, 2), centered(call, 3, 5, perOutput))
  if (call.has(8)) sums = ops.add(sums, ops.cast(call.tensor(8), sums.dtype))
  const result = requantized(sums, [call.tensor(1), call.tensor(4), call.tensor(6)], call.value(7))
  return new Value(result.stored, { isLast: true, type: result.type })
}

const refusesOutput = ({ attributes }: GraphNode): string | undefined => {
  const type = attributes.int('output_dtype', 0)
  return type === 0 || RANGES.has(type) ? undefined : `results of element type ${type} are not computed here`
}

export const quantizeOperators: OperatorTable = {
  QuantizeLinear: { since: 10, run: quantizeLinear, refuses: refusesOutput },
  DequantizeLinear: { since: 10, run: dequantizeLinear },
  DynamicQuantizeLinear: { since: 11, run: dynamicQuantizeLinear },
  MatMulInteger: { since: 10, run: matMulInteger },
  ConvInteger: { since: 10, run: convInteger },
  QLinearMatMul: { since: 10, run: qLinearMatMul },
  QLinearConv: { since: 10, run: qLinearConv },
}
