// Rows whose values have types already, as JSON and Parquet files hold them.
import { unknownName, WeftError } from '../core/error.js'
import type { Row } from './column_values.js'

/** Reads one row after another: the values of the columns, in their order. */
export class RecordRow implements Row {
  place = ''
  private readonly what: string
  private readonly path: string
  private readonly names: readonly string[]
  private read: (field: number) => unknown = () => undefined

  constructor(what: string, path: string, names: readonly string[]) {
    this.what = what
    this.path = path
    this.names = names
  }

  /** Moves to a row. */
  at(place: string, read: (field: number) => unknown): this {
    this.place = place
    this.read = read
    return this
  }

  number(field: number): number {
    const value = this.read(field)
    return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : Number.NaN
  }

  /** Empty where there is no value. Moments are ISO 8601. */
  text(field: number): string {
    const value = this.read(field)
    if (typeof value === 'string') return value
    if (value === null || value === undefined) return ''
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
    if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString()
    const kind = Array.isArray(value) ? 'a list' : ArrayBuffer.isView(value) ? 'bytes' : value instanceof Date ? 'no moment' : 'an object'
    throw new WeftError('ERR_DATA', `${this.path}, ${this.place}: column '${this.names[field]}' holds ${kind}, which is not one value`, {
      hint: `Leave it out with columns, or take the rows as they are: ${this.what}(file).map(({ ${this.names[field]} }) => ...)`,
    })
  }

  absent(field: number): boolean {
    const value = this.read(field)
    return value === null || value === undefined
  }
}

/** Columns that were asked for and that no row has had so far. */
export class Unseen {
  private readonly path: string
  private readonly names: Set<string>
  private readonly known: readonly string[]

  constructor(path: string, asked: readonly string[], known: readonly string[]) {
    this.path = path
    this.known = known
    this.names = new Set(asked.filter((name) => !known.includes(name)))
  }

  look(record: object): void {
    for (const name of this.names) if (Object.hasOwn(record, name)) this.names.delete(name)
  }

  /** Throws for a column that no row has: it is a slip, not a missing value. */
  check(): void {
    const [name] = this.names
    if (name !== undefined) throw unknownName(`column of ${this.path}`, name, this.known)
  }
}
