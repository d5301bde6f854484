// data.parquet: a Dataset that streams the rows of a Parquet file, as they are or as samples, with the package
// hyparquet.
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import type { Words } from './column_values.js'
import { checkColumns, COLUMN_OPTIONS, type ColumnOptions, namesOf, plan, RowDataset, type RowSample } from './columns.js'
import { Dataset } from './dataset.js'
import { fileOf } from './file_bytes.js'
import { refuseUnused, type Selected, type Whole } from './json_lines.js'
import { LeftOut } from './left_out.js'
import { compressorsFor, hyparquet } from './parquet_package.js'
import { PageCheck } from './parquet_pages.js'
import { RecordRow } from './record_row.js'
import { breather } from './sources.js'

export type ParquetOptions = ColumnOptions

/**
 * Streams a Parquet file, one row group after another, reading it anew on every pass; only the columns asked for are
 * read. With `columns` or `label`, rows become samples { x, y?, sampleWeight?, strings? } as those of data.csv do;
 * without them elements are records, with whole numbers of 64 bits as bigint, and times as Date. Needs the package
 * hyparquet; files packed with Zstandard or LZ4 also need hyparquet-compressors.
 */
export function parquet(file: string | URL, options: Selected<ParquetOptions>): RowDataset
export function parquet<T = Record<string, unknown>>(file: string | URL, options?: Whole<ParquetOptions>): Dataset<T>
export function parquet(file: string | URL, options: ParquetOptions): Dataset<unknown>
export function parquet(file: string | URL, options: ParquetOptions = {}): Dataset<unknown> {
  const what = 'data.parquet'
  checkCall(`${what}(file, options)`, arguments, COLUMN_OPTIONS)
  const path = fileOf(what, file, {})
  if (!statSync(path).isFile()) throw new WeftError('ERR_ARGUMENT', `${what}: '${path}' is no file`)
  checkColumns(what, options)
  if (options.columns === undefined && options.label === undefined) {
    refuseUnused(what, options)
    return new Dataset<unknown>({ size: undefined, open: () => records(path) })
  }
  const words: Words = new Map()
  return new RowDataset(words, () => samples(what, path, options, words))
}

async function* records(path: string): AsyncGenerator<Record<string, unknown>, void> {
  for await (const { names, columns, row } of rows(path, (names) => names))
    yield Object.fromEntries(names.map((name, i) => [name, columns[i]![row] ?? null]))
}

async function* samples(what: string, path: string, options: ParquetOptions, words: Words): AsyncGenerator<RowSample, void> {
  const { apart, listed } = namesOf(options)
  const left = new LeftOut(what, path)
  let read: ((columns: Columns, row: number, place: number) => RowSample | undefined) | undefined
  const chosen = (names: readonly string[]): readonly string[] => {
    if (listed === undefined) return names
    const own = [...new Set([...apart, ...listed])]
    for (const name of own) if (!names.includes(name)) throw unknownName(`column of ${path}`, name, names)
    return own
  }
  for await (const { names, columns, row, place } of rows(path, chosen)) {
    if (read === undefined) {
      const layout = plan(what, path, names, options, words)
      const reader = new RecordRow(what, path, names)
      read = (columns, row, place) => layout.sample(reader.at(`row ${place}`, (field) => columns[field]![row]))
    }
    const sample = left.without(read(columns, row, place))
    if (sample) yield sample
  }
  left.warn()
}

type Columns = readonly ArrayLike<unknown>[]
interface ParquetRow {
  readonly names: readonly string[]
  /** Values of the columns of a row group. */
  readonly columns: Columns
  /** Place in them. */
  readonly row: number
  /** Place in the file, from 1. */
  readonly place: number
}

async function* rows(path: string, choose: (names: readonly string[]) => readonly string[]): AsyncGenerator<ParquetRow, void> {
  const parts = await hyparquet()
  const { parquetMetadataAsync, parquetScan } = parts
  const pause = breather()
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw systemError(`${path} cannot be read`, error, 'ERR_FORMAT')
  })
  /** What the package throws for a file that is none of its kind, or damaged. */
  const whole = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (cause) {
      if (cause instanceof WeftError) throw cause
      throw new WeftError('ERR_FORMAT', `${path}: ${(cause as Error).message}`, { cause, hint: 'Is it a Parquet file, and whole?' })
    }
  }
  try {
    const { size } = await handle.stat()
    let pages: PageCheck | undefined
    const file = {
      byteLength: size,
      slice(begin: number, end: number = size): Promise<ArrayBuffer> {
        const bytes = read(begin, end)
        bytes.catch(() => undefined) // the package reads ahead, and waits for nothing more once something else has failed
        return bytes
      },
    }
    const read = async (begin: number, end: number): Promise<ArrayBuffer> => {
      if (!(begin >= 0 && begin <= end && end <= size))
        throw new WeftError('ERR_FORMAT', `${path}: bytes ${begin} to ${end} are asked for, and the file has ${size}`)
      const bytes = new Uint8Array(end - begin)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, begin)
      if (bytesRead !== bytes.length) throw new WeftError('ERR_FORMAT', `${path}: the file ends at byte ${begin + bytesRead}`)
      pages?.check(bytes.buffer, begin)
      return bytes.buffer
    }
    const metadata = await whole(parquetMetadataAsync(file))
    const top = topColumns(metadata.schema)
    const names = choose(top)
    const compressors = await compressorsFor(path, metadata, new Set(names))
    pages = await whole((async () => new PageCheck(path, parts, metadata, compressors, names, size))())
    const scan = await whole(parquetScan({ file, metadata, columns: [...names], compressors, useOffsetIndex: false }))
    for (const { rowStart, rowEnd } of scan.ranges) {
      const columns: ArrayLike<unknown>[] = []
      for (const column of names) {
        const values = await whole(scan.readColumn({ column, rowStart, rowEnd }))
        if (values.length !== rowEnd - rowStart)
          throw new WeftError('ERR_FORMAT', `${path}: column '${column}' has ${values.length} values for ${rowEnd - rowStart} rows`)
        columns.push(values)
      }
      for (let row = 0; row < rowEnd - rowStart; row++) {
        yield { names, columns, row, place: rowStart + row + 1 }
        const turn = pause()
        if (turn) await turn
      }
    }
  } finally {
    await handle.close()
  }
}

/** Names of the columns at the top, from the schema: a tree in prefix order, whose root is first. */
function topColumns(schema: readonly { name: string; num_children?: number }[]): string[] {
  const names: string[] = []
  let at = 1
  const skip = (): void => {
    const { num_children = 0 } = schema[at++] ?? {}
    for (let child = 0; child < num_children && at < schema.length; child++) skip()
  }
  while (at < schema.length) {
    names.push(schema[at]!.name)
    skip()
  }
  return names
}
