// data.csv: a Dataset that streams the rows of a comma-separated file as samples of numbers.
import { createReadStream, existsSync, statSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { warnOnce } from '../core/warnings.js'
import { pathOf } from '../core/place.js'
import { Dataset } from './dataset.js'
import { markGap } from './gaps.js'
import { breather } from './sources.js'

export interface CsvOptions {
  /** The column, or columns, that become y; without it samples have no y. */
  label?: string | readonly string[]
  /** The columns that become x, in this order. Default: all but labels and weight. */
  columns?: readonly string[]
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
   * and columns of categories too. data.windows
   * makes no window over rows that were left out, where it gets the rows as they are: rows.map(({ x }) => x).
   */
  missing?: 'error' | 'skip' | number
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
  columns: 'list',
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
  /** A number, or an array where `label` is one. */
  y?: number | number[]
  sampleWeight?: number
}

type Convert = (field: string, line: number) => number | undefined

/**
 * Streams a CSV file (RFC 4180: quoted fields, CRLF or LF; a byte order mark is ignored; .gz files are unpacked),
 * reading it anew on every pass.
 */
export function csv(file: string | URL, options: CsvOptions = {}): Dataset<CsvSample> {
  checkCall('data.csv(file, options)', arguments, CSV_OPTIONS)
  const path = pathOf('data.csv', file, 'file')
  if (!existsSync(path)) throw new WeftError('ERR_ARGUMENT', `data.csv: no file '${path}'`)
  checkValues(options)
  for (const name of ['maxLineBytes', 'maxBytes'] as const) {
    const bytes = options[name]
    if (bytes !== undefined && !(bytes >= 1)) throw new WeftError('ERR_ARGUMENT', `data.csv: ${name} must be at least 1, got ${bytes}`)
  }
  return new Dataset<CsvSample>({ size: undefined, open: () => samples(path, options) })
}

/** Throws ERR_ARGUMENT for options whose values are of no use. */
function checkValues({ missing = 'error', label, columns, delimiter }: CsvOptions): void {
  if (missing !== 'error' && missing !== 'skip' && typeof missing !== 'number')
    throw new WeftError('ERR_ARGUMENT', `data.csv: missing must be 'error', 'skip' or a number, got ${show(missing)}`)
  const isNames = (names: unknown): boolean =>
    Array.isArray(names) && Array.from(names as unknown[]).every((name) => typeof name === 'string')
  if (label !== undefined && typeof label !== 'string' && !isNames(label))
    throw new WeftError('ERR_ARGUMENT', `data.csv: label is the name of a column or a list of names, got ${show(label)}`)
  if (columns !== undefined && !isNames(columns))
    throw new WeftError('ERR_ARGUMENT', `data.csv: columns is a list of names, got ${show(columns)}`)
  if (delimiter === '') throw new WeftError('ERR_ARGUMENT', 'data.csv: delimiter is an empty text')
}

async function* samples(path: string, options: CsvOptions): AsyncGenerator<CsvSample, void> {
  const pause = breather()
  const rows = read(path, options)
  let layout: Layout | undefined
  let skipped = 0
  let gap = 0
  for await (const { record, line } of rows) {
    if (layout === undefined) {
      const { header = true } = options
      const names = Array.isArray(header)
        ? [...header]
        : header === true
          ? record.map((name) => name.trim())
          : record.map((_, i) => `column${i}`)
      layout = plan(path, names, options)
      if (header === true) continue
    }
    if (record.length !== layout.width) {
      throw new WeftError('ERR_FORMAT', `${path}, line ${line}: ${record.length} fields, but there are ${layout.width} columns`)
    }
    const sample = layout.sample(record, line)
    if (sample) {
      markGap([sample.x, sample.y], gap)
      gap = 0
      yield sample
    } else {
      skipped++
      gap++
    }
    const turn = pause()
    if (turn) await turn
  }
  if (layout === undefined) throw new WeftError('ERR_FORMAT', `${path}: the file is empty`)
  if (skipped > 0) {
    warnOnce(
      'WEFT_CSV_SKIPPED',
      `data.csv: ${skipped} rows of ${path} with missing values were left out. In a time series they leave gaps: pass data.windows the rows ({ x }) => x, which know of them; single numbers taken out of rows do not`,
      path,
    )
  }
}

const LONGEST_LINE = 2 ** 24
const LEAST_UNPACKED = 2 ** 30
const MOST_PACKED = 200

/** Passes bytes on until there are too many of them. */
function limited(path: string, most: number): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array, void> {
  return async function* (source) {
    let bytes = 0
    for await (const piece of source) {
      bytes += piece.length
      if (bytes > most) {
        throw new WeftError('ERR_FORMAT', `${path}: the file has more than ${most} bytes${path.endsWith('.gz') ? ' unpacked' : ''}`, {
          hint: 'Give a larger maxBytes if that is right',
        })
      }
      yield piece
    }
  }
}

/** Rows of the file as strings, with the line each ends on. */
async function* read(path: string, options: CsvOptions): AsyncGenerator<{ record: string[]; line: number }, void> {
  const { delimiter = ',', maxLineBytes = LONGEST_LINE } = options
  const packed = path.endsWith('.gz')
  const most = options.maxBytes ?? (packed ? Math.max(LEAST_UNPACKED, MOST_PACKED * statSync(path).size) : Number.POSITIVE_INFINITY)
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxLineBytes,
  })
  const bytes = createReadStream(path)
  const failed = (): void => {} // the parser is destroyed with the error, so the loop below throws it
  if (packed) pipeline(bytes, createGunzip(), limited(path, most), parser, failed)
  else pipeline(bytes, limited(path, most), parser, failed)
  try {
    for await (const row of parser) {
      const { record, info } = row as { record: string[]; info: { lines: number } }
      yield { record, line: info.lines }
    }
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    if ((cause as { code?: string }).code === 'CSV_MAX_RECORD_SIZE') {
      throw new WeftError('ERR_FORMAT', `${path}: a row has more than ${maxLineBytes} bytes`, {
        cause,
        hint: 'Is a quote not closed, or is it no CSV file? Else give a larger maxLineBytes',
      })
    }
    throw new WeftError('ERR_FORMAT', `${path}: ${(cause as Error).message}`, { cause })
  }
}

