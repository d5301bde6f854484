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

export function sizeOf(shape: Shape): number {
  let size = 1
  // a loop: the methods of frozen arrays are slow
  for (let i = 0; i < shape.length; i++) size *= shape[i]!
  return size
}

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
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Text that tells dtype and shape: 'float32[2,3]'. */
export const signatureOf = ({ dtype, shape }: Spec): string => `${dtype}[${shape.join(',')}]`

/** A shape that nobody can change: itself if it is frozen, else a frozen copy. */
export const frozenShape = (shape: Shape): Shape => (Object.isFrozen(shape) ? shape : Object.freeze([...shape]))

/** What results of one kind are made by, again and again. */
export interface Layout extends Spec {
  readonly signature: string
  readonly bytes: number
}
export const layoutOf = ({ shape, dtype }: Spec): Layout => ({
  shape: frozenShape(shape),
  dtype,
  signature: signatureOf({ shape, dtype }),
  bytes: sizeOf(shape) * bytesOf(dtype),
})

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
