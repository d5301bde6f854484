// Tensors on the wire: name, datatype, shape and bytes, with every check that can be made without a model.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { type Datatype, elementBytes } from './datatypes.js'
import type { Limits } from './limits.js'

export interface WireTensor {
  readonly name: string
  readonly datatype: Datatype
  readonly shape: readonly number[]
  /** Row-major, little-endian, at any offset. BYTES: each element is its length (uint32) and its bytes. */
  readonly bytes: Uint8Array
}

/** A tensor of a model. */
export interface TensorSpec {
  readonly name: string
  readonly datatype: Datatype
  /** -1: an extent that varies. The batch comes first. */
  readonly shape: readonly number[]
}

/** What a model takes and gives. */
export interface Signature {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

export const invalid = (message: string, hint?: string): WeftError =>
  new WeftError('ERR_ARGUMENT', message, hint === undefined ? {} : { hint })
export const tooLarge = (message: string): WeftError => new WeftError('ERR_TOO_LARGE', message)

/** A name for messages: short, and without characters that write elsewhere in a terminal or a log. */
export function named(kind: string, name: string): string {
  if (PLAIN.test(name)) return `${kind} '${name}'`
  return `${kind} ${show(name.replace(/[\p{Cc}\p{Cf}\p{Surrogate}]/gu, '?'))}`
}
/** Names as most are: asked for with every tensor of every request. */
const PLAIN = /^[A-Za-z0-9_.-]{1,60}$/

const LONGEST_NAME = 256
export function checkName(what: string, name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME) return name
  throw invalid(
    `${what}: a name is a text of 1 to ${LONGEST_NAME} characters, got ${typeof name === 'string' ? `${name.length}` : show(name)}`,
  )
}

/** The shape when its extents are whole numbers, and its values not more than a request may have. */
export function checkWireShape(what: string, shape: unknown, datatype: Datatype, limits: Required<Limits>): readonly number[] {
  if (!Array.isArray(shape)) throw invalid(`${what}: the shape is a list of integers, got ${show(shape)}`)
  if (shape.length > limits.axes) throw tooLarge(`${what}: the shape has ${shape.length} axes, ${limits.axes} are the most`)
  for (const extent of shape as unknown[])
    if (!Number.isSafeInteger(extent) || (extent as number) < 0)
      throw invalid(`${what}: an extent is an integer of at least 0, got ${show(extent)}`)
  const extents = shape as number[]
  // an extent of 0 makes the others harmless to the number of values, and not to what a model makes of them
  const most = limits.bodyBytes
  let size = 1
  for (const extent of extents) {
    if (extent > most) throw tooLarge(`${what}: shape [${extents}] is larger than a request may be`)
    if (extent > 0) size *= extent
    if (size > most) throw tooLarge(`${what}: shape [${extents}] is larger than a request may be`)
  }
  if (size * Math.max(1, elementBytes(datatype)) > most)
    throw tooLarge(`${what}: shape [${extents}] of ${datatype} is larger than a request may be`)
  return extents
}

export const sizeOfShape = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1)

/** Throws unless the bytes are those of so many elements. */
export function checkBytes(what: string, datatype: Datatype, shape: readonly number[], bytes: Uint8Array): void {
  const elements = sizeOfShape(shape)
  const each = elementBytes(datatype)
  if (each > 0) {
    if (bytes.length !== elements * each) throw invalid(`${what}: ${datatype} [${shape}] has ${elements * each} bytes, got ${bytes.length}`)
    if (datatype === 'BOOL' && bytes.some((byte) => byte > 1)) throw invalid(`${what}: a byte of BOOL is 0 or 1`)
    return
  }
  const count = eachBytes(bytes, () => undefined)
  if (count !== elements)
    throw invalid(`${what}: BYTES [${shape}] has ${elements} elements, got ${count < 0 ? 'one that ends beyond the data' : count}`)
}

/** Visits the elements of BYTES; their number, or -1 when the last one ends beyond the data. */
export function eachBytes(bytes: Uint8Array, visit: (element: Uint8Array) => void): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let count = 0
  for (let at = 0; at < bytes.length; count++) {
    if (at + 4 > bytes.length) return -1
    const length = view.getUint32(at, true)
    at += 4
    if (length > bytes.length - at) return -1
    visit(bytes.subarray(at, at + length))
    at += length
  }
  return count
}

/** BYTES of elements. */
export function joinBytes(elements: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(elements.reduce((sum, { length }) => sum + 4 + length, 0))
  const view = new DataView(joined.buffer)
  let at = 0
  for (const element of elements) {
    view.setUint32(at, element.length, true)
    joined.set(element, at + 4)
    at += 4 + element.length
  }
  return joined
}

/** A copy of the bytes whose memory begins at an even address, where they do not lie well for elements of this size. */
export const aligned = (bytes: Uint8Array, size: number): Uint8Array => (bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes))
