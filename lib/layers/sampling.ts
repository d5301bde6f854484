// Images sampled at other places: for each pixel of the result the place in the image that it comes from.
import { tensor } from '../core/create.js'
import type { Shape } from '../core/spec.js'
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

/** A place as the pixels around it: where they lie, whether they are of the image, and the way between them. */
interface Around {
  /** int32: the pixel before, and for 'bilinear' the one behind, as places of the image. */
  readonly at: readonly Tensor[]
  /** bool, with 'constant': whether each is in the image. */
  readonly known: readonly Tensor[] | undefined
  /** The way from the first to the second, from 0 to 1. */
  readonly part: Tensor
}

/**
 * @param place float32, counted from the middle of the axis
 * @param reach how far from the middle places are at most
 */
function around(place: Tensor, extent: number, reach: number, { fillMode = 'reflect', interpolation = 'bilinear' }: FillOptions): Around {
  const from = ops.add(place, (extent - 1) / 2)
  const low = ops.floor(interpolation === 'nearest' ? ops.add(from, 0.5) : from)
  const first = ops.cast(low, 'int32')
  const at = interpolation === 'nearest' ? [first] : [first, ops.add(first, 1)]
  // once over each edge
  const near = reach <= 1.5 * extent - 1.5
  const known = fillMode === 'constant' ? at.map((one) => ops.logicalAnd(ops.greaterEqual(one, 0), ops.less(one, extent))) : undefined
  return { at: at.map((one) => fixed(one, extent, fillMode, near)), known, part: ops.sub(from, low) }
}

/** Whole places as places of the image. `near`: none is farther than an extent from it. */
function fixed(at: Tensor, extent: number, mode: FillMode, near: boolean): Tensor {
  if (mode === 'wrap') return ops.mod(at, extent)
  if (mode !== 'reflect') return ops.clip(at, 0, extent - 1)
  const folded = near ? ops.maximum(at, ops.sub(-1, at)) : ops.mod(at, 2 * extent)
  return ops.minimum(folded, ops.sub(2 * extent - 1, folded))
}

const between = (a: Tensor, b: Tensor, part: Tensor): Tensor => ops.add(a, ops.mul(ops.sub(b, a), part))

/** Distances of the pixels along an axis from its middle: float32 [1, extent]. */
export const placesOf = (extent: number, device: string): Tensor =>
  tensor(
    Float32Array.from({ length: extent }, (_, i) => i - (extent - 1) / 2),
    { shape: [1, extent], device },
  )

/** The first of each image's rows among those of all: int32 [n, 1]. */
const firstOf = (n: number, rows: number, device: string): Tensor =>
  tensor(
    Int32Array.from({ length: n }, (_, i) => i * rows),
    { shape: [n, 1], device },
  )

/**
 * The images at columns and rows that are chosen apart from each other.
 * @param across columns from the middle, float32 [batch, width]
 * @param down rows from the middle, float32 [batch, height]
 */
export function sampledApart(x: Tensor, across: Tensor, down: Tensor, options: FillOptions): Tensor {
  const [n, height, width, channels] = x.shape as unknown as ImageShape
  const { fillValue = 0 } = options
  const far = Number.POSITIVE_INFINITY
  /** `images` [n, rows of `size` values each], at places along the rows. */
  const along = (images: Tensor, places: Around, first: Tensor, count: number, size: number, shape: Shape): Tensor => {
    const taken = places.at.map((at, i) => {
      const found = ops.gather(images, ops.reshape(ops.add(first, at), [count]), 0) // [count, size]
      const known = places.known?.[i]
      if (known === undefined) return found
      return ops.where(ops.reshape(ops.broadcastTo(known, shape), [count, 1]), found, fillValue)
    })
    if (taken.length === 1) return taken[0]!
    const part = ops.cast(ops.reshape(ops.broadcastTo(places.part, shape), [count, 1]), x.dtype)
    return ops.reshape(between(taken[0]!, taken[1]!, part), [count, size])
  }
  const tall = along(
    ops.reshape(x, [n * height, width * channels]),
    around(down, height, far, options),
    firstOf(n, height, x.device),
    n * height,
    width * channels,
    [n, height],
  )
  const columns = around(across, width, far, options)
  const wider = (t: Tensor): Tensor => ops.expandDims(t, 1) // [n, 1, width]
  const first = ops.reshape(firstOf(n * height, width, x.device), [n, height, 1])
  const wide = along(
    ops.reshape(tall, [n * height * width, channels]),
    { at: columns.at.map(wider), known: columns.known?.map(wider), part: wider(columns.part) },
    first,
    n * height * width,
    channels,
    [n, height, width],
  )
  return ops.reshape(wide, x.shape)
}

/**
 * The images at any places.
 * @param across columns from the middle, float32 [batch, height * width]
 * @param down rows from the middle, likewise
 * @param reach how far from the middle they are at most
 */
export function sampledAt(x: Tensor, across: Tensor, down: Tensor, reach: number, options: FillOptions): Tensor {
  const [n, height, width, channels] = x.shape as unknown as ImageShape
  const size = height * width
  const pixels = ops.reshape(x, [n * size, channels])
  const first = firstOf(n, size, x.device)
  const [columns, rows] = [around(across, width, reach, options), around(down, height, reach, options)]
  /** The pixels of one of the columns around each place, and one of the rows: [n * size, channels]. */
  const taken = (column: number, row: number): Tensor => {
    const places = ops.add(ops.mul(rows.at[row]!, width), ops.add(columns.at[column]!, first))
    const found = ops.gather(pixels, ops.reshape(places, [n * size]), 0)
    if (!rows.known || !columns.known) return found
    return ops.where(ops.reshape(ops.logicalAnd(columns.known[column]!, rows.known[row]!), [n * size, 1]), found, options.fillValue ?? 0)
  }
  if (columns.at.length === 1) return ops.reshape(taken(0, 0), x.shape)
  const part = (t: Tensor): Tensor => ops.cast(ops.reshape(t, [n * size, 1]), x.dtype)
  const [tx, ty] = [part(columns.part), part(rows.part)]
  const [upper, lower] = [between(taken(0, 0), taken(1, 0), tx), between(taken(0, 1), taken(1, 1), tx)]
  return ops.reshape(between(upper, lower, ty), x.shape)
}
