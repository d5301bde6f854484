// Kept values: what a save reads while steps go on. The host reads them piece by piece, and later writes do not reach
// them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keep, type Kept } from '../../lib/core/keep.js'
import { jit, memory, tensor, variable } from '../../lib/index.js'

const SIZE = 1000
const filled = (value: number): Float32Array => new Float32Array(SIZE).fill(value)

/** All values of what was kept, read in pieces of `piece` bytes; `between` runs before each piece. */
async function read(kept: Kept, piece: number, between: () => void = () => {}): Promise<Float32Array> {
  const bytes = new Uint8Array(kept.bytes)
  for (let at = 0; at < bytes.length; at += piece) {
    between()
    await kept.read(at, bytes.subarray(at, Math.min(bytes.length, at + piece)))
  }
  return new Float32Array(bytes.buffer)
}

test('the values of the time of keep(), whatever is assigned while they are read', async () => {
  const v = variable(filled(1))
  const kept = keep(v)
  assert.equal(await read(kept, 300, () => v.assign(v.add(1))), filled(1))
  assert.equal(await v.data(), filled(1 + Math.ceil((4 * SIZE) / 300)))
  kept.release()
})

test('a traced step that updates a variable leaves the kept values', async () => {
  const v = variable(filled(3))
  const step = jit(() => v.assign(v.mul(2)).sum())
  step()
  const kept = keep(v)
  const pieces = read(kept, 512, step)
  assert.equal(await pieces, filled(6))
  assert.is((await v.data())[0], 6 * 2 ** Math.ceil((4 * SIZE) / 512))
  kept.release()
})

test('no copy is made where nothing is written, and one where something is', () => {
  const v = variable(filled(1))
  const [two, three] = [tensor(filled(2)), tensor(filled(3))]
  const before = memory().tensors
  const first = keep(v)
  const second = keep(v)
  const reading = jit(() => v.sum())
  reading().dispose()
  assert.is(memory().tensors, before)
  v.assign(two)
  assert.is(memory().tensors, before + 1)
  v.assign(three)
  assert.is(memory().tensors, before + 1)
  first.release()
  assert.is(memory().tensors, before + 1)
  second.release()
  assert.is(memory().tensors, before)
})

test('a variable may be disposed while its values are read', async () => {
  const v = variable(filled(5))
  const before = memory().tensors
  const kept = keep(v)
  v.dispose()
  assert.equal(await read(kept, 4 * SIZE), filled(5))
  kept.release()
  assert.is(memory().tensors, before - 1)
})

test('two that keep at different times have different values', async () => {
  const v = variable(filled(1))
  const first = keep(v)
  v.assign(tensor(filled(2)))
  const second = keep(v)
  v.assign(tensor(filled(3)))
  assert.equal([(await read(first, 4096))[7], (await read(second, 4096))[7], (await v.data())[7]], [1, 2, 3])
  first.release()
  second.release()
})

test.run()
