// data.csv: a Dataset that streams the rows of a comma-separated file as samples of numbers, and of texts.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Words } from './column_values.js'
import { checkColumns, COLUMN_OPTIONS, type ColumnOptions, type Layout, plan, RowDataset, type RowSample } from './columns.js'
import { CsvReader } from './csv_reader.js'
import { bytesOf, FILE_OPTIONS, type FileOptions, fileOf, LONGEST_LINE } from './file_bytes.js'
import { LeftOut } from './left_out.js'
import { breather } from './sources.js'

export interface CsvOptions extends ColumnOptions, FileOptions {
  /**
   * True (default): the first row names the columns. A list: these are the names, and the first row is data. False:
   * 'column0', 'column1', ...
   */
  header?: boolean | readonly string[]
  /** Default: ','. */
  delimiter?: string
}

const CSV_OPTIONS: OptionTable<CsvOptions> = { ...COLUMN_OPTIONS, ...FILE_OPTIONS, header: 'any', delimiter: 'string' }

export type CsvSample = RowSample
export type CsvDataset = RowDataset

/**
 * Streams a CSV file (RFC 4180: quoted fields, CRLF or LF; a byte order mark is ignored; .gz files are unpacked),
 * reading it anew on every pass.
 */
export function csv(file: string | URL, options: CsvOptions = {}): CsvDataset {
  checkCall('data.csv(file, options)', arguments, CSV_OPTIONS)
  const path = fileOf('data.csv', file, options)
  checkColumns('data.csv', options)
  const { delimiter } = options
  if (delimiter !== undefined && (delimiter === '' || /["\r\n]/.test(delimiter)))
    throw new WeftError('ERR_ARGUMENT', `data.csv: delimiter is a text without quotes and line ends, got ${show(delimiter)}`)
  const words: Words = new Map()
  return new RowDataset(words, () => samples(path, options, words))
}

async function* samples(path: string, options: CsvOptions, words: Words): AsyncGenerator<CsvSample, void> {
  const pause = breather()
  const { delimiter = ',', maxLineBytes = LONGEST_LINE, header = true } = options
  const reader = new CsvReader(path, delimiter, maxLineBytes)
  const state: { layout?: Layout } = {}
  const left = new LeftOut('data.csv', path)
  const rowsIn = function* (last: boolean): Generator<CsvSample, void> {
    while (reader.next(last)) {
      if (state.layout === undefined) {
        const first = reader.texts()
        const names = Array.isArray(header)
          ? [...header]
          : header === true
            ? first.map((name) => name.trim())
            : first.map((_, i) => `column${i}`)
        state.layout = plan('data.csv', path, names, options, words)
        if (header === true) continue
      }
      const { layout } = state
      if (reader.count !== layout.width)
        throw new WeftError('ERR_FORMAT', `${path}, line ${reader.line}: ${reader.count} fields, but there are ${layout.width} columns`)
      const sample = left.without(layout.sample(reader))
      if (sample) yield sample
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
  left.warn()
}
