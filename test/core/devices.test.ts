// Devices: how one is chosen, what is said when it cannot be used, tensors between two, and what keeps operands of two
// apart.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device, devices, jit, memory, setDevice, synchronize, tensor, type Tensor, variable, withDevice } from '../../lib/index.js'
import { testWith } from '../skip.js'
import { codeOf, codeOfAsync, values } from '../expect.js'

const entry = new URL('../../lib/index.js', import.meta.url).href

/** Runs a module in a process of its own with other settings. */
function child(source: string, environment: Record<string, string>): { status: number | null; out: string } {
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', `const weft = await import('${entry}')\n${source}`], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_DEVICE: '', WEFT_CUDA_LIBRARY: '', WEFT_REQUIRE_CUDA: '', ...environment },
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  })
  return { status: run.status, out: `${run.stdout}${run.stderr}` }
}
const nowhere = { WEFT_CUDA_LIBRARY: '/nowhere/libweft_cuda.so' }

const onCpu = `if (weft.device() !== 'cpu') process.exit(3); weft.devices(); await weft.tensor([1]).add(1).data()`

test('a CUDA library that is named and cannot be opened: one warning, and the CPU is the device', () => {
  const { status, out } = child(onCpu, nowhere)
  assert.is(status, 0, out)
  assert.is(out.match(/\[WEFT_LIBRARY\]/g)?.length, 1, out)
  assert.match(out, /WEFT_CUDA_LIBRARY='\/nowhere\/libweft_cuda\.so' cannot be used, and with it no CUDA device: .*No such file/)
  // who asks for the CPU misses nothing
  assert.is(child(`await weft.tensor([1]).add(1).data()`, { ...nowhere, WEFT_DEVICE: 'cpu' }).out, '')
})

test('without a setting nothing is printed', () => {
  const { status, out } = child(onCpu.replace(`if (weft.device() !== 'cpu') process.exit(3); `, ''), {})
  assert.is(status, 0, out)
  assert.is(out, '')
})

test('setDevice names the reason and the cure', () => {
  const { out } = child(`try { weft.setDevice('cuda') } catch (e) { console.log(e.code, e.message) }`, nowhere)
  assert.not.match(out, /WEFT_LIBRARY/)
  assert.match(out, /^ERR_NO_DEVICE device 'cuda' cannot be used: .*libweft_cuda\.so.*setDevice\('cpu'\)/)
})

test('WEFT_REQUIRE_CUDA=1 fails at start', () => {
  const { status, out } = child('', { ...nowhere, WEFT_REQUIRE_CUDA: '1' })
  assert.is.not(status, 0)
  assert.match(out, /WEFT_REQUIRE_CUDA=1, but .*libweft_cuda\.so/)
})

test('an unknown name lists the known ones', () => {
  assert.is(
    codeOf(() => setDevice('gpu')),
    'ERR_ARGUMENT',
  )
  assert.throws(() => setDevice('gpu'), /cpu/)
})

const cuda = devices().find(({ kind }) => kind === 'cuda')
const withCuda = (name: string, fn: () => void | Promise<void>): void =>
  testWith(cuda !== undefined, 'a CUDA device or its emulation', name, fn)

withCuda('an emulated device is used only when it is named', () => {
  if (!cuda!.emulated) return
  const library = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']! }
  assert.is(child('console.log(weft.device())', library).out, 'cpu\n')
  assert.is(child('console.log(weft.device())', { ...library, WEFT_DEVICE: 'cuda' }).out, 'cuda:0\n')
})

withCuda('no visible device: the reason is said', () => {
  if (!cuda!.emulated) return
  const settings = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!, WEFT_EMULATED_DEVICES: '0', WEFT_DEVICE: 'cuda' }
  assert.match(child(`try { weft.device() } catch (e) { console.log(e.message) }`, settings).out, /no CUDA device/)
})

withCuda('what devices() tells of a CUDA device', () => {
  assert.match(cuda!.id, /^cuda:\d+$/)
  assert.match(cuda!.computeCapability!, /^\d+\.\d$/)
  assert.ok(cuda!.memory!.total >= cuda!.memory!.free && cuda!.memory!.free > 0)
})

withCuda('tensors go to the device and back, in order with the work on both', async () => {
  const host = withDevice('cpu', () =>
    tensor(
      Float32Array.from({ length: 3000 }, (_, i) => i),
      [3, 1000],
    ),
  )
  const sum = host.add(1) // still being computed when it is copied
  const there = sum.to(cuda!.id)
  assert.is(there.device, cuda!.id)
  const doubled = there.mul(2)
  const back = doubled.to('cpu')
  assert.is(back.device, 'cpu')
  const result = await back.sub(2).data() // waits for the other device
  assert.ok(result.every((value, i) => value === 2 * i))
  assert.is(there.to(cuda!.id), there)
})

