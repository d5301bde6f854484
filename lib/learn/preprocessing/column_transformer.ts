// columnTransformer: different steps for different columns, side by side.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { isRecord } from '../../core/tree.js'
import { Learner, register, reviveStored } from '../estimator.js'
import type { LabelsLike } from '../matrix.js'
import { readMatrix } from '../matrix.js'
import { checkStep, type LooseStep, paramsOf, setParamsOf, type Step, storedStep } from './steps.js'
import { type Cell, readTable, type Table, type TableLike } from './table.js'

/** Columns by number or, of records, by name. A single one is handed over as a list of values, as text is. */
export type Columns = number | string | readonly (number | string)[]
/** A step, or what to do without one. */
export type ColumnStep = Step | 'passthrough' | 'drop'

export interface ColumnTransformerOptions {
  /** Columns that no step names: left out ('drop', the default), kept behind the others ('passthrough'), or a step. */
  remainder?: ColumnStep
}
const OPTIONS: OptionTable<ColumnTransformerOptions> = { remainder: 'any' }
type Part = readonly [string, LooseStep | 'passthrough' | 'drop', Columns]

/** Columns of numbers, or of texts that were passed through. */
export type ColumnValues = (number | string | boolean)[][]

interface Fitted {
  columns: number
  names: string[] | null
  rest: number[]
}

export class ColumnTransformer extends Learner<Record<never, never>, Fitted> {
  private readonly parts: readonly Part[]
  private readonly remainder: LooseStep | 'passthrough' | 'drop'

  /** @internal Users call columnTransformer(). */
  constructor(parts: readonly Part[], remainder: LooseStep | 'passthrough' | 'drop') {
    super({ kind: 'columnTransformer', table: {}, defaults: {} }, {})
    this.parts = parts
    this.remainder = remainder
  }

  /** Each step learns from its columns alone. */
  async fit(x: TableLike, y?: LabelsLike): Promise<this> {
    const table = await readTable('columnTransformer.fit', x)
    const used = new Set(this.parts.flatMap(([, , columns]) => placesOf(columns, table)))
    const rest = Array.from({ length: table.columns }, (_, i) => i).filter((column) => !used.has(column))
    this.learned = { columns: table.columns, names: table.names ? [...table.names] : null, rest }
    for (const [, step, columns] of this.all()) if (typeof step === 'object') await step.fit(taken(table, columns), y)
    return this
  }

  /** The columns that the steps make, side by side in the order of the steps. */
  async transform(x: TableLike): Promise<ColumnValues> {
    const table = await readTable('columnTransformer.transform', x, this.state('transform'))
    const rows: ColumnValues = table.rows.map(() => [])
    for (const [name, step, columns] of this.all()) {
      if (step === 'drop') continue
      const made = step === 'passthrough' ? taken(table, placesOf(columns, table)) : await step.transform!(taken(table, columns))
      const found = await rowsOf(name, made, rows.length)
      found.forEach((row, i) => {
        for (let k = 0; k < row.length; k++) rows[i]!.push(row[k]!)
      })
    }
    return rows
  }

  async fitTransform(x: TableLike, y?: LabelsLike): Promise<ColumnValues> {
    return (await this.fit(x, y)).transform(x)
  }

  /** 'step__column' for each new column. */
  getFeatureNamesOut(given?: readonly string[]): string[] {
    const { columns: width, names, rest } = this.state('getFeatureNamesOut')
    const all = given ?? names ?? Array.from({ length: width }, (_, i) => `x${i}`)
    if (all.length !== width)
      throw new WeftError('ERR_ARGUMENT', `columnTransformer: there are ${width} columns, the names are ${show(given)}`)
    const table = { rows: [], columns: width, names: names ?? undefined }
    return this.all().flatMap(([name, step, columns]) => {
      if (step === 'drop') return []
      const own = (columns === rest ? rest : placesOf(columns, table)).map((column) => all[column]!)
      const made = typeof step === 'object' ? (step.getFeatureNamesOut?.(Array.isArray(columns) ? own : undefined) ?? own) : own
      return made.map((inner) => `${name}__${inner}`)
    })
  }

  /** The steps by their names. */
  get namedTransformers(): Record<string, ColumnStep> {
    return Object.fromEntries(this.parts.map(([name, step]) => [name, step as ColumnStep]))
  }

  override getParams(): Record<string, unknown> {
    return paramsOf(this.steps())
  }
  /** Changes parameters of steps: setParams({ onehot__drop: 'first' }). */
  override setParams(params: object): this {
    setParamsOf('columnTransformer', new Map(this.steps()), params)
    return this
  }
  override clone(): this {
    const copy = (step: LooseStep | 'passthrough' | 'drop') => (typeof step === 'object' ? step.clone() : step)
    return new ColumnTransformer(
      this.parts.map(([name, step, columns]): Part => [name, copy(step), columns]),
      copy(this.remainder),
    ) as this
  }
  override stored(): ReturnType<Learner<object, object>['stored']> {
    const kept = (step: LooseStep | 'passthrough' | 'drop') =>
      typeof step === 'object' ? storedStep('columnTransformer.save', step) : step
    const params = { parts: this.parts.map(([name, step, columns]) => [name, kept(step), columns]), remainder: kept(this.remainder) }
    return { kind: this.kind, params, state: this.learned }
  }

