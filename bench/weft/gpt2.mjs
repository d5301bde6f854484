// Weft's side of gpt2.mjs.
import { readFileSync, writeFileSync } from 'node:fs'
import { synchronize } from '../../dist/lib/index.js'
import { startClocks } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'
import { makeTrainer } from './gpt.mjs'

let trainer
let done = 0

const load = (request) => {
  trainer = makeTrainer(request, 1e-12)
}

/** The losses of the first steps. Memory counts from then on: what loading took is not a step's. */
const losses = async ({ count }) => {
  const list = []
  while (done < count) list.push(await trainer(done++).item())
  writeFileSync('/proc/self/clear_refs', '5')
  return { losses: list }
}

const steps = async ({ count }) => {
  const stop = startClocks()
  for (let i = 0; i < count; i++) trainer(done++).dispose()
  await synchronize()
  return stop(count)
}

/** The most bytes that were resident. */
const memory = () => ({ bytes: 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) })

await answerRequests({ load, losses, steps, memory })
