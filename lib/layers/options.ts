// Checks of layer options: sizes, strides and paddings.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'

/** A size of one or two axes. */
export type Size = number | readonly [number, number]
export type Padding = 'valid' | 'same'

/** The option when it is an integer of at least `low`; ERR_ARGUMENT otherwise. */
export function integerOption(what: string, name: string, value: unknown, low = 1): number {
  return integer(what, name, value, low)
}

/** A number, or one for each of two axes, as two. */
export function pairOption(what: string, name: string, value: unknown, low = 1): [number, number] {
  if (typeof value === 'number') return [integerOption(what, name, value, low), value]
  if (!Array.isArray(value) || value.length !== 2) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: ${name} must be an integer or two of them, got ${value === undefined ? 'nothing' : show(value)}`,
    )
  }
  return [integerOption(what, name, value[0], low), integerOption(what, name, value[1], low)]
}

/** A number, or a list of one, as a number. */
export const singleOption = (what: string, name: string, value: unknown, low = 1): number =>
  integerOption(what, name, Array.isArray(value) && value.length === 1 ? value[0] : value, low)

/** The option when it is one of `known`. */
export function choiceOption<T extends string>(what: string, name: string, value: T, known: readonly T[]): T {
  if (!known.includes(value))
    throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be ${known.map((k) => `'${k}'`).join(' or ')}, got ${show(value)}`)
  return value
}

/** A rate in [0, 1). */
export function rateOption(what: string, value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value < 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: rate must be in [0, 1), got ${show(value)}`)
  return value
}
