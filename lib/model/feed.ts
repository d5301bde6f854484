// Feed: what users pass as x, y and sampleWeight, as Tensors with a common number of rows, or as a stream of such
// batches.
import { tensor } from '../core/create.js'
import type { NestedArray, TypedArray } from '../core/host.js'
import type { Shape } from '../core/spec.js'
import { checkFunction, isList, isTypedArray } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { Tensor } from '../core/tensor.js'
import { isRecord, mapData } from '../core/tree.js'

/** Values that stay on the host until they are fed. */
export interface HostValues {
  data: TypedArray | readonly number[]
  shape: Shape
}
/** One input or target: rows along axis 0. */
export type Rows = Tensor | NestedArray | TypedArray | HostValues
/** One, or a list or record of them for models with several inputs or outputs. */
export type ModelData = Rows | readonly Rows[] | Readonly<Record<string, Rows>>

export type Tree = Tensor | Tensor[] | { [name: string]: Tensor }

/** Inputs, targets and weights of the same rows. */
export interface Columns {
  readonly x: Tree
  readonly y: Tree | undefined
  readonly sampleWeight: Tensor | undefined
  readonly rows: number
}

export interface StreamBatch {
  x: ModelData
  y?: ModelData
  sampleWeight?: Rows
}
export type Stream = AsyncIterable<unknown> | Iterable<unknown>
/** Batches { x, y, sampleWeight? }: a data.Dataset, an (async) iterable, a Readable, or a function that returns one. */
export type StreamSource = Stream | (() => Stream | Promise<Stream>)

const isHostValues = (value: unknown): value is HostValues =>
  isRecord(value) && Array.isArray(value['shape']) && typeof value['data'] === 'object'

/**
 * Whether the inputs and the outputs of a model are lists: then a list is one of parts, also when its parts are nested
 * arrays.
 */
export interface Forms {
  readonly listOfInputs: boolean
  readonly listOfOutputs: boolean
  /** The model's: host arrays go there. */
  readonly device: string
}

/** Whether the first argument of fit and its like is a source of batches. */
export function isStream(source: unknown): source is StreamSource {
  if (typeof source === 'function') {
    checkFunction('a source of batches', source)
    return true
  }
  if (typeof source !== 'object' || source === null || source instanceof Tensor || isTypedArray(source)) return false
  if (Symbol.asyncIterator in source) return true
  if (Array.isArray(source)) return isRecord(source[0]) && 'x' in source[0] && !('shape' in source[0])
  return Symbol.iterator in source
}

/** The Tensors of a user's value. Those made here are noted in `owned`. */
export function toTree(what: string, value: unknown, owned: Tensor[], device: string, list = false): Tree {
  const rows = (part: unknown, name: string): Tensor => {
    if (part instanceof Tensor) return part
    const made = isHostValues(part) ? tensor(part.data as TypedArray, { shape: part.shape, device }) : tensor(plain(part, name), { device })
    owned.push(made)
    return made
  }
  if (
    Array.isArray(value) &&
    value.length > 0 &&
    (list || Array.from(value as unknown[]).every((part) => part instanceof Tensor || isHostValues(part)))
  ) {
    return Array.from(value as unknown[], (part, i) => rows(part, `${what}[${i}]`))
  }
  if (isRecord(value) && !isHostValues(value)) {
    if (Object.keys(value).length === 0) throw new WeftError('ERR_ARGUMENT', `${what}: the record of values is empty`)
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rows(part, `${what}.${key}`)]))
  }
  return rows(value, what)
}

function plain(value: unknown, what: string): NestedArray | TypedArray {
  if (isList(value)) return value as NestedArray
  throw new WeftError(
    'ERR_ARGUMENT',
    `${what}: expected a Tensor, nested arrays or { data, shape }, got ${value === null ? 'null' : typeof value}`,
    typeof value === 'number' ? { hint: 'Sources give batches, not samples: call .batch(32) on a data.Dataset' } : {},
  )
}

/** The device the rows of a tree are on. */
export const deviceOf = (tree: Tree): string => leaves('', tree)[0]![1].device

/** The Tensors of a tree with names for messages. */
export function leaves(what: string, tree: Tree | undefined): [string, Tensor][] {
  const named: [string, Tensor][] = []
  mapData(tree, (t, path) => (t === undefined ? 0 : named.push([path, t as Tensor])), what)
  return named
}

