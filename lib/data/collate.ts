// Batches: samples on the host joined to Tensors with a leading batch axis.
import { tensor } from '../core/create.js'
import type { DType } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import type { Tensor } from '../core/tensor.js'
import type { IsUnknown } from '../core/tensor_types.js'
import { isTypedArray } from '../core/checks.js'
import { checkDepth, isTensor } from '../core/tree.js'
import { describe, type ShapedArray, isShaped, type SampleValue, stackHost, toHost } from './host.js'

/** One value, or several for models with several inputs or outputs: a list of ShapedArrays or Tensors, or a record. */
export type SampleField = SampleValue | readonly (ShapedArray | Tensor)[] | { readonly [name: string]: SampleValue }

export interface Sample {
  x: SampleField
  y?: SampleField
  sampleWeight?: number
}

/** The Tensors of one batch; a record or a list where the samples held one. */
export type BatchField = Tensor | Tensor[] | Record<string, Tensor>

/** What a field of samples becomes in a batch, where the type of the samples says it. */
type BatchFieldOf<F> =
  IsUnknown<F> extends true
    ? BatchField
    : [F] extends [number | boolean | bigint | TypedArray | ShapedArray | Tensor]
      ? Tensor
      : [F] extends [readonly (infer E)[]]
        ? [E] extends [ShapedArray | Tensor]
          ? Tensor[]
          : Tensor
        : [F] extends [Readonly<Record<string, SampleValue>>]
          ? { [K in keyof F]: Tensor }
          : BatchField

/** The batches of samples. */
export type BatchOf<T> = T extends { x: infer X }
  ? { x: BatchFieldOf<X>; sampleWeight?: Tensor } & (T extends { y?: infer Y } ? { y?: BatchFieldOf<NonNullable<Y>> } : { y?: BatchField })
  : Batch

export interface Batch {
  x: BatchField
  y?: BatchField
  sampleWeight?: Tensor
}

/** dtypes that plain numbers had in the source, by field: 'y', or 'x.name' for records. */
export type Dtypes = Readonly<Record<string, DType>>

export const isFieldList = (value: unknown): value is (ShapedArray | Tensor)[] =>
  Array.isArray(value) && value.length > 0 && Array.from(value as unknown[]).every((part) => isShaped(part) || isTensor(part))

export const isFieldRecord = (value: unknown): value is Record<string, SampleValue> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isTypedArray(value) && !isShaped(value) && !isTensor(value)

/** Joins samples, at least one, to a batch. */
export async function collate(samples: readonly unknown[], dtypes: Dtypes): Promise<Batch> {
  for (const [i, sample] of samples.entries()) {
    if (typeof sample !== 'object' || sample === null || (sample as Sample).x === undefined) {
      throw new WeftError('ERR_ARGUMENT', `batch: sample ${i} is ${describe(sample)}`, {
        hint: 'batch() joins samples { x, y?, sampleWeight? }; make them with map()',
      })
    }
  }
  const list = samples as readonly Sample[]
  const batch: Batch = { x: await field(list, 'x', dtypes) }
  if (present(list, 'y')) batch.y = await field(list, 'y', dtypes)
  if (present(list, 'sampleWeight')) batch.sampleWeight = (await field(list, 'sampleWeight', dtypes)) as Tensor
  return batch
}

/** Whether the samples have this field: all of them or none. */
function present(samples: readonly Sample[], name: 'y' | 'sampleWeight'): boolean {
  const has = samples[0]![name] !== undefined
  const other = samples.findIndex((sample) => (sample[name] !== undefined) !== has)
  if (other >= 0) throw new WeftError('ERR_ARGUMENT', `batch: sample ${has ? other : 0} has no ${name}, others have one`)
  return has
}

const field = (samples: readonly Sample[], name: keyof Sample, dtypes: Dtypes): Promise<BatchField> =>
  joined(
    samples.map((sample) => sample[name]),
    name,
    dtypes,
    false,
  ) as Promise<BatchField>

/** Elements joined: Tensors with a leading axis, lists of texts, and records and lists of these. */
export type Joined = Tensor | string[] | Joined[] | { [name: string]: Joined }

/**
 * Joins elements of one form, at least one: numbers, arrays and Tensors to Tensors with a leading axis, records by
 * their fields, and texts to a list of them.
 */
export const joinElements = (elements: readonly unknown[]): Promise<Joined> => joined(elements, '', {}, true)

/** `deep`: texts, and records inside of records, are joined too. */
async function joined(values: readonly unknown[], what: string, dtypes: Dtypes, deep: boolean, depth = 0): Promise<Joined> {
  checkDepth(depth)
  const first = values[0]
  const inside = (name: string): string => (what === '' ? name : `${what}.${name}`)
  if (isFieldList(first)) {
    const parts = first.map((_, part) => values.map((value) => (isFieldList(value) ? value[part] : undefined)))
    return Promise.all(parts.map((part, i) => stack(part, `${what}[${i}]`, undefined)))
  }
  if (isFieldRecord(first)) {
    const names = Object.keys(first)
    for (const [i, value] of values.entries())
      for (const name of isFieldRecord(value) ? Object.keys(value) : [])
        if (!Object.hasOwn(first, name)) throw new WeftError('ERR_ARGUMENT', `batch: sample 0 has no ${inside(name)}, sample ${i} has one`)
    const own = (name: string): unknown[] =>
      values.map((value) => (isFieldRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined))
    const fields = await Promise.all(
      names.map((name) =>
        deep ? joined(own(name), inside(name), dtypes, true, depth + 1) : stack(own(name), inside(name), dtypes[inside(name)]),
      ),
    )
    return Object.fromEntries(names.map((name, i) => [name, fields[i]!]))
  }
  if (deep && values.every((value) => typeof value === 'string')) return [...values]
  return stack(values, what, dtypes[what])
}

async function stack(values: readonly unknown[], what: string, hint: DType | undefined): Promise<Tensor> {
  const missing = values.indexOf(undefined)
  if (missing >= 0) throw new WeftError('ERR_ARGUMENT', `batch: sample ${missing} has no ${what || 'value'}, others have one`)
  const rows = hint === undefined || hint === 'float32' ? numberRows(values) : undefined
  if (rows !== undefined) return tensor(rows.data, { shape: rows.shape, dtype: 'float32' })
  const plain = values.every((value) => typeof value === 'number' || Array.isArray(value))
  const joined = stackHost(await Promise.all(values.map((value) => toHost(value, what))), plain, hint, what)
  return tensor(joined.data, { shape: [...joined.shape], dtype: joined.dtype })
}

/** Numbers, or lists of as many numbers each, as float32: what most samples hold. Undefined for anything else. */
function numberRows(values: readonly unknown[]): { data: Float32Array; shape: number[] } | undefined {
  const first = values[0]
  const count = values.length
  if (typeof first === 'number') {
    const data = new Float32Array(count)
    for (let i = 0; i < count; i++) {
      if (typeof values[i] !== 'number') return undefined
      data[i] = values[i] as number
    }
    return { data, shape: [count] }
  }
  if (!Array.isArray(first) || first.length === 0) return undefined
  const width = first.length
  const data = new Float32Array(count * width)
  for (let row = 0, at = 0; row < count; row++) {
    const own = values[row]
    if (!Array.isArray(own) || own.length !== width) return undefined
    for (let i = 0; i < width; i++) {
      const value: unknown = own[i]
      if (typeof value !== 'number') return undefined
      data[at++] = value
    }
  }
  return { data, shape: [count, width] }
}
