// What the columns of a CSV file hold, and how each field becomes a number or a text.
import { unknownName, WeftError } from '../core/error.js'
import type { CsvOptions, CsvSample } from './csv.js'
import type { CsvReader } from './csv_reader.js'

/** What a column holds; see CsvOptions.columns. */
export type ColumnKind = 'number' | 'category' | 'boolean' | 'date' | 'string'
const KINDS: readonly ColumnKind[] = ['number', 'category', 'boolean', 'date', 'string']
/** What a message says that a column may hold. */
export const CATEGORIES: string = KINDS.map((kind) => `'${kind}'`).join(', ')

/** An error, the row left out, or what is put in the place of a missing value. */
export type Missing = 'error' | 'skip' | number

export const isKinds = (columns: unknown): columns is Readonly<Record<string, ColumnKind>> =>
  typeof columns === 'object' &&
  columns !== null &&
  !Array.isArray(columns) &&
  Object.values(columns).every((kind) => KINDS.includes(kind as ColumnKind))

export interface Layout {
  width: number
  /** The sample of the reader's row; undefined when the row is skipped. */
  sample(reader: CsvReader): CsvSample | undefined
}

/** The value of a field of the row; undefined: the row is left out. */
type Convert<T> = (reader: CsvReader) => T | undefined

/** Decimal numbers, as CSV files have them: no 0x10, which is a code and not 16. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Infinity)$/
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s?(Z|[+-]\d{2}:?\d{2})?)?$/
const YES: ReadonlySet<string> = new Set(['true', 'yes', 't', 'y', '1'])
const NO: ReadonlySet<string> = new Set(['false', 'no', 'f', 'n', '0'])

const hasOwn = (record: object | undefined, name: string): boolean => record !== undefined && Object.hasOwn(record, name)

/** Finds the columns by name and decides how each field becomes a number. */
export function plan(path: string, names: readonly string[], options: CsvOptions, words: Map<string, Map<string, number>>): Layout {
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
  const { columns, categories, missing } = options
  const kinds = isKinds(columns) ? columns : undefined
  const kindOf = (name: string): ColumnKind => (hasOwn(kinds, name) ? kinds![name]! : hasOwn(categories, name) ? 'category' : 'number')
  const labels = options.label === undefined ? [] : typeof options.label === 'string' ? [options.label] : [...options.label]
  const apart = [...labels, ...(options.sampleWeight === undefined ? [] : [options.sampleWeight])]
  const reserved = new Set(apart.map(find))
  const listed = kinds ? Object.keys(kinds).filter((name) => !reserved.has(find(name))) : (columns as readonly string[] | undefined)
  for (const name of Object.keys(categories ?? {})) find(name)
  for (const name of typeof missing === 'object' ? Object.keys(missing) : []) find(name)
  const text = apart.find((name) => kindOf(name) === 'string')
  if (text !== undefined)
    throw new WeftError('ERR_ARGUMENT', `data.csv: the column '${text}' holds strings, which are no labels or weights`)

  const column = (name: string, at: number): Column => new Column(path, name, at, options)
  // names that nobody asks for may be there twice
  const positions = listed
    ? listed.map((name) => column(name, find(name)))
    : names.flatMap((name, i) => (reserved.has(i) ? [] : [column(name, i)]))
  const numeric = positions.filter(({ name }) => kindOf(name) !== 'string').map((one) => numberOf(one, kindOf(one.name), options, words))
  const texts = positions.filter(({ name }) => kindOf(name) === 'string').map((one): [string, Convert<string>] => [one.name, textOf(one)])
  const targets = labels.map((name) => numberOf(column(name, find(name)), kindOf(name), options, words))
  const weightName = options.sampleWeight
  const weight = weightName === undefined ? undefined : numberOf(column(weightName, find(weightName)), kindOf(weightName), options, words)
  const several = typeof options.label !== 'string'
  return {
    width: names.length,
    sample(reader) {
      const x = new Array<number>(numeric.length)
      for (let i = 0; i < x.length; i++) {
        const value = numeric[i]!(reader)
        if (value === undefined) return undefined
        x[i] = value
      }
      const sample: CsvSample = { x }
      if (options.label !== undefined) {
        const y: number[] = []
        for (const target of targets) {
          const value = target(reader)
          if (value === undefined) return undefined
          y.push(value)
        }
        sample.y = several ? y : y[0]!
      }
      if (weight) {
        const value = weight(reader)
        if (value === undefined) return undefined
        sample.sampleWeight = value
      }
      if (texts.length > 0) {
        const strings: Record<string, string> = {}
        for (const [name, convert] of texts) {
          const value = convert(reader)
          if (value === undefined) return undefined
          strings[name] = value
        }
        sample.strings = strings
      }
      return sample
    },
  }
}

/** A column: its place, what is missing in it, and what happens then. */
class Column {
  readonly name: string
  readonly at: number
  readonly missingValues: ReadonlySet<string>
  /** What was said about this column alone, else about all. */
  readonly missing: Missing | string
  readonly own: boolean
  private readonly path: string

