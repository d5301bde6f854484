// Callbacks: the order of the hooks, and Keras' semantics of those that come with the package.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as callbacks from '../../lib/callbacks/index.js'
import * as layers from '../../lib/layers/index.js'
import { loadModel } from '../../lib/io/index.js'
import { sequential } from '../../lib/model/sequential.js'
import * as optimizers from '../../lib/optimizers/index.js'
import { close, codeOf } from '../expect.js'

type Net = ReturnType<typeof sequential>

/** w·x with w as given, on x = 1 and y = 0, so that the loss is w². */
function scale(learningRate = 0.1, w = 1): Net {
  const net = sequential([layers.dense({ units: 1, useBias: false, inputShape: [1] })])
  net.setWeights([[[w]]])
  net.compile({ optimizer: optimizers.sgd({ learningRate }), loss: 'mse' })
  return net
}
const weight = async (net: Net): Promise<number> => Number((await net.weights[0]!.data())[0])
/** Sets the weight at the end of each epoch, before validation runs on the next. */
const steer = (net: Net, list: readonly number[]): callbacks.CallbackLike => ({
  onBatchEnd: () => undefined,
  onEpochBegin: (epoch) => net.setWeights([[[list[epoch]!]]]),
})
const data = { x: [[1]], y: [0], validationData: [[[1]], [0]] as [number[][], number[]] }

test('hooks run in order, are awaited, and see the logs', async () => {
  const seen: string[] = []
  const note =
    (what: string) =>
    async (at?: unknown): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(typeof at === 'number' ? `${what} ${at}` : what)
    }
  const own: callbacks.CallbackLike = {
    onTrainBegin: note('train begin'),
    onTrainEnd: note('train end'),
    onEpochBegin: note('epoch begin'),
    onEpochEnd: note('epoch end'),
    onBatchBegin: note('batch begin'),
    onBatchEnd: note('batch end'),
  }
  await scale().fit([[1], [1], [1]], [0, 0, 0], { batchSize: 2, epochs: 2, verbose: 0, callbacks: own })
  const epoch = (e: number): string[] => [
    `epoch begin ${e}`,
    'batch begin 0',
    'batch end 0',
    'batch begin 1',
    'batch end 1',
    `epoch end ${e}`,
  ]
  assert.equal(seen, ['train begin', ...epoch(0), ...epoch(1), 'train end'])
})

test('a Callback knows its model; keys added to the logs reach the history', async () => {
  class Mine extends callbacks.Callback {
    override onEpochEnd(_: number, logs: Record<string, number>): void {
      logs['weights'] = this.model.countParams()
    }
  }
  const { history } = await scale().fit(data.x, data.y, {
    epochs: 2,
    verbose: 0,
    callbacks: [new Mine(), callbacks.lambda({ onTrainEnd: () => undefined })],
  })
  assert.equal(history['weights'], [1, 1])
})

test('earlyStopping: patience, minDelta, best weights at the end', async () => {
  const net = scale(0)
  const stop = callbacks.earlyStopping({ patience: 2, restoreBestWeights: true })
  const { epoch } = await net.fit(data.x, data.y, {
    validationData: data.validationData,
    epochs: 9,
    verbose: 0,
    callbacks: [steer(net, [3, 2, 2.5, 2.4, 1, 1, 1, 1, 1]), stop],
  })
  assert.equal(epoch, [0, 1, 2, 3])
  assert.is(stop.stoppedEpoch, 3)
  assert.is(stop.bestEpoch, 1)
  assert.is(await weight(net), 2)
  // an epoch that is better by less than minDelta does not count
  const strict = await net.fit(data.x, data.y, {
    validationData: data.validationData,
    epochs: 9,
    verbose: 0,
    callbacks: [steer(net, [3, 2.99, 2.98, 2.97, 1, 1, 1, 1, 1]), callbacks.earlyStopping({ patience: 3, minDelta: 0.5 })],
  })
  assert.equal(strict.epoch, [0, 1, 2, 3])
  // patience 0 does not stop at the first epoch; the best weights come back without stopping too
  const all = await net.fit(data.x, data.y, {
    epochs: 3,
    verbose: 0,
    callbacks: [steer(net, [1, 3, 0.5]), callbacks.earlyStopping({ monitor: 'loss', patience: 5, restoreBestWeights: true })],
  })
  assert.is(all.epoch.length, 3)
  assert.is(await weight(net), 0.5)
  assert.is(
    codeOf(() => callbacks.earlyStopping({ monitor: 'val_thing' })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => callbacks.earlyStopping({ patiense: 3 } as never)),
    'ERR_ARGUMENT',
  )
})

