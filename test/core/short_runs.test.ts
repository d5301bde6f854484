// Short runs: what the calling thread computes by itself has the results, faults and order of any other run.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { gather, jit, synchronize, tensor, type Tensor, variable } from '../../lib/index.js'
import { codeOfAsync, HANG_MS, values } from '../expect.js'
import { testWith } from '../skip.js'

const on = { device: 'cpu' } as const
const table = tensor(
  [
    [1, 2],
    [3, 4],
  ],
  on,
)
const ids = (...list: number[]): Tensor => tensor(list, { ...on, dtype: 'int32' })
/** Calls often enough that earlier runs tell how short it is. */
async function settled(fn: () => Tensor): Promise<void> {
  for (let i = 0; i < 20; i++) await fn().data()
}

test('a short run has its result before the call returns, and its fault rejects as ever', async () => {
  const rows = jit((i: Tensor) => gather(table, i).sum())
  await settled(() => rows(ids(1)))
  assert.is(await rows(ids(0)).item(), 3)
  assert.is(await codeOfAsync(rows(ids(5)).item()), 'ERR_DATA')
  assert.throws(() => rows(ids(-2)).dataSync(), /gather.*-2/)
  assert.is(await rows(ids(1)).item(), 7)
})

test('a fault of a call is not the fault of a later submit()', async () => {
  const rows = jit((i: Tensor) => gather(table, i).sum())
  assert.is(await codeOfAsync(rows(ids(5)).item()), 'ERR_DATA')
  const { outputs, done } = rows.submit(ids(1))
  await done
  assert.is(await outputs.item(), 7)
  assert.is(await codeOfAsync(rows.submit(ids(5)).done), 'ERR_DATA')
})

test('a run in a row is told of with the next run, or once somebody asks for it', async () => {
  const square = jit((a: Tensor) => a.matMul(a).sum())
  const a = tensor(new Float32Array(512 * 512), { ...on, shape: [512, 512] })
  const [first, second] = [square.submitInRow(a), square.submit(a)]
  await Promise.all([first.done, second.done])
  assert.is(await first.outputs.item(), 0)
  const alone = square.submitInRow(a)
  let told = false
  const done = alone.done.then(() => void (told = true))
  while (native.status[0]! < alone.ticket) await new Promise((resolve) => setImmediate(resolve))
  alone.wake!()
  await done
  assert.ok(told)
  assert.is(await alone.outputs.item(), 0)
})

