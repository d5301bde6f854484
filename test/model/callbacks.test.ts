// Callbacks: the order of the hooks, and Keras' semantics of those that come with the package.
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CallbackList } from '../../lib/callbacks/callback.js'
import * as factories from '../../lib/callbacks/factories.js'
import * as callbacks from '../../lib/callbacks/index.js'
import * as layers from '../../lib/layers/index.js'
import { loadModel } from '../../lib/io/index.js'
import { sequential } from '../../lib/model/sequential.js'
import * as metrics from '../../lib/metrics/index.js'
import * as optimizers from '../../lib/optimizers/index.js'
import * as schedules from '../../lib/schedules/index.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, codeOf, rejects, throws } from '../expect.js'

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
  await rejects(
    'ERR_ARGUMENT',
    /cannot tell whether less or more of 'val_thing' is better.*mode: 'max'/,
    net.fit(data.x, data.y, { verbose: 0, callbacks: callbacks.earlyStopping({ monitor: 'val_thing' }) }),
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
  const save = callbacks.modelCheckpoint({ path: path.join(folder, '{epoch:02d}-{loss:.2f}'), monitor: 'loss', saveBestOnly: true })
  await net.fit(data.x, data.y, { epochs: 3, verbose: 0, callbacks: [steer(net, [2, 3, 1.5]), save] })
  assert.equal((await readdir(folder)).sort(), ['01-4.00', '03-2.25'])
  const best = await loadModel(path.join(folder, '03-2.25'))
  assert.is(Number((await best.weights[0]!.data())[0]), 1.5)
  await rm(folder, { recursive: true })
})

test('modelCheckpoint keeps the last models, and leaves what it did not save', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
  const net = scale(0)
  await net.save(path.join(folder, 'own'))
  const each = callbacks.modelCheckpoint({ path: path.join(folder, 'each-{epoch}'), keep: 2 })
  const best = callbacks.modelCheckpoint({ path: path.join(folder, 'best-{epoch}'), monitor: 'loss', saveBestOnly: true, keep: 1 })
  const note: callbacks.CallbackLike = {
    // a file of the user's in the folder of a model that is to go
    onEpochEnd: async (epoch) => (epoch === 1 ? writeFile(path.join(folder, 'each-1', 'note.txt'), 'mine') : undefined),
  }
  await net.fit(data.x, data.y, { epochs: 4, verbose: 0, callbacks: [steer(net, [2, 3, 1, 2]), note, each, best] })
  assert.equal((await readdir(folder)).sort(), ['best-3', 'each-1', 'each-3', 'each-4', 'own'])
  assert.equal(await readdir(path.join(folder, 'each-1')), ['note.txt'])
  assert.is(Number((await (await loadModel(path.join(folder, 'best-3'))).weights[0]!.data())[0]), 1)
  // one folder without figures in its name is the only model, however many are kept
  const one = callbacks.modelCheckpoint({ path: path.join(folder, 'one'), keep: 1 })
  await net.fit(data.x, data.y, { epochs: 2, verbose: 0, callbacks: one })
  await loadModel(path.join(folder, 'one'))
  for (const keep of [0, -1, 1.5, '3', null])
    throws('ERR_ARGUMENT', /keep must be an integer of at least 1/, () => callbacks.modelCheckpoint({ path: 'x', keep: keep as number }))
  throws('ERR_ARGUMENT', /path must be the name of a folder.*path: 'best-/, () => callbacks.modelCheckpoint({} as never))
  throws('ERR_ARGUMENT', /Write callbacks\.modelCheckpoint\(\{ path: 'best' \}\)/, () => callbacks.modelCheckpoint('best' as never))
  await rm(folder, { recursive: true })
})

const folder = path.join(os.tmpdir(), `weft-callbacks-${process.pid}`)
/** Every callback: the arguments before its options, and options for one epoch. */
const rows: readonly { name: keyof typeof factories; before: readonly unknown[]; options?: object }[] = [
  { name: 'earlyStopping', before: [], options: { monitor: 'loss' } },
  { name: 'reduceLrOnPlateau', before: [], options: { monitor: 'loss' } },
  { name: 'learningRateScheduler', before: [() => 0.5], options: { verbose: false } },
  { name: 'csvLogger', before: [path.join(folder, 'log.csv')], options: { separator: ';' } },
  { name: 'terminateOnNan', before: [] },
  { name: 'modelCheckpoint', before: [], options: { path: path.join(folder, 'model'), monitor: 'loss', saveBestOnly: true } },
  { name: 'backupAndRestore', before: [], options: { dir: path.join(folder, 'backup'), deleteCheckpoint: true } },
  { name: 'tensorBoard', before: [], options: { logDir: path.join(folder, 'logs'), histogramFreq: 1, updateFreq: 'batch' } },
  { name: 'dashboard', before: [], options: { port: 0, samples: { x: [[1], [2]] }, histogramFreq: 1 } },
  { name: 'lambda', before: [], options: { onEpochEnd: () => undefined } },
]
everyFactoryHasARow(
  factories,
  rows.map(({ name }) => name),
  'rows in test/model/callbacks.test.ts',
)
for (const { name, before, options } of rows)
  test(`${name}: an epoch with it; calls that are not as the options say`, async () => {
    const call = { ...factories }[name] as unknown as (...args: unknown[]) => callbacks.Callback
    const made = call(...before, ...(options ? [options] : []))
    assert.instance(made, callbacks.Callback)
    await scale(0).fit(data.x, data.y, { verbose: 0, callbacks: made })
    const written = new RegExp(`Write callbacks\\.${name}\\(`)
    throws('ERR_ARGUMENT', written, () => call(...before, ...(options ? [options] : []), 1))
    if (!options) return
    for (const value of [null, 'loss', 3, [1]]) throws('ERR_ARGUMENT', written, () => call(...before, value))
    throws('ERR_ARGUMENT', /callbacks\.\w+: unknown option/, () => call(...before, { onEpochEnds: 1 }))
    throws('ERR_ARGUMENT', / is (one of|an?) /, () => call(...before, Object.fromEntries(Object.keys(options).map((key) => [key, 1n]))))
  })
