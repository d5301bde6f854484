// A training with a backup, which a rank that is killed breaks off, or that goes on from it. Data are shared, or each
// rank has its own. 'breaks': first the training without an end, of which each rank says what came out.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { backupAndRestore, everyRank } from '../../../lib/callbacks/index.js'
import * as distributed from '../../../lib/distributed/index.js'
import { setSeed } from '../../../lib/core/random.js'
import { dropout } from '../../../lib/layers/index.js'
import { adam } from '../../../lib/optimizers/index.js'
import { say } from './say.js'
import { classes, classifier, hashOf, waves } from './small_models.js'

const [folder, given, what, how] = process.argv.slice(2) as [string, 'same' | 'own', 'breaks' | 'goes on', string]
const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000, shardOptimizer: how === 'parts' })
const rows = 40
const [x, y] = [waves(rows), classes(rows)]
// ranks that have another number of rows each
const sharded = given === 'own' && size > 1
const begin = Math.floor((rows * rank * rank) / (size * size))
const own = Math.floor((rows * (rank + 1) ** 2) / (size * size)) - begin
const [inputs, targets] = sharded ? [x.slice([begin], [own]), y.slice([begin], [own])] : [x, y]

async function train(whole: boolean): Promise<Record<string, unknown>> {
  setSeed(1)
  const net = classifier(8, [dropout({ rate: 0.2 })])
  net.compile({ optimizer: adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  let steps = 0
  const backup = whole ? [] : [backupAndRestore({ dir: folder, everySteps: 1 })]
  const watch = everyRank({
    onBatchEnd: async () => {
      steps++
      if (whole) return
      // time for some copies to be written
      await pause(20)
      if (steps !== 13 || what !== 'breaks' || rank !== size - 1) return
      while (!existsSync(path.join(folder, 'model.json'))) await pause(20)
      process.kill(process.pid, 'SIGKILL')
    },
  })
  const { history } = await net.fit(inputs, targets, {
    batchSize: 8,
    sharded,
    epochs: 4,
    verbose: 0,
    ...(how === 'shards' && { shards: 4 }),
    callbacks: [...backup, watch],
  })
  return { steps, loss: history['loss']!.at(-1), accuracy: history['accuracy']!.at(-1), weights: await hashOf(net.weights) }
}

if (what === 'breaks') {
  say(rank, await train(true))
  await distributed.barrier()
  await train(false)
} else say(rank, await train(false))
await distributed.close()
