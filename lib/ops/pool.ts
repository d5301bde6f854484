// Pooling of images [n, h, w, c] and of sequences [n, w, c].
import { apply, applyOne } from '../core/apply.js'
import { unknownName, WeftError } from '../core/error.js'
import { type Attrs, type Op, registerOp } from '../core/op.js'
import { type OptionTable, show } from '../core/options.js'
import type { Shape, Spec } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { checkRank, single } from './operands.js'
import { reshape } from './reshape.js'
import { type Padding, type Pair, paddingOf, pairOf, windowCounts } from './window.js'

export type PoolAttrs = Attrs & {
  readonly poolSize: readonly number[]
  readonly strides: readonly number[]
  readonly padding: readonly number[]
}
type PoolTo = PoolAttrs & { readonly shape: readonly number[] }

function pooledShape(op: string, x: Spec, { poolSize, strides, padding }: PoolAttrs): number[] {
  return [x.shape[0]!, ...windowCounts(op, x.shape.slice(1, 3), poolSize, poolSize, strides, padding), x.shape[3]!]
}

function described([x]: readonly Spec[], { shape }: PoolTo): Spec[] {
  return [{ shape, dtype: x!.dtype }]
}

function geometry({ poolSize, strides, padding }: PoolAttrs): PoolAttrs {
  return { poolSize, strides, padding }
}

/** x → largest values, and where they lie in their windows. */
export const MaxPool2d: Op<PoolAttrs> = registerOp<PoolAttrs>({
  name: 'maxPool2d',
  shape: ([x], attrs) => {
    const shape = pooledShape('maxPool2d', x!, attrs)
    return [
      { shape, dtype: x!.dtype },
      { shape, dtype: attrs.poolSize[0]! * attrs.poolSize[1]! > 256 ? 'int32' : 'uint8' },
    ]
  },
  grad: ([g], { inputs: [x], outputs: [, index], attrs }) => [maxPool2dGrad(g!, index!, x!.shape, attrs)],
})
export const MaxPool2dGrad: Op<PoolTo> = registerOp<PoolTo>({
  name: 'maxPool2dGrad',
  shape: described,
  grad: ([u], { inputs: [, index], attrs }) => [applyOne(MaxPool2dPick, [u!, index!], geometry(attrs))],
})
export const MaxPool2dPick: Op<PoolAttrs> = registerOp<PoolAttrs>({
  name: 'maxPool2dPick',
  shape: ([x, index]) => [{ shape: index!.shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x, index], attrs }) => [maxPool2dGrad(g!, index!, x!.shape, attrs)],
})

/** g at the places the maxima came from. */
export function maxPool2dGrad(g: Tensor, index: Tensor, shape: Shape, attrs: PoolAttrs): Tensor {
  return applyOne(MaxPool2dGrad, [g, index], { ...geometry(attrs), shape })
}

export const AveragePool2d: Op<PoolAttrs> = registerOp<PoolAttrs>({
  name: 'averagePool2d',
  shape: ([x], attrs) => [{ shape: pooledShape('averagePool2d', x!, attrs), dtype: x!.dtype }],
  grad: ([g], { inputs: [x], attrs }) => [applyOne(AveragePool2dGrad, [g!], { ...geometry(attrs), shape: x!.shape })],
})
export const AveragePool2dGrad: Op<PoolTo> = registerOp<PoolTo>({
  name: 'averagePool2dGrad',
  shape: described,
  grad: ([u], { attrs }) => [applyOne(AveragePool2d, [u!], geometry(attrs))],
})

export interface Pool2dOptions {
  /** Height and width of the window. Default 2. */
  poolSize?: Pair
  /** Default: poolSize. */
  strides?: Pair
  /** Default 'valid'. */
  padding?: Padding
}
export type Pool2d = (x: TensorLike, options?: Pool2dOptions) => Tensor
const POOL_OPTIONS: OptionTable<Pool2dOptions> = { poolSize: 'any', strides: 'any', padding: 'any' }

