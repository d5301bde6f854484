// Monitor: a figure of the logs that callbacks watch, and whether less or more of it is better.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { warnOnce } from '../core/warnings.js'
import { risingByName } from '../metrics/by_name.js'
import type { AnyModel } from '../model/model.js'
import type { Logs } from '../model/step.js'

/** 'auto': as the metric says. */
export type MonitorMode = 'auto' | 'min' | 'max'
export const MODES: readonly MonitorMode[] = ['auto', 'min', 'max']

export class Monitor {
  readonly key: string
  private readonly mode: MonitorMode
  private rising = false
  private readonly minDelta: number
  private readonly what: string

  constructor(what: string, key: string, mode: MonitorMode, minDelta: number) {
    if (!(minDelta >= 0)) throw new WeftError('ERR_ARGUMENT', `${what}: minDelta must be a number of at least 0, got ${show(minDelta)}`)
    this.what = what
    this.key = key
    this.mode = mode
    this.minDelta = minDelta
  }

  /** Settles, before the first epoch, whether less or more is better. */
  begin(model: AnyModel): void {
    this.rising = this.mode === 'auto' ? this.direction(model) : this.mode === 'max'
  }

  private direction(model: AnyModel): boolean {
    const rising = model.compiled.risingOf(this.key.replace(/^val_/, '')) ?? risingByName(this.key)
    if (rising !== undefined) return rising
    throw new WeftError('ERR_ARGUMENT', `${this.what}: cannot tell whether less or more of '${this.key}' is better`, {
      hint: "Say mode: 'min' or mode: 'max'; a metric of your own can say it with rising: true or false",
    })
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
    const value = Object.hasOwn(logs, this.key) ? logs[this.key] : undefined
    if (value === undefined) {
      const keys = Object.keys(logs)
      const unvalidated = this.key.startsWith('val_') && !keys.some((key) => key.startsWith('val_'))
      warnOnce(
        'WEFT_MONITOR',
        `${this.what}: there is no '${this.key}' in the logs; there are ${keys.join(', ')}${unvalidated ? '. Give fit validationData or validationSplit' : ''}`,
        `${this.what} ${this.key}`,
      )
    }
    return value
  }
}
