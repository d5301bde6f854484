// What the tests of layers share: values within a tolerance, and the error a call throws.
import * as assert from 'uvu/assert'
import type { ErrorCode, Tensor, WeftError } from '../../lib/index.js'

/** Every value of t within `tolerance` of its reference, relative to the larger of 1 and the reference. */
export async function near(t: Tensor, expected: readonly number[], tolerance = 1e-5): Promise<void> {
  const found = Array.from((await t.data()) as Float32Array, Number)
  assert.is(found.length, expected.length, 'number of values')
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i]! - value) <= tolerance * Math.max(1, Math.abs(value)), `value ${i}: ${found[i]}, expected ${value}`)
  })
}

/** The WeftError that fn throws, with this code and all of these words in its message. */
export function refuses(fn: () => unknown, code: ErrorCode, ...words: readonly string[]): WeftError {
  try {
    fn()
  } catch (error) {
    const { code: found, message } = error as WeftError
    assert.is(found, code, String(error))
    for (const word of words) assert.ok(message.includes(word), `'${word}' is not in: ${message}`)
    return error as WeftError
  }
  throw new Error(`nothing was thrown, expected ${code}`)
}
