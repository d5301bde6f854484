// Datasets as TensorFlow.js has them: elements are values or records { xs, ys }, batched to Tensors.
import path from 'node:path'
import { createReadStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { nextSeed } from '../core/random.js'
import { joinElements } from '../data/collate.js'
import { Dataset as WeftDataset } from '../data/dataset.js'
import { csv as weftCsv } from '../data/csv.js'
import { CsvReader } from '../data/csv_reader.js'

/** A lazy sequence of elements that can be read again and again. */
export class Dataset<T = unknown> implements AsyncIterable<T> {
  private readonly source: WeftDataset<T>

  constructor(source: WeftDataset<T>) {
    this.source = source
  }

  /** Number of elements, where it is known; Infinity for an endless repeat. */
  get size(): number | null {
    return this.source.size ?? null
  }
  [Symbol.asyncIterator](): AsyncIterator<T, void> {
    return this.source[Symbol.asyncIterator]()
  }

  map<R>(transform: (element: T) => R): Dataset<R> {
    return new Dataset(this.source.map((element) => transform(element)))
  }
  mapAsync<R>(transform: (element: T) => Promise<R>): Dataset<R> {
    return new Dataset(this.source.map((element) => transform(element)))
  }
  filter(predicate: (element: T) => boolean): Dataset<T> {
    return new Dataset(this.source.filter((element) => predicate(element)))
  }
  take(count: number): Dataset<T> {
    return count < 0 ? this : new Dataset(this.source.take(count))
  }
  skip(count: number): Dataset<T> {
    return new Dataset(this.source.skip(Math.max(0, count)))
  }
  /** Endlessly without a count. */
  repeat(count?: number): Dataset<T> {
    return new Dataset(count === undefined || count < 0 ? this.source.repeat() : this.source.repeat(count))
  }
  prefetch(bufferSize: number): Dataset<T> {
    return new Dataset(this.source.prefetch(bufferSize))
  }
  shuffle(bufferSize: number, seed?: string | number, reshuffleEachIteration = true): Dataset<T> {
    return new Dataset(this.source.shuffle({ bufferSize, seed: numberOf(seed), reshuffleEachIteration }))
  }

  /** `batchSize` elements at a time, their values as Tensors with a leading axis. */
  batch(batchSize: number, smallLastBatch = true): Dataset<unknown> {
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new WeftError('ERR_ARGUMENT', `batch: batchSize must be a positive integer, got ${show(batchSize)}`)
    const { source } = this
    const size =
      source.size === undefined ? undefined : smallLastBatch ? Math.ceil(source.size / batchSize) : Math.floor(source.size / batchSize)
    return new Dataset(
      new WeftDataset<unknown>({
        size,
        async *open() {
          let elements: T[] = []
          for await (const element of source) {
            elements.push(element)
            if (elements.length < batchSize) continue
            yield joinElements(elements)
            elements = []
          }
          if (elements.length > 0 && smallLastBatch) yield joinElements(elements)
        },
      }),
    )
  }

  async forEachAsync(visit: (element: T) => void): Promise<void> {
    for await (const element of this) visit(element)
  }
  async toArray(): Promise<T[]> {
    const elements: T[] = []
    for await (const element of this) elements.push(element)
    return elements
  }
  /** An iterator with next() → { value, done }. */
  iterator(): Promise<AsyncIterator<T, void>> {
    return Promise.resolve(this[Symbol.asyncIterator]())
  }
  /** Names of the columns of a CSV file. */
  columnNames?(): Promise<string[]>
}

/** Weft's shuffles take numbers; TensorFlow.js takes any text. */
function numberOf(seed: string | number | undefined): number {
  if (seed === undefined) return nextSeed()
  if (typeof seed === 'number') return seed
  let hash = 0
  for (const character of seed) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) | 0
  return hash
}

/** The elements of an array. */
export const array = <T>(items: readonly T[]): Dataset<T> => {
  if (!Array.isArray(items)) throw new WeftError('ERR_ARGUMENT', `data.array: expected a list, got ${show(items)}`)
  return new Dataset(
    new WeftDataset<T>({
      size: items.length,
      async *open() {
        yield* items
      },
    }),
  )
}

/** What a generator function gives, called anew for each pass. */
export const generator = <T>(make: () => Iterable<T> | AsyncIterable<T> | Promise<Iterable<T> | AsyncIterable<T>>): Dataset<T> =>
  new Dataset(
    new WeftDataset<T>({
      size: undefined,
      async *open() {
        yield* await make()
      },
    }),
  )

