// Where Datasets begin: arrays in memory (from) and iterables or streams (generator).
import type { TypedArray } from '../core/host.js'
import { type DType, sizeOf } from '../core/spec.js'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { DataOf, IsUnknown, ShapeOf, Unknown } from '../core/tensor_types.js'
import { type Dtypes, isFieldList, isFieldRecord, type Sample, type SampleField } from './collate.js'
import { Dataset } from './dataset.js'
import { checkFunction, isTypedArray } from '../core/checks.js'
import { checkDepth, isTensor } from '../core/tree.js'
import { checkAttached, checkShaped, describe, dtypeOfTypedArray, isShaped, type Nested, type ShapedArray } from './host.js'

/** Values of all samples along the first axis. */
export type FieldValues = Tensor | ShapedArray | TypedArray | readonly Nested[]
/** Several of them, for models with several inputs or outputs. */
export type Fields = FieldValues | readonly (Tensor | ShapedArray)[] | { readonly [name: string]: FieldValues }

/**
 * A sample's part of the values: nested arrays give their elements, Tensors and typed data what their rank asks for. Of
 * a Tensor whose rank its type does not know, and of what has its shape beside it, the form is not known.
 */
export type ElementOf<V> = V extends readonly (infer E)[]
  ? E extends Tensor | ShapedArray
    ? ShapedArray[]
    : E
  : V extends Tensor
    ? RowOf<ShapeOf<V>, V>
    : V extends TypedArray
      ? number
      : Unknown

type RowOf<S, V> =
  IsUnknown<S> extends true ? Unknown : S extends [unknown] ? number : S extends [unknown, unknown] ? DataOf<V> : ShapedArray

/** Reads one sample's part of the values. */
type Read = (index: number) => SampleField

/**
 * Gives the event loop a turn when a pass has held it for a while: pipelines run in microtasks, which would starve it.
 */
export function breather(): () => Promise<unknown> | undefined {
  let since = performance.now()
  let calls = 0
  return () => {
    if ((++calls & 63) !== 0 || performance.now() - since < 5) return undefined
    return setImmediate().then(() => {
      since = performance.now()
    })
  }
}

/**
 * Samples { x, y?, sampleWeight? } along the first axis. Elements of nested arrays come as they are; those of Tensors
 * and typed data as numbers (rank 0), typed arrays (rank 1) or { data, shape }, copied. x and y may be lists of Tensors
 * or ShapedArrays, or records.
 */
export function from<X extends Fields, Y extends Fields = readonly Nested[]>(
  x: X,
  y?: Y,
  sampleWeight?: FieldValues,
): Dataset<{ x: ElementOf<X>; y: ElementOf<Y>; sampleWeight?: number }> {
  checkCall('data.from(x, y, sampleWeight)', arguments)
  const size = lengthOf(x, 'x')
  for (const [name, values] of [
    ['y', y],
    ['sampleWeight', sampleWeight],
  ] as const) {
    if (values === undefined) continue
    const length = lengthOf(values, name)
    if (length !== size) throw new WeftError('ERR_SHAPE', `from: x has ${size} samples, ${name} has ${length}`)
  }
  const dtypes: Record<string, DType> = {}
  noteDtypes(x, 'x', dtypes)
  if (y !== undefined) noteDtypes(y, 'y', dtypes)

  let opened: Promise<Read[]> | undefined
  const readers = (): Promise<Read[]> => {
    opened ??= Promise.all([x, y, sampleWeight].filter((values) => values !== undefined).map((values) => reader(values)))
    return opened
  }
  async function* read(order: Uint32Array | undefined): AsyncGenerator<Sample, void> {
    const [readX, second, third] = await readers()
    const [readY, readWeight] = y === undefined ? [undefined, second] : [second, third]
    const pause = breather()
    for (let i = 0; i < (order?.length ?? size); i++) {
      const at = order ? order[i]! : i
      const sample: Sample = { x: readX!(at) }
      if (readY) sample.y = readY(at)
      if (readWeight) sample.sampleWeight = readWeight(at) as number
      yield sample
      const turn = pause()
      if (turn) await turn
    }
  }
  const source = { size, dtypes: dtypes as Dtypes, open: () => read(undefined), openIn: (order: Uint32Array) => read(order) }
  return new Dataset<Sample>(source) as unknown as Dataset<{ x: ElementOf<X>; y: ElementOf<Y>; sampleWeight?: number }>
}

type MaybeAsync<T> = Iterable<T> | AsyncIterable<T>

/**
 * Elements of what `source()` returns, called anew on every pass: an iterable, async iterable or Readable, or a promise
 * of one. Also takes one of these itself; one that can be read only once (a stream, a generator object) then allows one
 * pass.
 */
