// Operations whose arguments TensorFlow.js takes in other places than Weft: keepDims, transposes, strides, axes.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { asTensor } from '../core/create.js'
import type { Shape } from '../core/spec.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import * as ops from '../ops/index.js'

export type Axes = number | readonly number[]
type Pair = number | readonly [number, number]
type Pad = 'valid' | 'same' | number
type Reduction = (x: TensorLike, axis?: Axes, options?: { keepDims?: boolean }) => Tensor

const axesOf = (axis: Axes | null | undefined): Axes | undefined => axis ?? undefined
/** keepDims as TensorFlow.js has it, a boolean, or as Weft has it. */
const kept = (keepDims: unknown): { keepDims?: boolean } =>
  typeof keepDims === 'object' && keepDims !== null ? (keepDims as { keepDims?: boolean }) : { keepDims: keepDims === true }

export type Reduced = (x: TensorLike, axis?: Axes | null, keepDims?: boolean | { keepDims?: boolean }) => Tensor
const reduction =
  (op: Reduction): Reduced =>
  (x, axis, keepDims) =>
    op(x, axesOf(axis) as never, kept(keepDims))

export const sum: Reduced = reduction(ops.sum as Reduction)
export const mean: Reduced = reduction(ops.mean as Reduction)
export const max: Reduced = reduction(ops.max as Reduction)
export const min: Reduced = reduction(ops.min as Reduction)
export const prod: Reduced = reduction(ops.prod as Reduction)
export const any: Reduced = reduction(ops.any as Reduction)
export const all: Reduced = reduction(ops.all as Reduction)
/** The place of the largest value along an axis, the first one by default. */
export const argMax = (x: TensorLike, axis: number = 0): Tensor => ops.argMax(x, axis)
/** The place of the smallest value along an axis, the first one by default. */
export const argMin = (x: TensorLike, axis: number = 0): Tensor => ops.argMin(x, axis)
export const logSumExp: Reduced = reduction(ops.logSumExp as Reduction)

/** The Euclidean norm, or that of another order, over all axes or some. */
export function norm(x: TensorLike, ord: number | 'euclidean' | 'fro' = 'euclidean', axis?: Axes | null, keepDims = false): Tensor {
  const over = axesOf(axis)
  const size = ops.abs(asTensor(x))
  if (ord === 1) return sum(size, over, keepDims)
  if (ord === Number.POSITIVE_INFINITY) return max(size, over, keepDims)
  if (ord === Number.NEGATIVE_INFINITY) return min(size, over, keepDims)
  if (ord === 2 || ord === 'euclidean' || ord === 'fro') return ops.sqrt(sum(ops.square(size), over, keepDims))
  throw new WeftError('ERR_ARGUMENT', `norm: ord must be 1, 2, Infinity, -Infinity, 'euclidean' or 'fro', got ${show(ord)}`)
}
export const euclideanNorm = (x: TensorLike, axis?: Axes | null, keepDims = false): Tensor => norm(x, 'euclidean', axis, keepDims)

/** Mean and variance over axes. */
export function moments(x: TensorLike, axis?: Axes | null, keepDims = false): { mean: Tensor; variance: Tensor } {
  const values = asTensor(x).cast('float32')
  const center = mean(values, axis, true)
  const variance = mean(ops.square(ops.sub(values, center)), axis, keepDims)
  return { mean: keepDims ? center : mean(values, axis), variance }
}

type Transposes = { transposeA?: boolean; transposeB?: boolean }
export function matMul(a: TensorLike, b: TensorLike, transposeA: boolean | Transposes = false, transposeB = false): Tensor {
  return ops.matMul(a, b, typeof transposeA === 'object' ? transposeA : { transposeA, transposeB })
}
export const clipByValue = (x: TensorLike, clipValueMin: number, clipValueMax: number): Tensor => ops.clip(x, clipValueMin, clipValueMax)
export const cumsum = (x: TensorLike, axis = 0, exclusive = false, reverse = false): Tensor => ops.cumSum(x, axis, { exclusive, reverse })
export const cumprod = (x: TensorLike, axis = 0, exclusive = false, reverse = false): Tensor => ops.cumProd(x, axis, { exclusive, reverse })
export const topk = (x: TensorLike, k = 1): { values: Tensor; indices: Tensor } => ops.topK(x, k)
export const divNoNan = (a: TensorLike, b: TensorLike): Tensor => {
  const divisor = asTensor(b)
  const zero = ops.equal(divisor, 0)
  return ops.where(zero, 0, ops.div(a, ops.where(zero, 1, divisor)))
}
export const addN = (tensors: readonly Tensor[]): Tensor => tensors.reduce((total, t) => ops.add(total, t))
export const logSigmoid = (x: TensorLike): Tensor => ops.neg(ops.softplus(ops.neg(x)))
export const prelu = (x: TensorLike, alpha: TensorLike): Tensor => ops.where(ops.greater(x, 0), x, ops.mul(alpha, x))
export const step = (x: TensorLike, alpha = 0): Tensor => ops.where(ops.greater(x, 0), 1, alpha)
export const isInf = (x: TensorLike): Tensor => ops.logicalNot(ops.logicalOr(ops.isFinite(x), ops.isNaN(x)))
const half = (x: Tensor, sign: 1 | -1): Tensor =>
  ops.mul(sign === 1 ? ops.add(ops.exp(x), ops.exp(ops.neg(x))) : ops.sub(ops.exp(x), ops.exp(ops.neg(x))), 0.5)
