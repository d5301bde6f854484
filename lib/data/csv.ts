// data.csv: a Dataset that streams the rows of a comma-separated file as samples of numbers, and of texts.
import { createReadStream, existsSync, statSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { TextDecoder } from 'node:util'
import { createGunzip } from 'node:zlib'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { warnOnce } from '../core/warnings.js'
import { pathOf } from '../core/place.js'
import { CATEGORIES, type ColumnKind, isKinds, type Layout, type Missing, plan } from './columns.js'
import { CsvReader } from './csv_reader.js'
import { Dataset } from './dataset.js'
import { markGap } from './gaps.js'
import { breather } from './sources.js'

export interface CsvOptions {
  /** The column, or columns, that become y; without it samples have no y. */
  label?: string | readonly string[]
  /**
   * The columns that become x, in this order: a list of names, or a record that says what each holds. Default: all but
   * labels and weight. 'number'; 'category': a word, as its number among `categories`, or else in the order in which
   * words appear; 'boolean': true, yes, t, y and 1 as 1, and their opposites as 0, in any case; 'date': an ISO 8601
   * date, with or without a time, as days since 1970-01-01 in UTC, which is the zone of times without one; 'string':
   * text, which becomes no part of x but of `strings`. The record may also say what labels hold.
   */
  columns?: readonly string[] | Readonly<Record<string, ColumnKind>>
  /** The column that becomes sampleWeight. */
  sampleWeight?: string
  /**
   * True (default): the first row names the columns. A list: these are the names, and the first row is data. False:
   * 'column0', 'column1', ...
   */
  header?: boolean | readonly string[]
  /** Default: ','. */
  delimiter?: string
  /**
   * What to do with a missing value: 'error' (default), 'skip' the row, or the number to put in its place, in labels
   * and columns of categories too; or a record with one of these for some columns, a text for those of strings. Columns
   * of strings have no missing values but those that the record is about. data.windows makes no window over rows that
   * were left out, where it gets the rows as they are: rows.map(({ x }) => x).
   */
  missing?: Missing | Readonly<Record<string, Missing | string>>
  /**
   * Fields that count as missing, as empty ones do; they are compared without surrounding blanks. Default: 'NA', 'NaN',
   * 'null', '?'.
   */
  missingValues?: readonly string[]
  /** Longest row in bytes; a longer one is an error. Default 16 MiB. */
  maxLineBytes?: number
  /**
   * Most bytes of the file, unpacked. Default: no limit; of .gz files 1 GiB, or 200 times the packed size where that is
   * more.
   */
  maxBytes?: number
  /** Columns of categories: the category names in order (numbered from 0), or the number of each. */
  categories?: Readonly<Record<string, readonly string[] | Readonly<Record<string, number>>>>
}

const CSV_OPTIONS: OptionTable<CsvOptions> = {
  label: 'any',
  columns: 'any',
  sampleWeight: 'string',
  header: 'any',
  delimiter: 'string',
  missing: 'any',
  missingValues: 'list',
  maxLineBytes: 'integer',
  maxBytes: 'number',
  categories: 'object',
}

export interface CsvSample {
  /** One number per column of x. */
  x: number[]
  /** The texts of columns of strings, by name, where there are some. */
  strings?: Record<string, string>
  /** A number, or an array where `label` is one. */
  y?: number | number[]
  sampleWeight?: number
}

/** The rows of a CSV file. */
export class CsvDataset extends Dataset<CsvSample> {
  private readonly words: ReadonlyMap<string, ReadonlyMap<string, number>>

  /** @internal */
  constructor(path: string, options: CsvOptions) {
    const words: Map<string, Map<string, number>> = new Map()
    super({ size: undefined, open: () => samples(path, options, words) })
    this.words = words
  }

  /**
   * The words of columns of the kind 'category' that were met so far, in the order of their numbers: what `categories`
   * of another file takes.
   */
  get categories(): Record<string, string[]> {
    return Object.fromEntries([...this.words].map(([name, numbers]) => [name, [...numbers.keys()]]))
  }
}

/**
 * Streams a CSV file (RFC 4180: quoted fields, CRLF or LF; a byte order mark is ignored; .gz files are unpacked),
 * reading it anew on every pass.
 */
export function csv(file: string | URL, options: CsvOptions = {}): CsvDataset {
  checkCall('data.csv(file, options)', arguments, CSV_OPTIONS)
  const path = pathOf('data.csv', file, 'file')
  if (!existsSync(path)) throw new WeftError('ERR_ARGUMENT', `data.csv: no file '${path}'`)
  checkValues(options)
  for (const name of ['maxLineBytes', 'maxBytes'] as const) {
    const bytes = options[name]
    if (bytes !== undefined && !(bytes >= 1)) throw new WeftError('ERR_ARGUMENT', `data.csv: ${name} must be at least 1, got ${bytes}`)
  }
  return new CsvDataset(path, options)
}

/** Throws ERR_ARGUMENT for options whose values are of no use. */
function checkValues({ missing = 'error', missingValues, label, columns, delimiter, categories }: CsvOptions): void {
  const isMissing = (value: unknown): boolean => value === 'error' || value === 'skip' || typeof value === 'number'
  const perColumn = typeof missing === 'object' && missing !== null && !Array.isArray(missing)
  if (!isMissing(missing) && !perColumn)
    throw new WeftError('ERR_ARGUMENT', `data.csv: missing must be 'error', 'skip', a number or a record of them, got ${show(missing)}`)
  for (const [name, value] of Object.entries(perColumn ? (missing as object) : {}))
    if (!isMissing(value) && typeof value !== 'string')
      throw new WeftError('ERR_ARGUMENT', `data.csv: missing of '${name}' must be 'error', 'skip', a number or a text, got ${show(value)}`)
  const isNames = (names: unknown): boolean =>
    Array.isArray(names) && Array.from(names as unknown[]).every((name) => typeof name === 'string')
  if (label !== undefined && typeof label !== 'string' && !isNames(label))
    throw new WeftError('ERR_ARGUMENT', `data.csv: label is the name of a column or a list of names, got ${show(label)}`)
  if (columns !== undefined && !isNames(columns) && !isKinds(columns))
    throw new WeftError('ERR_ARGUMENT', `data.csv: columns is a list of names, or a record of ${CATEGORIES} by name, got ${show(columns)}`)
  if (missingValues !== undefined && !isNames(missingValues))
    throw new WeftError('ERR_ARGUMENT', `data.csv: missingValues is a list of texts, got ${show(missingValues)}`)
  if (delimiter !== undefined && (delimiter === '' || /["\r\n]/.test(delimiter)))
    throw new WeftError('ERR_ARGUMENT', `data.csv: delimiter is a text without quotes and line ends, got ${show(delimiter)}`)
  if (categories === undefined || Array.isArray(columns) || columns === undefined) return
  for (const [name, kind] of Object.entries(columns))
    if (Object.hasOwn(categories, name) && kind !== 'category')
      throw new WeftError('ERR_ARGUMENT', `data.csv: categories of '${name}', whose kind is '${kind}'`)
}

async function* samples(path: string, options: CsvOptions, words: Map<string, Map<string, number>>): AsyncGenerator<CsvSample, void> {
  const pause = breather()
  const { delimiter = ',', maxLineBytes = LONGEST_LINE, header = true } = options
  const reader = new CsvReader(path, delimiter, maxLineBytes)
  const state: { layout?: Layout; skipped: number; gap: number } = { skipped: 0, gap: 0 }
  const rowsIn = function* (last: boolean): Generator<CsvSample, void> {
    while (reader.next(last)) {
      if (state.layout === undefined) {
        const first = reader.texts()
        const names = Array.isArray(header)
          ? [...header]
          : header === true
            ? first.map((name) => name.trim())
            : first.map((_, i) => `column${i}`)
        state.layout = plan(path, names, options, words)
        if (header === true) continue
      }
      const { layout } = state
      if (reader.count !== layout.width)
        throw new WeftError('ERR_FORMAT', `${path}, line ${reader.line}: ${reader.count} fields, but there are ${layout.width} columns`)
      const sample = layout.sample(reader)
      if (sample) {
        if (state.gap > 0) markGap([sample.x, sample.y], state.gap)
        state.gap = 0
        yield sample
      } else {
        state.skipped++
        state.gap++
      }
    }
  }
  for await (const piece of bytesOf(path, options)) {
    reader.push(piece)
    for (const sample of rowsIn(false)) {
      yield sample
      const turn = pause()
      if (turn) await turn
    }
  }
  for (const sample of rowsIn(true)) yield sample
  if (state.layout === undefined) throw new WeftError('ERR_FORMAT', `${path}: the file is empty`)
  if (state.skipped > 0) {
    warnOnce(
      'WEFT_CSV_SKIPPED',
      `data.csv: ${state.skipped} rows of ${path} with missing values were left out. In a time series they leave gaps: pass data.windows the rows ({ x }) => x, which know of them; single numbers taken out of rows do not`,
      path,
    )
  }
}

const LONGEST_LINE = 2 ** 24
const LEAST_UNPACKED = 2 ** 30
const MOST_PACKED = 200
/** Bytes read at once. */
const PIECE = 2 ** 18

/** The bytes of the file, unpacked, in UTF-8. */
async function* bytesOf(path: string, options: CsvOptions): AsyncGenerator<Buffer, void> {
  const packed = path.endsWith('.gz')
  const most = options.maxBytes ?? (packed ? Math.max(LEAST_UNPACKED, MOST_PACKED * statSync(path).size) : Number.POSITIVE_INFINITY)
  const bytes = createReadStream(path, { highWaterMark: PIECE })
  // what fails in between destroys the last stream with the error, so the loop below throws it
  const stream = packed ? pipeline(bytes, createGunzip({ chunkSize: PIECE }), () => {}) : bytes
  let count = 0
  let wide: TextDecoder | undefined
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      if (count === 0 && piece[0] === 0xff && piece[1] === 0xfe) wide = new TextDecoder('utf-16le')
      count += piece.length
      if (count > most) {
        throw new WeftError('ERR_FORMAT', `${path}: the file has more than ${most} bytes${packed ? ' unpacked' : ''}`, {
          hint: 'Give a larger maxBytes if that is right',
        })
      }
      yield wide ? Buffer.from(wide.decode(piece, { stream: true }), 'utf8') : piece
    }
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    throw new WeftError('ERR_FORMAT', `${path}: ${(cause as Error).message}`, { cause })
  } finally {
    bytes.destroy()
  }
}
