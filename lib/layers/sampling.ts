// Images sampled at other places: for each pixel of the result the place in the image that it comes from.
import { tensor } from '../core/create.js'
import type { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import type { ImageShape } from './augmentation.js'

/**
 * What lies beyond the edges: 'reflect' d c b a | a b c d | d c b a, 'constant' one value, 'wrap' a b c d | a b c d,
 * 'nearest' a a a a | a b c d | d d d d.
 */
export type FillMode = 'reflect' | 'constant' | 'wrap' | 'nearest'
export const FILL_MODES: readonly FillMode[] = ['reflect', 'constant', 'wrap', 'nearest']
export type SamplingInterpolation = 'bilinear' | 'nearest'
export const SAMPLING_INTERPOLATIONS: readonly SamplingInterpolation[] = ['bilinear', 'nearest']

export interface FillOptions {
  /** What lies beyond the edges. Default 'reflect'. */
  fillMode?: FillMode
  /** The value of 'constant'. Default 0. */
  fillValue?: number
  /** Default 'bilinear'. */
  interpolation?: SamplingInterpolation
}

/** Columns and rows of the pixels of an image, counted from its middle: [1, height * width] each. */
export function gridOf([, height, width]: ImageShape, device: string): { across: Tensor; down: Tensor } {
  const size = height * width
  const place = (of: (i: number) => number): Tensor =>
    tensor(
      Float32Array.from({ length: size }, (_, i) => of(i)),
      { shape: [1, size], device },
    )
  return { across: place((i) => (i % width) - (width - 1) / 2), down: place((i) => Math.floor(i / width) - (height - 1) / 2) }
}

/**
 * The images at places that are counted from their middles.
 * @param across columns, float32 [batch, height * width], or [batch, 1] or [1, height * width]
 * @param down rows, likewise
 */
export function sampledAt(x: Tensor, across: Tensor, down: Tensor, options: FillOptions): Tensor {
  const [n, height, width, channels] = x.shape as unknown as ImageShape
  const { fillMode = 'reflect', fillValue = 0, interpolation = 'bilinear' } = options
  const size = height * width
  const rows = ops.reshape(x, [n * size, channels])
  const firstRows = tensor(
    Int32Array.from({ length: n }, (_, i) => i * size),
    { shape: [n, 1], device: x.device },
  )
  const inside = (at: Tensor, extent: number): Tensor => ops.logicalAnd(ops.greaterEqual(at, 0), ops.less(at, extent))
  /** The pixels of whole columns and rows [n, size]. */
  const pixels = (column: Tensor, row: Tensor): Tensor => {
    const places = ops.add(ops.mul(fixed(row, height, fillMode), width), fixed(column, width, fillMode))
    const found = ops.gather(rows, ops.reshape(ops.add(places, firstRows), [n * size]), 0)
    if (fillMode !== 'constant') return ops.reshape(found, [n, size, channels])
    const known = ops.reshape(ops.broadcastTo(ops.logicalAnd(inside(column, width), inside(row, height)), [n, size]), [n * size, 1])
    return ops.reshape(ops.where(known, found, fillValue), [n, size, channels])
  }
  const full = (at: Tensor): Tensor => ops.broadcastTo(at, [n, size])
  const x0 = full(ops.add(across, (width - 1) / 2))
  const y0 = full(ops.add(down, (height - 1) / 2))
  const whole = (at: Tensor): Tensor => ops.cast(ops.floor(at), 'int32')
  if (interpolation === 'nearest') return ops.reshape(pixels(whole(ops.add(x0, 0.5)), whole(ops.add(y0, 0.5))), x.shape)
  const [left, top] = [whole(x0), whole(y0)]
  const part = (at: Tensor, low: Tensor): Tensor => ops.expandDims(ops.cast(ops.sub(at, ops.cast(low, 'float32')), x.dtype), -1)
  const [right, low] = [ops.add(left, 1), ops.add(top, 1)]
  const [tx, ty] = [part(x0, left), part(y0, top)]
  const between = (a: Tensor, b: Tensor, t: Tensor): Tensor => ops.add(a, ops.mul(ops.sub(b, a), t))
  const upper = between(pixels(left, top), pixels(right, top), tx)
  const lower = between(pixels(left, low), pixels(right, low), tx)
  return ops.reshape(between(upper, lower, ty), x.shape)
}

/** Whole places as places of the image. */
function fixed(at: Tensor, extent: number, mode: FillMode): Tensor {
  if (mode === 'wrap') return ops.mod(at, extent)
  if (mode !== 'reflect') return ops.clip(at, 0, extent - 1)
  const folded = ops.mod(at, 2 * extent)
  return ops.minimum(folded, ops.sub(2 * extent - 1, folded))
}
