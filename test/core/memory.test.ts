// Memory: synchronous loops stay flat, tidy and dispose give back, programs leave nothing behind.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device, jit, memory, synchronize, tensor, type Tensor, tidy, variable } from '../../lib/index.js'
import { bytesOnHost } from '../../lib/core/transfer.js'
import { codeOf, values } from '../expect.js'
import { testWith } from '../skip.js'

const rss = (): number => process.memoryUsage().rss / 2 ** 20
/** Lets finalizers run. */
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a synchronous loop over many results keeps the resident size', async () => {
  const x = tensor(new Float32Array(1 << 16))
  let y = x
  for (let i = 0; i < 200; i++) y = x.add(i)
  const before = rss()
  for (let i = 0; i < 8000; i++) y = x.add(i) // 2 GiB of results
  assert.is((await y.data())[5], 7999)
  assert.ok(rss() - before < 200, `grew by ${rss() - before} MiB`)
})

test('dispose is ordered behind the runs in flight', async () => {
  const a = tensor(new Float32Array(100_000).fill(2))
  let y = a.mul(2)
  for (let i = 0; i < 20; i++) y = y.add(a)
  a.dispose()
  assert.is((await y.data())[99_999], 44)
  assert.is(
    codeOf(() => a.add(1)),
    'ERR_DISPOSED',
  )
  a.dispose()
})

test('a result disposed right after the call keeps its memory until the run is done', async () => {
  const x = tensor(new Float32Array(50_000).fill(1))
  const f = jit((t: Tensor) => t.add(1).mul(2))
  for (let i = 0; i < 3000; i++) {
    f(x).dispose()
    x.mul(i).dispose()
    if (i % 500 === 0) await turns(2)
  }
  assert.is((await f(x).data())[49_999], 4)
})

test('memory that was freed serves the next tensor of its size, and what was read from it stays as it was', async () => {
  const first = tensor(new Float32Array(5000).fill(1), { device: 'cpu' })
  const { storage } = first.held()
  const read = await first.data()
  const lent = await bytesOnHost(tensor(new Float32Array(5000).fill(2), { device: 'cpu' }).held())
  const shown = tensor(new Float32Array(5000).fill(3), { device: 'cpu' })
  const view = await bytesOnHost(shown.held())
  first.dispose()
  shown.dispose()
  const next = tensor(new Float32Array(5000).fill(4), { device: 'cpu' })
  const other = tensor(new Float32Array(5000).fill(5), { device: 'cpu' })
  assert.is(next.held().storage, storage)
  assert.is(read[4999], 1)
  assert.is(new Float32Array(view.buffer, view.byteOffset, 5000)[4999], 3)
  assert.is(new Float32Array(lent.buffer, lent.byteOffset, 5000)[4999], 2)
  assert.is((await next.data())[4999], 4)
  assert.is((await other.data())[0], 5)
})

test('memory that a run in flight uses serves nobody before the run is done', async () => {
  const x = tensor(new Float32Array(100_000).fill(1), { device: 'cpu' })
  const f = jit((t: Tensor) => t.add(1).exp().log())
  await f(x).data()
  for (let i = 0; i < 20; i++) {
    const copy = tensor(new Float32Array(100_000).fill(i), { device: 'cpu' })
    const y = f(copy)
    copy.dispose()
    tensor(new Float32Array(100_000).fill(-1), { device: 'cpu' }) // must not be what the run reads
    assert.ok(Math.abs(Number((await y.data())[99_999]) - i - 1) < 1e-4)
    y.dispose()
  }
})

test('tensors that share memory keep it until the last is disposed', async () => {
  const a = tensor([1, 2, 3, 4])
  const b = a.reshape([2, 2])
  a.dispose()
  assert.equal(await values(b), [1, 2, 3, 4])
  b.dispose()
  assert.ok(b.isDisposed)
})

test('tidy disposes all but what it returns and variables', () => {
  const before = memory().tensors
  let inner: Tensor | undefined
  let kept: Tensor | undefined
  const result = tidy(() => {
    inner = tensor([1]).add(1)
    kept = variable([9])
    return { out: [inner.mul(2)] }
  })
  assert.ok(inner!.isDisposed)
  assert.not(kept!.isDisposed)
  assert.not(result.out[0]!.isDisposed)
  assert.is(memory().tensors, before + 2)
  assert.throws(() => tidy(() => Promise.resolve()), /synchronous/)
})

test('a thousand programs loaded and dropped leave nothing behind', async () => {
  const x = tensor(new Float32Array(1000))
  const cycle = async (n: number): Promise<void> => {
    for (let i = 0; i < n; i++) {
      const f = jit((t: Tensor) => t.add(i).mul(t).sum())
      f(x)
      f.dispose()
      if (i % 50 === 0) await turns(2)
    }
    await synchronize()
    await turns(4)
  }
  await cycle(200)
  const before = rss()
  await cycle(1000)
  assert.ok(rss() - before < 60, `grew by ${rss() - before} MiB`)
})

test('memory() tells what tensors hold', () => {
  const before = memory().device.used
  const t = tensor(new Float32Array(1 << 20))
  assert.is(memory().device.used - before, 1 << 22)
  t.dispose()
  assert.is(memory().device.used, before)
  assert.ok(memory().device.peak >= before + (1 << 22))
})

const smaps = '/proc/self/smaps'
testWith(
  existsSync(smaps) && existsSync('/sys/kernel/mm/transparent_hugepage') && device() === 'cpu',
  'Linux with huge pages, and the CPU',
  'a large tensor lies in huge pages',
  async () => {
    /** KiB of memory that the system was asked to keep in huge pages. */
    const advised = (): number =>
      readFileSync(smaps, 'utf8')
        .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
        .filter((part) => /^VmFlags:.* hg\b/m.test(part))
        .reduce((sum, part) => sum + Number(/^Size: +(\d+) kB/m.exec(part)![1]), 0)
    const before = advised()
    const t = tensor(new Float32Array(12 << 20))
    await synchronize()
    assert.ok(advised() - before >= 46 << 10, `${advised() - before} KiB more`)
    t.dispose()
  },
)

test.run()