test('a short run tells of the run in a row before it, though it tells nobody of itself', async () => {
  const rows = jit((i: Tensor) => gather(table, i).sum())
  await settled(() => rows(ids(1)))
  const square = jit((a: Tensor) => a.matMul(a).sum())
  const a = tensor(new Float32Array(512 * 512), { ...on, shape: [512, 512] })
  // behind a long run the device's thread does it, and nothing tells of it
  square(a)
  const before = rows.submitInRow(ids(0))
  let told = false
  const done = before.done.then(() => void (told = true))
  while (native.status[0]! < before.ticket) await new Promise((resolve) => setImmediate(resolve))
  assert.not(told)
  // this thread does a short run where somebody has waited for the results before
  await settled(() => rows(ids(1)))
  await rows.submit(ids(1)).done
  for (let turns = 0; !told && turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(told)
  await done
})

test('a short run after a long one sees what that has written, and the other way round', async () => {
  const state = variable(tensor([0], on))
  const add = jit((x: Tensor) => {
    state.assign(state.add(x))
    return state
  })
  const square = tensor(
    Array.from({ length: 300 }, () => new Float32Array(300).fill(1 / 300)),
    on,
  )
  const long = jit((x: Tensor) => {
    let y = x
    for (let i = 0; i < 10; i++) y = y.matMul(x)
    state.assign(state.mul(y.mean().mul(300).round()).add(1))
    return y
  })
  const one = tensor([1], on)
  await settled(() => add(one))
  let expected = (await values(state))[0]!
  for (let i = 0; i < 30; i++) {
    long(square)
    add(one)
    expected += 2
    if (i % 3 === 0) assert.equal(await values(state), [expected])
  }
  await synchronize()
  assert.equal(await values(state), [expected])
})

test('timers run while short runs are awaited one after the other', async () => {
  const small = tensor([1, 2, 3], on)
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  const end = performance.now() + HANG_MS
  while (ticks < 5 && performance.now() < end) await small.add(1).data()
  clearInterval(timer)
  // more than one may come between two runs
  assert.ok(ticks >= 5, `${ticks} ticks`)
})

test('one thread and all of them give the same values of the same function', async () => {
  const x = tensor(
    Array.from({ length: 64 }, (_, i) => Float32Array.from({ length: 700 }, (_, j) => Math.sin(i * 700 + j))),
    on,
  )
  const fn = jit((t: Tensor) => t.matMul(t, { transposeB: true }).softmax().sum(0))
  const first = await values(fn(x))
  for (let i = 0; i < 40; i++) assert.equal(await values(fn(x)), first)
})

test('a caller that waits for a long run sleeps: the event loop does not turn for it', async () => {
  const square = tensor(
    Array.from({ length: 400 }, () => new Float32Array(400).fill(1 / 400)),
    on,
  )
  const long = jit((x: Tensor) => {
    let y = x
    for (let i = 0; i < 10; i++) y = y.matMul(x)
    return y.mean()
  })
  for (let i = 0; i < 8; i++) await long(square).data()
  const { setImmediate } = globalThis
  let turns = 0
  globalThis.setImmediate = ((fn: () => void) => {
    turns++
    return setImmediate(fn)
  }) as typeof setImmediate
  try {
    for (let i = 0; i < 5; i++) {
      const y = long(square)
      const [mean] = await y.data()
      assert.ok(Math.abs(Number(mean) - 1 / 400) < 1e-6)
    }
  } finally {
    globalThis.setImmediate = setImmediate
  }
  assert.ok(turns <= 5, `${turns} turns of the loop while it waited for 5 runs`)
})

// On one processor the device's thread runs only when this one gives way. It used to look for the result for 200 µs
// first, and where the system had put both threads on one of many processors, every call took that long.
const processor = (() => {
  try {
    return /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  } catch {
    return undefined
  }
})()
const bound = processor !== undefined && spawnSync('taskset', ['-c', processor, 'true']).status === 0
testWith(bound, 'taskset', 'a caller gives way to the thread that computes for it', () => {
  const library = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const script = `
    import { jit, tensor } from ${library}
    const x = tensor(Array.from({ length: 128 }, () => new Float32Array(128).fill(1 / 128)))
    const fn = jit((a) => a.matMul(x).matMul(x).mean())
    for (let i = 0; i < 50; i++) await fn(x).data()
    const { setImmediate } = globalThis
    let turns = 0
    globalThis.setImmediate = (callback) => (turns++, setImmediate(callback))
    for (let i = 0; i < 200; i++) await fn(x).data()
    console.log(turns / 200)`
  const { stdout, stderr } = spawnSync('taskset', ['-c', processor!, process.execPath, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_DEVICE: 'cpu' },
  })
  assert.match(stdout, /^[\d.]+$/m, stderr)
  assert.ok(Number(stdout) <= 8, `${stdout.trim()} turns of the loop for a run`)
})

test('a run that somebody waits for is announced before it ends, and a short one is not', async () => {
  const x = tensor(
    Array.from({ length: 128 }, () => new Float32Array(128).fill(1 / 128)),
    on,
  )
  const chain = jit((a: Tensor) => {
    let y = a
    for (let i = 0; i < 20; i++) y = y.matMul(x)
    return y
  })
  const small = jit((a: Tensor) => a.sum())
  await settled(() => small(x))
  const before = native.status[6]!
  await settled(() => small(x))
  assert.is(native.status[6], before)
  for (let i = 0; i < 500 && native.status[6] === before; i++) assert.ok(Math.abs((await values(chain(x)))[0]! - 1 / 128) < 1e-6)
  assert.ok(native.status[6]! > before)
})

test.run()
