// Windows: strides, padding and dilation of convolutions and pools, and the extents that follow from them.
import { isIntegers } from '../core/checks.js'
import { unknownName, WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import type { Shape } from '../core/spec.js'

export type Pair = number | readonly [number, number] | readonly number[]
/** 'valid': none; 'same': ceil(extent / stride) windows, the odd place after; or numbers [top, bottom, left, right]. */
export type Padding = 'valid' | 'same' | number | readonly number[]

/** One number for both axes, or two. */
export function pairOf(op: string, name: string, value: Pair, least = 1): [number, number] {
  const pair = typeof value === 'number' ? [value, value] : value
  if (!isIntegers(pair, least, 2)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be an integer of at least ${least} or two of them, got ${show(value)}`, { op })
  }
  return [pair[0]!, pair[1]!]
}

/** Places a window spans, holes of dilation included. */
export function span(extent: number, dilation: number): number {
  return extent === 0 ? 0 : (extent - 1) * dilation + 1
}

/** Places added before and after by 'same'. */
export function samePadding(extent: number, window: number, stride: number): [number, number] {
  const total = Math.max((Math.ceil(extent / stride) - 1) * stride + window - extent, 0)
  return [Math.floor(total / 2), total - Math.floor(total / 2)]
}

/** [top, bottom, left, right] for an image [h, w] under windows that span [h, w]. */
export function paddingOf(
  op: string,
  padding: Padding,
  image: readonly number[],
  windows: readonly number[],
  strides: readonly number[],
): number[] {
  if (padding === 'valid') return [0, 0, 0, 0]
  if (padding === 'same') return [...samePadding(image[0]!, windows[0]!, strides[0]!), ...samePadding(image[1]!, windows[1]!, strides[1]!)]
  if (typeof padding === 'string') throw unknownName(`padding of ${op}`, padding, ['valid', 'same'])
  const list = typeof padding === 'number' ? [padding, padding, padding, padding] : padding
  if (!isIntegers(list, 0, 4)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: padding must be 'valid', 'same' or [top, bottom, left, right], got ${show(padding)}`, {
      op,
    })
  }
  return [...list]
}

/** Kernels count places in 32 bits. */
const MOST = 2 ** 31 - 1

/** Windows along each axis; ERR_SHAPE when the padded image is smaller than one. */
export function windowCounts(
  op: string,
  image: readonly number[],
  kernel: Shape,
  windows: readonly number[],
  strides: readonly number[],
  padding: readonly number[],
): [number, number] {
  const count = (axis: number): number => {
    const padded = image[axis]! + padding[2 * axis]! + padding[2 * axis + 1]!
    if (Math.max(padded, strides[axis]!, windows[0]! * windows[1]!) > MOST)
      throw new WeftError('ERR_SHAPE', `${op}: window [${kernel}], strides [${strides}] and padding [${padding}] are out of reach`, {
        op,
        hint: `A window has at most ${MOST} places, a stride and a padded axis at most as many`,
      })
    if (padded < windows[axis]!) {
      const spans = windows[axis] === kernel[axis] ? '' : `, which spans [${windows}] with its dilation,`
      throw new WeftError(
        'ERR_SHAPE',
        `${op}: window [${kernel}]${spans} is larger than its input [${image}]${padding.some((n) => n > 0) ? ` padded by [${padding}]` : ''}`,
        {
          op,
          shapes: [image, kernel],
          hint: "Use a smaller window or padding: 'same'",
        },
      )
    }
    return Math.floor((padded - windows[axis]!) / strides[axis]!) + 1
  }
  return [count(0), count(1)]
}
