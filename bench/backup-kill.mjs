// Kills trainings and saves at random moments with SIGKILL: what is left always loads, and the training that goes on
// ends as one that was never killed, bit for bit.
// Usage: node backup-kill.mjs [kills, default 300] [seed]
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { loadModel } from '../dist/lib/index.js'

const KILLS = Number(process.argv[2] ?? 300)
let state = Number(process.argv[3] ?? 1)
/** In [0, 1). */
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const tests = path.join(import.meta.dirname, '..', 'dist', 'test')
const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-kill-'))

/** Runs a program of the tests and kills it so long after it is ready; undefined when it was killed. */
const run = (file, args, killAfterMs) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(tests, file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      if (output === '' && killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
      output += chunk
    })
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(undefined)
      else if (code !== 0) reject(new Error(`${file} ended with ${code}`))
      else resolve(output.split('\n')[1] ?? '')
    })
  })

/** The folder holds nothing, or a whole model. */
const check = async (dir) => {
  if ((await readdir(dir).catch(() => [])).filter((name) => !name.startsWith('.weft-saving-')).length === 0) return 'nothing'
  const model = await loadModel(dir)
  model.dispose()
  return 'a model'
}

const found = { nothing: 0, 'a model': 0 }
let kills = 0
let wholeRuns = 0
const kinds = ['sgd', 'adam', 'lstm', 'dataset']
const EPOCHS = '250'
const expected = {}
for (const kind of kinds) expected[kind] = await run('model/trainer.js', [kind, path.join(folder, 'whole'), '0', EPOCHS])
while (kills < KILLS / 2) {
  const kind = kinds[wholeRuns % kinds.length]
  const dir = path.join(folder, `fit-${wholeRuns}`)
  const every = String(Math.floor(random() * 12))
  for (;;) {
    const result = await run('model/trainer.js', [kind, dir, every, EPOCHS], 5 + random() * 400)
    if (result !== undefined) {
      if (result !== expected[kind]) throw new Error(`${kind}, every ${every} steps: ${result}, expected ${expected[kind]}`)
      wholeRuns++
      break
    }
    kills++
    found[await check(dir)]++
  }
}
console.log(`fit: ${kills} kills, ${wholeRuns} trainings came to their end with the bits of one that was not killed`)
const saved = path.join(folder, 'saved')
while (kills < KILLS) {
  const result = await run('io/saver.js', [saved, String(1 + Math.floor(random() * 1000)), '100000'], 1 + random() * 120)
  if (result !== undefined) throw new Error('the saver came to its end')
  kills++
  found[await check(saved)]++
}
console.log(`${kills} kills; afterwards there was a model ${found['a model']} times, nothing yet ${found.nothing} times`)
await rm(folder, { recursive: true })
