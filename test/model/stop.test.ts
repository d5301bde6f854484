// Ending and failing: abort, stopTraining, leaving the iterator, faults, states and arguments that are refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { device, type Tensor, tensor, type WeftError } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import * as callbacks from '../../lib/callbacks/index.js'
import { native } from '../../lib/core/addon.js'
import { sequential } from '../../lib/model/sequential.js'
import * as optimizers from '../../lib/optimizers/index.js'
import { codeOf, codeOfAsync, rejection, until } from '../expect.js'

type Net = ReturnType<typeof sequential>
const rows = (n: number): number[][] => Array.from({ length: n }, (_, i) => [(i % 7) / 7, (i % 5) / 5])
const labels = (n: number): number[] => Array.from({ length: n }, (_, i) => i % 3)

function classifier(): Net {
  const net = sequential([
    layers.dense({ units: 4, activation: 'relu', inputShape: [2] }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return net
}
const values = async (net: Net): Promise<number[]> =>
  (await Promise.all(net.weights.map((w) => w.data()))).flatMap((data) => Array.from(data as Float32Array))

test('abort in a batch callback: no further step, the reason is what fit rejects with', async () => {
  const net = classifier()
  const controller = new AbortController()
  const reason = new Error('enough')
  const error = await rejection(
    net.fit(rows(300), labels(300), {
      epochs: 5,
      verbose: 0,
      signal: controller.signal,
      callbacks: { onBatchEnd: (batch) => void (batch === 3 && controller.abort(reason)) },
    }),
  )
  assert.is(error, reason)
  assert.is(net.optimizer.iterations, 4)
  // and the model trains on
  await net.fit(rows(32), labels(32), { verbose: 0 })
  assert.is(net.optimizer.iterations, 5)
})

test('abort from outside stops within the steps in flight', async () => {
  const net = classifier()
  const controller = new AbortController()
  const running = net.fit(rows(3000), labels(3000), { epochs: 10_000, verbose: 0, signal: controller.signal })
  await until(() => net.optimizer.iterations > 0, 'it trains')
  const before = net.optimizer.iterations
  controller.abort()
  assert.is((await rejection(running)).name, 'AbortError')
  assert.ok(net.optimizer.iterations - before <= 4, `${net.optimizer.iterations - before} further steps`)
  const aborted = AbortSignal.abort(new Error('before'))
  for (const promise of [
    net.fit(rows(3), labels(3), { signal: aborted, verbose: 0 }),
    net.evaluate(rows(3), labels(3), { signal: aborted }),
    net.predict(rows(3), { signal: aborted }),
  ]) {
    assert.is((await rejection(promise)).message, 'before')
  }
})

test('stopTraining: fit resolves after the step', async () => {
  const net = classifier()
  const { epoch, history } = await net.fit(rows(96), labels(96), {
    epochs: 5,
    verbose: 0,
    callbacks: {
      onBatchEnd: (batch) => {
        if (batch === 1) net.stopTraining = true
      },
    },
  })
  assert.equal(epoch, [0])
  assert.is(history['loss']!.length, 1)
  assert.is(net.optimizer.iterations, 2)
})

test('train: events in order; leaving the loop stops cleanly', async () => {
  const net = classifier()
  const seen: string[] = []
  for await (const { type, epoch, step, steps, logs } of net.train(rows(70), labels(70), { epochs: 2, verbose: 0, validationSplit: 0.1 })) {
    seen.push(`${type} ${epoch} ${step}/${steps}`)
    assert.ok(Number.isFinite(logs['loss']))
    assert.is('val_loss' in logs, type === 'epoch')
  }
  assert.equal(seen, ['step 0 0/2', 'step 0 1/2', 'epoch 0 1/2', 'step 1 0/2', 'step 1 1/2', 'epoch 1 1/2'])
  for await (const { step } of net.train(rows(320), labels(320), { epochs: 9, verbose: 0 })) if (step === 2) break
  assert.is(net.optimizer.iterations, 7)
  await net.fit(rows(32), labels(32), { verbose: 0 })
})

test('a label out of range rejects fit and evaluate, and the step changes nothing', async () => {
  const net = classifier()
  await net.fit(rows(32), labels(32), { verbose: 0 })
  const before = await values(net)
  const bad = labels(32)
  bad[17] = 3
  const error = (await rejection(net.fit(rows(32), tensor(bad, { dtype: 'int32' }), { verbose: 0 }))) as WeftError
  assert.is(error.code, 'ERR_DATA')
  assert.match(error.message, /value 3 is out of range/)
  assert.equal(await values(net), before)
  assert.is(net.optimizer.iterations, 1)
  assert.is(await codeOfAsync(net.evaluate(rows(32), bad)), 'ERR_DATA')
  assert.is(await codeOfAsync(net.trainOnBatch(rows(32), bad)), 'ERR_DATA')
  await net.fit(rows(32), labels(32), { verbose: 0 })
  assert.is(net.optimizer.iterations, 2)
})

test('one-hot targets against sparse loss and the reverse: the message names the right loss', async () => {
  const net = classifier()
  const oneHot = labels(6).map((label) => [0, 1, 2].map((c) => Number(c === label)))
  assert.match((await rejection(net.fit(rows(6), oneHot, { verbose: 0 }))).message, /'categoricalCrossentropy'/)
  net.compile({ loss: 'categoricalCrossentropy' })
  assert.match((await rejection(net.fit(rows(6), labels(6), { verbose: 0 }))).message, /sparseCategoricalCrossentropy/)
})

test('states: not compiled, training already, compile while training', async () => {
  const bare = sequential([layers.dense({ units: 1, inputShape: [1] })])
  assert.is(await codeOfAsync(bare.fit([[1]], [1])), 'ERR_STATE')
  assert.is(await codeOfAsync(bare.evaluate([[1]], [1])), 'ERR_STATE')
  assert.is(await codeOfAsync(bare.trainOnBatch([[1]], [1])), 'ERR_STATE')
  assert.is(
    codeOf(() => bare.optimizer),
    'ERR_STATE',
  )
  assert.is((await bare.predict([[1]])).size, 1)
  const net = classifier()
  const running = net.fit(rows(320), labels(320), { epochs: 3, verbose: 0 })
  assert.is(await codeOfAsync(net.fit(rows(3), labels(3), { verbose: 0 })), 'ERR_STATE')
  assert.is(
    codeOf(() => net.compile({ loss: 'mse' })),
    'ERR_STATE',
  )
  await running
})

test('arguments of fit', async () => {
  const net = classifier()
  const refused = (options: object, y: unknown = labels(6)): Promise<string | undefined> =>
    codeOfAsync(net.fit(rows(6), y as number[], { verbose: 0, ...options }))
  for (const options of [
    { epochs: -1 },
    { epochs: 1.5 },
    { batchSize: 0 },
    { validationSplit: 1 },
    { validationSplit: 0.1, batchSize: 2, epochs: Number.NaN },
    { stepsPerEpoch: 99 },
    { verbose: 3 },
    { classWeight: { a: 1 } },
    { classWeight: { 0: Number.NaN } },
    { callbacks: [null] },
    { callbacks: 'csv' },
    { epoch: 3 },
    { validationData: [rows(2)] },
  ]) {
    assert.is(await refused(options), 'ERR_ARGUMENT', JSON.stringify(options))
  }
  assert.is(await codeOfAsync(net.fit(rows(6), undefined, { verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await refused({}, labels(5)), 'ERR_SHAPE')
  assert.is(await refused({ sampleWeight: [1, 2] }), 'ERR_SHAPE')
  // 0.1 of 6 rows leaves 5 to train on and 1 to validate with; of one row it leaves none
  assert.is(await codeOfAsync(net.fit(rows(1), labels(1), { validationSplit: 0.1, verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.fit([], [], { verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.fit('data' as never, [], { verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.predict(rows(3), { batchSize: 0 })), 'ERR_ARGUMENT')
  assert.is(net.optimizer.iterations, 0)
})

test('arguments of compile name the nearest string', () => {
  const net = classifier()
  assert.throws(() => net.compile({ optimizer: 'adamm' as never }), /'adam'/)
  assert.throws(() => net.compile({ loss: 'sparseCategoricalCrossEntropy' as never }), /'sparseCategoricalCrossentropy'/)
  assert.throws(() => net.compile({ loss: 'mse', metrics: ['acuracy' as never] }), /'accuracy'/)
  assert.throws(() => net.compile({ loss: 'mse', metric: ['mae'] } as never), /'metrics'/)
  assert.is(
    codeOf(() => net.compile({ loss: 'mse', metrics: 'mae' as never })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => net.compile({ loss: 'mse', precision: 'mixedBfloat16' })),
    device() === 'cpu' && !native.multipliesBfloat16 ? 'ERR_ARGUMENT' : undefined,
  )
  assert.is(
    codeOf(() => net.compile({ loss: 'mse', precision: 'half' as never })),
    'ERR_ARGUMENT',
  )
  net.compile({ loss: 'mse', precision: 'tf32' })
})

test('streams of batches: iterables, functions, stepsPerEpoch, running dry', async () => {
  const net = classifier()
  const batch = (n: number): { x: number[][]; y: number[]; sampleWeight?: number[] } => ({ x: rows(n), y: labels(n) })
  const list = [batch(4), batch(4), { ...batch(2), sampleWeight: [1, 0] }]
  const { history } = await net.fit(list, { epochs: 2, verbose: 0 })
  assert.is(history['loss']!.length, 2)
  assert.is(net.optimizer.iterations, 6)
  await net.fit(() => list.values(), { epochs: 2, verbose: 0 })
  assert.is(net.optimizer.iterations, 12)
  async function* endless(): AsyncGenerator<unknown> {
    for (;;) yield batch(3)
  }
  await net.fit(endless(), { epochs: 2, stepsPerEpoch: 3, verbose: 0 })
  assert.is(net.optimizer.iterations, 18)
  assert.is(await codeOfAsync(net.fit(list.values(), { epochs: 2, verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.fit(list.values(), { stepsPerEpoch: 5, verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.fit([{ x: rows(2) }] as never, { verbose: 0 })), 'ERR_ARGUMENT')
  assert.is(
    await codeOfAsync(
      net.fit(
        (async function* () {
          yield 3
        })(),
        { verbose: 0 },
      ),
    ),
    'ERR_ARGUMENT',
  )
  const figures = await net.evaluate(list)
  assert.equal(Object.keys(figures), ['loss', 'accuracy'])
  const p = (await net.predict(list as never)) as Tensor
  assert.equal(p.shape, [10, 3])
  // a source that never gives anything does not keep an aborted fit
  const controller = new AbortController()
  const waiting = net.fit(
    (async function* () {
      await new Promise(() => undefined)
      yield 1
    })(),
    { signal: controller.signal, verbose: 0 },
  )
  setTimeout(() => controller.abort(new Error('waited')), 20)
  assert.is((await rejection(waiting)).message, 'waited')
})

test('what is frozen stays, also after a change between two fits', async () => {
  const net = classifier()
  await net.fit(rows(32), labels(32), { verbose: 0 })
  const [first, second] = net.layers as [(typeof net.layers)[0], (typeof net.layers)[0]]
  first!.trainable = false
  const kept = await Promise.all(first!.getWeights().map((w) => w.array()))
  const moved = await Promise.all(second!.getWeights().map((w) => w.array()))
  await net.fit(rows(32), labels(32), { verbose: 0 })
  assert.equal(await Promise.all(first!.getWeights().map((w) => w.array())), kept)
  assert.not.equal(await Promise.all(second!.getWeights().map((w) => w.array())), moved)
})

test('a callback that throws ends fit with its error; the model can be trained again', async () => {
  const net = classifier()
  const error = await rejection(
    net.fit(rows(64), labels(64), {
      verbose: 0,
      callbacks: [
        {
          onEpochEnd: () => {
            throw new Error('mine')
          },
        },
        callbacks.terminateOnNan(),
      ],
    }),
  )
  assert.is(error.message, 'mine')
  await net.fit(rows(32), labels(32), { verbose: 0 })
})

test('a NaN learning rate is refused when it is set', () => {
  assert.is(
    codeOf(() => optimizers.adam({ learningRate: Number.NaN })),
    'ERR_ARGUMENT',
  )
})

test.run()