// biome-ignore lint/suspicious/noExplicitAny: streams do not type their chunks; T is the caller's to name
export function generator<T = any>(
  source: (() => MaybeAsync<T> | Readable | Promise<MaybeAsync<T> | Readable>) | MaybeAsync<T> | Readable,
): Dataset<T> {
  checkCall('data.generator(source)', arguments)
  if (typeof source === 'function') checkFunction('generator', source)
  else checkAttached(source, 'generator')
  if (typeof source !== 'function' && !iterable(source)) {
    throw new WeftError('ERR_ARGUMENT', `generator: expected a function, an iterable or a stream, got ${describe(source)}`)
  }
  let consumed = false
  return new Dataset<T>({
    size: Array.isArray(source) ? source.length : undefined,
    async *open() {
      const elements = (typeof source === 'function' ? await source() : source) as MaybeAsync<T>
      if (!iterable(elements))
        throw new WeftError('ERR_ARGUMENT', `generator: the function returned ${describe(elements)}, not an iterable or a stream`)
      if (typeof source !== 'function' && readsOnce(elements)) {
        if (consumed) {
          throw new WeftError('ERR_STATE', 'generator: this source can be read only once and has been read', {
            hint: 'Pass a function that makes a new one: data.generator(() => ...)',
          })
        }
        consumed = true
      }
      const pause = breather()
      for await (const element of elements) {
        yield element
        const turn = pause()
        if (turn) await turn
      }
    },
  })
}

const iterable = (value: unknown): value is MaybeAsync<unknown> =>
  value !== null &&
  value !== undefined &&
  (typeof (value as Iterable<unknown>)[Symbol.iterator] === 'function' ||
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function')

/** Generator objects return themselves from Symbol.iterator; streams cannot be rewound. */
function readsOnce(value: MaybeAsync<unknown>): boolean {
  if (typeof (value as { pipe?: unknown }).pipe === 'function' || typeof (value as { getReader?: unknown }).getReader === 'function')
    return true
  return typeof (value as { next?: unknown }).next === 'function'
}

function lengthOf(values: Fields, name: string, depth = 0): number {
  checkDepth(depth)
  if (isFieldList(values)) return common(Array.from(values, (part, i) => [`${name}[${i}]`, lengthOf(part, `${name}[${i}]`, depth + 1)]))
  if (isTypedArray(values) || Array.isArray(values)) return values.length
  if (isTensor(values) || isShaped(values)) {
    if (isShaped(values) && !isTensor(values)) checkShaped(values, `from: ${name}`)
    if (values.shape.length === 0) throw new WeftError('ERR_SHAPE', `from: ${name} is a scalar and has no samples`)
    return values.shape[0]!
  }
  if (depth === 0 && isFieldRecord(values) && Object.keys(values).length > 0) {
    return common(
      Object.entries(values).map(([key, part]) => [`${name}.${key}`, lengthOf(part as FieldValues, `${name}.${key}`, depth + 1)]),
    )
  }
  throw new WeftError('ERR_ARGUMENT', `from: ${name} is ${describe(values)}`, {
    hint: 'Use Tensors, nested arrays, typed arrays or { data, shape }',
  })
}

function common(lengths: (readonly [string, number])[]): number {
  const [name, length] = lengths[0]!
  const other = lengths.find((entry) => entry[1] !== length)
  if (other) throw new WeftError('ERR_SHAPE', `from: ${name} has ${length} samples, ${other[0]} has ${other[1]}`)
  return length
}

function noteDtypes(values: Fields, name: string, dtypes: Record<string, DType>): void {
  if (isTensor(values)) dtypes[name] = values.dtype
  else if (isTypedArray(values)) dtypes[name] = dtypeOfTypedArray(values)
  else if (isShaped(values)) {
    const dtype = values.dtype ?? (isTypedArray(values.data) ? dtypeOfTypedArray(values.data) : undefined)
    if (dtype) dtypes[name] = dtype
  } else if (isFieldRecord(values))
    for (const [key, part] of Object.entries(values)) noteDtypes(part as FieldValues, `${name}.${key}`, dtypes)
}

async function reader(values: Fields): Promise<Read> {
  if (isFieldList(values)) {
    const parts = await Promise.all(values.map((part) => rows(part, true)))
    return (index) => parts.map((part) => part(index) as ShapedArray)
  }
  if (isFieldRecord(values)) {
    const parts = await Promise.all(
      Object.entries(values).map(async ([key, part]) => [key, await rows(part as FieldValues, false)] as const),
    )
    return (index) => Object.fromEntries(parts.map(([key, part]) => [key, part(index)])) as SampleField
  }
  return rows(values as FieldValues, false)
}

/** Reads rows of one array; `wrapped` rows are ShapedArrays whatever their rank. */
async function rows(values: FieldValues, wrapped: boolean): Promise<Read> {
  if (Array.isArray(values)) return (index) => values[index] as SampleField
  const { data, shape, dtype } = isTensor(values)
    ? { data: (await values.data()) as TypedArray, shape: values.shape, dtype: values.dtype }
    : isTypedArray(values)
      ? { data: values, shape: [values.length], dtype: undefined }
      : { data: (values as ShapedArray).data, shape: (values as ShapedArray).shape, dtype: (values as ShapedArray).dtype }
  const row = shape.slice(1)
  const size = sizeOf(row)
  const cut = (index: number): TypedArray | number[] => data.slice(index * size, (index + 1) * size) as TypedArray
  if (wrapped || row.length > 1) return (index) => ({ data: cut(index), shape: row, ...(dtype && { dtype }) })
  if (row.length === 1) return (index) => cut(index)
  if (dtype === 'bool') return (index) => Boolean(data[index])
  return (index) => data[index] as number
}
