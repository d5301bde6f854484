// Reductions, running sums, sorting and softmax: along axes, in whatever order these are stored.
import { isFloat } from '../../../core/spec.js'
import type { Emitter, Stored } from '../emitter.js'
import { sameExtent, sameExtents } from '../extent.js'
import type { SymbolicCall, Value } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { attribute, onlyFirst, type Operator, type Operators } from './operator.js'

/** The order of the axes that are left of an ordered tensor. */
function remaining(order: readonly number[], axes: readonly number[]): number[] {
  const left = order.filter((axis) => !axes.includes(axis))
  const sorted = [...left].sort((a, b) => a - b)
  return left.map((axis) => sorted.indexOf(axis))
}

/** From which opset on a reduction takes its axes as an input. */
const AXES_AS_INPUT: Readonly<Record<string, number>> = { ReduceSum: 13 }

function reduced(op: string, name: string, axes: readonly number[], keepDims: boolean, { nodes }: Emitter): string {
  const keepdims = { keepdims: { int: Number(keepDims) } }
  return nodes.opset >= (AXES_AS_INPUT[op] ?? 18)
    ? nodes.add(op, [name, nodes.ints(axes)], keepdims)
    : nodes.add(op, [name], { axes: { ints: axes }, ...keepdims })
}

/** `via`: the dtype in which it is computed; the result is cast to the call's. */
const reduction =
  (op: string, via: (x: Value) => 'int32' | undefined = () => undefined): Operator =>
  (call, emitter) => {
    const [x] = call.inputs
    const [out] = call.outputs
    const axes = attribute<readonly number[]>(call, 'axes')
    const keepDims = attribute<boolean>(call, 'keepDims')
    const { name, order } = emitter.plain(x!)
    const dtype = via(x!)
    const operand = dtype === undefined ? name : emitter.cast(name, dtype)
    const places = axes.map((axis) => order.indexOf(axis)).sort((a, b) => a - b)
    const made = axes.length === 0 ? operand : reduced(op, operand, places, keepDims, emitter)
    const given = dtype ?? x!.dtype
    emitter.define(out!, given === out!.dtype ? made : emitter.cast(made, out!.dtype), {
      base: out!.extents,
      order: keepDims ? order : remaining(order, axes),
    })
  }

const narrow = ({ dtype }: Value): 'int32' | undefined => (dtype === 'bool' || dtype === 'uint8' ? 'int32' : undefined)

const arg =
  (op: string): Operator =>
  (call, emitter) => {
    const [x] = call.inputs
    const axis = attribute<number>(call, 'axis')
    const keepDims = attribute<boolean>(call, 'keepDims')
    const { name, order } = emitter.plain(x!)
    const operand = narrow(x!) === undefined ? name : emitter.cast(name, 'int32')
    const made = emitter.nodes.add(op, [operand], { axis: { int: order.indexOf(axis) }, keepdims: { int: Number(keepDims) } })
    emitter.define(call.outputs[0]!, emitter.cast(made, 'int32'), {
      base: call.outputs[0]!.extents,
      order: keepDims ? order : remaining(order, [axis]),
    })
  }

/**
 * Where x is, for operators along its last axis: before a reshape too, if that leaves this axis as it is. `at`: which
 * axis of the tensor it is.
 */
function alongLast(x: Value, emitter: Emitter): Stored & { readonly at: number } {
  const place = emitter.stored(x)
  const { base, order } = place
  const [last, own] = [base.at(-1), x.extents.at(-1)]
  if (!sameExtents(base, x.extents) && last !== undefined && own !== undefined && sameExtent(last, own))
    return { ...place, at: order.indexOf(base.length - 1) }
  const plain = emitter.plain(x)
  return { ...plain, base: x.extents, at: plain.order.indexOf(x.extents.length - 1) }
}

const softmax =
  (op: string): Operator =>
  (call, emitter) => {
    const { name, base, order, at } = alongLast(call.inputs[0]!, emitter)
    emitter.define(call.outputs[0]!, emitter.nodes.add(op, [name], { axis: { int: at } }), { base, order })
  }

const cumSum: Operator = (call, emitter) => {
  const { name, order } = emitter.plain(call.inputs[0]!)
  const { nodes } = emitter
  const flags = {
    exclusive: { int: Number(attribute<boolean>(call, 'exclusive')) },
    reverse: { int: Number(attribute<boolean>(call, 'reverse')) },
  }
  const made = nodes.add('CumSum', [name, nodes.int(order.indexOf(attribute<number>(call, 'axis')))], flags)
  emitter.define(call.outputs[0]!, made, { base: call.outputs[0]!.extents, order })
}

