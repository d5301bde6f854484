// Monitor: a figure of the logs that callbacks watch, and whether less or more of it is better.
import { unknownName, WeftError } from '../core/error.js'
import type { Logs } from '../model/step.js'
import { warnOnce } from '../core/warnings.js'

export type MonitorMode = 'auto' | 'min' | 'max'

const MODES = ['auto', 'min', 'max']
/** Figures of which more is better, by name or ending; those of errors and losses are the others. */
const RISING = ['accuracy', 'acc', 'precision', 'recall', 'f1', 'auc', 'r2']
const FALLING = ['loss', 'mse', 'mae', 'rmse', 'error', 'crossentropy', 'huber', 'hinge', 'divergence', 'poisson', 'cosh', 'similarity']

export class Monitor {
  readonly key: string
  private readonly rising: boolean
  private readonly minDelta: number
  private readonly what: string

  constructor(what: string, key: string, mode: MonitorMode, minDelta: number) {
    if (!MODES.includes(mode)) throw unknownName('mode', mode, MODES)
    if (!(minDelta >= 0)) throw new WeftError('ERR_ARGUMENT', `${what}: minDelta must be a number of at least 0, got ${minDelta}`)
    this.what = what
    this.key = key
    this.minDelta = minDelta
    this.rising = mode === 'auto' ? direction(what, key) : mode === 'max'
  }

  /** What every figure is better than. */
  get worst(): number {
    return this.rising ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  better(value: number, best: number): boolean {
    return this.rising ? value - this.minDelta > best : value + this.minDelta < best
  }

  /** The figure; a warning, once, when the logs do not have it. */
  read(logs: Logs): number | undefined {
    const value = logs[this.key]
    if (value === undefined) {
      warnOnce(
        'WEFT_MONITOR',
        `${this.what}: there is no '${this.key}' in the logs; there are ${Object.keys(logs).join(', ')}`,
        `${this.what} ${this.key}`,
      )
    }
    return value
  }
}

function direction(what: string, key: string): boolean {
  const name = key.replace(/^val_/, '').toLowerCase()
  const ends = (ending: string): boolean => name.endsWith(ending)
  if (RISING.some(ends)) return true
  if (FALLING.some(ends)) return false
  throw new WeftError('ERR_ARGUMENT', `${what}: cannot tell whether less or more of '${key}' is better`, {
    hint: "Say mode: 'min' or mode: 'max'",
  })
}