  constructor(path: string, name: string, at: number, { missing = 'error', missingValues = ['NA', 'NaN', 'null', '?'] }: CsvOptions) {
    this.path = path
    this.name = name
    this.at = at
    this.missingValues = new Set(['', ...missingValues])
    const record = typeof missing === 'object' ? missing : undefined
    this.own = hasOwn(record, name)
    this.missing = record === undefined ? (missing as Missing) : this.own ? record[name]! : 'error'
  }

  error(reader: CsvReader, why: string, hint: string): WeftError {
    return new WeftError('ERR_DATA', `${this.path}, line ${reader.line}: column '${this.name}' ${why}`, { hint })
  }

  /** Throws for a missing value that nothing is put in the place of. */
  refuse(reader: CsvReader, field: string): never {
    throw this.error(reader, `has no value ('${field}')`, "Set missing to 'skip' to leave such rows out, or to the number to use instead")
  }
}

function numberOf(column: Column, kind: ColumnKind, options: CsvOptions, words: Map<string, Map<string, number>>): Convert<number> {
  const { at, name, missing, missingValues } = column
  if (typeof missing === 'string' && missing !== 'error' && missing !== 'skip')
    throw new WeftError('ERR_ARGUMENT', `data.csv: missing of '${name}' must be 'error', 'skip' or a number, got '${missing}'`)
  const read =
    kind === 'category'
      ? categoryOf(column, options, words)
      : kind === 'boolean'
        ? booleanOf(column)
        : kind === 'date'
          ? dateOf(column)
          : decimalOf(column)
  // a code for what is missing may be a number
  const plain = kind === 'number' && ![...missingValues].some((value) => DECIMAL.test(value))
  return (reader) => {
    if (plain) {
      const value = reader.number(at)
      if (!Number.isNaN(value)) return value
    }
    const field = reader.text(at)
    const text = field.trim()
    const known = kind === 'category' ? read(text, field, reader, true) : undefined
    if (known !== undefined) return known
    if (!missingValues.has(text)) return read(text, field, reader, false)
    return missing === 'skip' ? undefined : typeof missing === 'number' ? missing : column.refuse(reader, field)
  }
}

/** A text as a number; of categories undefined where `known` asks for those alone that there are already. */
type Read = (text: string, field: string, reader: CsvReader, known: boolean) => number | undefined

const decimalOf =
  (column: Column): Read =>
  (text, field, reader) => {
    if (DECIMAL.test(text)) return Number(text)
    const name = JSON.stringify(column.name)
    throw column.error(
      reader,
      `has '${field}', which is not a number`,
      `Name its categories, as in categories: { ${name}: ['${text}', ...] }, say what it holds, as in columns: { ${name}: 'category' }, or leave it out with columns`,
    )
  }

function categoryOf(column: Column, { categories }: CsvOptions, words: Map<string, Map<string, number>>): Read {
  const { name } = column
  const given = hasOwn(categories, name) ? categories![name]! : undefined
  if (given !== undefined) {
    const numbers = Array.isArray(given) ? new Map(given.map((key: string, i) => [key, i])) : new Map(Object.entries(given))
    return (text, _, reader, known) => {
      const number = numbers.get(text)
      if (number !== undefined || known) return number
      throw column.error(reader, `has the unknown category '${text}'`, `Known: ${[...numbers.keys()].join(', ')}`)
    }
  }
  const numbers = words.get(name) ?? new Map<string, number>()
  words.set(name, numbers)
  return (text, _, __, known) => {
    const number = numbers.get(text)
    if (number !== undefined || known) return number
    numbers.set(text, numbers.size)
    return numbers.size - 1
  }
}

const booleanOf =
  (column: Column): Read =>
  (text, field, reader) => {
    const word = text.toLowerCase()
    if (YES.has(word)) return 1
    if (NO.has(word)) return 0
    throw column.error(reader, `has '${field}', which is neither true nor false`, 'Known: true, yes, t, y, 1, false, no, f, n, 0')
  }

const dateOf =
  (column: Column): Read =>
  (text, field, reader) => {
    const found = DATE.exec(text)
    const [, year, month, day, hour = '0', minute = '0', second = '0', zone = 'Z'] = found ?? []
    const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day))
    const date = new Date(midnight)
    const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second.replace(',', '.'))
    // 2023-02-30 would be a day of March
    const real = date.getUTCDate() === Number(day) && date.getUTCMonth() + 1 === Number(month) && Number(minute) < 60 && Number(second) < 61
    if (!found || !real || seconds > 86_400)
      throw column.error(reader, `has '${field}', which is not a date`, 'Dates are like 2024-03-01 or 2024-03-01T12:30:00Z')
    const ahead = zone === 'Z' ? 0 : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(-2)) * 60)
    return (midnight / 1000 + seconds - ahead) / 86_400
  }

/** Texts as they are; where the column has its own word about missing values, those of it are missing. */
function textOf(column: Column): Convert<string> {
  const { at, own, missing, missingValues } = column
  if (own && typeof missing === 'number')
    throw new WeftError('ERR_ARGUMENT', `data.csv: missing of '${column.name}' must be 'error', 'skip' or a text, got ${missing}`)
  return (reader) => {
    const text = reader.text(at)
    if (!own || !missingValues.has(text.trim())) return text
    return missing === 'skip' ? undefined : missing === 'error' ? column.refuse(reader, text) : (missing as string)
  }
}
