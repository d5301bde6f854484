// Batches: samples on the host joined to Tensors with a leading batch axis.
import { tensor } from '../core/create.js'
import type { DType } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import type { Tensor } from '../core/tensor.js'
import type { IsUnknown } from '../core/tensor_types.js'
import { isTypedArray } from '../core/checks.js'
import { isTensor } from '../core/tree.js'
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

async function field(samples: readonly Sample[], name: keyof Sample, dtypes: Dtypes): Promise<BatchField> {
  const values = samples.map((sample) => sample[name])
  const first = values[0]
  if (isFieldList(first)) {
    const parts = first.map((_, part) => values.map((value) => (isFieldList(value) ? value[part] : undefined)))
    return Promise.all(parts.map((part, i) => stack(part, `${name}[${i}]`, undefined)))
  }
  if (isFieldRecord(first)) {
    const names = Object.keys(first)
    const tensors = await Promise.all(
      names.map((key) =>
        stack(
          values.map((value) => (isFieldRecord(value) ? value[key] : undefined)),
          `${name}.${key}`,
          dtypes[`${name}.${key}`],
        ),
      ),
    )
    return Object.fromEntries(names.map((key, i) => [key, tensors[i]!]))
  }
  return stack(values, name, dtypes[name])
}

async function stack(values: readonly unknown[], what: string, hint: DType | undefined): Promise<Tensor> {
  const missing = values.indexOf(undefined)
  if (missing >= 0) throw new WeftError('ERR_ARGUMENT', `batch: sample ${missing} has no ${what}, others have one`)
  const plain = values.every((value) => typeof value === 'number' || Array.isArray(value))
  const joined = stackHost(await Promise.all(values.map((value) => toHost(value, what))), plain, hint, what)
  return tensor(joined.data, { shape: [...joined.shape], dtype: joined.dtype })
}
