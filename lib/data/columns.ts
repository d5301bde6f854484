// Columns of a file of rows: which of them a sample is made of, and what each holds.
import { unknownName, WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { Column, type Convert, hasOwn, numberOf, type Row, textOf, type Words } from './column_values.js'
import { Dataset, type Source } from './dataset.js'

/** What a column holds; see ColumnOptions.columns. */
export type ColumnKind = 'number' | 'category' | 'boolean' | 'date' | 'string'
const KINDS: readonly ColumnKind[] = ['number', 'category', 'boolean', 'date', 'string']
/** What a message says that a column may hold. */
const CATEGORIES: string = KINDS.map((kind) => `'${kind}'`).join(', ')

/** An error, the row left out, or what is put in the place of a missing value. */
export type Missing = 'error' | 'skip' | number

/** How rows become samples. */
export interface ColumnOptions {
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
   * What to do with a missing value: 'error' (default), 'skip' the row, or the number to put in its place, in labels
   * and columns of categories too; or a record with one of these for some columns, a text for those of strings. In CSV
   * files, columns of strings have no missing values but those that the record is about. data.windows makes no window
   * over rows that were left out, where it gets the rows as they are: rows.map(({ x }) => x).
   */
  missing?: Missing | Readonly<Record<string, Missing | string>>
  /**
   * Fields that count as missing, as empty ones do; they are compared without surrounding blanks. Default: 'NA', 'NaN',
   * 'null', '?'.
   */
  missingValues?: readonly string[]
  /** Columns of categories: the category names in order (numbered from 0), or the number of each. */
  categories?: Readonly<Record<string, readonly string[] | Readonly<Record<string, number>>>>
}

export const COLUMN_OPTIONS: OptionTable<ColumnOptions> = {
  label: 'any',
  columns: 'any',
  sampleWeight: 'string',
  missing: 'any',
  missingValues: 'list',
  categories: 'object',
}

/** A row as a sample. */
export interface RowSample {
  /** One number per column of x. */
  x: number[]
  /** The texts of columns of strings, by name, where there are some. */
  strings?: Record<string, string>
  /** A number, or an array where `label` is one. */
  y?: number | number[]
  sampleWeight?: number
}

/** The rows of a file as samples. */
export class RowDataset extends Dataset<RowSample> {
  private readonly words: Words

  /** @internal */
  constructor(words: Words, open: Source<RowSample>['open']) {
    super({ size: undefined, open })
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

const isKinds = (columns: unknown): columns is Readonly<Record<string, ColumnKind>> =>
  typeof columns === 'object' &&
  columns !== null &&
  !Array.isArray(columns) &&
  Object.values(columns).every((kind) => KINDS.includes(kind as ColumnKind))

const isNames = (names: unknown): names is readonly string[] =>
  Array.isArray(names) && Array.from(names as unknown[]).every((name) => typeof name === 'string')

/** Throws ERR_ARGUMENT for options whose values are of no use. */
export function checkColumns(what: string, { missing = 'error', missingValues, label, columns, categories }: ColumnOptions): void {
  const isMissing = (value: unknown): boolean => value === 'error' || value === 'skip' || typeof value === 'number'
  const perColumn = typeof missing === 'object' && missing !== null && !Array.isArray(missing)
  if (!isMissing(missing) && !perColumn)
    throw new WeftError('ERR_ARGUMENT', `${what}: missing must be 'error', 'skip', a number or a record of them, got ${show(missing)}`)
  for (const [name, value] of Object.entries(perColumn ? (missing as object) : {}))
    if (!isMissing(value) && typeof value !== 'string')
      throw new WeftError('ERR_ARGUMENT', `${what}: missing of '${name}' must be 'error', 'skip', a number or a text, got ${show(value)}`)
  if (label !== undefined && typeof label !== 'string' && !isNames(label))
    throw new WeftError('ERR_ARGUMENT', `${what}: label is the name of a column or a list of names, got ${show(label)}`)
  if (columns !== undefined && !isNames(columns) && !isKinds(columns))
    throw new WeftError('ERR_ARGUMENT', `${what}: columns is a list of names, or a record of ${CATEGORIES} by name, got ${show(columns)}`)
  if (missingValues !== undefined && !isNames(missingValues))
    throw new WeftError('ERR_ARGUMENT', `${what}: missingValues is a list of texts, got ${show(missingValues)}`)
  if (categories === undefined || columns === undefined || isNames(columns)) return
  for (const [name, kind] of Object.entries(columns))
    if (Object.hasOwn(categories, name) && kind !== 'category')
      throw new WeftError('ERR_ARGUMENT', `${what}: categories of '${name}', whose kind is '${kind}'`)
}

/** Names of labels and weight, and of the columns that were asked for; those undefined where all others are x. */
export function namesOf({ label, sampleWeight, columns }: ColumnOptions): { apart: string[]; listed: string[] | undefined } {
  const labels = label === undefined ? [] : typeof label === 'string' ? [label] : [...label]
  const apart = [...labels, ...(sampleWeight === undefined ? [] : [sampleWeight])]
  const listed = isKinds(columns) ? Object.keys(columns) : columns
  return { apart, listed: listed && [...listed] }
}

export interface Layout {
  width: number
  /** The sample of the row; undefined when the row is left out. */
  sample(row: Row): RowSample | undefined
}

/** Finds the columns by name and decides how each field becomes a number. */
export function plan(what: string, path: string, names: readonly string[], options: ColumnOptions, words: Words): Layout {
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
  const { apart, listed } = namesOf(options)
  const reserved = new Set(apart.map(find))
  const chosen = kinds ? listed!.filter((name) => !reserved.has(find(name))) : listed
  for (const name of Object.keys(categories ?? {})) find(name)
  for (const name of typeof missing === 'object' ? Object.keys(missing) : []) find(name)
  const text = apart.find((name) => kindOf(name) === 'string')
  if (text !== undefined) throw new WeftError('ERR_ARGUMENT', `${what}: the column '${text}' holds strings, which are no labels or weights`)

  const column = (name: string, at: number): Column => new Column(what, path, name, at, options)
  const number = (one: Column): Convert<number> => numberOf(one, kindOf(one.name), options, words)
  // names that nobody asks for may be there twice
  const positions = chosen
    ? chosen.map((name) => column(name, find(name)))
    : names.flatMap((name, i) => (reserved.has(i) ? [] : [column(name, i)]))
  const numeric = positions.filter(({ name }) => kindOf(name) !== 'string').map(number)
  const texts = positions.filter(({ name }) => kindOf(name) === 'string').map((one): [string, Convert<string>] => [one.name, textOf(one)])
  const [weight] = options.sampleWeight === undefined ? [] : [number(column(options.sampleWeight, find(options.sampleWeight)))]
  const targets = apart.slice(0, weight ? -1 : undefined).map((name) => number(column(name, find(name))))
  const several = typeof options.label !== 'string'
  return {
    width: names.length,
    sample(row) {
      const x = new Array<number>(numeric.length)
      for (let i = 0; i < x.length; i++) {
        const value = numeric[i]!(row)
        if (value === undefined) return undefined
        x[i] = value
      }
      const sample: RowSample = { x }
      if (options.label !== undefined) {
        const y: number[] = []
        for (const target of targets) {
          const value = target(row)
          if (value === undefined) return undefined
          y.push(value)
        }
        sample.y = several ? y : y[0]!
      }
      if (weight) {
        const value = weight(row)
        if (value === undefined) return undefined
        sample.sampleWeight = value
      }
      if (texts.length > 0) {
        const strings: [string, string][] = []
        for (const [name, convert] of texts) {
          const value = convert(row)
          if (value === undefined) return undefined
          strings.push([name, value])
        }
        sample.strings = Object.fromEntries(strings)
      }
      return sample
    },
  }
}
