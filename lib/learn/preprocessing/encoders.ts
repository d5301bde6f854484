// Encoders: classes as numbers. oneHotEncoder makes a column of each, ordinalEncoder one number, labelEncoder is for y.
// Semantics: scikit-learn 1.2.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { type Definition, Learner, register } from '../estimator.js'
import { compareLabels, type Label, type LabelsLike, readLabelList } from '../matrix.js'
import { type Cell, categoriesOf, readTable, type Table, type TableLike } from './table.js'
import { TransformerBase } from './transformer.js'

type Category = Exclude<Cell, null>
/** The categories of each column, in order. */
export type Categories = 'auto' | readonly (readonly Category[])[]

interface EncoderState {
  categories: Category[][]
  names: string[] | null
}

function checkCategories(kind: string, categories: unknown): void {
  if (categories === 'auto') return
  if (
    !Array.isArray(categories) ||
    !categories.every((list) => Array.isArray(list) && new Set(list).size === list.length && list.length > 0)
  )
    throw new WeftError(
      'ERR_ARGUMENT',
      `${kind}: categories are 'auto', or a list without repetition for each column, got ${show(categories)}`,
    )
}

/** The base of both encoders of X. */
abstract class Encoder<O extends { categories?: Categories; handleUnknown?: string }> extends TransformerBase<O, EncoderState> {
  override async fit(x: TableLike): Promise<this> {
    const what = `${this.kind}.fit`
    const table = await readTable(what, x)
    const { categories } = this.params as { categories: Categories }
    if (categories !== 'auto' && categories.length !== table.columns)
      throw new WeftError('ERR_ARGUMENT', `${what}: X has ${table.columns} columns, categories has ${categories.length} lists`)
    const found = Array.from({ length: table.columns }, (_, column) => {
      const seen = categoriesOf(what, table, column)
      if (categories === 'auto') return seen
      const own = [...categories[column]!]
      const stranger = seen.find((value) => !own.includes(value))
      if (stranger !== undefined && this.params.handleUnknown === 'error') throw unknown(what, table, column, stranger, own)
      return own
    })
    this.learned = { categories: found, names: table.names ? [...table.names] : null }
    return this
  }

  /** The categories of each column, in order. */
  get categories(): Category[][] {
    return this.state('categories').categories.map((list) => [...list])
  }

  /** Places of the cells among the categories; -1 for an unknown one. */
  protected async places(x: TableLike): Promise<Int32Array[]> {
    const what = `${this.kind}.transform`
    const { categories, names } = this.state('transform')
    const table = await readTable(what, x, { columns: categories.length, names })
    const maps = categories.map((list) => new Map(list.map((value, i) => [value, i])))
    return table.rows.map((row) =>
      Int32Array.from(row, (cell, column) => {
        const place = cell === null ? undefined : maps[column]!.get(cell)
        if (place !== undefined) return place
        if (this.params.handleUnknown === 'error') throw unknown(what, table, column, cell, categories[column]!)
        return -1
      }),
    )
  }
}

const unknown = (what: string, table: Table, column: number, value: Cell, known: readonly Category[]): WeftError =>
  new WeftError('ERR_DATA', `${what}: column ${show(table.names?.[column] ?? column)} has the unknown category ${show(value)}`, {
    hint: `Known: ${show(known)}. To go on with unknown ones set handleUnknown`,
  })

export interface OneHotEncoderOptions {
  /** Default 'auto': those of the training part, sorted. */
  categories?: Categories
  /** Leaves out the first column of each feature, or of those with two categories ('ifBinary'). Default null: none. */
  drop?: 'first' | 'ifBinary' | null
  /** Unknown categories throw ('error', the default), or become zeros ('ignore'). */
  handleUnknown?: 'error' | 'ignore'
}
const ONE_HOT: Definition<OneHotEncoderOptions> = {
  kind: 'oneHotEncoder',
  table: { categories: 'any', drop: 'any', handleUnknown: ['error', 'ignore'] } satisfies OptionTable<OneHotEncoderOptions>,
  defaults: { categories: 'auto', drop: null, handleUnknown: 'error' },
  check({ categories, drop }) {
    checkCategories('oneHotEncoder', categories)
    if (drop !== null && drop !== 'first' && drop !== 'ifBinary')
      throw new WeftError('ERR_ARGUMENT', `oneHotEncoder: drop is 'first', 'ifBinary' or null, got ${show(drop)}`)
  },
}

