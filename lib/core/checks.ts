// Checks of single values: typed arrays, integers and shapes. Each throws a WeftError that shows what was received.
import { WeftError } from './error.js'
import type { TypedArray } from './host.js'
import { isClass, isDetached, show } from './options.js'
import type { Shape } from './spec.js'

/** Whether the value is a typed array of any kind, those without a dtype included. */
export const isTypedArray = (value: unknown): value is TypedArray => ArrayBuffer.isView(value) && !(value instanceof DataView)

/** Whether the value is an array or a typed array. */
export const isList = (value: unknown): value is readonly unknown[] | TypedArray => Array.isArray(value) || isTypedArray(value)

/**
 * The value's items; ERR_ARGUMENT unless it is an iterable that is no string, and of no length that memory could not
 * hold.
 */
export function itemsOf<T>(what: string, value: Iterable<T> | ArrayLike<T>, kind: string): T[] {
  const given: unknown = value
  const iterable = typeof given === 'object' && given !== null && typeof (given as Iterable<T>)[Symbol.iterator] === 'function'
  if (!iterable || (ArrayBuffer.isView(given) && isDetached(given)))
    throw new WeftError('ERR_ARGUMENT', `${what}: expected ${kind}, got ${show(given)}`)
  return Array.from(given as Iterable<T>)
}

/** Whether the value is an integer in [least, most]. */
export const isInteger = (
  value: unknown,
  least: number = Number.NEGATIVE_INFINITY,
  most: number = Number.POSITIVE_INFINITY,
): value is number => Number.isInteger(value) && (value as number) >= least && (value as number) <= most

/** Whether the value is an array of integers of at least `least`, as many as `length` where that is given. */
export function isIntegers(value: unknown, least: number = Number.NEGATIVE_INFINITY, length?: number): boolean {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return false
  // holes are passed over by every()
  for (let i = 0; i < value.length; i++) if (!isInteger(value[i], least)) return false
  return true
}

/** The value when it is an integer in [least, most]; ERR_ARGUMENT otherwise. */
export function integer(
  what: string,
  name: string,
  value: unknown,
  least: number = Number.NEGATIVE_INFINITY,
  most: number = Number.POSITIVE_INFINITY,
): number {
  if (isInteger(value, least, most)) return value
  const range =
    most !== Number.POSITIVE_INFINITY ? ` between ${least} and ${most}` : least !== Number.NEGATIVE_INFINITY ? ` of at least ${least}` : ''
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be an integer${range}, got ${value === undefined ? 'nothing' : show(value)}`)
}

/** The value when it is a finite number; ERR_ARGUMENT otherwise. */
export function finite(what: string, name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a finite number, got ${show(value)}`)
}

/** Throws ERR_ARGUMENT unless the value is a function that can be called without `new`. */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function' || isClass(value)) throw new WeftError('ERR_ARGUMENT', `${what}: expected a function, got ${show(value)}`)
}

/** Throws ERR_SHAPE unless every extent is a non-negative integer. */
export function checkShape(what: string, shape: unknown): asserts shape is Shape {
  if (!Array.isArray(shape) || shape.some((n) => !Number.isSafeInteger(n) || (n as number) < 0)) {
    throw new WeftError('ERR_SHAPE', `${what}: a shape is a list of non-negative integers, got ${show(shape)}`)
  }
  // holes are passed over by some()
  for (let i = 0; i < shape.length; i++)
    if (!(i in shape)) throw new WeftError('ERR_SHAPE', `${what}: a shape is a list of non-negative integers, got a list with holes`)
  if (!Number.isSafeInteger(shape.reduce((n: number, extent: number) => n * extent, 1)))
    throw new WeftError('ERR_SHAPE', `${what}: a tensor of shape [${shape}] has more than 2^53 values`)
}
