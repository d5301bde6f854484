// What a field of a row becomes: numbers of decimals, words, dates and booleans, and texts.
import { WeftError } from '../core/error.js'
import type { ColumnKind, ColumnOptions, Missing } from './columns.js'

/** A row as the reader of its file gives it: fields by their place. */
export interface Row {
  /** Where the row stands in its file, for messages: 'line 3'. */
  readonly place: string
  /** The field where it is a number; NaN: its text must be looked at. */
  number(field: number): number
  /** The field as text. */
  text(field: number): string
  /** Whether there is no value, in files that tell it from an empty text. */
  absent?(field: number): boolean
}

/** Numbers of the words of columns of categories, by column. */
export type Words = Map<string, Map<string, number>>
/** The value of a field of the row; undefined: the row is left out. */
export type Convert<T> = (row: Row) => T | undefined

/** Decimal numbers, as CSV files have them: no 0x10, which is a code and not 16. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Infinity)$/
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s?(Z|[+-]\d{2}:?\d{2})?)?$/
const YES: ReadonlySet<string> = new Set(['true', 'yes', 't', 'y', '1'])
const NO: ReadonlySet<string> = new Set(['false', 'no', 'f', 'n', '0'])

export const hasOwn = (record: object | undefined, name: string): boolean => record !== undefined && Object.hasOwn(record, name)

/** A column: its place, what is missing in it, and what happens then. */
export class Column {
  readonly name: string
  readonly at: number
  readonly missingValues: ReadonlySet<string>
  /** What was said about this column alone, else about all. */
  readonly missing: Missing | string
  readonly own: boolean
  readonly what: string
  private readonly path: string

  constructor(
    what: string,
    path: string,
    name: string,
    at: number,
    { missing = 'error', missingValues = ['NA', 'NaN', 'null', '?'] }: ColumnOptions,
  ) {
    this.what = what
    this.path = path
    this.name = name
    this.at = at
    this.missingValues = new Set(['', ...missingValues])
    const record = typeof missing === 'object' ? missing : undefined
    this.own = hasOwn(record, name)
    this.missing = record === undefined ? (missing as Missing) : this.own ? record[name]! : 'error'
  }

  error(row: Row, why: string, hint: string): WeftError {
    return new WeftError('ERR_DATA', `${this.path}, ${row.place}: column '${this.name}' ${why}`, { hint })
  }

  /** Throws for a missing value that nothing is put in the place of. */
  refuse(row: Row, field: string): never {
    throw this.error(row, `has no value ('${field}')`, "Set missing to 'skip' to leave such rows out, or to the number to use instead")
  }
}

export function numberOf(column: Column, kind: ColumnKind, options: ColumnOptions, words: Words): Convert<number> {
  const { at, name, missing, missingValues } = column
  if (typeof missing === 'string' && missing !== 'error' && missing !== 'skip')
    throw new WeftError('ERR_ARGUMENT', `${column.what}: missing of '${name}' must be 'error', 'skip' or a number, got '${missing}'`)
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
  return (row) => {
    if (plain) {
      const value = row.number(at)
      if (!Number.isNaN(value)) return value
    }
    const field = row.text(at)
    const text = field.trim()
    const known = kind === 'category' ? read(text, field, row, true) : undefined
    if (known !== undefined) return known
    if (!missingValues.has(text)) return read(text, field, row, false)
    return missing === 'skip' ? undefined : typeof missing === 'number' ? missing : column.refuse(row, field)
  }
}

/** A text as a number; of categories undefined where `known` asks for those alone that there are already. */
type Read = (text: string, field: string, row: Row, known: boolean) => number | undefined

const decimalOf =
  (column: Column): Read =>
  (text, field, row) => {
    if (DECIMAL.test(text)) return Number(text)
    const name = JSON.stringify(column.name)
    throw column.error(
      row,
      `has '${field}', which is not a number`,
      `Name its categories, as in categories: { ${name}: ['${text}', ...] }, say what it holds, as in columns: { ${name}: 'category' }, or leave it out with columns`,
    )
  }

function categoryOf(column: Column, { categories }: ColumnOptions, words: Words): Read {
  const { name } = column
  const given = hasOwn(categories, name) ? categories![name]! : undefined
  if (given !== undefined) {
    const numbers = Array.isArray(given) ? new Map(given.map((key: string, i) => [key, i])) : new Map(Object.entries(given))
    return (text, _, row, known) => {
      const number = numbers.get(text)
      if (number !== undefined || known) return number
      throw column.error(row, `has the unknown category '${text}'`, `Known: ${[...numbers.keys()].join(', ')}`)
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
  (text, field, row) => {
    const word = text.toLowerCase()
    if (YES.has(word)) return 1
    if (NO.has(word)) return 0
    throw column.error(row, `has '${field}', which is neither true nor false`, 'Known: true, yes, t, y, 1, false, no, f, n, 0')
  }

const dateOf =
  (column: Column): Read =>
  (text, field, row) => {
    const found = DATE.exec(text)
    const [, year, month, day, hour = '0', minute = '0', second = '0', zone = 'Z'] = found ?? []
    const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day))
    const date = new Date(midnight)
    const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second.replace(',', '.'))
    // 2023-02-30 would be a day of March
    const real = date.getUTCDate() === Number(day) && date.getUTCMonth() + 1 === Number(month) && Number(minute) < 60 && Number(second) < 61
    if (!found || !real || seconds > 86_400)
      throw column.error(row, `has '${field}', which is not a date`, 'Dates are like 2024-03-01 or 2024-03-01T12:30:00Z')
    const ahead = zone === 'Z' ? 0 : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(-2)) * 60)
    return (midnight / 1000 + seconds - ahead) / 86_400
  }

/**
 * Texts as they are; where the column has its own word about missing values, those of it are missing. No value is
 * missing in any case.
 */
export function textOf(column: Column): Convert<string> {
  const { at, own, missing, missingValues } = column
  if (own && typeof missing === 'number')
    throw new WeftError('ERR_ARGUMENT', `${column.what}: missing of '${column.name}' must be 'error', 'skip' or a text, got ${missing}`)
  return (row) => {
    const text = row.text(at)
    if (row.absent?.(at) !== true && (!own || !missingValues.has(text.trim()))) return text
    if (missing === 'skip') return undefined
    return own && missing !== 'error' ? (missing as string) : column.refuse(row, text)
  }
}
