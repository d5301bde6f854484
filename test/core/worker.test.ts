// Worker threads and processes: each environment has its own completions; terminating one mid-step harms nobody.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jit, tensor, type Tensor } from '../../lib/index.js'
import { canUsePool } from '../../lib/serve/publishing/decryption.js'
import { values } from '../expect.js'
import { testWith } from '../skip.js'

const entry = fileURLToPath(new URL('../../lib/index.js', import.meta.url))

const program = `(async () => {
  const { jit, tensor } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
  const { parentPort } = await import('node:worker_threads')
  const a = tensor(Float32Array.from({ length: 160000 }, (_, i) => (i % 7) / 800), [400, 400])
  const step = jit((x) => { let y = x; for (let i = 0; i < 40; i++) y = y.matMul(x); return y })
  parentPort.postMessage((await step(a).data()).length)
  for (let i = 0; i < 50; i++) step(a)
  parentPort.postMessage('busy')
  setInterval(() => {}, 1000)
})()`

function start(): Worker {
  return new Worker(program, { eval: true })
}

const message = (worker: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })

test('a worker computes and is terminated mid-step; the main thread goes on', async () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  const square = jit((t: Tensor) => t.matMul(t))
  for (let round = 0; round < 3; round++) {
    const worker = start()
    assert.is(await message(worker), 160000)
    assert.is(await message(worker), 'busy')
    await worker.terminate()
    assert.equal(await values(square(x)), [7, 10, 15, 22])
  }
})

testWith(
  canUsePool(),
  'a Node.js that shows its libcrypto',
  'a worker is terminated while threads decrypt for it; the process goes on',
  () => {
    const decryption = new URL('../../lib/serve/publishing/decryption.js', import.meta.url).href
    const loading = `(async () => {
    const { parentPort } = await import('node:worker_threads')
    const { decryptInPool } = await import(${JSON.stringify(decryption)})
    const [count, chunkBytes] = [256, 1 << 18]
    const chunks = { key: new Uint8Array(32), associated: new Uint8Array(8), nonces: new Uint8Array(12 * count), chunkBytes }
    const [stored, target] = [new Uint8Array(count * (chunkBytes + 16)), new Uint8Array(count * chunkBytes)]
    for (let i = 0; i < 8; i++) decryptInPool(chunks, stored, target, 4)
    parentPort.postMessage('busy')
    setInterval(() => {}, 1000)
  })()`
    const source = `
    const { once } = require('node:events')
    const { Worker } = require('node:worker_threads')
    const main = async () => {
      for (let round = 0; round < 3; round++) {
        const worker = new Worker(${JSON.stringify(loading)}, { eval: true })
        await once(worker, 'message')
        await worker.terminate()
      }
      console.log('goes on')
    }
    main()`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8', timeout: 600_000 })
    assert.equal([status, stdout], [0, 'goes on\n'], stderr)
  },
)

test('a process ends by itself when work is queued, and exits in the middle of a step', () => {
  for (const tail of ['', 'process.exit(0)']) {
    const source = `
      const { jit, tensor } = require(${JSON.stringify(entry)})
      const a = tensor(new Float32Array(640000), [800, 800])
      const step = jit((x) => { let y = x; for (let i = 0; i < 40; i++) y = y.matMul(x); return y })
      for (let i = 0; i < 5; i++) step(a)
      ${tail}`
    const { status, signal, stderr } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8', timeout: 600_000 })
    assert.is(signal, null)
    assert.is(status, 0, stderr)
  }
})

test('an awaited result keeps the process alive until it is there', () => {
  const source = `
    const { tensor } = require(${JSON.stringify(entry)})
    tensor(new Float32Array(1e6).fill(1)).sum().item().then((v) => console.log(v))`
  const { stdout } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8', timeout: 600_000 })
  assert.is(stdout.trim(), '1000000')
})

test.run()
