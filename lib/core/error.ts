// WeftError: the one error type users see, with a stable code and the facts behind it.
import type { DynamicShape } from './spec.js'

/**
 * What went wrong, by code. A part of the package that has codes of its own declares them where they belong, as
 * lib/serve/error_codes.ts does.
 */
export interface ErrorCodes {
  ERR_SHAPE: true
  ERR_DTYPE: true
  ERR_ARGUMENT: true
  /** Operands on two devices. */
  ERR_DEVICE: true
  ERR_NO_DEVICE: true
  ERR_OUT_OF_MEMORY: true
  ERR_TRACE: true
  /** Not built, not compiled, already training; or the machine refuses. */
  ERR_STATE: true
  ERR_DISPOSED: true
  /** A file. */
  ERR_FORMAT: true
  /** A value in the data. */
  ERR_DATA: true
  ERR_CUDA: true
}
export type ErrorCode = keyof ErrorCodes

export interface ErrorFacts {
  /** The operation, layer or shapes the error is about. */
  op?: string
  layer?: string
  shapes?: readonly DynamicShape[]
  /** What to do about it; appended to the message. */
  hint?: string
  cause?: unknown
}

const DEEPEST = 50

/** Names and paths that users gave may be endless; a message is read by people. */
const shortened = (text: string): string =>
  text.length < 500 ? text : text.replace(/\S{500,}/g, (run) => `${run.slice(0, 200)}...${run.slice(-100)}`)

/**
 * Thrown for everything a user can get wrong and everything a device can report. `code` is stable; `message` names the
 * values received.
 */
export class WeftError extends Error {
  readonly code: ErrorCode
  // declared, not defined: what is unknown is absent, so that console.log(error) prints no undefined fields
  declare readonly op: string | undefined
  declare readonly layer: string | undefined
  declare readonly shapes: readonly DynamicShape[] | undefined
  declare readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    // enough frames for the line of the program below those of the library
    const limit = Error.stackTraceLimit
    if (limit >= 10) Error.stackTraceLimit = Math.max(limit, DEEPEST)
    const hint = facts.hint === undefined ? undefined : shortened(facts.hint)
    super(hint ? `${shortened(message)}. ${hint}` : shortened(message), facts.cause === undefined ? undefined : { cause: facts.cause })
    if (limit >= 10) Error.stackTraceLimit = limit
    this.code = code
    if (facts.op !== undefined) this.op = facts.op
    if (facts.layer !== undefined) this.layer = facts.layer
    if (facts.shapes !== undefined) this.shapes = facts.shapes
    if (hint !== undefined) this.hint = hint
  }
}

// on the prototype, so that an error prints its name once
Object.defineProperty(WeftError.prototype, 'name', { value: 'WeftError', writable: true, configurable: true })

/** Runs fn; an error of the addon becomes a WeftError. */
export function guard<T>(fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    const code = (error as { weftCode?: ErrorCode }).weftCode
    if (code === undefined) throw error
    throw new WeftError(code, (error as Error).message)
  }
}

/** Edits (insert, delete, replace, swap of neighbours) between two short names. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** Any value as text, without an error of its own. */
function plain(value: unknown): string {
  if (typeof value === 'object' || typeof value === 'function')
    return value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`
  return String(value)
}

/**
 * ERR_ARGUMENT for a name that is not one of `known`. The hint has the nearest of them.
 * @param kind what it names: 'metric', or with its place, 'option of fit'
 */
export function unknownName(kind: string, name: unknown, known: readonly string[]): WeftError {
  const text = typeof name === 'string' ? (name.length > 60 ? `${name.slice(0, 57)}...` : name) : plain(name)
  const nearest = [...known].sort(
    (a, b) => distance(text.toLowerCase(), a.toLowerCase()) - distance(text.toLowerCase(), b.toLowerCase()),
  )[0]
  const close = nearest !== undefined && distance(text.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, text.length / 3)
  const [, what, place] = /^(.*?) of (.*)$/.exec(kind) ?? [undefined, kind]
  return new WeftError('ERR_ARGUMENT', `${place === undefined ? '' : `${place}: `}unknown ${what} '${text}'`, {
    hint: `${close ? `Did you mean '${nearest}'? ` : ''}Known: ${known.join(', ')}`,
  })
}