withCuda('large tensors travel in pieces', async () => {
  const data = Int32Array.from({ length: 6_000_000 }, (_, i) => i ^ 0x5555)
  const t = tensor(data, { device: cuda!.id })
  data.fill(0) // copied before the call returned
  const back = (await t.data()) as Int32Array
  assert.ok(back.every((value, i) => value === (i ^ 0x5555)))
  t.dispose()
})

withCuda('a variable is copied as it is at the call', async () => {
  const w = withDevice('cpu', () => variable([1, 2]))
  const there = w.to(cuda!.id)
  w.assign([5, 6])
  assert.equal(await values(there), [1, 2])
})

withCuda('operands on two devices are an error that names both and to()', () => {
  const here = withDevice('cpu', () => tensor([1, 2]))
  const there = tensor([1, 2], { device: cuda!.id })
  assert.is(
    codeOf(() => here.add(there)),
    'ERR_DEVICE',
  )
  assert.throws(() => here.add(there), /cpu and cuda:0.*to\(\)/)
  const f = jit((x: Tensor) => x.add(here))
  assert.is(
    codeOf(() => f(there)),
    'ERR_DEVICE',
  )
  assert.is(
    codeOf(() => f(here)),
    undefined,
  )
})

withCuda('numbers and arrays join the tensor they are combined with', async () => {
  const there = tensor([1, 2], { device: cuda!.id })
  const [a, b] = withDevice('cpu', () => [there.add(1), there.mul([3, 4])])
  assert.is(a!.device, cuda!.id)
  assert.equal(await values(a!), [2, 3])
  assert.equal(await values(b!), [3, 8])
})

withCuda('float64 is refused, and named', () => {
  assert.is(
    codeOf(() => tensor([1], { dtype: 'float64', device: cuda!.id })),
    'ERR_DTYPE',
  )
  const wide = withDevice('cpu', () => tensor([1], { dtype: 'float64' }))
  assert.throws(() => wide.to(cuda!.id), /cast\('float32'\)/)
})

withCuda('a function keeps a program for each device', async () => {
  const f = jit((x: Tensor) => x.mul(2).add(1))
  const [here, there] = [withDevice('cpu', () => tensor([1, 2])), tensor([3, 4], { device: cuda!.id })]
  for (let i = 0; i < 4; i++) {
    assert.equal(await values(f(here)), [3, 5])
    assert.equal(await values(f(there)), [7, 9])
  }
  assert.is(f.programs, 2)
})

withCuda('replayed runs see new inputs, state and constants', async () => {
  await withDevice(cuda!.id, async () => undefined)
  const w = variable(tensor([1, 1], { device: cuda!.id }))
  const step = jit((x: Tensor) => {
    w.assign(w.add(x))
    return w.mul(10)
  })
  const seen: number[] = []
  for (let i = 1; i <= 6; i++) seen.push((await values(step(tensor([i, 0], { device: cuda!.id }))))[0]!)
  assert.equal(seen, [20, 40, 70, 110, 160, 220])
})

withCuda('memory of a synchronous loop is used again', async () => {
  const before = device()
  setDevice(cuda!.id)
  try {
    const x = tensor(new Float32Array(250_000))
    await synchronize()
    for (let i = 0; i < 20; i++) x.add(i).dispose()
    const held = memory().device.reserved
    for (let i = 0; i < 200; i++) x.add(i).dispose()
    await synchronize()
    assert.is(memory().device.reserved, held)
    assert.is(await codeOfAsync(Promise.resolve().then(() => tensor(new Float32Array(8)).data())), undefined)
  } finally {
    setDevice(before)
  }
})

withCuda('more memory than there is: the error says asked and held', () => {
  if (!cuda!.emulated) return
  const settings = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!, WEFT_EMULATED_MEMORY: String(64 << 20), WEFT_DEVICE: 'cuda' }
  const { out } = child(
    `const kept = []
     try { for (let i = 0; i < 100; i++) kept.push(weft.zeros([1 << 20])) } catch (e) { console.log(kept.length, e.code, e.message) }
     for (const t of kept) t.dispose()
     console.log((await weft.ones([5 << 20]).sum().item()))`,
    settings,
  )
  assert.match(out, /^(\d+) ERR_OUT_OF_MEMORY asked for 4194304 bytes on cuda:0; \d+ bytes are held by \d+ tensors.*dispose\(\)/)
  assert.match(out, /\n5242880\n$/)
})

withCuda('two GPUs work side by side, and tensors go from one to the other', () => {
  if (!cuda!.emulated) return
  const settings = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!, WEFT_EMULATED_DEVICES: '2', WEFT_DEVICE: 'cuda:1' }
  const { out } = child(
    `const a = weft.tensor([1, 2])
     const b = a.add(1).to('cuda:0')
     const c = b.mul(2)
     const d = c.to('cuda:1').add(a)
     const e = a.mul(3).to('cpu')
     console.log(a.device, b.device, c.device, d.device, [...(await d.data())].join(), [...(await e.add(1).data())].join())
     try { c.add(a) } catch (error) { console.log(error.code) }
     try { weft.setDevice('cuda:2') } catch (error) { console.log(error.message) }`,
    settings,
  )
  assert.match(out, /^cuda:1 cuda:0 cuda:0 cuda:1 5,8 4,7\nERR_DEVICE\n.*'cuda:2'.*cuda:0, cuda:1/)
})

