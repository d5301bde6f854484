// Trainings that end early, streams, saving: what each rank has afterwards.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { callbacks, data, distributed, loadModel, optimizers, type Sequential, setSeed } from '../../../lib/index.js'
import { say } from './say.js'
import { classes, classifier, hashOf, waves } from './small_models.js'

const { rank } = await distributed.init({ heartbeatMs: 5_000, timeoutMs: 60_000 })
const folder = process.argv[2]!
const rows = 64
const [x, y] = [waves(rows), classes(rows)]

async function compiled(): Promise<Sequential> {
  // other random numbers on each rank: fit begins with those of rank 0
  setSeed(1 + rank)
  const net = classifier(8)
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' })
  return net
}
const said: Record<string, unknown> = {}
let steps = 0
const counting = callbacks.everyRank({ onBatchEnd: () => void steps++ })
const options = { batchSize: 8, verbose: 0 as const }

{
  const net = await compiled()
  const { history } = await net.fit(x, y, {
    ...options,
    epochs: 30,
    validationSplit: 0.25,
    callbacks: [callbacks.earlyStopping({ monitor: 'val_loss', patience: 1, minDelta: 0.05, restoreBestWeights: true })],
  })
  said['early stopping'] = [history['loss']!.length, history, await hashOf(net.weights)]
}
{
  const net = await compiled()
  steps = 0
  await net.fit(x, y, {
    ...options,
    epochs: 3,
    callbacks: [counting, { onBatchEnd: (batch) => void (batch === 2 && (net.stopTraining = true)) }],
  })
  said['stopped by a callback of rank 0'] = [steps, await hashOf(net.weights)]
}
{
  const net = await compiled()
  steps = 0
  const controller = new AbortController()
  const abort = callbacks.everyRank({ onBatchEnd: (batch: number) => void (rank === 1 && batch === 1 && controller.abort()) })
  let error: unknown
  await net
    .fit(x, y, { ...options, epochs: 3, callbacks: [counting, abort], signal: controller.signal })
    .catch((reason: unknown) => void (error = reason))
  said['aborted by rank 1'] = [steps, await hashOf(net.weights)]
  said['rejects'] = error === undefined ? undefined : (error as Error).name
}
{
  // rank 0 alone sets the best weights, and the rank that has asked for the end takes them too
  const net = await compiled()
  const controller = new AbortController()
  const abort = callbacks.everyRank({ onBatchEnd: () => void (rank === 1 && controller.abort()) })
  const best = callbacks.earlyStopping({ monitor: 'loss', restoreBestWeights: true })
  await net.fit(x, y, { ...options, epochs: 3, callbacks: [abort, best], signal: controller.signal }).catch(() => undefined)
  said['aborted, with the best weights'] = await hashOf(net.weights)
}
{
  const net = await compiled()
  const { history } = await net.fit(data.from((await x.array()) as number[][], [...((await y.data()) as Int32Array)]).batch(10), {
    epochs: 2,
    verbose: 0,
  })
  said['stream'] = [history, await hashOf(net.weights)]
  await net.save(path.join(folder, 'model'))
  // every rank waits until it is there
  said['saved'] = existsSync(path.join(folder, 'model', 'model.json'))
  const loaded = await loadModel(path.join(folder, 'model'))
  await loaded.fit(x, y, { ...options, epochs: 1 })
  said['goes on'] = await hashOf(loaded.weights)
}
{
  const net = await compiled()
  await net.fit(x, y, { ...options, epochs: 4, callbacks: [callbacks.learningRateScheduler((epoch) => 0.01 / (epoch + 1))] })
  said['learning rate'] = [net.optimizer.learningRate, await hashOf(net.weights)]
}
say(rank, said)
await distributed.close()
