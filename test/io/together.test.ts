// Saves beside readers, beside other saves, and ended in the middle: whoever loads gets one whole save.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, loadModel, optimizers, sequential } from '../../lib/index.js'
import { numbered } from './saver.js'

const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
let count = 0
const fresh = (): string => path.join(folder, `model-${count++}`)

/** More of them find more, and take longer: each is a process. */
const KILLS = 16
const FILES = ['model.json', 'optimizer.safetensors', 'training.json', 'weights.safetensors']

/** A process that saves models of the numbers from `from` on; resolves when it has begun. */
async function saver(place: string, from: number, saves: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('saver.js', import.meta.url)), place, String(from), String(saves)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

/** Loads the model and returns the number it is; fails when it is of several saves. */
async function load(place: string, verify = true): Promise<number> {
  const net = await loadModel(place, { verify })
  const { n, text } = net.assets as { n: number; text: string }
  assert.is(text.length, (n % 10) * 100)
  assert.is(net.epochsTrained, n)
  assert.is(net.optimizer.learningRate, n)
  for (const w of net.weights) for (const value of (await w.data()) as Float32Array) if (value !== n) assert.is(value, n)
  net.dispose()
  return n
}

for (const savers of [1, 2]) {
  test(`loads beside ${savers} process${savers > 1 ? 'es' : ''} that save`, async () => {
    const place = fresh()
    await numbered(1).save(place, { assets: { n: 1, text: 'x'.repeat(100) } })
    const children = await Promise.all(Array.from({ length: savers }, (_, i) => saver(place, 10 * (i + 1), 100_000)))
    const ended = children.map((child) => once(child, 'exit'))
    const seen = new Set<number>()
    try {
      // however slowly the others save
      for (let i = 0; i < 150 || (seen.size <= 5 && i < 15_000); i++) seen.add(await load(place, i % 2 === 0))
      for (const child of children) assert.is(child.exitCode, null, 'a process that saves ended')
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(ended)
    }
    assert.ok(seen.size > 5, `${seen.size} different saves were seen`)
    // what the killed processes left is removed
    await numbered(3).save(place, { assets: { n: 3, text: 'x'.repeat(300) } })
    assert.is(await load(place), 3)
    assert.equal((await readdir(place)).sort(), FILES)
  })
}

test('a process killed while it saves leaves a whole model, and nothing that the next save does not remove', async () => {
  const place = fresh()
  await numbered(1).save(place, { assets: { n: 1, text: 'x'.repeat(100) } })
  const folders = [place, fresh()]
  let left = 0
  // the slower the machine is, the later is the first save under way
  for (let i = 0; i < KILLS || (left === 0 && i < 20 * KILLS); i++) {
    // the second folder is new each time, so that the kill meets a first save
    const at = folders[i % 2]!
    if (i % 2 === 1) await rm(at, { recursive: true, force: true })
    const child = await saver(at, 20, 100_000)
    const ended = once(child, 'exit')
    await new Promise((resolve) => setTimeout(resolve, ((i * 37) % 60) * Math.ceil((i + 1) / KILLS)))
    child.kill('SIGKILL')
    await ended
    const found = await readdir(at).catch((): string[] => [])
    if (i % 2 === 0 || found.includes('model.json')) await load(at)
    left += found.length > 4 ? 1 : 0
  }
  for (const at of folders) await numbered(2).save(at, { assets: { n: 2, text: 'x'.repeat(200) } })
  for (const at of folders) {
    assert.is(await load(at), 2)
    assert.equal((await readdir(at)).sort(), FILES)
  }
  assert.equal(
    (await readdir(folder)).filter((name) => name.startsWith('.')),
    [],
  )
  assert.ok(left > 0, 'no kill met a save')
})

test('a save that ended at any step is whole, and the next save goes on from there', async () => {
  const [old, next] = [fresh(), fresh()]
  await numbered(1).save(old, { assets: { n: 1, text: 'x'.repeat(100) } })
  await numbered(2).save(next, { assets: { n: 2, text: 'x'.repeat(200) } })
  for (let moved = 0; moved <= FILES.length; moved++) {
    const place = fresh()
    await cp(old, place, { recursive: true })
    await cp(next, path.join(place, '.weft-commit'), { recursive: true })
    for (const name of FILES.slice(0, moved)) await rename(path.join(place, '.weft-commit', name), path.join(place, name))
    assert.is(await load(place), 2, `${moved} files were moved`)
    await numbered(3).save(place, { assets: { n: 3, text: 'x'.repeat(300) } })
    assert.is(await load(place), 3)
    assert.equal((await readdir(place)).sort(), FILES)
  }
  // an empty folder is saved to as well, one with other things is not
  const empty = fresh()
  await mkdir(empty)
  await numbered(4).save(empty, { assets: { n: 4, text: 'x'.repeat(400) } })
  assert.is(await load(empty), 4)
})

test('saves of one process to one folder follow each other', async () => {
  const place = fresh()
  const nets = Array.from({ length: 4 }, (_, i) => numbered(i))
  await Promise.all(nets.map((net, n) => net.save(place, { assets: { n, text: 'x'.repeat(n * 100) } })))
  assert.is(await load(place), 3)
  assert.equal((await readdir(place)).sort(), FILES)
})

test('saves begun during fit, and not awaited, are of the moments of the calls', async () => {
  const place = fresh()
  const net = sequential([layers.dense({ units: 1, inputShape: [4] })])
  net.compile({ optimizer: optimizers.sgd(), loss: 'mse' })
  const saves: Promise<void>[] = []
  await net.fit(
    Array.from({ length: 32 }, () => [1, 2, 3, 4]),
    new Array<number>(32).fill(1),
    {
      epochs: 12,
      verbose: 0,
      callbacks: [{ onEpochEnd: (epoch: number) => void saves.push(net.save(epoch % 2 ? place : `${place}-other`)) }],
    },
  )
  assert.is(saves.length, 12)
  await Promise.all(saves)
  for (const at of [place, `${place}-other`]) {
    const again = await loadModel(at)
    assert.ok(again.optimizer.iterations >= 11)
  }
})

test.run()
