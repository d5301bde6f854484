// What the tests of training share: comparison of numbers within a relative tolerance, and small models.
import * as assert from 'uvu/assert'

/** Every value within `tolerance` of its reference, relative to the larger of 1 and the reference. */
export function close(found: ArrayLike<number | bigint>, expected: readonly number[], tolerance: number): void {
  assert.is(found.length, expected.length, 'length')
  expected.forEach((value, i) => {
    const error = Math.abs(Number(found[i]) - value)
    assert.ok(error <= tolerance * Math.max(1, Math.abs(value)), `value ${i}: ${Number(found[i])}, expected ${value} within ${tolerance}`)
  })
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new assert.Assertion({
    message: 'the promise was expected to reject',
    details: '',
    generated: true,
    operator: 'rejects',
    expects: 'rejection',
    actual: 'success',
  } as never)
}