  private steps(): [string, LooseStep][] {
    const named = this.all(true).map(([name, step]): [string, unknown] => [name, step])
    return named.filter((entry): entry is [string, LooseStep] => typeof entry[1] === 'object')
  }

  /** The parts, with the remainder's where it has columns. */
  private all(always = false): Part[] {
    const rest = this.learned?.rest ?? []
    return rest.length === 0 && !always ? [...this.parts] : [...this.parts, ['remainder', this.remainder, rest]]
  }
}

/** Numbers of the columns. ERR_ARGUMENT for one that X has not. */
function placesOf(columns: Columns, table: Omit<Table, 'rows'>): number[] {
  return (typeof columns === 'object' ? columns : [columns]).map((column) => {
    const place = typeof column === 'string' ? (table.names?.indexOf(column) ?? -1) : column < 0 ? column + table.columns : column
    if (Number.isInteger(place) && place >= 0 && place < table.columns) return place
    throw new WeftError('ERR_ARGUMENT', `columnTransformer: X has no column ${show(column)}`, {
      hint: table.names
        ? `It has ${show(table.names)}`
        : `It has the columns 0 to ${table.columns - 1}; names are of rows that are records`,
    })
  })
}

/** The columns of each row; of a single one its values. Missing values are NaN. */
function taken(table: Table, columns: Columns): unknown[] {
  const present = (cell: Cell): number | string | boolean => cell ?? Number.NaN
  const places = placesOf(columns, table)
  if (typeof columns !== 'object') return table.rows.map((row) => present(row[places[0]!]!))
  return table.rows.map((row) => places.map((place) => present(row[place]!)))
}

async function rowsOf(name: string, made: unknown, rows: number): Promise<readonly ArrayLike<number | string | boolean>[]> {
  const list = Array.isArray(made) && (made.length === 0 || typeof made[0] === 'object') ? made : undefined
  if (list === undefined) {
    const { data, columns } = await readMatrix(`columnTransformer: the step ${show(name)}`, made, { missing: true })
    return Array.from({ length: data.length / columns }, (_, row) => data.subarray(row * columns, (row + 1) * columns))
  }
  if (list.length === rows) return list as ArrayLike<number>[]
  throw new WeftError('ERR_SHAPE', `columnTransformer: the step ${show(name)} made ${list.length} rows of ${rows}`)
}

/**
 * Steps for columns: columnTransformer([['scaled', standardScaler(), ['age']], ['onehot', oneHotEncoder(), ['city']]]).
 * Columns are numbers, or names where rows are records. The results stand side by side.
 */
export function columnTransformer(
  transformers: readonly (readonly [string, ColumnStep, Columns])[],
  options: ColumnTransformerOptions = {},
): ColumnTransformer {
  const what = 'columnTransformer'
  checkCall(`${what}(transformers, options)`, arguments)
  checkOptions(what, options, OPTIONS, 'transformers')
  const isPart = (part: unknown): boolean => Array.isArray(part) && part.length === 3 && typeof part[0] === 'string'
  if (!Array.isArray(transformers) || !transformers.every(isPart))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a list of [name, step, columns], got ${show(transformers)}`, {
      hint: `Write ${what}([['scaled', standardScaler(), [0, 1]]])`,
    })
  const names = transformers.map(([name]) => name)
  const bad = names.find((name, i) => names.indexOf(name) !== i || name === '' || name === 'remainder' || /__|\./.test(name))
  if (bad !== undefined) throw new WeftError('ERR_ARGUMENT', `${what}: the name ${show(bad)} is taken, empty, or has '__' or '.' in it`)
  const checked = (step: unknown): LooseStep | 'passthrough' | 'drop' => {
    if (step === 'passthrough' || step === 'drop') return step
    checkStep(what, step)
    if (typeof step.transform !== 'function')
      throw new WeftError('ERR_ARGUMENT', `${what}: ${step.kind} has no transform()`, { hint: 'Put models last into a pipeline()' })
    return step
  }
  const { remainder = 'drop' } = isRecord(options) ? options : {}
  return new ColumnTransformer(
    transformers.map(([name, step, columns]): Part => [name, checked(step), columns]),
    checked(remainder),
  )
}
register('columnTransformer', ({ parts, remainder }: { parts: [string, unknown, Columns][]; remainder: unknown }) => {
  const step = (stored: unknown): LooseStep | 'passthrough' | 'drop' =>
    typeof stored === 'string' ? (stored as 'drop') : (reviveStored(stored) as unknown as LooseStep)
  return new ColumnTransformer(
    parts.map(([name, stored, columns]): Part => [name, step(stored), columns]),
    step(remainder),
  ) as never
})