interface Layout {
  width: number
  /** The sample of a row; undefined when the row is skipped. */
  sample(record: readonly string[], line: number): CsvSample | undefined
}

/** Finds the columns by name and decides how each field becomes a number. */
function plan(path: string, names: readonly string[], options: CsvOptions): Layout {
  const find = (name: string): number => {
    const index = names.indexOf(name)
    if (index < 0) throw unknownName(`column of ${path}`, name, names)
    if (names.indexOf(name, index + 1) >= 0) {
      throw new WeftError('ERR_FORMAT', `${path}: two columns are named '${name}'`, {
        hint: "Give every column a name of its own in a list, header: ['x', 'y', ...], or rename one in the file",
      })
    }
    return index
  }
  const labels = options.label === undefined ? [] : typeof options.label === 'string' ? [options.label] : [...options.label]
  const reserved = new Set([...labels, ...(options.sampleWeight === undefined ? [] : [options.sampleWeight])].map(find))
  const features = options.columns ? options.columns.map(find) : names.flatMap((_, i) => (reserved.has(i) ? [] : [i]))
  for (const name of Object.keys(options.categories ?? {})) find(name)
  const missingValues = new Set(['', ...(options.missingValues ?? ['NA', 'NaN', 'null', '?'])])
  const converters = names.map((name) => converter(path, name, options, missingValues))
  const labelColumns = labels.map(find)
  const weightColumn = options.sampleWeight === undefined ? undefined : find(options.sampleWeight)
  const take = (columns: readonly number[], record: readonly string[], line: number): number[] | undefined => {
    const values: number[] = []
    for (const column of columns) {
      const value = converters[column]!(record[column]!, line)
      if (value === undefined) return undefined
      values.push(value)
    }
    return values
  }
  const several = typeof options.label !== 'string'
  return {
    width: names.length,
    sample(record, line) {
      const x = take(features, record, line)
      const y = take(labelColumns, record, line)
      const weight = weightColumn === undefined ? undefined : converters[weightColumn]!(record[weightColumn]!, line)
      if (x === undefined || y === undefined || (weightColumn !== undefined && weight === undefined)) return undefined
      return {
        x,
        ...(options.label !== undefined && { y: several ? y : y[0]! }),
        ...(weight !== undefined && { sampleWeight: weight }),
      }
    },
  }
}

/** Decimal numbers, as CSV files have them: no 0x10, which is a code and not 16. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Infinity)$/

function converter(path: string, name: string, options: CsvOptions, missingValues: ReadonlySet<string>): Convert {
  const { missing = 'error' } = options
  const categories = options.categories && Object.hasOwn(options.categories, name) ? options.categories[name] : undefined
  const numbers =
    categories && (Array.isArray(categories) ? new Map(categories.map((key: string, i) => [key, i])) : new Map(Object.entries(categories)))
  return (field, line) => {
    const text = field.trim()
    const category = numbers?.get(text)
    if (category !== undefined) return category
    if (missingValues.has(text)) {
      if (missing === 'skip') return undefined
      if (typeof missing === 'number') return missing
      throw new WeftError('ERR_DATA', `${path}, line ${line}: column '${name}' has no value ('${field}')`, {
        hint: "Set missing to 'skip' to leave such rows out, or to the number to use instead",
      })
    }
    if (numbers)
      throw new WeftError('ERR_DATA', `${path}, line ${line}: column '${name}' has the unknown category '${text}'`, {
        hint: `Known: ${[...numbers.keys()].join(', ')}`,
      })
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN
    if (Number.isNaN(value)) {
      throw new WeftError('ERR_DATA', `${path}, line ${line}: column '${name}' has '${field}', which is not a number`, {
        hint: `Name its categories, as in categories: { ${JSON.stringify(name)}: ['${text}', ...] }, or leave it out with columns`,
      })
    }
    return value
  }
}