/** A column of 0 and 1 for each category. */
export class OneHotEncoder extends Encoder<OneHotEncoderOptions> {
  constructor(options: OneHotEncoderOptions = {}) {
    super(ONE_HOT, options)
  }

  override async transform(x: TableLike): Promise<number[][]> {
    const places = await this.places(x)
    const { categories } = this.state('transform')
    const begins = categories.map((list) => this.begin(list))
    return places.map((row) =>
      categories.flatMap((list, column) => list.slice(begins[column]).map((_, i) => Number(row[column] === i + begins[column]!))),
    )
  }

  /** The categories of rows of zeros and ones; null where all are 0 and no category was dropped. */
  async inverseTransform(x: TableLike): Promise<(Category | null)[][]> {
    const { categories } = this.state('inverseTransform')
    const begins = categories.map((list) => this.begin(list))
    const width = categories.reduce((sum, list, column) => sum + list.length - begins[column]!, 0)
    const { rows } = await readTable('oneHotEncoder.inverseTransform', x, { columns: width })
    return rows.map((row) => {
      let at = 0
      return categories.map((list, column) => {
        const from = at
        at += list.length - begins[column]!
        const hit = row.slice(from, at).findIndex((cell) => Number(cell) > 0.5)
        return hit >= 0 ? list[hit + begins[column]!]! : begins[column] === 1 ? list[0]! : null
      })
    })
  }

  override getFeatureNamesOut(given?: readonly string[]): string[] {
    const { categories, names } = this.state('getFeatureNamesOut')
    const all = this.namesFor(categories.length, names, given)
    return categories.flatMap((list, column) => list.slice(this.begin(list)).map((value) => `${all[column]}_${value}`))
  }

  private begin(list: readonly unknown[]): 0 | 1 {
    const { drop } = this.params
    return drop === 'first' || (drop === 'ifBinary' && list.length === 2) ? 1 : 0
  }
}

/** A column of 0 and 1 for each category of each column. */
export function oneHotEncoder(options: OneHotEncoderOptions = {}): OneHotEncoder {
  checkCall('oneHotEncoder(options)', arguments)
  return new OneHotEncoder(options)
}
register('oneHotEncoder', (params: OneHotEncoderOptions) => new OneHotEncoder(params) as never)

export interface OrdinalEncoderOptions {
  /** Default 'auto': those of the training part, sorted. */
  categories?: Categories
  /** Unknown categories throw ('error', the default), or become unknownValue ('useEncodedValue'). */
  handleUnknown?: 'error' | 'useEncodedValue'
  /** A number that is none of a category. */
  unknownValue?: number | undefined
}
const ORDINAL: Definition<OrdinalEncoderOptions> = {
  kind: 'ordinalEncoder',
  table: {
    categories: 'any',
    handleUnknown: ['error', 'useEncodedValue'],
    unknownValue: 'number',
  } satisfies OptionTable<OrdinalEncoderOptions>,
  defaults: { categories: 'auto', handleUnknown: 'error', unknownValue: undefined as never },
  check({ categories, handleUnknown, unknownValue }) {
    checkCategories('ordinalEncoder', categories)
    if ((handleUnknown === 'useEncodedValue') !== (unknownValue !== undefined))
      throw new WeftError('ERR_ARGUMENT', `ordinalEncoder: handleUnknown '${handleUnknown}' with unknownValue ${show(unknownValue)}`, {
        hint: "Write { handleUnknown: 'useEncodedValue', unknownValue: -1 }",
      })
    if (unknownValue !== undefined && Number.isInteger(unknownValue) && unknownValue >= 0)
      throw new WeftError('ERR_ARGUMENT', `ordinalEncoder: unknownValue ${unknownValue} could be that of a category`, {
        hint: 'Use a negative number',
      })
  },
}