/** Elements of several datasets side by side, as { xs, ys } or as a list. The shortest ends it. */
export function zip(datasets: Readonly<Record<string, Dataset>> | readonly Dataset[]): Dataset<unknown> {
  const parts = Object.entries(datasets) as [string, Dataset][]
  const sizes = parts.map(([, part]) => part.size)
  return new Dataset(
    new WeftDataset<unknown>({
      size: sizes.includes(null) ? undefined : Math.min(...(sizes as number[])),
      async *open() {
        const iterators = parts.map(([, part]) => part[Symbol.asyncIterator]())
        for (;;) {
          const results = await Promise.all(iterators.map((iterator) => iterator.next()))
          if (results.some(({ done }) => done)) break
          const values = results.map(({ value }) => value as unknown)
          yield Array.isArray(datasets) ? values : Object.fromEntries(parts.map(([key], i) => [key, values[i]]))
        }
        for (const iterator of iterators) await iterator.return?.()
      },
    }),
  )
}

export interface CsvConfig {
  hasHeader?: boolean
  columnNames?: readonly string[]
  columnConfigs?: Readonly<Record<string, { isLabel?: boolean; required?: boolean; dtype?: string; default?: unknown }>>
  configuredColumnsOnly?: boolean
  delimiter?: string
}

/**
 * Rows of numbers of a CSV file (a path, or a URL file://): records by column; with columns that are labels
 * { xs: record, ys: record }.
 */
export function csv(place: string, config: CsvConfig = {}): Dataset<unknown> {
  const { hasHeader = true, columnNames, columnConfigs = {}, configuredColumnsOnly = false, delimiter } = config
  if (/^https?:/.test(place)) throw new WeftError('ERR_ARGUMENT', 'data.csv: only files are read', { hint: 'Download the file first' })
  for (const [name, { required, dtype, default: otherwise }] of Object.entries(columnConfigs)) {
    const asked =
      required !== undefined
        ? 'required'
        : otherwise !== undefined
          ? 'default'
          : dtype !== undefined && dtype !== 'float32'
            ? `dtype '${dtype}'`
            : undefined
    if (asked !== undefined)
      throw new WeftError('ERR_ARGUMENT', `data.csv: ${asked} of column '${name}' is not supported`, {
        hint: "Write data.csv(file, { columns, missing }) of 'weftjs'",
      })
  }
  if (columnNames !== undefined && config.hasHeader === undefined)
    throw new WeftError('ERR_ARGUMENT', 'data.csv: columnNames needs hasHeader: false', {
      hint: 'A file with a header names its columns itself',
    })
  const file = place.startsWith('file:///') ? fileURLToPath(place) : path.resolve(place.replace(/^file:\/\//, ''))
  const labels = Object.keys(columnConfigs).filter((name) => columnConfigs[name]!.isLabel)
  const features = configuredColumnsOnly ? Object.keys(columnConfigs).filter((name) => !labels.includes(name)) : undefined
  const header = columnNames ?? hasHeader
  const rows = weftCsv(file, {
    header: header as true,
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(labels.length === 0 ? {} : { label: labels }),
    ...(features === undefined ? {} : { columns: features }),
  })
  const names = async (): Promise<string[]> =>
    features ?? (await columnsOf(file, columnNames, hasHeader, delimiter)).filter((name) => !labels.includes(name))
  let known: string[] | undefined
  const dataset = new Dataset(
    rows.map(async (row) => {
      known ??= await names()
      const { x, y } = row as { x: ArrayLike<number>; y?: number | ArrayLike<number> }
      const xs = Object.fromEntries(known.map((name, i) => [name, x[i]]))
      if (labels.length === 0) return xs
      const values = typeof y === 'number' ? [y] : y!
      return { xs, ys: Object.fromEntries(labels.map((name, i) => [name, values[i]])) }
    }),
  )
  return Object.assign(dataset, { columnNames: async () => [...(await names()), ...labels] })
}

/** Longest line of names. */
const LONGEST_LINE = 1 << 24

/** Names of a file's columns, in order. */
async function columnsOf(file: string, given: readonly string[] | undefined, hasHeader: boolean, delimiter = ','): Promise<string[]> {
  if (given !== undefined) return [...given]
  const reader = new CsvReader(file, delimiter, LONGEST_LINE)
  const named = (): string[] => reader.texts().map((name, i) => (hasHeader ? name.trim() : `column${i}`))
  for await (const piece of createReadStream(file) as AsyncIterable<Buffer>) {
    reader.push(piece)
    if (reader.next(false)) return named()
  }
  return reader.next(true) ? named() : []
}
