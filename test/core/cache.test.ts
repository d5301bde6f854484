// What keeps programs and walks over values: the cache drops what was unused longest, trees are walked in order.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Cache } from '../../lib/core/cache.js'
import { isShape, leavesOf, mapLeaves } from '../../lib/core/tree.js'
import { tensor, tidy, variable } from '../../lib/index.js'
import { codeOf } from '../expect.js'

test('the entry that was unused longest goes first', () => {
  const dropped: number[] = []
  const cache = new Cache<number>(3, (value) => dropped.push(value))
  for (const value of [1, 2, 3]) cache.add(String(value), value)
  assert.is(cache.get('1'), 1)
  cache.add('4', 4)
  cache.add('5', 5)
  assert.equal(dropped, [2, 3])
  assert.is(cache.size, 3)
  assert.is(cache.get('2'), undefined)
  cache.clear()
  assert.equal(dropped.slice(2).sort(), [1, 4, 5])
  assert.is(cache.size, 0)
})

test('values are assigned to variables of more shapes than programs are kept', async () => {
  for (let n = 1; n <= 600; n++) {
    const w = variable(new Float32Array(n))
    w.assign(tensor(new Float32Array(n).fill(n)))
    if (n % 100 === 0) assert.is((await w.data())[n - 1], n)
    w.dispose()
  }
})

test('trees of shapes', () => {
  const tree = { a: [null, 3], list: [[2, 2], []], none: undefined }
  assert.equal(
    leavesOf(tree, isShape).map((shape) => shape.length),
    [2, 2, 0],
  )
  assert.equal(
    mapLeaves(tree, isShape, (shape) => shape.length),
    { a: 2, list: [2, 0], none: undefined },
  )
})

test('what contains itself is refused', () => {
  const ring: unknown[] = [tensor([1])]
  ring.push(ring)
  assert.is(
    codeOf(() => tidy(() => ring)),
    'ERR_ARGUMENT',
  )
})

test.run()