/** `bytes`: uint8 stays what it is; elsewhere it becomes float32. */
function pool2d(op: string, run: (x: Tensor, attrs: PoolAttrs) => Tensor, bytes = false): Pool2d {
  return func(`${op}(x, options)`, POOL_OPTIONS, (x: TensorLike, options: Pool2dOptions = {}) => {
    const images = single(op, x, bytes && x instanceof Tensor && x.dtype === 'uint8' ? 'any' : 'float')
    checkRank(
      op,
      'x',
      images,
      4,
      images.rank === 3
        ? 'A batch of images is [n, h, w, channels]: use expandDims(0) for one image, expandDims(-1) where the channels are missing'
        : undefined,
    )
    const poolSize = pairOf(op, 'poolSize', options.poolSize ?? 2)
    const strides = pairOf(op, 'strides', options.strides ?? poolSize)
    const padding = paddingOf(op, options.padding ?? 'valid', images.shape.slice(1, 3), poolSize, strides)
    if (padding.some((n, i) => n > 0 && n >= poolSize[i >> 1]!)) {
      throw new WeftError('ERR_ARGUMENT', `${op}: padding [${padding}] is not smaller than the window [${poolSize}]`, {
        op,
        hint: 'A window would see padding only',
      })
    }
    return run(images, { poolSize, strides, padding })
  })
}

/**
 * The largest value of each window of images [n, h, w, c]; padding counts as -infinity. The gradient goes to the first
 * of ties. Images of uint8 give uint8, other integers float32.
 */
export const maxPool2d: Pool2d = pool2d('maxPool2d', (x, attrs) => apply(MaxPool2d, [x], attrs)[0]!, true)
/** The mean of each window of images [n, h, w, c], over the places inside the image. */
export const averagePool2d: Pool2d = pool2d('averagePool2d', (x, attrs) => applyOne(AveragePool2d, [x], attrs))

export interface Pool1dOptions {
  /** Default 2. */
  poolSize?: number
  /** Default: poolSize. */
  strides?: number
  /** 'valid' (default), 'same' or [before, after]. */
  padding?: 'valid' | 'same' | readonly [number, number]
}
export type Pool1d = (x: TensorLike, options?: Pool1dOptions) => Tensor

function pool1d(op: string, pool: Pool2d): Pool1d {
  return func(`${op}(x, options)`, POOL_OPTIONS, (x: TensorLike, options: Pool1dOptions = {}) => {
    const rows = single(op, x, 'float')
    checkRank(op, 'x', rows, 3, 'A batch of sequences is [n, steps, channels]')
    const { poolSize = 2, strides = poolSize, padding = 'valid' } = options
    if (typeof poolSize !== 'number' || typeof strides !== 'number') {
      throw new WeftError('ERR_ARGUMENT', `${op}: poolSize and strides are numbers, got ${show(poolSize)} and ${show(strides)}`, { op })
    }
    if (typeof padding === 'string' && padding !== 'valid' && padding !== 'same')
      throw unknownName(`padding of ${op}`, padding, ['valid', 'same'])
    const [n, steps, channels] = rows.shape as [number, number, number]
    const result = pool(reshape(rows, [n, 1, steps, channels]), {
      poolSize: [1, poolSize],
      strides: [1, strides],
      padding: typeof padding === 'string' ? padding : [0, 0, ...padding],
    })
    return reshape(result, [n, result.shape[2]!, channels])
  })
}

/** The largest value of each window of sequences [n, steps, c]. */
export const maxPool1d: Pool1d = pool1d('maxPool1d', maxPool2d)
/** The mean of each window of sequences [n, steps, c], over the places inside. */
export const averagePool1d: Pool1d = pool1d('averagePool1d', averagePool2d)

methods({ maxPool2d, averagePool2d, maxPool1d, averagePool1d })

declare module '../core/tensor.js' {
  interface TensorMethods {
    maxPool2d: Method<typeof maxPool2d>
    averagePool2d: Method<typeof averagePool2d>
    maxPool1d: Method<typeof maxPool1d>
    averagePool1d: Method<typeof averagePool1d>
  }
}
