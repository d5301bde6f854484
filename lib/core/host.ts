// Host values: numbers, nested arrays and typed arrays, and their way into and out of a tensor's memory.
import { isTypedArray } from './checks.js'
import { WeftError } from './error.js'
import { show } from './options.js'
import { type DType, isFloat, type Shape, sizeOf } from './spec.js'

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
export type HostArray = Float32Array | Int32Array | Uint8Array | Float64Array | BigInt64Array | Int8Array
/** What array() gives. */
export type NestedArray = number | boolean | readonly NestedArray[]
/** What tensor() takes: nested arrays whose last level may be typed arrays. */
export type NestedValues = number | boolean | readonly (NestedValues | TypedArray)[]

/** Values in row-major order with the shape they came in, and the dtype they have unless one is asked for. */
export interface HostValues {
  readonly flat: TypedArray | readonly (number | boolean | bigint)[]
  readonly shape: Shape
  readonly dtype: DType
}

/** The dtype of a typed array's values: float64 becomes float32. ERR_DTYPE where no dtype holds them. */
export function dtypeOf(values: TypedArray): DType {
  if (values instanceof Float32Array || values instanceof Float64Array) return 'float32'
  if (values instanceof Int32Array || values instanceof Int16Array || values instanceof Uint16Array || values instanceof Uint32Array)
    return 'int32'
  if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) return 'uint8'
  if (values instanceof Int8Array) return 'int8'
  if (values instanceof BigInt64Array) return 'int64'
  const name = (values as object).constructor.name
  throw new WeftError('ERR_DTYPE', `tensor: no dtype holds the values of a ${name}`, {
    hint:
      name === 'BigUint64Array'
        ? 'Write BigInt64Array.from(values, (v) => BigInt.asIntN(64, v)), or Float32Array.from(values, Number)'
        : 'Use Float32Array, Int32Array, Uint8Array, Int8Array or BigInt64Array',
  })
}

/** Throws ERR_ARGUMENT when the memory of a typed array was given away: it would look like an empty one. */
function checkAttached(values: TypedArray): void {
  if (values.length > 0 || values.byteLength > 0) return
  try {
    // what was transferred to a worker refuses every view
    new Uint8Array(values.buffer as ArrayBuffer, 0, 0)
  } catch {
    throw new WeftError(
      'ERR_ARGUMENT',
      `tensor: the memory of this ${values.constructor.name} was transferred elsewhere: it has no values`,
      {
        hint: 'Make the tensor before postMessage() takes the buffer, or send a copy: values.slice()',
      },
    )
  }
}

/** No tensor has more axes; nested arrays that are deeper contain themselves. */
const MOST_AXES = 64

/** Shape of nested arrays, read along their first items. */
function shapeOf(values: unknown): number[] {
  const shape: number[] = []
  for (let at = values; ; at = (at as readonly unknown[])[0]) {
    if (isTypedArray(at)) shape.push(at.length)
    if (!Array.isArray(at)) return shape
    shape.push(at.length)
    if (shape.length > MOST_AXES)
      throw new WeftError('ERR_SHAPE', `tensor: the values are nested more than ${MOST_AXES} deep`, {
        hint: 'Does an array contain itself?',
      })
  }
}

/**
 * Reads a number, a boolean, nested arrays of them (the last level may be typed arrays) or a typed array. All values
 * decide on the dtype: where booleans meet a number, they become numbers.
 */
export function hostValues(values: unknown): HostValues {
  if (isTypedArray(values)) {
    const dtype = dtypeOf(values)
    checkAttached(values)
    return { flat: values, shape: [values.length], dtype }
  }
  if (typeof values !== 'number' && typeof values !== 'boolean' && !Array.isArray(values)) {
    throw new WeftError('ERR_ARGUMENT', `tensor: values must be numbers, nested arrays or a typed array, got ${show(values)}`)
  }
  const shape = shapeOf(values)
  const flat: (number | boolean | bigint)[] = []
  let booleans = 0
  const dtypes = new Set<DType>()
  const read = (item: unknown, axis: number, path: () => string): void => {
    const list = Array.isArray(item) || isTypedArray(item)
    if (list !== axis < shape.length || (list && item.length !== shape[axis])) {
      throw new WeftError(
        'ERR_SHAPE',
        `tensor: nested arrays are ragged: values${'[0]'.repeat(axis)} has shape [${shape.slice(axis)}], values${path()} has [${shapeOf(item)}]`,
      )
    }
    if (isTypedArray(item)) {
      dtypes.add(dtypeOf(item))
      checkAttached(item)
      for (let i = 0; i < item.length; i++) flat.push(item[i]!)
    } else if (list) {
      for (let i = 0; i < item.length; i++) read(item[i], axis + 1, () => `${path()}[${i}]`)
    } else if (typeof item === 'number') {
      dtypes.add('float32')
      flat.push(item)
    } else if (typeof item === 'boolean') {
      booleans++
      flat.push(item)
    } else throw new WeftError('ERR_ARGUMENT', `tensor: values must be numbers or booleans, got ${show(item)}`)
  }
  read(values, 0, () => '')
  const [only] = dtypes
  const dtype = flat.length > 0 && booleans === flat.length ? 'bool' : dtypes.size === 1 && booleans === 0 ? only! : 'float32'
  return { flat, shape, dtype }
}