/** Values in order, and where they were. */
function ordered(call: SymbolicCall, emitter: Emitter, largest: boolean): void {
  const [x] = call.inputs
  const [values, indices] = call.outputs
  if (x!.dtype === 'uint8') throw new Unsupported('sorting uint8')
  const { nodes, sizes } = emitter
  const count = sizes.vector(values!.extents.at(-1)!)
  const attributes = { axis: { int: -1 }, largest: { int: Number(largest) }, sorted: { int: 1 } }
  const [sorted, places] = nodes.addMany('TopK', [emitter.natural(x!), count], attributes, 2) as [string, string]
  emitter.define(values!, sorted)
  emitter.define(indices!, emitter.cast(places, 'int32'))
}

/** Any and all: largest and smallest of 0 and 1. */
const logical = (op: string): Operator => reduction(op, () => 'int32')

/** The mean of several axes of which one alone is the whole: GlobalAveragePool of NCHW images. */
const mean: Operator = (call, emitter) => {
  const [x] = call.inputs
  const axes = attribute<readonly number[]>(call, 'axes')
  const { name, order } = emitter.plain(x!)
  const images = order.join() === '0,3,1,2' && axes.join() === '1,2' && isFloat(x!.dtype) && x!.dtype !== 'float64'
  if (!images) return reduction('ReduceMean')(call, emitter)
  const keepDims = attribute<boolean>(call, 'keepDims')
  const pooled = emitter.nodes.add('GlobalAveragePool', [name])
  const base = keepDims ? call.outputs[0]!.extents : [x!.extents[0]!, one(x!), one(x!), x!.extents[3]!]
  emitter.define(call.outputs[0]!, pooled, { base, order })
}

const one = ({ extents }: Value): readonly number[] => extents[0]!.map(() => 1)

/** Rows [r, c] normalized with their own mean and variance, which are results too. */
const batchNorm: Operator = (call, emitter) => {
  const [x, gamma, beta] = call.inputs.map((v) => emitter.natural(v)) as [string, string, string]
  const { nodes } = emitter
  const over = (name: string): string => reduced('ReduceMean', name, [0], true, emitter)
  const mean = over(x)
  const difference = nodes.add('Sub', [x, mean])
  const variance = over(nodes.add('Mul', [difference, difference]))
  const root = nodes.add('Sqrt', [nodes.add('Add', [variance, nodes.scalar(attribute<number>(call, 'epsilon'), call.inputs[0]!.dtype)])])
  const y = nodes.add('Add', [nodes.add('Mul', [nodes.add('Div', [difference, root]), gamma]), beta])
  const flat = (name: string): string => nodes.add('Squeeze', [name, nodes.ints([0])])
  for (const [i, name] of [y, flat(mean), flat(variance)].entries()) emitter.define(call.outputs[i]!, name)
}

export const reductions: Operators = {
  batchNorm,
  sum: reduction('ReduceSum', narrow),
  mean,
  prod: reduction('ReduceProd'),
  max: reduction('ReduceMax', narrow),
  min: reduction('ReduceMin', narrow),
  any: logical('ReduceMax'),
  all: logical('ReduceMin'),
  argMax: arg('ArgMax'),
  argMin: arg('ArgMin'),
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  cumSum,
  sort: (call, emitter) => ordered(call, emitter, attribute<boolean>(call, 'descending')),
  topK: (call, emitter) => ordered(call, emitter, true),
  rmsNorm: (call, emitter) => {
    onlyFirst(call, emitter)
    const [x, gamma] = call.inputs
    const { name, base, order, at } = lastOf(x!, emitter)
    const { nodes } = emitter
    const meanOfSquares = reduced('ReduceMean', nodes.add('Mul', [name, name]), [at], true, emitter)
    const root = nodes.add('Sqrt', [nodes.add('Add', [meanOfSquares, nodes.scalar(attribute<number>(call, 'epsilon'), x!.dtype)])])
    emitter.define(call.outputs[0]!, nodes.add('Mul', [nodes.add('Div', [name, root]), emitter.natural(gamma!)]), { base, order })
  },
  layerNorm: (call, emitter) => {
    onlyFirst(call, emitter)
    const [x, gamma, beta] = call.inputs
    const { name, base, order } = lastOf(x!, emitter)
    const attributes = { axis: { int: -1 }, epsilon: { float: attribute<number>(call, 'epsilon') } }
    const operands = [name, emitter.natural(gamma!), emitter.natural(beta!)]
    emitter.define(call.outputs[0]!, emitter.nodes.add('LayerNormalization', operands, attributes), { base, order })
  },
}

/** The value with its last axis stored last. */
export function lastOf(x: Value, emitter: Emitter): Stored & { readonly at: number } {
  const found = alongLast(x, emitter)
  if (found.at === found.order.length - 1) return found
  const order = [...found.order.filter((axis) => axis !== found.base.length - 1), found.base.length - 1]
  if (sameExtents(found.base, x.extents)) return { name: emitter.ordered(x, order), base: x.extents, order, at: order.length - 1 }
  const name = emitter.natural(x)
  return { name, base: x.extents, order: x.extents.map((_, axis) => axis), at: x.extents.length - 1 }
}
