// Spec: what is known of a tensor without its values: the extents of its axes and the dtype of its elements.
import { WeftError } from './error.js'

export type DType = 'bool' | 'uint8' | 'int8' | 'int32' | 'int64' | 'float16' | 'bfloat16' | 'float32' | 'float64'
export type Shape = readonly number[]
/** A shape whose unknown extents (the batch, a free number of steps) are null. */
export type DynamicShape = readonly (number | null)[]

export interface Spec {
  readonly shape: Shape
  readonly dtype: DType
}

export const DTYPES: readonly DType[] = ['bool', 'uint8', 'int8', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64']

export const sizeOf = (shape: Shape): number => shape.reduce((n, extent) => n * extent, 1)

export const bytesOf = (dtype: DType): number => {
  switch (dtype) {
    case 'bool':
    case 'uint8':
    case 'int8':
      return 1
    case 'float16':
    case 'bfloat16':
      return 2
    case 'int32':
    case 'float32':
      return 4
    default:
      return 8
  }
}

export const isFloat = (dtype: DType): boolean => dtype.startsWith('float') || dtype === 'bfloat16'
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((extent, i) => extent === b[i])

/** A shape that nobody can change: itself if it is frozen, else a frozen copy. */
export const frozenShape = (shape: Shape): Shape => (Object.isFrozen(shape) ? shape : Object.freeze([...shape]))

/** '[null, 28, 28]' */
export const shapeText = (shape: DynamicShape): string => `[${shape.map(String).join(', ')}]`

/**
 * The extent of one axis of a shape with unknown extents; negative axes count from the end.
 * ERR_SHAPE when the extent is unknown, or when there is no such axis.
 * @param what who needs it, for the message: "layer 'dense_1'"
 * @param write what the user can write to make it known, for example 'inputShape: [timesteps, 8]'
 */
export function knownExtent(what: string, shape: DynamicShape, axis: number, write: string): number {
  const index = axis < 0 ? axis + shape.length : axis
  const extent = shape[index]
  if (typeof extent === 'number') return extent
  const why = extent === undefined ? `there is no axis ${axis} in` : `the extent of axis ${index} is unknown in`
  throw new WeftError('ERR_SHAPE', `${what}: ${why} shape ${shapeText(shape)}`, { hint: `Write ${write}` })
}
