// What tests share: values within a tolerance, the errors that calls throw and promises reject with, reproducible
// numbers.
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { ErrorCode, Tensor, WeftError } from '../lib/index.js'

export const values = async (t: Tensor): Promise<number[]> => Array.from(await t.data(), Number)

/** Every value within `tolerance` of its reference, relative to the larger of 1 and the reference. */
export function close(found: ArrayLike<number | bigint>, expected: readonly number[], tolerance: number): void {
  assert.is(found.length, expected.length, 'number of values')
  expected.forEach((value, i) => {
    const error = Math.abs(Number(found[i]) - value)
    assert.ok(error <= tolerance * Math.max(1, Math.abs(value)), `value ${i}: ${Number(found[i])}, expected ${value} within ${tolerance}`)
  })
}

/** The same of a tensor's values. */
export const near = async (t: Tensor, expected: readonly number[], tolerance: number = 1e-5): Promise<void> =>
  close(await t.data(), expected, tolerance)

/** How long a test waits for what happens soon, however busy the machine is: this only ends a hang. */
export const HANG_MS = 60_000

/** Resolves once it is so, or rejects where it never is. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const begin = performance.now()
  while (!(await isSo())) {
    if (performance.now() - begin > HANG_MS) throw new Error(`it never came to pass: ${what}`)
    await pause(10)
  }
}

interface Failure {
  error: unknown
}
const failureOf = (fn: () => unknown): Failure | undefined => {
  try {
    fn()
    return undefined
  } catch (error) {
    return { error }
  }
}
const rejectionOf = (promise: Promise<unknown>): Promise<Failure | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
const codeIn = (failure: Failure | undefined): string | undefined =>
  failure && ((failure.error as { code?: string }).code ?? `not a WeftError: ${String(failure.error)}`)

/** The code of the error that fn throws; undefined when it throws none. */
export const codeOf = (fn: () => unknown): string | undefined => codeIn(failureOf(fn))
/** The code of the error that the promise rejects with; undefined when it resolves. */
export const codeOfAsync = async (promise: Promise<unknown>): Promise<string | undefined> => codeIn(await rejectionOf(promise))

/** The error that the promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const failure = await rejectionOf(promise)
  assert.ok(failure, 'the promise was expected to reject')
  return failure!.error as Error
}

function check(failure: Failure | undefined, code: ErrorCode, message: RegExp): void {
  assert.ok(failure, `expected ${code} ${message}, but nothing failed`)
  const error = failure!.error as WeftError
  assert.is(error.code, code, String(error))
  assert.match(error.message, message)
}

/** Asserts that fn throws a WeftError of this code with a matching message. */
export const throws = (code: ErrorCode, message: RegExp, fn: () => unknown): void => check(failureOf(fn), code, message)
/** Asserts that the promise rejects with a WeftError of this code with a matching message. */
export const rejects = async (code: ErrorCode, message: RegExp, promise: Promise<unknown>): Promise<void> =>
  check(await rejectionOf(promise), code, message)

/** The WeftError that fn throws, with this code and all of these words in its message. */
export function refuses(fn: () => unknown, code: ErrorCode, ...words: readonly string[]): WeftError {
  const failure = failureOf(fn)
  check(failure, code, /(?:)/)
  const error = failure!.error as WeftError
  for (const word of words) assert.ok(error.message.includes(word), `'${word}' is not in: ${error.message}`)
  return error
}

/** A generator of numbers in [0, 1), the same on every machine (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
