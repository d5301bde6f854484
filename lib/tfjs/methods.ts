// Methods of TensorFlow.js' tensors. Methods that Weft has under the same name take both forms of arguments, so that
// code written for Weft goes on working beside.
import { Tensor, type Variable } from '../core/tensor.js'
import type { Shape } from '../core/spec.js'
import * as weft from '../ops/index.js'
import { type DataType, dtypeOf } from './dtypes.js'
import { variable } from './create.js'
import * as ops from './ops.js'

const own: Record<string, (x: Tensor, ...args: never[]) => unknown> = {
  clone: (x) => weft.identity(x),
  variable: (x, trainable?: boolean, name?: string, dtype?: DataType) => variable(x, trainable, name, dtype),
  asScalar: (x) => weft.reshape(x, []),
  as1D: (x) => weft.reshape(x, [x.size]),
  as2D: (x, rows: number, columns: number) => weft.reshape(x, [rows, columns]),
  as3D: (x, ...shape: number[]) => weft.reshape(x, shape),
  as4D: (x, ...shape: number[]) => weft.reshape(x, shape),
  asType: (x, dtype: DataType) => weft.cast(x, dtypeOf('asType', dtype)),
  toFloat: (x) => weft.cast(x, 'float32'),
  toInt: (x) => weft.cast(x, 'int32'),
  toBool: (x) => weft.cast(x, 'bool'),
  reshapeAs: (x, like: Tensor) => weft.reshape(x, [...like.shape]),
  stack: (x, others: Tensor | readonly Tensor[], axis = 0) => weft.stack([x, ...[others].flat()], axis),
  concat: (x, others: Tensor | readonly Tensor[], axis = 0) => weft.concat([x, ...[others].flat()], axis),
  bytes: (x) => x.dataSync().buffer,
  // at once, as there; Weft's own waits for the device
  print: (x) => {
    x.dataSync()
    console.log(String(x))
  },
}

/** Methods that only TensorFlow.js has, by their functions. */
const named = {
  acos: ops.acos,
  asin: ops.asin,
  atan: ops.atan,
  avgPool: ops.avgPool,
  batchNorm: ops.batchNorm,
  clipByValue: ops.clipByValue,
  cosh: ops.cosh,
  cumprod: ops.cumprod,
  cumsum: ops.cumsum,
  divNoNan: ops.divNoNan,
  euclideanNorm: ops.euclideanNorm,
  isInf: ops.isInf,
  logSigmoid: ops.logSigmoid,
  maxPool: ops.maxPool,
  prelu: ops.prelu,
  sinh: ops.sinh,
  step: ops.step,
  topk: ops.topk,
}
/** Methods of both, whose second or third argument is a boolean there and options here. */
const both = {
  argMax: ops.argMax,
  argMin: ops.argMin,
  div: ops.div,
  pow: ops.pow,
  sum: ops.sum,
  mean: ops.mean,
  max: ops.max,
  min: ops.min,
  prod: ops.prod,
  any: ops.any,
  all: ops.all,
  logSumExp: ops.logSumExp,
  matMul: ops.matMul,
}
/** Methods of both, by what in the arguments shows TensorFlow.js' form. */
const told: Record<string, [(...args: never[]) => Tensor, (args: readonly unknown[]) => boolean]> = {
  norm: [ops.norm, ([ord]) => typeof ord === 'string' || ord === 1 || Math.abs(ord as number) === Number.POSITIVE_INFINITY],
  conv1d: [ops.conv1d, ([, stride]) => typeof stride === 'number'],
  conv2d: [ops.conv2d, ([, strides]) => typeof strides === 'number' || Array.isArray(strides)],
  depthwiseConv2d: [ops.depthwiseConv2d, ([, strides]) => typeof strides === 'number' || Array.isArray(strides)],
  oneHot: [
    (x: Tensor, depth: number, on = 1, off = 0): Tensor => weft.oneHot(x, depth, { on, off, dtype: 'int32' }),
    ([, on]) => typeof on === 'number',
  ],
}

const define = (name: string, method: (this: Tensor, ...args: never[]) => unknown): void => {
  Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true })
}
for (const [name, fn] of [...Object.entries(own), ...Object.entries(named), ...Object.entries(both)] as [
  string,
  (...args: never[]) => unknown,
][])
  define(name, function (this: Tensor, ...args: never[]) {
    return fn(...([this, ...args] as never[]))
  })
for (const [name, [fn, isTheirs]] of Object.entries(told)) {
  const weftMethod = (Tensor.prototype as unknown as Record<string, (...args: never[]) => unknown>)[name]!
  define(name, function (this: Tensor, ...args: never[]) {
    return isTheirs(args) ? fn(...([this, ...args] as never[])) : weftMethod.apply(this, args)
  })
}

type M<F> = F extends (x: never, ...rest: infer R) => infer T ? (...rest: R) => T : never
declare module '../core/tensor.js' {
  /** With the entry 'weftjs/tfjs' loaded. */
  interface TensorMethods {
    /** A copy. */
    clone(): Tensor
    /** A variable with a copy of the values. */
    variable(trainable?: boolean, name?: string, dtype?: DataType): Variable
    asScalar(): Tensor
    as1D(): Tensor
    as2D(rows: number, columns: number): Tensor
    as3D(rows: number, columns: number, depth: number): Tensor
    as4D(rows: number, columns: number, depth: number, depth2: number): Tensor
    asType(dtype: DataType): Tensor
    toFloat(): Tensor
    toInt(): Tensor
    toBool(): Tensor
    reshapeAs(like: { readonly shape: Shape }): Tensor
    stack(others: Tensor | readonly Tensor[], axis?: number): Tensor
    concat(others: Tensor | readonly Tensor[], axis?: number): Tensor
    acos: M<typeof ops.acos>
    asin: M<typeof ops.asin>
    atan: M<typeof ops.atan>
    avgPool: M<typeof ops.avgPool>
    batchNorm: M<typeof ops.batchNorm>
    clipByValue: M<typeof ops.clipByValue>
    cosh: M<typeof ops.cosh>
    cumprod: M<typeof ops.cumprod>
    cumsum: M<typeof ops.cumsum>
    divNoNan: M<typeof ops.divNoNan>
    euclideanNorm: M<typeof ops.euclideanNorm>
    isInf: M<typeof ops.isInf>
    logSigmoid: M<typeof ops.logSigmoid>
    maxPool: M<typeof ops.maxPool>
    prelu: M<typeof ops.prelu>
    sinh: M<typeof ops.sinh>
    step: M<typeof ops.step>
    topk: M<typeof ops.topk>
  }
}
