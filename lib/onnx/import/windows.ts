// Windows: kernel, strides, padding and dilation of a node, and the extents that follow from them.
import type { Call } from './operator.js'

export interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Places before and after each axis of space. */
  readonly before: readonly number[]
  readonly after: readonly number[]
}

/** The windows of a convolution or a pool over axes of the given extents. */
export function windowsOf(call: Call, kernel: readonly number[], space: readonly number[]): Windows {
  const { attributes } = call
  const ones = space.map(() => 1)
  const strides = attributes.ints('strides') ?? ones
  const dilations = attributes.ints('dilations') ?? ones
  const pads = attributes.ints('pads') ?? space.flatMap(() => [0, 0])
  const lists = { kernel, strides, dilations }
  for (const [name, list] of Object.entries(lists))
    if (list.length !== space.length || list.some((n) => !(n >= 1)))
      throw call.error(`${name} [${list}] does not fit ${space.length} axes of space`)
  if (pads.length !== 2 * space.length || pads.some((n) => n < 0))
    throw call.error(`pads [${pads}] do not fit ${space.length} axes of space`)
  const mode = attributes.string('auto_pad', 'NOTSET')
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const totals = space.map((n, i) => Math.max((Math.ceil(n / strides[i]!) - 1) * strides[i]! + spanOf(kernel[i]!, dilations[i]!) - n, 0))
    const small = totals.map((total) => Math.floor(total / 2))
    const large = totals.map((total, i) => total - small[i]!)
    return { ...lists, before: mode === 'SAME_UPPER' ? small : large, after: mode === 'SAME_UPPER' ? large : small }
  }
  if (mode === 'VALID') return { ...lists, before: space.map(() => 0), after: space.map(() => 0) }
  return { ...lists, before: pads.slice(0, space.length), after: pads.slice(space.length) }
}

/** Places a window spans, holes of dilation included. */
export const spanOf = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1

/** Number of windows along each axis; with `ceil` also those that reach beyond the end. */
export function countsOf({ kernel, strides, dilations, before, after }: Windows, space: readonly number[], ceil = false): number[] {
  return space.map((n, i) => {
    const places = n + before[i]! + after[i]! - spanOf(kernel[i]!, dilations[i]!)
    const count = (ceil ? Math.ceil(places / strides[i]!) : Math.floor(places / strides[i]!)) + 1
    // a window that begins in the padding behind does not count
    return ceil && (count - 1) * strides[i]! >= n + before[i]! ? count - 1 : count
  })
}

/** [top, bottom, left, right] of two axes. */
export const sides = (before: readonly number[], after: readonly number[]): number[] => [before[0]!, after[0]!, before[1]!, after[1]!]