/** A typed array over the bytes, as data() shows the dtype. */
export function hostView(dtype: DType, buffer: ArrayBufferLike, offset = 0, length?: number): HostArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, offset, length)
    case 'float64':
      return new Float64Array(buffer, offset, length)
    case 'int32':
      return new Int32Array(buffer, offset, length)
    case 'int64':
      return new BigInt64Array(buffer, offset, length)
    case 'int8':
      return new Int8Array(buffer, offset, length)
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer, offset, length)
    default:
      throw new WeftError('ERR_DTYPE', `${dtype} has no typed array on the host`, { hint: "cast('float32') first" })
  }
}

/** Puts values into memory of a dtype. */
export function writeHost(target: HostArray, values: HostValues['flat'], dtype: DType): void {
  if (target.constructor === values.constructor && dtype !== 'bool') {
    ;(target as Float32Array).set(values as Float32Array)
  } else if (target instanceof BigInt64Array) {
    for (let i = 0; i < target.length; i++) target[i] = integer64(values[i]!)
  } else if (dtype === 'bool') {
    for (let i = 0; i < target.length; i++) target[i] = values[i] ? 1 : 0
  } else if (values instanceof BigInt64Array || !isTypedArray(values)) {
    for (let i = 0; i < target.length; i++) target[i] = saturate(Number(values[i]), dtype)
  } else if (isFloat(dtype)) {
    target.set(values as Float32Array)
  } else {
    for (let i = 0; i < target.length; i++) target[i] = saturate(values[i] as number, dtype)
  }
}

/** Throws ERR_DTYPE where values would become int32, which was not asked for, and are too large for it. */
export function checkFits(values: unknown): void {
  const large = values instanceof Uint32Array ? values.find((value) => value > 2 ** 31 - 1) : undefined
  if (large !== undefined)
    throw new WeftError('ERR_DTYPE', `tensor: ${large} in a Uint32Array does not fit into int32`, {
      hint: "Name the dtype: { dtype: 'float32' }, or { dtype: 'int64' } to store it",
    })
}

/** Integer dtypes truncate toward zero and saturate, as cast does. */
function saturate(value: number, dtype: DType): number {
  if (isFloat(dtype)) return value
  const [low, high] = dtype === 'uint8' ? [0, 255] : dtype === 'int8' ? [-128, 127] : [-2147483648, 2147483647]
  return Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)))
}

const LOW_64 = -(2n ** 63n)
const HIGH_64 = 2n ** 63n - 1n
function integer64(value: number | boolean | bigint): bigint {
  if (typeof value === 'bigint') return value
  const number = Math.trunc(Number(value))
  if (Number.isNaN(number)) return 0n
  return number >= 2 ** 63 ? HIGH_64 : number < -(2 ** 63) ? LOW_64 : BigInt(number)
}

/** Shared by all empty rows, which a large tensor without values has many of. */
const EMPTY: readonly NestedArray[] = Object.freeze([])
const MOST_EMPTY_ROWS = 2 ** 26

/** Nested arrays of values in row-major order; bools as booleans. */
export function nest(values: HostArray, shape: Shape, dtype: DType): NestedArray {
  if (values.length === 0) return emptyRows(shape)
  const last = shape.length - 1
  const build = (axis: number, offset: number, stride: number): NestedArray => {
    const length = shape[axis]!
    const rows: NestedArray[] = new Array<NestedArray>(length)
    const inner = stride / length
    for (let i = 0; i < length; i++)
      rows[i] =
        axis === last
          ? dtype === 'bool'
            ? values[offset + i] !== 0
            : Number(values[offset + i])
          : build(axis + 1, offset + i * inner, inner)
    return rows
  }
  return last < 0 ? (dtype === 'bool' ? values[0] !== 0 : Number(values[0])) : build(0, 0, values.length)
}

/** Nested arrays of a shape that holds no values: equal parts are one frozen array. */
function emptyRows(shape: Shape): NestedArray {
  const outer = shape.slice(0, shape.indexOf(0))
  const rows = sizeOf(outer)
  if (rows > MOST_EMPTY_ROWS)
    throw new WeftError('ERR_SHAPE', `array: shape [${shape}] has no values, but ${rows} empty rows`, { hint: 'Use data() and shape' })
  let nested: readonly NestedArray[] = EMPTY
  for (const extent of outer.reverse()) nested = Object.freeze(new Array<NestedArray>(extent).fill(nested))
  return nested
}