export const sinh = (x: TensorLike): Tensor => half(asTensor(x), -1)
export const cosh = (x: TensorLike): Tensor => half(asTensor(x), 1)
export const atan = (x: TensorLike): Tensor => ops.atan2(x, 1)
export const asin = (x: TensorLike): Tensor => ops.atan2(x, ops.sqrt(ops.sub(1, ops.square(x))))
export const acos = (x: TensorLike): Tensor => ops.atan2(ops.sqrt(ops.sub(1, ops.square(x))), x)
/** Zeros are put in the place of dropped values, the others grow; always, as there is no training to ask for. */
export const dropout = (x: TensorLike, rate: number, noiseShape?: Shape, seed?: number): Tensor => {
  if (noiseShape !== undefined) throw new WeftError('ERR_ARGUMENT', 'dropout: noiseShape is not supported. Write layers.spatialDropout1d()')
  return ops.dropout(x, rate, seed === undefined ? {} : { seed })
}
/** (x - mean) / √(variance + epsilon) · scale + offset. */
export const batchNorm = (
  x: TensorLike,
  meanOf: TensorLike,
  variance: TensorLike,
  offset?: TensorLike,
  scale?: TensorLike,
  varianceEpsilon = 0.001,
): Tensor => {
  const normal = ops.mul(ops.sub(x, meanOf), ops.rsqrt(ops.add(variance, varianceEpsilon)))
  const scaled = scale === undefined ? normal : ops.mul(normal, scale)
  return offset === undefined ? scaled : ops.add(scaled, offset)
}

/** Padding and layout as Weft has them. Numbers of padding and NCHW are refused: they would mean other convolutions. */
function windows(op: string, pad: Pad, dataFormat: string | undefined, wanted = 'NHWC'): { padding: 'valid' | 'same' } {
  if (dataFormat !== undefined && dataFormat !== wanted)
    throw new WeftError('ERR_ARGUMENT', `${op}: dataFormat '${dataFormat}' is not supported, write x.transpose() to get ${wanted}`)
  if (pad === 'valid' || pad === 'same') return { padding: pad }
  if (pad === 0) return { padding: 'valid' }
  throw new WeftError('ERR_ARGUMENT', `${op}: pad must be 'valid' or 'same', got ${show(pad)}`, { hint: 'Use pad() on the input first' })
}
/** The op on one sample, of one axis less, or on a batch. */
const batched = (x: TensorLike, rank: number, run: (x: Tensor) => Tensor): Tensor => {
  const source = asTensor(x)
  return source.rank === rank - 1 ? ops.squeeze(run(ops.expandDims(source, 0)), 0) : run(source)
}
export const conv2d = (x: TensorLike, filter: TensorLike, strides: Pair, pad: Pad, dataFormat?: string, dilations: Pair = 1): Tensor =>
  batched(x, 4, (images) =>
    ops.conv2d(images, filter, { strides: strides as number, dilations: dilations as number, ...windows('conv2d', pad, dataFormat) }),
  )
export const conv1d = (x: TensorLike, filter: TensorLike, stride: number, pad: Pad, dataFormat?: string, dilation = 1): Tensor =>
  batched(x, 3, (rows) => ops.conv1d(rows, filter, { strides: stride, dilations: dilation, ...windows('conv1d', pad, dataFormat, 'NWC') }))
export const depthwiseConv2d = (
  x: TensorLike,
  filter: TensorLike,
  strides: Pair,
  pad: Pad,
  dataFormat?: string,
  dilations: Pair = 1,
): Tensor =>
  batched(x, 4, (images) =>
    ops.depthwiseConv2d(images, filter, {
      strides: strides as number,
      dilations: dilations as number,
      ...windows('depthwiseConv2d', pad, dataFormat),
    }),
  )
export const maxPool = (x: TensorLike, filterSize: Pair, strides: Pair, pad: Pad): Tensor =>
  batched(x, 4, (images) =>
    ops.maxPool2d(images, { poolSize: filterSize as number, strides: strides as number, ...windows('maxPool', pad, undefined) }),
  )
export const avgPool = (x: TensorLike, filterSize: Pair, strides: Pair, pad: Pad): Tensor =>
  batched(x, 4, (images) =>
    ops.averagePool2d(images, { poolSize: filterSize as number, strides: strides as number, ...windows('avgPool', pad, undefined) }),
  )

const isInteger = (x: Tensor): boolean => x.dtype === 'int32'
/** The quotient; of two integers its floor, an integer. */
export const div = (a: TensorLike, b: TensorLike): Tensor => {
  const [left, right] = [asTensor(a), asTensor(b)]
  return isInteger(left) && isInteger(right) ? ops.floorDiv(left, right) : ops.div(left, right)
}
/** The power; of two integers an integer. */
export const pow = (base: TensorLike, exponent: TensorLike): Tensor => {
  const [left, right] = [asTensor(base), asTensor(exponent)]
  const power = ops.pow(left, right)
  return isInteger(left) && isInteger(right) ? power.cast('int32') : power
}
