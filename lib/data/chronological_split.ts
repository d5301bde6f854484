// Parts of a time series, in time order.
import { integer, isTypedArray } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { slice } from '../ops/index.js'
import type { Series } from './series.js'

export interface ChronologicalSplitOptions {
  /** Rows at the end to test with: a share below 1, or a number of rows. Default 0.2. */
  test?: number
  /** Rows before them to validate with. Default: none. */
  validation?: number
  /**
   * Rows of the part before with which validation and test begin, so that windows of so many timesteps predict from
   * their first row on. Default 0.
   */
  history?: number
}

const SPLIT_OPTIONS: OptionTable<ChronologicalSplitOptions> = { test: 'number', validation: 'number', history: 'integer' }

export interface ChronologicalParts<T> {
  train: T
  validation: T
  test: T
}

/**
 * The parts of a series in time order: train, validation, test. Nothing is shuffled. Make windows of each part: then no
 * window reaches from one part into another, except into the rows of its `history`, and no two parts share a target.
 */
export function chronologicalSplit<T extends Series>(series: T, options: ChronologicalSplitOptions = {}): ChronologicalParts<T> {
  const what = 'data.chronologicalSplit'
  checkCall('data.chronologicalSplit(series, options)', arguments, SPLIT_OPTIONS)
  if (!(series instanceof Tensor && series.rank > 0) && !Array.isArray(series) && !isTypedArray(series)) {
    throw new WeftError('ERR_ARGUMENT', `${what}: expected an array, a typed array or a Tensor with rows, got ${typeof series}`)
  }
  const rows = series instanceof Tensor ? series.shape[0]! : (series as readonly unknown[]).length
  const history = integer(what, 'history', options.history ?? 0, 0)
  const count = (name: string, value: number): number => {
    if (typeof value === 'number' && value >= 0 && value < 1) return Math.round(rows * value)
    return integer(what, `${name}, unless it is a share below 1,`, value, 1)
  }
  const test = count('test', options.test ?? 0.2)
  const validation = count('validation', options.validation ?? 0)
  const train = rows - test - validation
  if (train < 1 || test < 1 || (options.validation && validation < 1) || history > train) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: ${rows} rows give ${train} to train on, ${validation} to validate with and ${test} to test with${history > 0 ? `, with a history of ${history}` : ''}`,
      { hint: 'Each part needs a row, and no history is longer than the part to train on' },
    )
  }
  const part = (begin: number, end: number): T => {
    if (series instanceof Tensor) return slice(series, [begin], [end - begin]) as T
    return (series as unknown as TypedArray).slice(begin, end) as unknown as T
  }
  const before = (begin: number): number => begin - history
  return {
    train: part(0, train),
    validation: validation > 0 ? part(before(train), train + validation) : part(train, train),
    test: part(before(train + validation), rows),
  }
}
