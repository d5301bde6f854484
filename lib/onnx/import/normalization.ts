// Normalization by statistics of the batch, of channels, groups or rows; and dropout.
import { currentTrace } from '../../core/graph.js'
import type { Tensor } from '../../core/tensor.js'
import { Variable } from '../../core/tensor.js'
import { isFloat } from '../../core/spec.js'
import * as ops from '../../ops/index.js'
import { storedAxis } from './layout.js'
import { type Call, made, type OperatorTable } from './operator.js'
import { castTo } from './creation.js'
import { ElementType } from '../element_types.js'
import { type Remember, Value } from './values.js'

/** A vector of channels as it meets a stored value. */
const perChannel = (vector: Tensor, value: Value): Tensor =>
  value.isLast || value.rank <= 1
    ? vector
    : ops.reshape(
        vector,
        value.shape.map((_, axis) => (axis === 1 ? vector.size : 1)),
      )

function batchNormalization(call: Call): (Value | Tensor)[] {
  const { attributes } = call
  const value = call.value(0)
  const x = value.rank > 2 ? new Value(value.last, { isLast: true }) : value
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => call.tensor(i)) as [Tensor, Tensor, Tensor, Tensor]
  const epsilon = attributes.float('epsilon', 1e-5)
  // a training graph says so itself; any other is trained when the model is
  const mode = attributes.int('training_mode', 0) !== 0
  if (!mode && !call.training) {
    const remember = call.remember([1, 2, 3, 4])
    const kept: Remember = remember ?? ((_, make) => make())
    const factor = kept('factor', () => ops.mul(scale, ops.rsqrt(ops.add(variance, epsilon))))
    const shift = kept('shift', () => ops.sub(bias, ops.mul(mean, factor)))
    if (value.affine !== undefined && currentTrace() !== undefined)
      return [value.affine.apply(factor, shift, { remember, isReadOnce: call.node.isReadOnce })]
    return [new Value(ops.add(ops.mul(x.stored, perChannel(factor, x)), perChannel(shift, x)), { isLast: x.isLast })]
  }
  const momentum = attributes.float('momentum', 0.9)
  const {
    y,
    mean: batchMean,
    variance: batchVariance,
  } = ops.batchNorm(x.rank === 1 ? ops.expandDims(x.stored, 1) : x.stored, scale, bias, { epsilon })
  const moved = (old: Tensor, now: Tensor): Tensor => ops.add(ops.mul(old, momentum), ops.mul(now, 1 - momentum))
  const [nextMean, nextVariance] = [moved(mean, batchMean), moved(variance, batchVariance)]
  const statistics = [call.value(3).stored, call.value(4).stored]
  if (!mode) [nextMean, nextVariance].forEach((next, i) => void (statistics[i] instanceof Variable && statistics[i].assign(next)))
  return [new Value(ops.reshape(y, x.stored.shape), { isLast: x.isLast }), nextMean, nextVariance]
}

/** The values less their mean, divided by their deviation, over the given axes. */
function standardized(x: Tensor, axes: readonly number[], epsilon: number): { y: Tensor; mean: Tensor; inverse: Tensor } {
  const mean = ops.mean(x, axes, { keepDims: true })
  const centered = ops.sub(x, mean)
  const inverse = ops.rsqrt(ops.add(ops.mean(ops.square(centered), axes, { keepDims: true }), epsilon))
  return { y: ops.mul(centered, inverse), mean, inverse }
}

const spaceOf = (value: Value): number[] => Array.from({ length: value.rank - 2 }, (_, i) => storedAxis(value, i + 2))

function instanceNormalization(call: Call): Value {
  const value = call.value(0)
  const { y } = standardized(value.stored, spaceOf(value), call.attributes.float('epsilon', 1e-5))
  const result = ops.add(ops.mul(y, perChannel(call.tensor(1), value)), perChannel(call.tensor(2), value))
  return new Value(result, { isLast: value.isLast })
}

/** Scale and bias are of groups before version 21, of channels since. */
function groupNormalization(call: Call): Value {
  const { plain } = call.value(0)
  const groups = call.attributes.int('num_groups', 1)
  const [n, c, ...space] = plain.shape as [number, number, ...number[]]
  const parts = ops.reshape(plain, [n, groups, -1])
  const y = standardized(parts, [2], call.attributes.float('epsilon', 1e-5)).y
  const [scale, bias] = [call.tensor(1), call.tensor(2)]
  if (scale.size === groups && groups !== c)
    return new Value(ops.reshape(ops.add(ops.mul(y, ops.reshape(scale, [groups, 1])), ops.reshape(bias, [groups, 1])), plain.shape))
  const wide = [c, ...space.map(() => 1)]
  return new Value(ops.add(ops.mul(ops.reshape(y, plain.shape), ops.reshape(scale, wide)), ops.reshape(bias, wide)))
}

