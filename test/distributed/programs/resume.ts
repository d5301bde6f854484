// A training with a backup; the last rank may be killed in the middle of it. Data are shared, or each rank has its own.
import { createHash } from 'node:crypto'
import { callbacks, distributed, layers, optimizers, sequential, setSeed, tensor } from '../../../lib/index.js'
import { say } from './say.js'

const [folder, given, ends, how] = process.argv.slice(2) as [string, 'same' | 'own', string, string]
const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000, shardOptimizer: how === 'parts' })
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
// ranks that have another number of rows each
const sharded = given === 'own' && size > 1
const begin = Math.floor((rows * rank * rank) / (size * size))
const own = Math.floor((rows * (rank + 1) ** 2) / (size * size)) - begin
const [inputs, targets] = sharded ? [x.slice([begin], [own]), y.slice([begin], [own])] : [x, y]
const { history } = await net.fit(inputs, targets, {
  batchSize: 8,
  sharded,
  epochs: 4,
  verbose: 0,
  ...(how === 'shards' && { shards: 4 }),
  callbacks: [
    callbacks.backupAndRestore({ dir: folder, everySteps: 1 }),
    callbacks.everyRank({
      onBatchEnd: async () => {
        // what was written so far is on the disk
        await new Promise((resolve) => setTimeout(resolve, 20))
        if (++steps === 13 && ends === 'ends' && rank === size - 1) process.kill(process.pid, 'SIGKILL')
      },
    }),
  ],
})
const hash = createHash('sha256')
for (const weight of net.weights) hash.update(Buffer.from((await weight.data()).slice().buffer))
say(rank, { steps, loss: history['loss']!.at(-1), accuracy: history['accuracy']!.at(-1), weights: hash.digest('hex') })
await distributed.close()
