// A pooled first layer, where nobody asks for the places of its largest values, runs on a path of its own: it agrees
// with the one that notes them, also where values are not finite.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, type Tensor, tensor } from '../../lib/index.js'
import { apply } from '../../lib/core/apply.js'
import { Conv2dReluPool } from '../../lib/ops/conv.js'

const [images, height, width, filters] = [3, 13, 15, 32]
const attrs = { strides: [1, 1], padding: [0, 0, 0, 0], dilations: [1, 1], groups: 1, poolSize: [2, 2] }
const wave = (length: number, step: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * step + 1))
const kernel = tensor(wave(9 * filters, 0.7), [3, 3, 1, filters])
const bias = tensor(wave(filters, 1.3), [filters])

const pooled = jit((x: Tensor) => apply(Conv2dReluPool, [x, kernel, bias], attrs)[0]!)
const both = jit((x: Tensor) => apply(Conv2dReluPool, [x, kernel, bias], attrs))

async function compare(values: Float32Array, count = images): Promise<Float32Array> {
  const x = tensor(values, [count, height, width, 1])
  const fast = (await pooled(x).data()) as Float32Array
  const expected = (await both(x)[0]!.data()) as Float32Array
  assert.is(fast.length, expected.length)
  for (const [i, value] of expected.entries()) assert.ok(Object.is(fast[i], value), `at ${i}: ${fast[i]}, expected ${value}`)
  return fast
}

test('values without places are those with places, and of each image alone', async () => {
  const values = wave(images * height * width, 0.37)
  const all = await compare(values)
  const size = all.length / images
  for (let i = 0; i < images; i++) {
    const alone = await compare(values.slice(i * height * width, (i + 1) * height * width), 1)
    assert.equal(alone, all.slice(i * size, (i + 1) * size))
  }
})

test('infinities, NaN and the largest numbers reach only what reads them', async () => {
  for (const odd of [Infinity, -Infinity, NaN, 3.4e38]) {
    for (const at of [0, 1, 17, 18, 33, 34, 100]) {
      const values = wave(images * height * width, 0.37)
      values[at] = odd
      await compare(values)
    }
  }
})

test.run()
