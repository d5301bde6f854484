// InputSpec: the rank and the fixed extents that a layer needs of its input.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { type DynamicShape, shapeText } from '../core/spec.js'
import { isRecord, isShape, mapLeaves } from '../core/tree.js'
import type { InputShapes } from './layer.js'

/** The shapes in a list, or the one there is. */
export const shapesIn = (shapes: InputShapes): readonly DynamicShape[] =>
  (Array.isArray(shapes[0]) ? shapes : [shapes]) as readonly DynamicShape[]

/** What an input must look like. */
export interface InputSpec {
  rank?: number
  minRank?: number
  /** Extents that are fixed, by axis; negative axes count from the end. */
  axes?: Readonly<Record<number, number>>
  /** Names of the axes, for the message: 'batch, height, width, channels'. */
  layout?: string
  hint?: string
}

const AXES_HINT = 'Add a missing channel axis with expandDims(-1), a missing batch axis with expandDims(0)'
export const IMAGES: InputSpec = {
  rank: 4,
  layout: 'batch, height, width, channels',
  hint: `${AXES_HINT}, or give the first layer inputShape, as [28, 28, 1]`,
}
export const SEQUENCES: InputSpec = { rank: 3, layout: 'batch, steps, channels', hint: AXES_HINT }

export const VOLUMES: InputSpec = { rank: 5, hint: 'A batch of volumes is [batch, depth, height, width, channels]' }

/** What is wrong with the shape; undefined when it fits. */
export function misfitOf(spec: InputSpec, shape: DynamicShape): string | undefined {
  const rank = spec.rank ?? Math.max(spec.minRank ?? 0, shape.length)
  const axes = Object.entries(spec.axes ?? {}).map(([axis, extent]): [number, number] => [Number(axis), extent])
  const fits = axes.every(([axis, extent]) => shape.at(axis) === null || shape.at(axis) === extent)
  if (shape.length === rank && fits) return undefined
  const names = spec.layout?.split(', ') ?? Array.from({ length: rank }, (_, i) => (i === 0 ? 'batch' : 'any'))
  for (const [axis, extent] of axes) names[axis < 0 ? names.length + axis : axis] = String(extent)
  return `expected an input of shape [${names.join(', ')}], received ${shapeText(shape)}`
}

/** Throws ERR_SHAPE unless the value is a shape, or a list or record of shapes. */
export function checkShapes(what: string, shapes: unknown): void {
  const isExtent = (n: unknown): boolean => n === null || (Number.isSafeInteger(n) && (n as number) >= 0)
  const good = (tree: unknown, depth: number): boolean => {
    if (depth > 4) return false
    // holes are passed over by every()
    if (Array.isArray(tree))
      return Array.isArray(tree[0]) ? tree.every((item) => good(item, depth + 1)) : Array.from(tree as unknown[]).every(isExtent)
    const parts = isRecord(tree) ? Object.values(tree) : []
    return parts.length > 0 && parts.every((item) => good(item, depth + 1))
  }
  if (good(shapes, 0)) return
  throw new WeftError('ERR_SHAPE', `${what}: a shape is a list of integers of at least 0, null where they vary, got ${show(shapes)}`)
}

/** A copy of a tree of shapes with every shape replaced. */
export const mapShapes = (tree: unknown, replace: (shape: DynamicShape) => unknown): unknown => mapLeaves(tree, isShape, replace)