test('a figure that the logs lack: one warning that names those there are', async () => {
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  await scale().fit(data.x, data.y, { verbose: 0, callbacks: [callbacks.earlyStopping({ monitor: 'val_accuracy' })] })
  assert.match((await warned).message, /'val_accuracy'.*loss/)
})

test('reduceLrOnPlateau: factor, patience, cooldown, minLr', async () => {
  const net = scale(0.5)
  const list = [1, 1, 1, 1, 1, 1, 1, 1]
  const { history } = await net.fit(data.x, data.y, {
    epochs: 8,
    verbose: 0,
    callbacks: [steer(net, list), callbacks.reduceLrOnPlateau({ monitor: 'loss', factor: 0.5, patience: 2, cooldown: 1, minLr: 0.1 })],
  })
  close(history['learningRate']!, [0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1], 1e-6)
  assert.is(
    codeOf(() => callbacks.reduceLrOnPlateau({ factor: 1 })),
    'ERR_ARGUMENT',
  )
})

test('learningRateScheduler: set at the begin of each epoch', async () => {
  const net = scale(0.4)
  const { history } = await net.fit(data.x, data.y, {
    epochs: 3,
    verbose: 0,
    callbacks: callbacks.learningRateScheduler((epoch, rate) => (epoch === 0 ? rate : rate / 2)),
  })
  close(history['learningRate']!, [0.4, 0.2, 0.1], 1e-6)
  // w ← w - lr·2w
  close([await weight(net)], [0.2 * 0.6 * 0.8], 1e-6)
})

test('terminateOnNan ends training', async () => {
  const net = scale(1e20)
  const { epoch } = await net.fit(
    Array.from({ length: 64 }, () => [1e18]),
    new Array(64).fill(0),
    { batchSize: 1, epochs: 3, verbose: 0, callbacks: callbacks.terminateOnNan() },
  )
  assert.equal(epoch, [0])
  assert.ok(net.optimizer.iterations < 64)
})

test('csvLogger writes a header and a line per epoch, and goes on with append', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
  const file = path.join(folder, 'logs', 'fit.csv')
  const net = scale(0)
  await net.fit(data.x, data.y, { validationData: data.validationData, epochs: 2, verbose: 0, callbacks: callbacks.csvLogger(file) })
  assert.is(await readFile(file, 'utf8'), 'epoch,loss,val_loss\n0,1,1\n1,1,1\n')
  await net.fit(data.x, data.y, { validationData: data.validationData, verbose: 0, callbacks: callbacks.csvLogger(file, { append: true }) })
  assert.is(await readFile(file, 'utf8'), 'epoch,loss,val_loss\n0,1,1\n1,1,1\n0,1,1\n')
  await rm(folder, { recursive: true })
})

test('modelCheckpoint saves the best, under a name with figures', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
  const net = scale(0)
  const save = callbacks.modelCheckpoint(path.join(folder, '{epoch:02d}-{loss:.2f}'), { monitor: 'loss', saveBestOnly: true })
  await net.fit(data.x, data.y, { epochs: 3, verbose: 0, callbacks: [steer(net, [2, 3, 1.5]), save] })
  assert.equal((await readdir(folder)).sort(), ['01-4.00', '03-2.25'])
  const best = await loadModel(path.join(folder, '03-2.25'))
  assert.is(Number((await best.weights[0]!.data())[0]), 1.5)
  await rm(folder, { recursive: true })
})

test.run()
