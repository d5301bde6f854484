// JSON values: the `data` of a tensor in JSON to bytes, and back. What JSON cannot hold exactly is refused, never
// rounded.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import type { Datatype } from './datatypes.js'
import { aligned, eachBytes, invalid, joinBytes, sizeOfShape } from './tensors.js'

type Check = (value: unknown) => string | undefined

const whole =
  (least: number, most: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most ? undefined : `integers from ${least} to ${most}`
// JSON.parse has rounded what is beyond 2^53 already
const exact =
  (least: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? undefined
      : `integers ${least === 0 ? 'from 0 ' : ''}up to 2^53 - 1 in JSON; send larger ones as binary data`
const number: Check = (value) => (typeof value === 'number' && Number.isFinite(value) ? undefined : 'finite numbers')

interface Codec {
  readonly check: Check
  /** A typed array of so many elements, over memory of its own or the given one. */
  readonly array: new (
    buffer: ArrayBuffer,
    offset?: number,
    length?: number,
  ) =>
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Uint32Array
    | Int32Array
    | Float32Array
    | Float64Array
    | BigInt64Array
    | BigUint64Array
  readonly size: number
}

const CODECS: Readonly<Partial<Record<Datatype, Codec>>> = {
  BOOL: { check: (value) => (typeof value === 'boolean' ? undefined : 'true and false'), array: Uint8Array, size: 1 },
  UINT8: { check: whole(0, 255), array: Uint8Array, size: 1 },
  UINT16: { check: whole(0, 65_535), array: Uint16Array, size: 2 },
  UINT32: { check: whole(0, 4_294_967_295), array: Uint32Array, size: 4 },
  UINT64: { check: exact(0), array: BigUint64Array, size: 8 },
  INT8: { check: whole(-128, 127), array: Int8Array, size: 1 },
  INT16: { check: whole(-32_768, 32_767), array: Int16Array, size: 2 },
  INT32: { check: whole(-2_147_483_648, 2_147_483_647), array: Int32Array, size: 4 },
  INT64: { check: exact(Number.MIN_SAFE_INTEGER), array: BigInt64Array, size: 8 },
  FP32: {
    check: (value) => number(value) ?? (Number.isFinite(Math.fround(value as number)) ? undefined : 'numbers within its range'),
    array: Float32Array,
    size: 4,
  },
  FP64: { check: number, array: Float64Array, size: 8 },
}

/** The bytes of `data`, which is flat or nested as the shape says. `what` names the tensor. */
export function bytesOfJson(what: string, datatype: Datatype, shape: readonly number[], data: unknown): Uint8Array {
  if (!Array.isArray(data)) throw invalid(`${what}: data is a list, got ${show(data)}`)
  if (datatype === 'FP16' || datatype === 'BF16') throw invalid(`${what}: ${datatype} has no form in JSON`, 'Send it as binary data')
  const elements = sizeOfShape(shape)
  const flat = flatten(what, data as unknown[], shape, elements)
  if (datatype === 'BYTES') return joinBytes(flat.map((value, i) => bytesOfText(what, value, i)))
  const { check, array, size } = CODECS[datatype]!
  const buffer = new ArrayBuffer(elements * size)
  const values = new array(buffer)
  const big = size === 8 && datatype !== 'FP64'
  for (let i = 0; i < elements; i++) {
    const value = flat[i]
    const wanted = check(value)
    if (wanted !== undefined) throw invalid(`${what}: value ${i} is ${show(value)}, ${datatype} takes ${wanted}`)
    ;(values as unknown as unknown[])[i] = big ? BigInt(value as number) : Number(value)
  }
  return new Uint8Array(buffer)
}

const utf8 = new TextEncoder()
function bytesOfText(what: string, value: unknown, index: number): Uint8Array {
  if (typeof value !== 'string') throw invalid(`${what}: value ${index} is ${show(value)}, BYTES takes texts in JSON`)
  if (/\p{Surrogate}/u.test(value)) throw invalid(`${what}: value ${index} has half of a surrogate pair, which UTF-8 cannot hold`)
  return utf8.encode(value)
}

/** The values one after the other. A flat list is taken as it is; a nested one must follow the shape. */
function flatten(what: string, data: readonly unknown[], shape: readonly number[], elements: number): readonly unknown[] {
  const nested = data.some(Array.isArray)
  if (!nested && (shape.length <= 1 || data.length === elements)) {
    if (data.length !== elements) throw invalid(`${what}: shape [${shape}] has ${elements} values, data has ${data.length}`)
    return data
  }
  const flat: unknown[] = []
  const read = (item: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (Array.isArray(item)) throw invalid(`${what}: data is nested deeper than shape [${shape}]`)
      flat.push(item)
      return
    }
    if (!Array.isArray(item) || item.length !== shape[axis]) {
      const found = Array.isArray(item) ? `a list of ${item.length}` : show(item)
      throw invalid(`${what}: shape [${shape}] has ${shape[axis]} along axis ${axis}, data has ${found}`)
    }
    for (const inner of item) read(inner, axis + 1)
  }
  read(data, 0)
  return flat
}

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The values as the text of a flat JSON list. */
export function jsonOfBytes(what: string, datatype: Datatype, bytes: Uint8Array): string {
  const binary = 'Ask for binary_data'
  if (datatype === 'BYTES') {
    const texts: string[] = []
    eachBytes(bytes, (element) => {
      try {
        texts.push(JSON.stringify(text.decode(element)))
      } catch {
        throw new WeftError('ERR_DATA', `${what}: an element of BYTES is not UTF-8, and JSON cannot hold it`, { hint: binary })
      }
    })
    return `[${texts}]`
  }
  const codec = CODECS[datatype]
  if (codec === undefined) throw new WeftError('ERR_ARGUMENT', `${what}: ${datatype} has no form in JSON`, { hint: binary })
  const own = aligned(bytes, codec.size)
  const values = new codec.array(own.buffer as ArrayBuffer, own.byteOffset, own.byteLength / codec.size) as Float32Array
  if (datatype === 'BOOL') return `[${Array.from(values, (value) => value !== 0)}]`
  if (datatype === 'FP32' || datatype === 'FP64') {
    const odd = values.findIndex((value) => !Number.isFinite(value))
    if (odd >= 0) throw new WeftError('ERR_DATA', `${what}: value ${odd} is ${values[odd]}, which JSON cannot hold`, { hint: binary })
    // a list of numbers as text would lose the sign of -0
    if (values.some((value) => Object.is(value, -0)))
      return `[${Array.from(values, (value) => (Object.is(value, -0) ? '-0.0' : String(value)))}]`
  }
  return `[${values.join(',')}]`
}
