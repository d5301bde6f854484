// What scikit-learn gave for the data of these tests (test/learn/evaluation.py), and a comparison of trees of numbers.
import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'

// tests run from the root of the package
export const recorded = JSON.parse(readFileSync('test/learn/evaluation.json', 'utf8')) as Record<string, Recorded>
// biome-ignore lint/suspicious/noExplicitAny: the file holds trees of many forms
export type Recorded = any

/** Equal trees, numbers within a relative tolerance: rounding of sums in another order. */
export function alike(found: unknown, expected: unknown, tolerance: number = 1e-12, place = ''): void {
  if (typeof expected === 'number') {
    const error = Math.abs(Number(found) - expected)
    assert.ok(
      typeof found === 'number' && error <= tolerance * Math.max(1, Math.abs(expected)),
      `${place}: ${String(found)}, expected ${expected}`,
    )
    return
  }
  if (typeof expected !== 'object' || expected === null) {
    assert.is(found, expected, place)
    return
  }
  const [a, b] = [Object.keys(found as object), Object.keys(expected)]
  assert.equal(a, b, place)
  for (const key of b) alike((found as Recorded)[key], (expected as Recorded)[key], tolerance, `${place}.${key}`)
}

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
/** Options of scikit-learn with our names. */
export const camelCased = (options: object): Record<string, Recorded> =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [camel(name), value]))