function layerNormalization(call: Call): Tensor[] {
  const x = call.tensor(0)
  const axis = call.axis(call.attributes.int('axis', -1), x.rank)
  const axes = x.shape.flatMap((_, i) => (i >= axis ? [i] : []))
  const epsilon = call.attributes.float('epsilon', 1e-5)
  const [scale, bias] = [call.tensor(1), call.has(2) ? call.tensor(2) : undefined]
  if (axes.length === 1 && call.outputs === 1 && scale.rank === 1 && scale.size === x.shape.at(-1))
    return [ops.layerNorm(x, scale, bias ?? ops.zerosLike(scale), { epsilon })]
  const { y, mean, inverse } = standardized(x, axes, epsilon)
  const scaled = ops.mul(y, scale)
  return [bias === undefined ? scaled : ops.add(scaled, bias), mean, inverse]
}

function rmsNormalization(call: Call): Tensor {
  const x = call.tensor(0)
  const axis = call.axis(call.attributes.int('axis', -1), x.rank)
  const axes = x.shape.flatMap((_, i) => (i >= axis ? [i] : []))
  const inverse = ops.rsqrt(ops.add(ops.mean(ops.square(x), axes, { keepDims: true }), call.attributes.float('epsilon', 1e-5)))
  return ops.mul(ops.mul(x, inverse), call.tensor(1))
}

/** Each value by the squares of its neighbours' channels (Krizhevsky et al. 2012). */
function localResponse(call: Call): Value {
  const { attributes } = call
  const x = call.value(0).last
  const size = call.host(attributes.int('size', 1), 'neighbours', 2 ** 16)
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)]
  const channels = x.shape.at(-1)!
  const squares = ops.pad(
    ops.square(x),
    x.shape.map((_, axis): [number, number] => (axis === x.rank - 1 ? [before, after] : [0, 0])),
  )
  const zeros = x.shape.map(() => 0)
  const total = Array.from({ length: size }, (_, i) =>
    ops.slice(squares, [...zeros.slice(1), i], [...zeros.slice(1).map(() => -1), channels]),
  ).reduce((a, b) => ops.add(a, b))
  const base = ops.add(ops.mul(total, attributes.float('alpha', 1e-4) / size), attributes.float('bias', 1))
  return new Value(ops.div(x, ops.pow(base, attributes.float('beta', 0.75))), { isLast: true })
}

function meanVariance(call: Call): Value {
  const value = call.value(0)
  const axes = (call.attributes.ints('axes') ?? [0, 2, 3]).map((axis) => storedAxis(value, call.axis(axis, value.rank)))
  const mean = ops.mean(value.stored, axes, { keepDims: true })
  const centered = ops.sub(value.stored, mean)
  const deviation = ops.sqrt(ops.mean(ops.square(centered), axes, { keepDims: true }))
  return new Value(ops.div(centered, ops.add(deviation, 1e-9)), { isLast: value.isLast })
}

function lpNormalization(call: Call): Tensor {
  const x = call.tensor(0)
  const axis = call.axis(call.attributes.int('axis', -1), x.rank)
  const p = call.attributes.int('p', 2)
  const size = p === 1 ? ops.sum(ops.abs(x), axis, { keepDims: true }) : ops.sqrt(ops.sum(ops.square(x), axis, { keepDims: true }))
  return ops.where(ops.equal(size, 0), ops.zerosLike(x), ops.div(x, ops.where(ops.equal(size, 0), ops.onesLike(size), size)))
}

/** Drops values while the model is trained, and where the graph itself asks for it. */
function dropout(call: Call): (Value | Tensor)[] {
  const value = call.value(0)
  const rate = call.opset < 12 ? call.attributes.float('ratio', 0.5) : call.number(1, 0.5)
  const asked = call.opset >= 12 && call.number(2, 0) !== 0
  const active = (asked || call.training) && rate > 0 && isFloat(value.dtype)
  if (!active) return [value, ...(call.wants(1) ? [ops.ones(value.shape, made('bool'))] : [])]
  const { state } = call
  // the mask is drawn once, for the values and for the node's second result
  const kept = ops.dropout(ops.ones(value.stored.shape, made(value.dtype)), rate, state === undefined ? {} : { state })
  const facts = { isLast: value.isLast }
  return [new Value(ops.mul(value.stored, kept), facts), castTo(new Value(ops.greater(kept, 0), facts), ElementType.BOOL)]
}

export const normalizationOperators: OperatorTable = {
  BatchNormalization: {
    run: batchNormalization,
    refuses: ({ attributes }) =>
      attributes.int('spatial', 1) === 0 ? 'statistics of each place (spatial: 0) are not computed here' : undefined,
  },
  InstanceNormalization: { run: instanceNormalization },
  GroupNormalization: { since: 18, run: groupNormalization },
  LayerNormalization: { since: 17, run: layerNormalization },
  RMSNormalization: { since: 23, run: rmsNormalization },
  LRN: { run: localResponse },
  MeanVarianceNormalization: { since: 9, run: meanVariance },
  LpNormalization: { run: lpNormalization },
  Dropout: { reads: [1, 2], draws: true, run: dropout },
}
