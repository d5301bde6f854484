// Checks of what quantized operations are told: scales and zero points.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'

/** What 8 bits hold. */
const LIMITS = { int8: [-128, 127], uint8: [0, 255] } as const

/** A scale for the device: ERR_ARGUMENT unless it is above 0, where it is a number. */
export function scaleNumber(op: string, name: string, value: unknown): number {
  const rounded = typeof value === 'number' ? Math.fround(value) : Number.NaN
  // what is below is taken for 0 on every device
  if (!(rounded >= 2 ** -126 && rounded < Number.POSITIVE_INFINITY))
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be a positive float32, got ${show(value)}`, { op })
  return rounded
}

/** A zero point: ERR_ARGUMENT unless it is an integer of the dtype. */
export function zeroPointNumber(op: string, name: string, value: unknown, dtype: 'int8' | 'uint8'): number {
  const [low, high] = LIMITS[dtype]
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high)
    throw new WeftError('ERR_ARGUMENT', `${op}: ${name} must be an integer from ${low} to ${high}, as ${dtype} holds, got ${show(value)}`, {
      op,
    })
  return value as number
}
