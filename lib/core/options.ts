// Options: one typed table per option type, from which every check of a call follows: unknown names, values of another
// kind, surplus arguments.
import { unknownName, WeftError } from './error.js'
import { DTYPES } from './spec.js'

/** What a value of an option may be; 'any' where the function itself checks. A list: one of these strings. */
export type Kind = 'boolean' | 'number' | 'integer' | 'string' | 'function' | 'object' | 'list' | 'any' | readonly string[]

/** Every option of T with its kind. A key that T lacks, or one that is forgotten, does not compile. */
export type OptionTable<T extends object> = { readonly [K in keyof Required<T>]: Kind }

/** The name of a function; undefined where it has none, or one that is no text. */
function nameOf(fn: unknown): string | undefined {
  try {
    const { name } = fn as { name: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}

/** The most characters of a value in a message. */
const SHOWN = 80
const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype

/**
 * The beginning of lists and plain objects, as much of them as can be among the characters shown: a message about a
 * million numbers costs no more than one about ten. Throws for a value inside of itself, as JSON does.
 */
function beginning(value: unknown, budget: { left: number }, around: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return (value as Uint8Array).subarray(0, SHOWN)
  const isList = Array.isArray(value)
  if (!isList && (!isPlain(value) || 'toJSON' in value)) return value
  if (around.includes(value)) throw new TypeError('a value inside of itself')
  const inside = [...around, value]
  const taken: unknown[] = []
  const names = isList ? value : Object.keys(value)
  for (let i = 0; i < names.length && budget.left-- > 0; i++)
    taken.push(isList ? beginning(value[i], budget, inside) : [names[i], beginning(Reflect.get(value, names[i] as string), budget, inside)])
  return isList ? taken : Object.fromEntries(taken as [string, unknown][])
}

/** The value for a message: short, and never an error of its own (cycles, throwing getters, BigInt). */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function')
    return nameOf(value) === undefined ? 'a function' : `the ${isClass(value) ? 'class' : 'function'} ${nameOf(value)}`
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    const text = Array.isArray(value) || isPlain(value) ? JSON.stringify(beginning(value, { left: SHOWN }, [])) : undefined
    if (text !== undefined) return text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text
    const kind = nameOf((value as object).constructor)
    return kind === undefined ? 'an object' : `a ${kind}`
  } catch {
    return isArray(value) ? 'a list' : 'an object'
  }
}

/** Array.isArray(), which throws for a revoked proxy. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/** Whether the value is a class: a function that cannot be called without `new`. */
export const isClass = (value: unknown): boolean =>
  typeof value === 'function' &&
  Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false &&
  Function.prototype.toString.call(value).startsWith('class') // Boolean and the like can be called

/** Whether a typed array's buffer was transferred away: it has no values, and its methods throw. */
export const isDetached = ({ buffer }: ArrayBufferView): boolean => {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/** Whether the value is of the kind. */
function fits(value: unknown, kind: Kind): boolean {
  if (typeof kind !== 'string') return typeof value === 'string' && kind.includes(value)
  if (kind === 'any') return true
  if (kind === 'integer') return Number.isInteger(value)
  if (kind === 'list') return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView) && !isDetached(value))
  if (kind === 'function') return typeof value === 'function' && !isClass(value)
  if (kind === 'object') return typeof value === 'object' && value !== null
  return typeof value === kind
}

const expected = (kind: Kind): string =>
  typeof kind !== 'string'
    ? `one of ${kind.map((name) => `'${name}'`).join(', ')}`
    : kind === 'list'
      ? 'a list'
      : `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`

/** An options object is a plain record: no array, tensor, string or number. */
function isOptions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return false
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === Object.prototype || prototype === null
}

/**
 * Throws ERR_ARGUMENT unless `options` is undefined or a record whose keys are all in the table, with values of their
 * kinds (undefined: as if absent).
 * @param what the function as users write it ('optimizers.adam'), for messages
 * @param before the arguments before the options in a corrected call, as in 'x, y'
 */
export function checkOptions<T extends object>(what: string, options: unknown, table: OptionTable<T>, before = ''): void {
  if (options === undefined) return
  const kinds = table as Readonly<Record<string, Kind>>
  if (!isOptions(options)) {
    const names = Object.keys(kinds)
    // the first option that such a value could have been meant for
    const dtype = names.find((name) => name === 'dtype' && (DTYPES as readonly unknown[]).includes(options))
    const meant = dtype ?? names.find((name) => kinds[name] !== 'any' && fits(options, kinds[name]!)) ?? names[0]
    const shown = typeof options === 'object' || typeof options === 'function' ? '...' : show(options)
    throw new WeftError('ERR_ARGUMENT', `${what}: options are an object, got ${show(options)}`, {
      hint: `Write ${what}(${before}${before && meant ? ', ' : ''}${meant ? `{ ${meant}: ${shown} }` : ''})`,
    })
  }
  for (const key of Object.keys(options)) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key]! : undefined
    if (kind === undefined) throw unknownName(`option of ${what}`, key, Object.keys(kinds))
    const value = options[key]
    if (value !== undefined && !fits(value, kind))
      throw new WeftError('ERR_ARGUMENT', `${what}: ${key} is ${expected(kind)}, got ${show(value)}`)
  }
}

interface Signature {
  readonly name: string
  readonly parameters: readonly string[]
}
const signatures = new Map<string, Signature>()

function parse(signature: string): Signature {
  const open = signature.indexOf('(')
  const inside = signature.slice(open + 1, -1)
  const made = { name: signature.slice(0, open), parameters: inside === '' ? [] : inside.split(', ') }
  signatures.set(signature, made)
  return made
}

/**
 * Checks a call of a public function: throws ERR_ARGUMENT for a surplus argument, and for options that are not as the
 * table says.
 * @param signature the call as users write it: 'cumSum(x, axis, options)'; options, where there are any, are the last
 *   parameter
 * @param args the function's `arguments`
 */
export function checkCall<T extends object>(signature: string, args: ArrayLike<unknown>, table?: OptionTable<T>): void {
  const { name, parameters } = signatures.get(signature) ?? parse(signature)
  const most = parameters.length
  if (args.length > most) {
    throw new WeftError('ERR_ARGUMENT', `${name} takes ${most === 0 ? 'no arguments' : `at most ${most}`}, got ${args.length}`, {
      hint: `Write ${signature}; the surplus one is ${show(args[most])}`,
    })
  }
  if (table !== undefined && args.length === most) checkOptions(name, args[most - 1], table, parameters.slice(0, -1).join(', '))
}