/** The place of each category among those of its column. */
export class OrdinalEncoder extends Encoder<OrdinalEncoderOptions> {
  constructor(options: OrdinalEncoderOptions = {}) {
    super(ORDINAL, options)
  }

  override async transform(x: TableLike): Promise<number[][]> {
    const rows = await this.places(x)
    return rows.map((row) => Array.from(row, (place) => (place < 0 ? this.params.unknownValue! : place)))
  }

  /** The categories of rows of places; null for the unknown value. */
  async inverseTransform(x: TableLike): Promise<(Category | null)[][]> {
    const { categories } = this.state('inverseTransform')
    const { rows } = await readTable('ordinalEncoder.inverseTransform', x, { columns: categories.length })
    return rows.map((row, at) =>
      row.map((cell, column) => {
        const value = typeof cell === 'number' ? categories[column]![cell] : undefined
        if (value !== undefined) return value
        if (cell === this.params.unknownValue) return null
        throw new WeftError('ERR_DATA', `ordinalEncoder: ${show(cell)} in row ${at}, column ${column} is the place of no category`)
      }),
    )
  }

  override getFeatureNamesOut(given?: readonly string[]): string[] {
    const { categories, names } = this.state('getFeatureNamesOut')
    return [...this.namesFor(categories.length, names, given)]
  }
}

/** A number for each category: its place among those of its column. */
export function ordinalEncoder(options: OrdinalEncoderOptions = {}): OrdinalEncoder {
  checkCall('ordinalEncoder(options)', arguments)
  return new OrdinalEncoder(options)
}
register('ordinalEncoder', (params: OrdinalEncoderOptions) => new OrdinalEncoder(params) as never)

const LABEL: Definition<Record<never, never>> = { kind: 'labelEncoder', table: {}, defaults: {} }

/** Classes of y as 0, 1, ... */
export class LabelEncoder extends Learner<Record<never, never>, { classes: Label[] }> {
  constructor() {
    super(LABEL, {})
  }

  /** Learns the classes of y. Resolves with the encoder. */
  async fit(y: LabelsLike): Promise<this> {
    const labels = await readLabelList('labelEncoder.fit', y, lengthOf(y))
    if (labels.length === 0) throw new WeftError('ERR_ARGUMENT', 'labelEncoder.fit: y is empty')
    this.learned = { classes: [...new Set(labels)].sort(compareLabels) }
    return this
  }
  /** The place of each label among the classes. ERR_DATA for an unknown one. */
  async transform(y: LabelsLike): Promise<number[]> {
    const { classes } = this.state('transform')
    const place = new Map(classes.map((label, i) => [label, i]))
    return (await readLabelList('labelEncoder.transform', y, lengthOf(y))).map((label, row) => {
      const found = place.get(label)
      if (found === undefined)
        throw new WeftError('ERR_DATA', `labelEncoder: row ${row} has the unknown class ${show(label)}`, {
          hint: `Known: ${show(classes)}`,
        })
      return found
    })
  }
  async fitTransform(y: LabelsLike): Promise<number[]> {
    return (await this.fit(y)).transform(y)
  }
  /** The class at each place. */
  inverseTransform(places: ArrayLike<number>): Label[] {
    const { classes } = this.state('inverseTransform')
    return Array.from(places, (place, row) => {
      const label = classes[place]
      if (label === undefined)
        throw new WeftError('ERR_DATA', `labelEncoder: ${show(place)} in row ${row} is the place of no class, there are ${classes.length}`)
      return label
    })
  }
  /** In ascending order. */
  get classes(): readonly Label[] {
    return this.state('classes').classes
  }
}

const lengthOf = (y: unknown): number => {
  const { length, shape } = (y ?? {}) as { length?: number; shape?: readonly number[] }
  return shape?.[0] ?? length ?? 0
}

/** Classes of y as numbers 0, 1, ... in ascending order, and back. */
export function labelEncoder(): LabelEncoder {
  checkCall('labelEncoder()', arguments)
  return new LabelEncoder()
}
register('labelEncoder', () => new LabelEncoder() as never)