test.after(() => rm(folder, { recursive: true, force: true }))

test('a schedule and a callback that sets the rate: refused before the first step', async () => {
  for (const callback of [callbacks.reduceLrOnPlateau({ monitor: 'loss' }), callbacks.learningRateScheduler(() => 1)]) {
    const net = scale()
    const learningRate = schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 5 })
    net.compile({ optimizer: optimizers.sgd({ learningRate }), loss: 'mse' })
    await rejects('ERR_STATE', /follows a schedule.*number as learningRate/, net.fit(data.x, data.y, { verbose: 0, callbacks: callback }))
    assert.is(net.optimizer.iterations, 0)
  }
  const schedule = schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 5 })
  throws('ERR_ARGUMENT', /Schedules go to the optimizer/, () => callbacks.learningRateScheduler(schedule as never))
})

test('which figures rise is known from the metrics, whatever their names', async () => {
  const stoppedAt = async (metric: metrics.MetricLike, monitor: string, list: number[]): Promise<number> => {
    const net = scale(0)
    net.compile({ optimizer: 'sgd', loss: 'mse', metrics: [metric] })
    const { epoch } = await net.fit(data.x, data.y, {
      validationData: data.validationData,
      epochs: list.length,
      verbose: 0,
      callbacks: [steer(net, list), callbacks.earlyStopping({ monitor, patience: 2 })],
    })
    return epoch.length
  }
  // predictions are the weight: 'above' is 1 where it is not more than 0.5, as the target is 0
  assert.is(await stoppedAt(metrics.binaryAccuracy({ name: 'above' }), 'val_above', [1, 0, 0, 1, 1, 1]), 4)
  assert.is(await stoppedAt(metrics.mae({ name: 'accuracy' }), 'val_accuracy', [3, 2, 1, 0, 1, 1]), 6)
  assert.is(await stoppedAt('poisson', 'poisson', [3, 2, 1, 2, 2, 2]), 5)
  const own: metrics.Metric = Object.assign(metrics.mae({ name: 'closeness' }), { rising: true })
  assert.is(await stoppedAt(own, 'closeness', [1, 2, 1, 1, 1]), 4)
})

test('the end is heard by every callback that has begun, an error by all before', async () => {
  const heard: string[] = []
  const listen = (name: string, fails: string[] = []): callbacks.CallbackLike => {
    const hook = (what: string) => (): void => {
      heard.push(`${name} ${what}`)
      if (fails.includes(what)) throw new Error(`${name} ${what}`)
    }
    return { onTrainBegin: hook('begin'), onTrainError: hook('error'), onTrainEnd: hook('end') }
  }
  const list = new CallbackList(scale() as never, [listen('a', ['error', 'end']), listen('b', ['begin']), listen('c')])
  await list.trainBegin().then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'b begin'),
  )
  await list.trainError(new Error('data'))
  await list.trainEnd({}).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'a end'),
  )
  assert.equal(heard, ['a begin', 'b begin', 'a error', 'b error', 'a end', 'b end'])
})

test('earlyStopping leaves the weights of the last step where training fails', async () => {
  const net = scale(0)
  const stop = callbacks.earlyStopping({ monitor: 'loss', restoreBestWeights: true })
  const list = new CallbackList(net as never, stop)
  await list.trainBegin()
  await list.epochEnd(0, { loss: 1 })
  net.setWeights([[[5]]])
  await list.trainError(new Error('aborted'))
  await list.trainEnd({})
  assert.is(await weight(net), 5)
})

test('hooks that would never be called are refused', () => {
  class Misspelt extends callbacks.Callback {
    onEpochEnded(): void {}
  }
  const model = scale() as never
  throws('ERR_ARGUMENT', /callbacks: unknown hook 'onEpochEnded'.*Did you mean 'onEpochEnd'/, () => new CallbackList(model, new Misspelt()))
  const own = { onEpochEnd: () => undefined, onTrainBatchEnd: () => undefined }
  throws('ERR_ARGUMENT', /'onTrainBatchEnd'.*onBatchEnd/, () => new CallbackList(model, own))
  throws('ERR_ARGUMENT', /expected objects with onTrainBegin/, () => new CallbackList(model, {}))
  throws('ERR_ARGUMENT', /callbacks\.earlyStopping\(\)/, () => new CallbackList(model, callbacks.earlyStopping as never))
})

test.run()
