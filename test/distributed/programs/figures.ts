// Metrics of every kind of merging, dropout inside attention, and calls in callbacks: alone, or as a rank.
import { readFile } from 'node:fs/promises'
import {
  callbacks,
  distributed,
  layers,
  loadModel,
  metrics,
  optimizers,
  type Sequential,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  type WeftError,
} from '../../../lib/index.js'
import { say } from './say.js'
import { hashOf, keepingLosses, waves } from './small_models.js'

const { rank, size } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 120_000 })
const rows = 22
const x = waves(rows)
// far from zero and close together: sums of squares would lose their digits
const y = tensor(
  Float32Array.from({ length: rows * 2 }, (_, i) => 1000 + Math.cos(i)),
  { shape: [rows, 2] },
)

class Extreme extends metrics.Metric {
  private readonly kept = this.addState('kept')
  update(_: Tensor, predicted: Tensor): void {
    this.kept.assign(predicted.abs().max().maximum(this.kept))
  }
  result(): Tensor {
    return this.kept
  }
}
class Least extends metrics.Metric {
  private readonly kept = this.addState('kept')
  update(_: Tensor, predicted: Tensor): void {
    this.kept.assign(predicted.min().minimum(this.kept))
  }
  result(): Tensor {
    return this.kept
  }
}
class Count extends metrics.Metric {
  override readonly merge = 'sum'
  private readonly rows = this.addState('rows')
  update(truth: Tensor): void {
    this.rows.assign(this.rows.add(truth.shape[0]!))
  }
  result(): Tensor {
    return this.rows
  }
}

function regressor(): Sequential {
  setSeed(3)
  const net = sequential([layers.dense({ units: 6, activation: 'tanh', inputShape: [4] }), layers.dense({ units: 2 })])
  const own = [new Extreme('extreme', { merge: 'max' }), new Least('least', { merge: 'min' }), new Count('rows')]
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0.01 }), loss: 'meanSquaredError', metrics: ['r2', ...own] })
  return net
}
async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  return await work().then(
    () => 'no error',
    (error: WeftError) => `${error.code} ${error.message}; ${error.hint ?? ''}`,
  )
}

const said: Record<string, unknown> = { size }
// batches that cannot be divided, and, of 3 rows, ranks without rows
for (const batchSize of [8, 3]) {
  const net = regressor()
  const { history } = await net.fit(x, y, { batchSize, epochs: 3, verbose: 0, validationSplit: 0.2 })
  said[`metrics ${batchSize}`] = {
    figures: { ...history, ...(await net.evaluate(x, y, { batchSize: 5 })) },
    weights: await hashOf(net.weights),
  }
}
{
  setSeed(4)
  const net = sequential([
    layers.reshape({ targetShape: [2, 2], inputShape: [4] }),
    layers.transformerEncoder({ numHeads: 1, intermediateDim: 4, dropout: 0.4 }),
    layers.flatten(),
    layers.dense({ units: 2 }),
  ])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 1e-7 }), loss: 'meanSquaredError' })
  const steps: number[] = []
  await net.fit(x, y, { batchSize: 8, epochs: 4, verbose: 0, callbacks: keepingLosses(steps) })
  said['attention'] = { figures: { steps }, weights: await hashOf(net.weights) }
}
{
  // a plain callback is called on rank 0 alone, and so are its calls
  const net = regressor()
  const other = regressor()
  const seen: unknown[] = []
  const refused: string[] = []
  await net.fit(x, y, {
    batchSize: 8,
    epochs: 2,
    verbose: 0,
    callbacks: [
      {
        onBatchEnd: async (batch) => {
          if (batch !== 1) return
          seen.push(await net.evaluate(x, y, { batchSize: 8 }), (await net.predict(x, { batchSize: 4 })).shape[0])
        },
        onEpochEnd: async () => {
          seen.push((await other.fit(x, y, { batchSize: 8, epochs: 1, verbose: 0 })).history)
          refused.push(await refusalOf(() => distributed.gatherJson(1)))
          refused.push(await refusalOf(async () => distributed.allReduce(tensor([1]))))
        },
      },
    ],
  })
  const [found] = (await distributed.gatherJson([seen, refused])) as [[unknown[], string[]]]
  said['callback'] = { figures: found[0], weights: await hashOf(net.weights) }
  said['refused'] = found[1]
  // the steps of the model are shared again
  await net.fit(x, y, { batchSize: 8, epochs: 1, verbose: 0 })
  said['afterwards'] = { figures: await net.evaluate(x, y), weights: await hashOf(net.weights) }
}
// callbacks of the package, on rank 0: weights, learning rates and histories are those of one process
const folder = process.argv[2]!
for (const [name, made] of Object.entries({
  'early stopping': () => callbacks.earlyStopping({ monitor: 'val_loss', patience: 1, minDelta: 1e9, restoreBestWeights: true }),
  plateau: () => callbacks.reduceLrOnPlateau({ monitor: 'val_loss', factor: 0.5, patience: 1, minDelta: 1e9 }),
  scheduler: () => callbacks.learningRateScheduler((epoch) => 0.01 / (epoch + 1)),
  checkpoint: () => callbacks.modelCheckpoint({ path: `${folder}-best`, monitor: 'val_loss', saveBestOnly: true }),
  log: () => callbacks.csvLogger(`${folder}.csv`),
})) {
  const net = regressor()
  // targets near zero: training amplifies what is rounded in another order
  const { history } = await net.fit(x, y.sub(1000), { batchSize: 8, epochs: 6, verbose: 0, validationSplit: 0.2, callbacks: made() })
  said[name] = {
    figures: [history, net.optimizer.learningRate, await Promise.all(net.weights.map((weight) => weight.array()))],
    weights: await hashOf(net.weights),
  }
  if (name === 'checkpoint') {
    const saved = await loadModel(`${folder}-best`)
    said['saved'] = { figures: [await Promise.all(saved.weights.map((weight) => weight.array())), 1, 2, 3] }
  }
  await distributed.barrier()
}
said['logged'] = { figures: (await readFile(`${folder}.csv`, 'utf8')).split(/[\n,]/).map(Number) }
said['alone'] = await distributed.alone(async () => {
  const net = regressor()
  const { history } = await net.fit(x, y, { batchSize: 8, epochs: rank === 0 ? 2 : 1, verbose: 0 })
  return [
    history['loss']![0],
    await distributed
      .allReduce(tensor([rank + 1]))
      .sub(rank)
      .item(),
    (await distributed.gatherJson(1)).length,
  ]
})
{
  // one rank saves, the others go on
  const net = regressor()
  const work = (): Promise<unknown> => (rank === 0 ? net.save(process.argv[2]!) : net.fit(x, y, { verbose: 0 }))
  if (size > 1) said['one saves'] = await refusalOf(work)
}
say(rank, said)
await distributed.close()
