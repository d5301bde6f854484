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

/** Numbers among the options of a schedule, checked: the value given, or what holds where none is. */
interface Numbers<T> {
  positive(name: keyof T & string, otherwise?: number): number
  /** At least 0. */
  rate(name: keyof T & string, otherwise?: number): number
}

/** A schedule as its file declares it. */
interface Declared<T extends object> {
  name: string
  options: OptionTable<T>
  /** The formula twice: with operations, and on the host. `config` where it is not the options as they were given. */
  make(options: T, numbers: Numbers<T>): Pick<Schedule, 'call' | 'at'> & { config?: Schedule['config'] }
}

/** The factory of a schedule. It checks its call, and needs its options. */
export function defineSchedule<T extends object>({ name, options: table, make }: Declared<T>): (options: T) => Schedule {
  return (...args) => {
    checkCall(`schedules.${name}(options)`, args, table)
    const [options] = args
    if (options === undefined)
      throw new WeftError('ERR_ARGUMENT', `schedules.${name}: options are missing`, {
        hint: `Write schedules.${name}({ ${Object.keys(table).slice(0, 2).join(', ')}, ... })`,
      })
    const read =
      (fits: (value: number) => boolean, wanted: string) =>
      (key: keyof T & string, otherwise?: number): number => {
        const value: unknown = options[key] ?? otherwise
        if (typeof value === 'number' && Number.isFinite(value) && fits(value)) return value
        throw new WeftError('ERR_ARGUMENT', `${name}: ${key} must be ${wanted}, got ${show(value)}`)
      }
    const numbers = {
      positive: read((value) => value > 0, 'a positive number'),
      rate: read((value) => value >= 0, 'a number of at least 0'),
    }
    return { className: name, config: { ...options } as Schedule['config'], ...make(options, numbers) }
  }
}

export const isSchedule = (value: unknown): value is Schedule =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Schedule>).call === 'function' &&
  typeof (value as Partial<Schedule>).at === 'function'
