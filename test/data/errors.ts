// Asserting errors by code, and that the message names what it must.
import * as assert from 'uvu/assert'
import { type ErrorCode, WeftError } from '../../lib/error.js'

function check(code: ErrorCode, message: RegExp, error: unknown): void {
  if (!(error instanceof WeftError)) throw error
  assert.is(error.code, code, `${error.code}: ${error.message}`)
  assert.match(error.message, message)
}

/** Asserts that fn throws a WeftError of this code with a matching message. */
export function throws(code: ErrorCode, message: RegExp, fn: () => unknown): void {
  let thrown: unknown
  let returned = false
  try {
    fn()
    returned = true
  } catch (error) {
    thrown = error
  }
  assert.not(returned, `nothing was thrown; expected ${code} ${message}`)
  check(code, message, thrown)
}

/** Asserts that the promise is rejected with a WeftError of this code with a matching message. */
export async function rejects(code: ErrorCode, message: RegExp, promise: Promise<unknown>): Promise<void> {
  let reason: unknown
  let resolved = false
  try {
    await promise
    resolved = true
  } catch (error) {
    reason = error
  }
  assert.not(resolved, `the promise was resolved; expected ${code} ${message}`)
  check(code, message, reason)
}
