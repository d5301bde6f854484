// Pieces of host memory that become one buffer: here, and by the worker.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { gatherInto } from '../../lib/core/gather.js'
import { allocate } from '../../lib/core/tensor.js'
import '../../lib/index.js'

const bytesFrom = (begin: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (begin + i) % 251)

test('the pieces in order, then again from the first on, at every size around the one that is handed over', async () => {
  for (const size of [1, 100, 1023, 1024, 100_000, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3_000_000])
    for (const share of [1, 0.75, 0.5, 0.3]) {
      const filled = Math.max(1, Math.ceil(size * share))
      const whole = bytesFrom(7, filled)
      const cuts = [0, Math.floor(filled / 3), Math.floor(filled / 3), Math.floor(filled / 2), filled]
      // pieces that lie at any address
      const pieces = cuts.slice(1).map((end, i) => {
        const apart = new Uint8Array(end - cuts[i]! + 3).subarray(3)
        apart.set(whole.subarray(cuts[i], end))
        return apart
      })
      const t = allocate([size], 'uint8', 'cpu')
      gatherInto(t.held(), pieces)
      const found = (await t.data()) as Uint8Array
      const expected = new Uint8Array(size)
      expected.set(whole)
      for (let at = filled; at < size; at *= 2) expected.copyWithin(at, 0, Math.min(at, size - at))
      assert.is(Buffer.compare(found, expected), 0, `${size} bytes, ${filled} given`)
      t.dispose()
    }
})

test('runs that read it come after it, and its memory is kept until then', async () => {
  const sums: Promise<number>[] = []
  for (let i = 0; i < 50; i++) {
    const t = allocate([2_000_000], 'uint8', 'cpu')
    gatherInto(t.held(), [new Uint8Array(1_200_000).fill(1), new Uint8Array(800_000).fill(2)])
    sums.push(t.sum().array() as Promise<number>)
    t.dispose()
  }
  for (const sum of await Promise.all(sums)) assert.is(sum, 2_800_000)
})

test('what does not fit is refused, not written', () => {
  const host = new ArrayBuffer(100)
  const wrong: [number, number, unknown[]][] = [
    [0, 101, [new Uint8Array(1)]],
    [90, 11, [new Uint8Array(1)]],
    [0, 100, [new Uint8Array(60), new Uint8Array(41)]],
    [0, 100, []],
    [0, 100, [new Float32Array(25)]],
    [0, 100, ['text']],
  ]
  for (const [offset, bytes, pieces] of wrong)
    assert.throws(() => native.gather(0, host, offset, bytes, pieces as Uint8Array[]), /gather/, `${offset} ${bytes}`)
})

test.run()
