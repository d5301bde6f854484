// Folders of tiny models, and what their oracle computed: test/pretrained/oracle writes them with PyTorch.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import * as assert from 'uvu/assert'
import type { Tensor } from '../../lib/index.js'

const root = path.join(import.meta.dirname, '..', '..', '..', 'test', 'pretrained', 'fixtures')

export const fixture = (name: string): string => path.join(root, name)

export const expectedOf = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(path.join(fixture(name), 'expected.json'), 'utf8')) as T

/** The largest difference of the values. */
export async function distance(found: Tensor, expected: readonly number[]): Promise<number> {
  const values = await found.data()
  assert.is(values.length, expected.length)
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(Number(values[i]) - value)), 0)
}
