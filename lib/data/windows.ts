// Time series: windows to learn from, and parts in time order.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { TypedArray } from '../core/host.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { gather, reshape, slice } from '../ops/index.js'
import { Tensor } from '../core/tensor.js'
import { integer, isTypedArray } from '../core/checks.js'
import { beginsBetween, gapsIn } from './gaps.js'
import { columnsOf, type Series } from './series.js'

export interface WindowsOptions {
  /** Steps that go into one window. */
  timesteps: number
  /** Steps after the window that are to be predicted. Default 1. */
  horizon?: number
  /** Steps from the begin of one window to that of the next. Default 1. */
  stride?: number
  /** The feature to predict, or several; default: all of them. */
  target?: number | readonly number[]
}

const WINDOWS_OPTIONS: OptionTable<WindowsOptions> = { timesteps: 'integer', horizon: 'integer', stride: 'integer', target: 'any' }

export interface Windows {
  /** [n, timesteps, features] */
  x: Tensor
  /** The `horizon` steps after each window: [n, horizon] of one feature, else [n, horizon, targets]. */
  y: Tensor
}

/** Positions [n, count]: row i is begins[i] + after, begins[i] + after + 1, ... */
function positions(begins: readonly number[], after: number, count: number, device: string): Tensor {
  const rows = new Int32Array(begins.length * count)
  begins.forEach((begin, i) => {
    for (let k = 0; k < count; k++) rows[i * count + k] = begin + after + k
  })
  return tensor(rows, { shape: [begins.length, count], device })
}

/**
 * Windows of a series in time order: row i of x holds steps i·stride ... i·stride + timesteps - 1, row i of y the
 * `horizon` steps after them. n = floor((t - timesteps - horizon) / stride) + 1. Split a series before making windows,
 * so that none reaches from one part into another. Rows of data.csv({ missing: 'skip' }) know what was left out before
 * them: windows that would reach over such a gap are left out.
 */
export function windows(series: Series, options: WindowsOptions): Windows {
  checkCall('data.windows(series, options)', arguments, WINDOWS_OPTIONS)
  const what = 'data.windows'
  const timesteps = integer(what, 'timesteps', options?.timesteps, 1)
  const horizon = integer(what, 'horizon', options.horizon ?? 1, 1)
  const stride = integer(what, 'stride', options.stride ?? 1, 1)
  const columns = columnsOf(what, series)
  const [steps, features] = columns.shape as [number, number]
  const gaps = gapsIn(series)
  const begins = beginsBetween(gaps, steps, timesteps + horizon, stride)
  const n = begins.length
  if (n < 1) {
    const where = gaps.length > 0 ? `, with rows left out before ${gaps.length} of them,` : ''
    throw new WeftError(
      'ERR_SHAPE',
      `${what}: a series of ${steps} steps${where} has no window of ${timesteps} steps and the ${horizon} after it`,
      {
        shapes: [columns.shape],
        hint:
          gaps.length > 0
            ? `Windows do not reach over rows that data.csv left out: write { missing: 0 } there, or shorter timesteps here`
            : `It needs at least ${timesteps + horizon} steps`,
      },
    )
  }
  const { target } = options
  const targets = target === undefined ? undefined : typeof target === 'number' ? [target] : Array.isArray(target) ? [...target] : []
  if (targets && (targets.length === 0 || targets.some((index) => !Number.isInteger(index) || index < 0 || index >= features))) {
    throw new WeftError('ERR_ARGUMENT', `${what}: target must be features from 0 to ${features - 1}, got ${show(target)}`)
  }
  const { device } = columns
  const goals = targets ? gather(columns, tensor(Int32Array.from(targets), { device }), 1) : columns
  const y = gather(goals, positions(begins, timesteps, horizon, device), 0) // [n, horizon, targets]
  const alone = typeof target === 'number' || (target === undefined && features === 1)
  return { x: gather(columns, positions(begins, 0, timesteps, device), 0), y: alone ? reshape(y, [n, horizon]) : y }
}

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
