// Something happens to one rank in a phase of its run. Every other rank says which error it gets, and how late.
// Arguments: what happens ('kill', 'stop' or 'exit'), the phase, the rank (-1: the last one), a file for the time.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { everyRank } from '../../../lib/callbacks/index.js'
import { tensor } from '../../../lib/core/create.js'
import type { WeftError } from '../../../lib/core/error.js'
import { setSeed } from '../../../lib/core/random.js'
import * as distributed from '../../../lib/distributed/index.js'
import { launchOf } from '../../../lib/distributed/launcher.js'
import '../../../lib/io/index.js' // net.save()
import * as layers from '../../../lib/layers/index.js'
import { sequential } from '../../../lib/model/sequential.js'
import { heard, say } from './say.js'

const [what, phase, victim, file] = process.argv.slice(2) as [string, string, string, string]
const { rank, size } = launchOf(process.env)
const hit = rank === (Number(victim) + size) % size

function happens(now: string): void {
  if (!hit || phase !== now) return
  writeFileSync(file, String(Date.now()))
  if (what === 'exit') process.exit(0)
  process.kill(process.pid, what === 'kill' ? 'SIGKILL' : 'SIGSTOP')
}

async function run(): Promise<void> {
  happens('rendezvous')
  // a rank that never comes is noticed by the timeout alone
  await distributed.init({
    heartbeatMs: what === 'stop' ? 1000 : 5_000,
    timeoutMs: phase === 'rendezvous' ? 3000 : 120_000,
    bucketBytes: 2048,
  })
  setSeed(1)
  const dense = Array.from({ length: 4 }, () => layers.dense({ units: 64, activation: 'relu' }))
  const net = sequential([layers.dense({ units: 64, inputShape: [8] }), ...dense, layers.dense({ units: 3 })])
  net.compile({ optimizer: 'adam', loss: 'meanSquaredError' })
  const x = tensor(
    Float32Array.from({ length: 96 * 8 }, (_, i) => Math.sin(i)),
    { shape: [96, 8] },
  )
  let steps = 0
  const watch = everyRank({
    onTrainBegin: () => happens('load'),
    onBatchEnd: () => {
      steps++
      // in the middle of some later step: of a bucket's begin, of its end, of the update
      if (steps === 8) setTimeout(() => happens('step'), Number(`0.${Date.now() % 10}`) * 5)
    },
    onEpochEnd: () => happens('epoch end'),
  })
  const epochs = phase === 'step' ? 100_000 : 3
  happens('begin of fit')
  await net.fit(x, tensor(new Float32Array(96 * 3), { shape: [96, 3] }), { batchSize: 12, epochs, verbose: 0, callbacks: [watch] })
  if (phase === 'collective') {
    // under way on one rank alone
    if (!hit) while (!existsSync(file)) await pause(5)
    const sum = distributed.allReduce(tensor(new Float32Array(300_000)))
    if (hit) setTimeout(() => happens('collective'), 100)
    await sum.data()
    await distributed.allReduce(tensor([1])).data()
  }
  happens('save')
  await net.save(`${file}.model`)
}

const timeOf = (name: string): number => {
  try {
    return Number(readFileSync(name, 'utf8'))
  } catch {
    return Number.NaN
  }
}

try {
  await run()
  say(rank, { value: 'nothing was noticed' })
} catch (error) {
  const { code, message } = error as WeftError
  say(rank, { code, message, ms: Date.now() - timeOf(file) })
  // where the meeting failed, the others may have had no chance to come
  if (phase === 'rendezvous') await pause(1000)
  else await heard(size - 1)
  process.exit(75)
}
