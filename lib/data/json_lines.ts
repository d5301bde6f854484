// data.jsonLines: a Dataset that streams the lines of a file of JSON, as they are or as samples.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import type { Words } from './column_values.js'
import { checkColumns, COLUMN_OPTIONS, type ColumnOptions, namesOf, plan, RowDataset, type RowSample } from './columns.js'
import { Dataset } from './dataset.js'
import { bytesOf, FILE_OPTIONS, type FileOptions, fileOf, LONGEST_LINE, tooLong } from './file_bytes.js'
import { LeftOut } from './left_out.js'
import { RecordRow, Unseen } from './record_row.js'
import { breather } from './sources.js'

export interface JsonLinesOptions extends ColumnOptions, FileOptions {}
const JSON_LINES_OPTIONS: OptionTable<JsonLinesOptions> = { ...COLUMN_OPTIONS, ...FILE_OPTIONS }

/** Options that say what becomes of the fields. */
export type Selected<T extends ColumnOptions> = T & (Required<Pick<T, 'columns'>> | Required<Pick<T, 'label'>>)
/** Options of rows that are taken as they are. */
export type Whole<T extends ColumnOptions> = Omit<T, keyof ColumnOptions> & { readonly [K in keyof ColumnOptions]?: undefined }

/**
 * Streams a file with one JSON value on each line (JSON Lines; blank lines and a byte order mark are ignored, .gz files
 * are unpacked), reading it anew on every pass. With `columns` or `label` the lines are records, which become samples
 * { x, y?, sampleWeight?, strings? } as the rows of data.csv do; without them elements are the values as they are.
 */
export function jsonLines(file: string | URL, options: Selected<JsonLinesOptions>): RowDataset
export function jsonLines<T = Record<string, unknown>>(file: string | URL, options?: Whole<JsonLinesOptions>): Dataset<T>
export function jsonLines(file: string | URL, options: JsonLinesOptions): Dataset<unknown>
export function jsonLines(file: string | URL, options: JsonLinesOptions = {}): Dataset<unknown> {
  const what = 'data.jsonLines'
  checkCall(`${what}(file, options)`, arguments, JSON_LINES_OPTIONS)
  const path = fileOf(what, file, options)
  checkColumns(what, options)
  if (options.columns === undefined && options.label === undefined) {
    refuseUnused(what, options)
    return new Dataset<unknown>({ size: undefined, open: () => values(path, options) })
  }
  const words: Words = new Map()
  return new RowDataset(words, () => samples(what, path, options, words))
}

/** Throws for options that mean nothing where rows are taken as they are. */
export function refuseUnused(what: string, options: ColumnOptions): void {
  const name = (['sampleWeight', 'missing', 'missingValues', 'categories'] as const).find((one) => options[one] !== undefined)
  if (name === undefined) return
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} says how rows become samples, but neither columns nor label is given`, {
    hint: `Write { columns: ['a', 'b'], ${name}: ... }, or leave out ${name} to get the rows as they are`,
  })
}

interface Line {
  /** From 1. */
  number: number
  value: unknown
}

/** The lines that are not blank. */
async function* lines(path: string, options: FileOptions): AsyncGenerator<Line, void> {
  const longest = options.maxLineBytes ?? LONGEST_LINE
  const pause = breather()
  let rest: Buffer[] = []
  let waiting = 0
  let number = 0
  const parsed = (bytes: Buffer): Line | undefined => {
    number++
    const from = number === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
    const text = bytes.toString('utf8', from).trim()
    return text === '' ? undefined : { number, value: parse(path, number, text) }
  }
  for await (const piece of bytesOf(path, options)) {
    let begin = 0
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, begin)) {
      const own = piece.subarray(begin, end)
      if (waiting + own.length > longest) throw tooLong(path, longest, 'Is it no file of JSON lines?')
      const line = parsed(waiting === 0 ? own : Buffer.concat([...rest, own], waiting + own.length))
      rest = []
      waiting = 0
      begin = end + 1
      if (line) yield line
      const turn = pause()
      if (turn) await turn
    }
    if (begin === piece.length) continue
    rest.push(piece.subarray(begin))
    waiting += piece.length - begin
    if (waiting > longest) throw tooLong(path, longest, 'Is it no file of JSON lines?')
  }
  const line = waiting === 0 ? undefined : parsed(Buffer.concat(rest, waiting))
  if (line) yield line
}

function parse(path: string, number: number, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const whole = number === 1 && (text === '[' || text === '{')
    throw new WeftError('ERR_FORMAT', `${path}, line ${number}: no JSON value, ${(cause as Error).message}`, {
      cause,
      hint: whole
        ? 'The file is one JSON value over many lines: data.generator(JSON.parse(text)) reads a list'
        : 'Each line is one value, such as { "x": 1, "y": 2 }',
    })
  }
}

async function* values(path: string, options: FileOptions): AsyncGenerator<unknown, void> {
  for await (const { value } of lines(path, options)) yield value
}

async function* samples(what: string, path: string, options: JsonLinesOptions, words: Words): AsyncGenerator<RowSample, void> {
  const { apart, listed } = namesOf(options)
  const left = new LeftOut(what, path)
  let read: ((line: number, record: Record<string, unknown>) => RowSample | undefined) | undefined
  let unseen: Unseen | undefined
  const begin = (first: Record<string, unknown>): NonNullable<typeof read> => {
    const known = Object.keys(first)
    const asked = [...apart, ...(listed ?? [])]
    const names = [...new Set([...known, ...asked])]
    const all = new Set(names)
    const layout = plan(what, path, names, options, words)
    const row = new RecordRow(what, path, names)
    unseen = new Unseen(path, asked, known)
    return (line, record) => {
      if (listed === undefined)
        for (const name of Object.keys(record))
          if (!all.has(name))
            throw new WeftError('ERR_DATA', `${path}, line ${line}: a field '${name}', which the first line does not have`, {
              hint: "Name those to use: { columns: ['a', 'b'] }",
            })
      unseen!.look(record)
      const at = (field: number): unknown => (Object.hasOwn(record, names[field]!) ? record[names[field]!] : undefined)
      return layout.sample(row.at(`line ${line}`, at))
    }
  }
  for await (const { number, value } of lines(path, options)) {
    if (!isRecord(value))
      throw new WeftError('ERR_DATA', `${path}, line ${number}: ${show(value)} is no record with columns`, {
        hint: `Take the values as they are: ${what}(file).map((value) => ({ x: ... }))`,
      })
    read ??= begin(value)
    const sample = left.without(read(number, value))
    if (sample) yield sample
  }
  if (read === undefined) throw new WeftError('ERR_FORMAT', `${path}: the file is empty`)
  unseen!.check()
  left.warn()
}