withCuda('the copy of a bad value on another device is bad, and changes no state there', () => {
  if (!cuda!.emulated) return
  const settings = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!, WEFT_EMULATED_DEVICES: '2', WEFT_DEVICE: 'cpu' }
  const { status, out } = child(
    `const codeOf = (promise) => promise.then(() => 'ok', (error) => error.code)
     const bad = () => weft.gather(weft.tensor([1, 2]), weft.tensor([0, 7], { dtype: 'int32' }))
     for (const [from, to] of [['cpu', 'cuda:0'], ['cuda:0', 'cpu'], ['cuda:0', 'cuda:1'], ['cuda:1', 'cuda:0']]) {
       const w = weft.withDevice(to, () => weft.variable([10, 20]))
       const add = weft.jit((x) => w.assign(w.add(x)).sum())
       const codes = new Set()
       for (let round = 0; round < 20; round++) {
         const there = weft.withDevice(from, bad).to(to)
         codes.add(await codeOf(add(there).data())).add(await codeOf(there.data())).add(await codeOf(there.mul(2).data()))
       }
       console.log(from, to, [...codes].join(), [...(await w.data())].join())
     }`,
    settings,
  )
  assert.is(status, 0, out)
  assert.equal(
    out.trim().split('\n'),
    ['cpu cuda:0', 'cuda:0 cpu', 'cuda:0 cuda:1', 'cuda:1 cuda:0'].map((way) => `${way} ERR_DATA 10,20`),
  )
})

withCuda('a device that fails rejects what ran on it and all that follows, and the CPU goes on', () => {
  if (!cuda!.emulated) return
  const settings = { WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!, WEFT_EMULATED_FAILURE: '4', WEFT_DEVICE: 'cuda' }
  const { status, out } = child(
    `const x = weft.tensor([1, 2])
     const codes = []
     for (let i = 0; i < 8; i++) codes.push(await x.add(i).data().then(() => 'ok', (e) => e.code))
     console.log(codes.join(' '))
     const w = weft.variable([1])
     console.log(await w.data().catch((e) => e.message))
     console.log(await weft.withDevice('cpu', () => weft.tensor([1, 2]).add(1)).data())`,
    settings,
  )
  assert.is(status, 0, out)
  assert.match(out, /^ok ok ok ERR_CUDA ERR_CUDA ERR_CUDA ERR_CUDA ERR_CUDA\n/)
  assert.match(out, /cudaErrorLaunchFailure/)
  assert.match(out, /Float32Array\(2\) \[ 2, 3 \]\n$/)
})

withCuda('what was computed before a device failed is not read as zeros', () => {
  if (!cuda!.emulated) return
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-'))
  const settings = {
    WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!,
    WEFT_EMULATED_FAILURE: '40',
    WEFT_DEVICE: 'cuda',
    FOLDER: folder,
  }
  const { status, out } = child(
    `const codeOf = (promise) => promise.then(() => 'ok', (e) => e.code)
     const x = weft.tensor(new Float32Array(10_000).fill(1))
     const y = x.add(1), z = x.add(2)
     const model = weft.sequential([weft.layers.dense({ units: 100, inputShape: [100] })])
     await weft.synchronize()
     console.log(await codeOf(y.data()), await codeOf(model.save(process.env.FOLDER)))
     while ((await codeOf(x.add(3).data())) === 'ok');
     console.log(await codeOf(y.data()), await codeOf(z.data()), await codeOf(z.to('cpu').data()))
     try { z.dataSync() } catch (e) { console.log(e.code) }
     console.log(await codeOf(model.save(process.env.FOLDER)))`,
    settings,
  )
  rmSync(folder, { recursive: true })
  assert.is(status, 0, out)
  assert.equal(out.trim().split('\n'), ['ok ok', 'ERR_CUDA ERR_CUDA ERR_CUDA', 'ERR_CUDA', 'ERR_CUDA'])
})

withCuda('with WEFT_CUDA_SYNC=1 the error of a failed device names the operation', () => {
  if (!cuda!.emulated) return
  const settings = {
    WEFT_CUDA_LIBRARY: process.env['WEFT_CUDA_LIBRARY']!,
    WEFT_EMULATED_FAILURE: '3',
    WEFT_CUDA_SYNC: '1',
    WEFT_DEVICE: 'cuda',
  }
  const { out } = child(
    `const x = weft.tensor([[1, 2], [3, 4]])
     const f = weft.jit((t) => t.sum(0).softmax().argMax())
     console.log(await f(x).data().catch((e) => e.code + ' ' + e.op))`,
    settings,
  )
  assert.is(out, 'ERR_CUDA softmax\n')
})

test.run()