/** x, y and sampleWeight as Tensors; throws unless they have the same number of rows. */
export function toColumns(forms: Forms, x: unknown, y: unknown, sampleWeight: unknown, owned: Tensor[]): Columns {
  const inputs = toTree('x', x, owned, forms.device, forms.listOfInputs)
  const targets = y === undefined ? undefined : toTree('y', y, owned, forms.device, forms.listOfOutputs)
  if (inputs instanceof Tensor && inputs.rank > 0 && targets === undefined && sampleWeight === undefined)
    return { x: inputs, y: undefined, sampleWeight: undefined, rows: inputs.shape[0]! }
  const weights = sampleWeight === undefined ? undefined : toTree('sampleWeight', sampleWeight, owned, forms.device)
  if (weights !== undefined && !(weights instanceof Tensor))
    throw new WeftError('ERR_ARGUMENT', 'sampleWeight: expected one value per sample')
  const named = [...leaves('x', inputs), ...leaves('y', targets), ...leaves('sampleWeight', weights)]
  for (const [name, t] of named) {
    if (t.rank === 0)
      throw new WeftError('ERR_SHAPE', `${name}: a scalar has no rows`, { hint: 'Values need a batch axis: [samples, ...]' })
  }
  const [[first, one]] = named as [[string, Tensor]]
  const rows = one.shape[0]!
  for (const [name, t] of named) {
    if (t.shape[0] === rows) continue
    throw new WeftError('ERR_SHAPE', `${first} has ${rows} samples, ${name} has ${t.shape[0]}`, {
      shapes: [one.shape, t.shape],
      hint: 'Inputs, targets and weights need the same extent along axis 0',
    })
  }
  return { x: inputs, y: targets, sampleWeight: weights, rows }
}

/** A batch of a stream as Tensors. */
export function batchColumns(forms: Forms, batch: unknown): Columns {
  if (typeof batch !== 'object' || batch === null || !('x' in batch)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `a source of batches gave ${batch === null ? 'null' : Array.isArray(batch) ? `an array of ${batch.length}` : typeof batch}`,
      {
        hint: 'Batches are { x, y, sampleWeight? }',
      },
    )
  }
  const { x, y, sampleWeight } = batch as StreamBatch
  return toColumns(forms, x, y, sampleWeight, [])
}

/**
 * Throws ERR_ARGUMENT for a source that says it never ends. @param option the option that would end it: 'fit:
 * stepsPerEpoch'
 */
export function checkEnds(option: string, source: unknown): void {
  const endless = typeof source === 'object' && source !== null && (source as { size?: unknown }).size === Number.POSITIVE_INFINITY
  if (!endless) return
  const [what, name] = option.split(': ') as [string, string]
  throw new WeftError('ERR_ARGUMENT', `${what}: the source of batches repeats endlessly`, {
    hint: `Say how many batches to take: ${name}: 100, or leave out repeat()`,
  })
}

/**
 * Opens one pass over a source of batches. `option`: the one that would end a source without an end, where it was not
 * given.
 */
export async function openStream(source: StreamSource, option?: string): Promise<AsyncIterator<unknown> | Iterator<unknown>> {
  return iteratorOf(await streamOf(source, option))
}

/** The stream that a source is, or gives for one pass; checked as openStream() does. */
export async function streamOf(source: StreamSource, option?: string): Promise<Stream> {
  const stream = typeof source === 'function' ? await source() : source
  if (option !== undefined) checkEnds(option, stream)
  return stream
}

/** Opens a stream. */
export function iteratorOf(stream: Stream): AsyncIterator<unknown> | Iterator<unknown> {
  if (typeof stream === 'object' && stream !== null) {
    if (Symbol.asyncIterator in stream) return stream[Symbol.asyncIterator]()
    if (Symbol.iterator in stream) return stream[Symbol.iterator]()
  }
  throw new WeftError(
    'ERR_ARGUMENT',
    `a source of batches must be an iterable or a function that returns one, got ${stream === null ? 'null' : typeof stream}`,
  )
}

/** Number of batches of a pass, where the source tells. */
export function streamSize(source: StreamSource): number | undefined {
  if (Array.isArray(source)) return source.length
  const size = (source as { size?: unknown } | null | undefined)?.size
  return typeof size === 'number' && Number.isFinite(size) ? size : undefined
}

/** Frees the Tensors that toTree made, once the runs in flight are done. */
export function freeOwned(owned: Tensor[]): void {
  for (const t of owned.splice(0)) t.dispose()
}
