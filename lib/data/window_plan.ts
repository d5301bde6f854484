// What windows are asked for, and where they must not reach over a gap.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'

export interface WindowsOptions {
  /** Steps that go into one window. */
  timesteps: number
  /** Steps after the window that are to be predicted. Default 1. */
  horizon?: number
  /** Steps from the begin of one window to that of the next. Default 1. */
  stride?: number
  /** The feature to predict, or several; default: all of them. */
  target?: number | readonly number[]
  /**
   * The feature that holds the time of each row, in days or another unit; it becomes no part of x and y. Two rows whose
   * times lie more than 1.5 `interval` apart have a gap between them. ERR_DATA where a time is not after the one
   * before.
   */
  time?: number
  /** The time from one row to the next, in the unit of `time`, which needs it. */
  interval?: number
  /**
   * What to do where rows are missing, as `time` tells or data.csv left them out: 'skip' (default) makes no window that
   * reaches over the gap; 'error' throws ERR_DATA, which names the row after it, counted from 1.
   */
  gaps?: 'skip' | 'error'
}

export const WINDOWS_OPTIONS: OptionTable<WindowsOptions> = {
  timesteps: 'integer',
  horizon: 'integer',
  stride: 'integer',
  target: 'any',
  time: 'integer',
  interval: 'number',
  gaps: ['skip', 'error'],
}

/** What is asked for, checked. */
export interface WindowPlan {
  readonly timesteps: number
  readonly horizon: number
  readonly stride: number
  readonly gaps: 'skip' | 'error'
  readonly time: number | undefined
  readonly interval: number
  /** Places of the features of x and of the targets in a row of so many; whether y is of one feature. */
  choose(features: number): { inputs: number[]; targets: number[]; alone: boolean }
}

export const what: string = 'data.windows'

export function planOf(options: WindowsOptions): WindowPlan {
  const { target, time, interval, gaps = 'skip' } = options ?? {}
  const timesteps = integer(what, 'timesteps', options?.timesteps, 1)
  const horizon = integer(what, 'horizon', options.horizon ?? 1, 1)
  const stride = integer(what, 'stride', options.stride ?? 1, 1)
  if ((time === undefined) !== (interval === undefined))
    throw new WeftError('ERR_ARGUMENT', `${what}: time and interval go together, got time ${show(time)} and interval ${show(interval)}`, {
      hint: 'For daily rows whose first feature counts days write { time: 0, interval: 1 }',
    })
  if (interval !== undefined && !(interval > 0 && interval < Number.POSITIVE_INFINITY))
    throw new WeftError('ERR_ARGUMENT', `${what}: interval must be positive, got ${interval}`)
  const choose: WindowPlan['choose'] = (features) => {
    const all = Array.from({ length: features }, (_, i) => i)
    if (time !== undefined && (!all.includes(time) || features < 2))
      throw new WeftError('ERR_ARGUMENT', `${what}: time is the place of one of several features, got ${time} of ${features}`)
    const inputs = all.filter((i) => i !== time)
    const targets = target === undefined ? inputs : typeof target === 'number' ? [target] : Array.isArray(target) ? [...target] : []
    if (targets.length === 0 || targets.some((index) => !inputs.includes(index))) {
      const known = time === undefined ? `features from 0 to ${features - 1}` : `features, of ${inputs.join(', ')}`
      throw new WeftError('ERR_ARGUMENT', `${what}: target must be ${known}, got ${show(target)}`)
    }
    return { inputs, targets, alone: typeof target === 'number' || (target === undefined && inputs.length === 1) }
  }
  return { timesteps, horizon, stride, gaps, time, interval: interval ?? Number.POSITIVE_INFINITY, choose }
}

/** Throws where the time is not after the one before; tells whether rows are missing between them. */
export function isGap({ interval }: WindowPlan, before: number, time: number, row: number): boolean {
  if (!(time > before))
    throw new WeftError('ERR_DATA', `${what}: the time of row ${row}, ${time}, is not after that of the row before, ${before}`, {
      hint: 'Sort the rows by time, and leave out those that are there twice',
    })
  return time - before > 1.5 * interval
}

export const gapError = (row: number): WeftError =>
  new WeftError('ERR_DATA', `${what}: rows are missing before row ${row}`, {
    hint: "Fill them, or leave out the windows that reach over them: { gaps: 'skip' }",
  })

/** Of a series in which no window fits. */
export function noWindow({ timesteps, horizon }: WindowPlan, steps: number, gaps: number, shape?: readonly number[]): WeftError {
  const where = gaps > 0 ? `, with rows left out before ${gaps} of them,` : ''
  return new WeftError(
    'ERR_SHAPE',
    `${what}: a series of ${steps} steps${where} has no window of ${timesteps} steps and the ${horizon} after it`,
    {
      ...(shape && { shapes: [shape] }),
      hint:
        gaps > 0
          ? 'Windows do not reach over rows that are missing: fill them, as with { missing: 0 } of data.csv, or shorten timesteps'
          : `It needs at least ${timesteps + horizon} steps`,
    },
  )
}
