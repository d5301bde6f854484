// A training with a backup; rank 1 may end in the middle of it.
import { createHash } from 'node:crypto'
import { callbacks, distributed, layers, optimizers, sequential, setSeed, tensor } from '../../../lib/index.js'
import { say } from './say.js'

const [folder, ends, how] = process.argv.slice(2) as [string, string, string]
const { rank } = await distributed.init({ heartbeatMs: 500, timeoutMs: 60_000, shardOptimizer: how === 'parts' })
setSeed(1)
const rows = 40
const x = tensor(
  Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin(i * 1.7)),
  { shape: [rows, 4] },
)
const y = tensor(Int32Array.from({ length: rows }, (_, i) => i % 3))
const net = sequential([
  layers.dense({ units: 8, activation: 'relu', inputShape: [4] }),
  layers.dropout({ rate: 0.2 }),
  layers.dense({ units: 3, activation: 'softmax' }),
])
net.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
let steps = 0
const { history } = await net.fit(x, y, {
  batchSize: 8,
  epochs: 4,
  verbose: 0,
  ...(how === 'shards' && { shards: 4 }),
  callbacks: [
    callbacks.backupAndRestore({ dir: folder, everySteps: 1 }),
    callbacks.everyRank({
      onBatchEnd: async () => {
        // what was written so far is on the disk
        await new Promise((resolve) => setTimeout(resolve, 20))
        if (++steps === 13 && ends === 'ends' && rank === 1) process.exit(1)
      },
    }),
  ],
})
const hash = createHash('sha256')
for (const weight of net.weights) hash.update(Buffer.from((await weight.data()).slice().buffer))
say(rank, { steps, loss: history['loss']!.at(-1), accuracy: history['accuracy']!.at(-1), weights: hash.digest('hex') })
await distributed.close()
