// Schedule: what a learning rate that changes is, and how one is made from its formula.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'

/** A learning rate that changes with the number of updates. */
export interface Schedule {
  /** The rate at `step`, a float32 scalar, as a float32 scalar. */
  call(step: Tensor): Tensor
  /** The same on the host. */
  at(step: number): number
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
}

export const positive = (what: string, name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a positive number, got ${show(value)}`)
}
export const rate = (what: string, name: string, value: number): number => {
  if (Number.isFinite(value) && value >= 0) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a number of at least 0, got ${show(value)}`)
}

/** Checks the call of a factory, which needs its options. */
export function checkSchedule<T extends object>(name: string, args: ArrayLike<unknown>, table: OptionTable<T>): void {
  checkCall(`schedules.${name}(options)`, args, table)
  if (args.length > 0 && args[0] !== undefined) return
  throw new WeftError('ERR_ARGUMENT', `schedules.${name}: options are missing`, {
    hint: `Write schedules.${name}({ ${Object.keys(table).slice(0, 2).join(', ')}, ... })`,
  })
}

export const schedule = (className: string, config: object, call: (step: Tensor) => Tensor, at: (step: number) => number): Schedule => ({
  className,
  config: { ...config },
  call,
  at,
})

export const isSchedule = (value: unknown): value is Schedule =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Schedule>).call === 'function' &&
  typeof (value as Partial<Schedule>).at === 'function'
