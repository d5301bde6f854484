// Tables: rows of numbers and texts, as encoders and imputers read them. Rows are lists, or records with named columns.
import { isTypedArray } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { isRecord, isTensor } from '../../core/tree.js'
import { isShaped } from '../../data/host.js'
import { compareLabels, type MatrixLike, readMatrix } from '../matrix.js'

/** A value of a table; null where it is missing (null, undefined, NaN). */
export type Cell = number | string | boolean | null
/** Rows of numbers, texts and booleans: what MatrixLike is, lists of lists, or lists of records. */
export type TableLike = MatrixLike | readonly (readonly unknown[])[] | readonly Readonly<Record<string, unknown>>[]

export interface Table {
  readonly rows: readonly (readonly Cell[])[]
  readonly columns: number
  /** Names of the columns, where rows are records. */
  readonly names: readonly string[] | undefined
}

function cellOf(what: string, value: unknown, row: number, column: string | number): Cell {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value !== 'number')
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: row ${row}, column ${show(column)} of X is ${show(value)}, a number or a text is expected`,
    )
  if (Number.isNaN(value)) return null
  if (Number.isFinite(value)) return value + 0
  throw new WeftError('ERR_DATA', `${what}: X has ${value} in row ${row}, column ${show(column)}`, { hint: 'Replace infinite values' })
}

/**
 * X as a table. ERR_SHAPE where rows differ in length, or have other columns than those fitted.
 * @param fitted the columns that X must have
 */
export async function readTable(what: string, x: unknown, fitted?: { columns: number; names?: readonly string[] | null }): Promise<Table> {
  const table = isTensor(x) || isShaped(x) ? await ofMatrix(what, x as MatrixLike) : ofRows(what, x, fitted?.names ?? undefined)
  if (fitted !== undefined && table.columns !== fitted.columns)
    throw new WeftError('ERR_SHAPE', `${what}: X has ${table.columns} columns, it was fitted on ${fitted.columns}`, {
      hint: 'Give the same columns in the same order as to fit()',
    })
  return table
}

async function ofMatrix(what: string, x: MatrixLike): Promise<Table> {
  const { data, rows, columns } = await readMatrix(what, x, { missing: true })
  const row = (at: number): Cell[] =>
    Array.from(data.subarray(at * columns, (at + 1) * columns), (value) => (Number.isNaN(value) ? null : value))
  return { rows: Array.from({ length: rows }, (_, at) => row(at)), columns, names: undefined }
}

function ofRows(what: string, x: unknown, names: readonly string[] | undefined): Table {
  if (!Array.isArray(x))
    throw new WeftError('ERR_ARGUMENT', `${what}: X is ${show(x)}`, { hint: 'Give rows: lists of values, or records as data.csv() reads' })
  const first: unknown = x[0]
  if (x.length === 0) throw new WeftError('ERR_ARGUMENT', `${what}: X is empty`, { hint: 'Give at least one row' })
  if (!isRecord(first) && !Array.isArray(first) && !isTypedArray(first))
    throw new WeftError('ERR_SHAPE', `${what}: X has one axis, it needs two: row 0 is ${show(first)}`, {
      hint: 'One column: X.map((value) => [value])',
    })
  if (!isRecord(first) && names !== undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: it was fitted on records with the columns ${show(names)}, row 0 is ${show(first)}`)
  const keys = isRecord(first) ? (names ?? Object.keys(first)) : undefined
  const columns = keys?.length ?? (first as ArrayLike<unknown>).length
  if (columns === 0) throw new WeftError('ERR_ARGUMENT', `${what}: the rows of X have no columns`)
  const rows = x.map((item: unknown, row) => {
    if (keys !== undefined) {
      const record = isRecord(item) ? item : undefined
      const absent = keys.find((key) => record === undefined || !Object.hasOwn(record, key))
      if (record === undefined || absent !== undefined)
        throw new WeftError('ERR_SHAPE', `${what}: row ${row} of X has no column ${show(absent)}: ${show(item)}`)
      return keys.map((key) => cellOf(what, record[key], row, key))
    }
    if ((!Array.isArray(item) && !isTypedArray(item)) || item.length !== columns)
      throw new WeftError('ERR_SHAPE', `${what}: row ${row} of X has not ${columns} values, as row 0 has: ${show(item)}`)
    return Array.from(item as ArrayLike<unknown>, (value, column) => cellOf(what, value, row, column))
  })
  return { rows, columns, names: keys }
}

/** The different values of a column, sorted. ERR_DATA for missing ones and for values of different kinds. */
export function categoriesOf(what: string, table: Table, column: number): Exclude<Cell, null>[] {
  const name = table.names?.[column] ?? column
  const known = new Set<Exclude<Cell, null>>()
  table.rows.forEach((row, at) => {
    const cell = row[column]!
    if (cell === null)
      throw new WeftError('ERR_DATA', `${what}: the value in row ${at}, column ${show(name)} is missing`, {
        hint: "Fill it in with imputer({ strategy: 'mostFrequent' }) first, or drop such rows",
      })
    known.add(cell)
  })
  const values = [...known].sort(compareLabels)
  const other = values.find((value) => typeof value !== typeof values[0])
  if (other !== undefined)
    throw new WeftError('ERR_DATA', `${what}: column ${show(name)} has ${show(values[0])} and ${show(other)}: values of different kinds`, {
      hint: 'Convert the column: String(value)',
    })
  return values
}
