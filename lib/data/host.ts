// Host values: what samples are made of before they become Tensors.
import type { TypedArray } from '../core/host.js'
import { type DType, sameShape, type Shape, sizeOf } from '../core/spec.js'
import { isTypedArray } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { isDetached, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { checkDepth, isTensor } from '../core/tree.js'

/** Values that stay on the host, row-major, with their shape. */
export interface ShapedArray {
  data: TypedArray | readonly number[]
  shape: Shape
  dtype?: DType
}

export type Scalar = number | boolean | bigint
export type Nested = Scalar | readonly Nested[]

/** One value of one sample: a number, nested arrays, a typed array (rank 1), a ShapedArray (any rank) or a Tensor. */
export type SampleValue = Nested | TypedArray | ShapedArray | Tensor

export const isShaped = (value: unknown): value is ShapedArray =>
  typeof value === 'object' &&
  value !== null &&
  Array.isArray((value as ShapedArray).shape) &&
  typeof (value as ShapedArray).data === 'object'

const isScalar = (value: unknown): value is Scalar => typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'

/** The dtype a typed array's values have as a Tensor: float64 data become float32. */
export function dtypeOfTypedArray(values: TypedArray): DType {
  if (values instanceof Float32Array || values instanceof Float64Array) return 'float32'
  if (values instanceof Int32Array || values instanceof Int16Array || values instanceof Uint16Array || values instanceof Uint32Array)
    return 'int32'
  if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) return 'uint8'
  if (values instanceof Int8Array) return 'int8'
  if (values instanceof BigInt64Array) return 'int64'
  throw new WeftError('ERR_DTYPE', `no dtype holds the values of a ${(values as object).constructor.name}`, {
    hint: 'Use Float32Array, Float64Array, Int32Array, Uint8Array, Int8Array or BigInt64Array',
  })
}

/** An empty typed array for `size` values of a dtype. */
export function allocate(dtype: DType, size: number): TypedArray {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      return new Uint8Array(size)
    case 'int8':
      return new Int8Array(size)
    case 'int32':
      return new Int32Array(size)
    case 'int64':
      return new BigInt64Array(size)
    case 'float64':
      return new Float64Array(size)
    default:
      return new Float32Array(size)
  }
}

/** Shape of nested arrays, read along their first elements. */
function nestedShape(value: Nested): number[] {
  const shape: number[] = []
  for (let at: Nested | undefined = value; Array.isArray(at); at = at[0]) {
    checkDepth(shape.length)
    shape.push(at.length)
  }
  return shape
}

/** A value as flat data and shape; Tensors are read back from their device. */
export async function toHost(value: unknown, what: string): Promise<Required<ShapedArray>> {
  if (isTensor(value)) return { data: (await value.data()) as TypedArray, shape: value.shape, dtype: value.dtype }
  checkAttached(value, what)
  if (isTypedArray(value)) return { data: value, shape: [value.length], dtype: dtypeOfTypedArray(value) }
  if (isShaped(value)) {
    checkShaped(value, what)
    return {
      data: value.data,
      shape: value.shape,
      dtype: value.dtype ?? (isTypedArray(value.data) ? dtypeOfTypedArray(value.data) : 'float32'),
    }
  }
  if (isScalar(value) || Array.isArray(value)) {
    const shape = nestedShape(value as Nested)
    const flat: Scalar[] = []
    flatten(value as Nested, shape, 0, flat, what)
    const dtype: DType = typeof flat[0] === 'bigint' ? 'int64' : typeof flat[0] === 'boolean' ? 'bool' : 'float32'
    const data = allocate(dtype, flat.length)
    for (let i = 0; i < flat.length; i++) (data as Float32Array)[i] = flat[i] as number
    return { data, shape, dtype }
  }
  throw new WeftError('ERR_ARGUMENT', `${what}: ${describe(value)} is not a value a Tensor can be made of`, {
    hint: 'Use numbers, nested arrays, typed arrays, { data, shape } or Tensors',
  })
}

/** Throws ERR_ARGUMENT for a typed array whose buffer was transferred away. */
export function checkAttached(value: unknown, what: string): void {
  if (isTypedArray(value) && isDetached(value))
    throw new WeftError('ERR_ARGUMENT', `${what}: the buffer of the ${value.constructor.name} was transferred away`)
}

export function checkShaped(value: ShapedArray, what: string): void {
  const size = sizeOf(value.shape)
  if (value.data.length !== size) {
    throw new WeftError('ERR_SHAPE', `${what}: ${value.data.length} values do not fill shape [${value.shape}], which takes ${size}`)
  }
}

function flatten(value: Nested, shape: readonly number[], depth: number, into: Scalar[], what: string): void {
  if (depth === shape.length) {
    if (!isScalar(value)) throw new WeftError('ERR_ARGUMENT', `${what}: ${describe(value)} among numbers, at depth ${depth}`)
    into.push(value)
    return
  }
  if (!Array.isArray(value) || value.length !== shape[depth]) {
    throw new WeftError(
      'ERR_SHAPE',
      `${what}: nested arrays of different lengths (${describe(value)} where ${shape[depth]} elements are expected)`,
    )
  }
  for (const element of value) flatten(element, shape, depth + 1, into, what)
}

/**
 * Joins values of one shape to one array with a leading axis. `hint` is the dtype they had in their source, for values
 * that do not tell it themselves (`plain`: JavaScript numbers).
 */
export function stackHost(
  values: readonly Required<ShapedArray>[],
  plain: boolean,
  hint: DType | undefined,
  what: string,
): Required<ShapedArray> {
  const first = values[0]!
  const size = sizeOf(first.shape)
  for (const [i, value] of values.entries()) {
    if (!sameShape(value.shape, first.shape)) {
      throw new WeftError('ERR_SHAPE', `batch: ${what} of sample ${i} has shape [${value.shape}], that of sample 0 has [${first.shape}]`, {
        hint: 'Samples of one batch need one shape: pad, crop or filter them with map() or filter() before batch()',
      })
    }
    if (value.dtype !== first.dtype) {
      throw new WeftError('ERR_DTYPE', `batch: ${what} of sample ${i} is ${value.dtype}, that of sample 0 is ${first.dtype}`)
    }
  }
  const untold = plain || (hint === 'bool' && first.dtype === 'uint8') || (hint === 'float64' && first.data instanceof Float64Array)
  const dtype = untold && hint !== undefined && values.every((value) => fits(value.data, hint)) ? hint : first.dtype
  const data = allocate(dtype, size * values.length)
  for (const [i, value] of values.entries()) (data as Float32Array).set(value.data as Float32Array, i * size)
  return { data, shape: [values.length, ...first.shape], dtype }
}

/** Whether numbers can go back to the dtype their source had; a fraction among integers cannot. */
function fits(values: TypedArray | readonly number[], dtype: DType): boolean {
  if (dtype === 'float64') return true
  const [low, high] = ranges[dtype] ?? [1, 0]
  for (const value of values as readonly number[]) if (!Number.isInteger(value) || value < low || value > high) return false
  return low < high
}

const ranges: Partial<Record<DType, [number, number]>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
  int32: [-(2 ** 31), 2 ** 31 - 1],
}

/** A short word for a value in error messages. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (isTypedArray(value)) return `a ${value.constructor.name} of ${value.length}`
  if (typeof value === 'string') return `the string '${value.length > 40 ? `${value.slice(0, 40)}...` : value}'`
  if (typeof value === 'object') return `an object with keys ${Object.keys(value).slice(0, 8).join(', ') || '(none)'}`
  return show(value)
}
