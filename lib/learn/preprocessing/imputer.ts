// imputer: missing values filled in by what the training part shows. Semantics: scikit-learn's SimpleImputer.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { warnOnce } from '../../core/warnings.js'
import { type Definition, register } from '../estimator.js'
import { compareLabels } from '../matrix.js'
import { type Cell, readTable, type Table, type TableLike } from './table.js'
import { TransformerBase } from './transformer.js'

export interface ImputerOptions {
  /**
   * What fills in: the mean or the median of a column of numbers, its most frequent value (the smallest of several), or
   * fillValue. Default 'mean'.
   */
  strategy?: 'mean' | 'median' | 'mostFrequent' | 'constant'
  /** The value of strategy 'constant'. Default 0 in columns of numbers, 'missing' in others. */
  fillValue?: number | string | undefined
  /**
   * Adds columns that are 1 where a value was missing, one for each column that missed some in training. Default false.
   */
  addIndicator?: boolean
}
const TABLE: OptionTable<ImputerOptions> = {
  strategy: ['mean', 'median', 'mostFrequent', 'constant'],
  fillValue: 'any',
  addIndicator: 'boolean',
}

interface ImputerState {
  /** The fill of each column; null: nothing was there, and the column is left out. */
  fills: Cell[]
  /** Columns that missed values. */
  gaps: number[]
  names: string[] | null
}

const DEFINITION: Definition<ImputerOptions> = {
  kind: 'imputer',
  table: TABLE,
  defaults: { strategy: 'mean', fillValue: undefined as never, addIndicator: false },
  check({ strategy, fillValue }) {
    if (fillValue === undefined) return
    if (strategy !== 'constant')
      throw new WeftError('ERR_ARGUMENT', `imputer: fillValue is of strategy 'constant', the strategy is '${strategy}'`, {
        hint: `Write imputer({ strategy: 'constant', fillValue: ${show(fillValue)} })`,
      })
    if (typeof fillValue !== 'string' && !Number.isFinite(fillValue))
      throw new WeftError('ERR_ARGUMENT', `imputer: fillValue is a number or a text, got ${show(fillValue)}`)
  },
}

/** Fills in null, undefined and NaN. */
export class Imputer extends TransformerBase<ImputerOptions, ImputerState> {
  constructor(options: ImputerOptions = {}) {
    super(DEFINITION, options)
  }

  override async fit(x: TableLike): Promise<this> {
    const table = await readTable('imputer.fit', x)
    const fills = Array.from({ length: table.columns }, (_, column) => this.fillOf(table, column))
    const gaps = fills.flatMap((_, column) => (table.rows.some((row) => row[column] === null) ? [column] : []))
    this.learned = { fills, gaps, names: table.names ? [...table.names] : null }
    return this
  }

  /** The rows without gaps; columns in which nothing was present in training are left out. */
  override async transform(x: TableLike): Promise<(number | string | boolean)[][]> {
    const { fills, gaps, names } = this.state('transform')
    const { rows } = await readTable('imputer.transform', x, { columns: fills.length, names })
    const kept = fills.flatMap((fill, column) => (fill === null ? [] : [column]))
    return rows.map((row) => {
      const filled = kept.map((column) => row[column] ?? fills[column]!)
      return this.params.addIndicator ? [...filled, ...gaps.map((column) => Number(row[column] === null))] : filled
    })
  }

  override getFeatureNamesOut(given?: readonly string[]): string[] {
    const { fills, gaps, names } = this.state('getFeatureNamesOut')
    const all = this.namesFor(fills.length, names, given)
    const kept = all.filter((_, column) => fills[column] !== null)
    return this.params.addIndicator ? [...kept, ...gaps.map((column) => `missingindicator_${all[column]}`)] : kept
  }

  /** What fills in each column; null where nothing was present. */
  get statistics(): Cell[] {
    return [...this.state('statistics').fills]
  }

  private fillOf({ rows, names }: Table, column: number): Cell {
    const name = names?.[column] ?? column
    const present = rows.flatMap((row): Exclude<Cell, null>[] => (row[column] === null ? [] : [row[column]!]))
    const { strategy, fillValue } = this.params
    const text = present.find((value) => typeof value !== 'number')
    if (strategy === 'constant') {
      const fill = fillValue ?? (text === undefined ? 0 : 'missing')
      if (present.length > 0 && (text === undefined) !== (typeof fill === 'number'))
        throw new WeftError(
          'ERR_DATA',
          `imputer: fillValue ${show(fill)} is of another kind than column ${show(name)}, with ${show(present[0])}`,
        )
      return fill
    }
    if (present.length === 0) {
      warnOnce('WEFT_IMPUTER', `imputer: column ${show(name)} has no value, and is left out`, this)
      return null
    }
    if (strategy === 'mostFrequent') {
      const counts = new Map<Exclude<Cell, null>, number>()
      for (const value of present) counts.set(value, (counts.get(value) ?? 0) + 1)
      return [...counts].sort(([a, n], [b, m]) => m - n || compareLabels(a, b))[0]![0]
    }
    if (text !== undefined)
      throw new WeftError('ERR_DATA', `imputer: column ${show(name)} has ${show(text)}, which has no ${strategy}`, {
        hint: "Write imputer({ strategy: 'mostFrequent' })",
      })
    const numbers = present as number[]
    if (strategy === 'mean') return numbers.reduce((sum, value) => sum + value, 0) / numbers.length
    const sorted = Float64Array.from(numbers).sort()
    const half = sorted.length >> 1
    return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
  }
}

/** Fills in missing values (null, undefined, NaN) by the mean of their column, or as { strategy } says. */
export function imputer(options: ImputerOptions = {}): Imputer {
  checkCall('imputer(options)', arguments)
  return new Imputer(options)
}
register('imputer', (params: ImputerOptions) => new Imputer(params) as never)
