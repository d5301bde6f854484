// What counts in fit: weights of samples and classes, settings by output, sources without an end, and what callbacks
// hear.
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  data,
  gradients,
  input,
  jit,
  layers,
  metrics,
  model,
  optimizers,
  regularizers,
  sequential,
  type Tensor,
  tensor,
  toCategorical,
  valueAndGrad,
  type WeftError,
} from '../../lib/index.js'
import { refuses, rejection } from '../expect.js'

/** Predicts x itself. */
function identity(compiled: object): ReturnType<typeof sequential> {
  const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
  net.setWeights([[[1]], [0]])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'mse', ...compiled })
  return net
}
const silent = { verbose: 0 } as const

test('metrics count samples alike, weightedMetrics by their weights', async () => {
  const net = identity({ metrics: ['mae'], weightedMetrics: ['mae', metrics.mse()] })
  const [x, y] = [tensor([[1], [2]]), tensor([[1], [4]])]
  const { history } = await net.fit(x, y, { sampleWeight: [3, 1], ...silent })
  assert.equal(Object.keys(history), ['loss', 'mae', 'weighted_mae', 'mse'])
  assert.equal([history['loss'], history['mae'], history['weighted_mae'], history['mse']], [[2], [1], [0.5], [1]])
  const figures = await net.evaluate(x, y, { sampleWeight: [3, 1] })
  assert.equal(figures, { loss: 2, mae: 1, weighted_mae: 0.5, mse: 1 })
})

test('classWeight of a class that the model does not have', async () => {
  const net = sequential([layers.dense({ units: 3, activation: 'softmax', inputShape: [1] })])
  net.compile({ loss: 'sparseCategoricalCrossentropy' })
  const error = await rejection(net.fit([[1], [2]], [0, 2], { classWeight: { 0: 1, 5: 2 }, ...silent }))
  assert.match((error as WeftError).message, /there is no class 5, the model has classes 0 to 2/)
})

test('classWeight as a record, a Map, a list or balanced', async () => {
  const net = identity({ weightedMetrics: ['mae'] })
  const [x, y] = [tensor([[1], [1], [1], [3]]), tensor([0, 0, 0, 1])]
  // errors 1, 1, 1, 2
  const loss = async (classWeight: unknown): Promise<number> =>
    (await net.fit(x, y, { classWeight: classWeight as never, shuffle: false, ...silent })).history.loss[0]!
  assert.is(await loss(undefined), 7 / 4)
  for (const weights of [
    { 0: 2, 1: 5 },
    new Map([
      [0, 2],
      [1, 5],
    ]),
    [2, 5],
    Float32Array.of(2, 5),
  ])
    assert.is(await loss(weights), 26 / 4)
  // 4 / (2 · 3) and 4 / (2 · 1)
  assert.ok(Math.abs((await loss('balanced')) - ((3 * 2) / 3 + 4 * 2) / 4) < 1e-6)
  assert.is((await net.trainOnBatch(x, y, { classWeight: [2, 5] })).loss, 26 / 4)
  const fails = async (classWeight: unknown, words: RegExp): Promise<void> => {
    const error = (await rejection(net.fit(x, y, { classWeight: classWeight as never, ...silent }))) as WeftError
    assert.is(error.code, 'ERR_ARGUMENT', error.message)
    assert.match(error.message, words)
  }
  await fails('balance', /classWeight is a record, a Map, a list or 'balanced', got 'balance'/)
  await fails(5, /classWeight is a record/)
  await fails(new Map([['a', 1]]), /class numbers/)
  await fails([1, -1], /weights of at least 0/)
  await fails({ 0: '1' }, /got '0': '1'/)
  const stream = data.from([[1], [3]], [[0], [1]]).batch(2)
  const error = (await rejection(net.fit(stream, { classWeight: 'balanced', ...silent }))) as WeftError
  assert.match(error.message, /'balanced' needs the targets/)
})

test('balanced weights of one-hot targets', async () => {
  const net = sequential([layers.dense({ units: 2, activation: 'softmax', inputShape: [1] })])
  net.setWeights([[[0, 0]], [0, 0]])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'categoricalCrossentropy' })
  const { history } = await net.fit([[1], [1], [1], [3]], toCategorical([0, 0, 0, 1], 2), { classWeight: 'balanced', ...silent })
  assert.ok(Math.abs(history.loss[0]! - Math.log(2)) < 1e-6)
})

test('settings for outputs that do not exist, and outputs without a loss', async () => {
  const a = input({ shape: [1] })
  const outputs = { one: layers.dense({ units: 1 }).apply(a), two: layers.dense({ units: 1 }).apply(a) }
  const net = model({ inputs: a, outputs })
  refuses(() => net.compile({ loss: { one: 'mse', three: 'mse' } }), 'ERR_ARGUMENT', "compile: unknown output in loss 'three'", 'one, two')
  const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>
  net.compile({ loss: { one: 'mse' } })
  const [{ code, message }] = await warned
  assert.is(code, 'WEFT_NO_LOSS')
  assert.match(message, /no loss for the output 'two'.*Write two: undefined/)
  refuses(() => net.compile({ loss: 'mse', metrics: { tow: ['mae'] } }), 'ERR_ARGUMENT', "'tow'", "Did you mean 'two'")
  refuses(() => net.compile({ loss: 'mse', weightedMetrics: { tow: ['mae'] } }), 'ERR_ARGUMENT', "'tow'")
  refuses(() => net.compile({ loss: 'mse', lossWeights: { tow: 1 } }), 'ERR_ARGUMENT', "'tow'")
  net.compile({ loss: { one: 'mse', two: undefined } })
  assert.ok(Number.isFinite((await net.fit([[1]], { one: [[1]], two: [[1]] }, silent)).history.loss[0]))
  const late = sequential([layers.dense({ units: 1, name: 'last' })])
  late.compile({ loss: { lost: 'mse' } })
  const error = (await rejection(late.fit([[1]], [[1]], silent))) as WeftError
  assert.is(error.code, 'ERR_ARGUMENT')
  assert.match(error.message, /'lost'.*'last'/)
})

test('sources that never end need a number of steps', async () => {
  const net = identity({ metrics: ['mae'] })
  const endless = data
    .from([[1], [2], [3]], [[1], [2], [5]])
    .batch(1)
    .repeat()
  const fails = async (call: Promise<unknown>, option: string): Promise<void> => {
    const error = (await rejection(call)) as WeftError
    assert.is(error.code, 'ERR_ARGUMENT', error.message)
    assert.ok(error.message.includes('repeats endlessly') && error.message.includes(option), error.message)
  }
  await fails(net.fit(endless, silent), 'stepsPerEpoch')
  await fails(
    net.fit(() => endless, silent),
    'stepsPerEpoch',
  )
  await fails(net.fit([[1]], [[1]], { validationData: endless, ...silent }), 'validationSteps')
  await fails(net.evaluate(endless), 'steps')
  await fails(net.predict(endless), 'steps')
  await fails(
    net.predict(() => endless),
    'steps',
  )
  const { history } = await net.fit([[1]], [[1]], { epochs: 2, validationData: endless, validationSteps: 3, ...silent })
  assert.equal(
    history.val_mae!.map((value) => Math.fround(value)),
    [Math.fround(2 / 3), Math.fround(2 / 3)],
    'each validation begins anew',
  )
  assert.is((await net.evaluate(endless, { steps: 2 })).mae, 0)
  assert.equal((await net.predict(endless, { steps: 4 })).shape, [4, 1])
  const error = (await rejection(net.predict([[1]], { steps: 4 }))) as WeftError
  assert.is(error.code, 'ERR_ARGUMENT')
})

test('callbacks hear of a failure, always of the end, and see the loss of their batch', async () => {
  const net = identity({})
  const heard: string[] = []
  const losses: number[] = []
  const callback = {
    onBatchEnd(_batch: number, logs: Record<string, number>) {
      losses.push(logs['batchLoss']!, logs['loss']!)
    },
    onTrainError: (error: unknown) => void heard.push((error as Error).message),
    onTrainEnd: () => void heard.push('end'),
  }
  const options = { batchSize: 1, shuffle: false, ...silent }
  const { history } = await net.fit([[1], [2]], [[1], [4]], { ...options, callbacks: callback })
  assert.equal(heard, ['end'])
  assert.equal(losses, [0, 0, 4, 2], 'of the batch, and the mean of the epoch')
  assert.equal(Object.keys(history), ['loss'])
  heard.length = 0
  const thrown = await rejection(
    net.fit([[1]], [[1]], {
      ...options,
      callbacks: [
        callback,
        {
          onEpochEnd() {
            throw new Error('no more')
          },
        },
      ],
    }),
  )
  assert.is(thrown.message, 'no more')
  assert.equal(heard, ['no more', 'end'])
  heard.length = 0
  const controller = new AbortController()
  const aborted = net.fit([[1], [2]], [[1], [4]], {
    ...options,
    epochs: 1000,
    signal: controller.signal,
    callbacks: [callback, { onEpochEnd: () => controller.abort(new Error('stop')) }],
  })
  assert.is((await rejection(aborted)).message, 'stop')
  assert.equal(heard, ['stop', 'end'])
  heard.length = 0
  for await (const _ of net.train([[1], [2]], [[1], [4]], { ...options, callbacks: callback })) break
  assert.equal(heard, ['end'], 'a loop that is left is no failure')
})

test('errors of asynchronous calls have the frame of the caller', async () => {
  const net = identity({})
  async function whereItWasCalled(): Promise<void> {
    await net.fit([[1]], [[1], [2]], silent)
  }
  const error = await rejection(whereItWasCalled())
  assert.match(error.stack!, /whereItWasCalled/)
  assert.not.match(error.stack!.split('\n').slice(1).join('\n'), /lib\/model/)
})

test('errors of train have the frame of the caller too', async () => {
  const net = identity({})
  async function whereTheLoopIs(y: number[][], after: () => void): Promise<void> {
    for await (const _ of net.train([[1]], y, silent)) after()
  }
  const late = await rejection(whereTheLoopIs([[1], [2]], () => undefined))
  assert.match(late.stack!, /whereTheLoopIs/)
  assert.not.match(late.stack!.split('\n').slice(1).join('\n'), /lib\/model/)
  // what the loop itself throws is left alone, and the model is free again
  const own = new RangeError('mine')
  const thrown = await rejection(
    whereTheLoopIs([[1]], () => {
      throw own
    }),
  )
  assert.is(thrown, own)
  await net.fit([[1]], [[1]], silent)
})

test('predict and fit in a function that is traced name net.apply', () => {
  const net = identity({})
  const traced = (fn: (x: Tensor) => unknown): unknown => jit(fn as (x: Tensor) => Tensor)(tensor([[1]]))
  refuses(() => traced((x) => net.predict(x)), 'ERR_TRACE', 'predict', 'net.apply(x')
  refuses(() => traced((x) => net.fit(x, x)), 'ERR_TRACE', 'fit', 'net.apply(x')
  refuses(() => traced((x) => net.train(x, x)), 'ERR_TRACE', 'train', 'net.apply(x')
  refuses(() => valueAndGrad(((x: Tensor) => net.evaluate(x, x)) as never)(tensor([[1]]) as never), 'ERR_TRACE', 'evaluate', 'net.apply(x')
})

test("net.losses are the penalties of the weights, for loops of one's own", async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [2], kernelRegularizer: regularizers.l2(0.5) })])
  net.setWeights([[[1], [2]], [0]])
  assert.is(net.losses.length, 1)
  assert.is(await net.losses[0]!.item(), 2.5)
  const step = jit((x: Tensor) => {
    const loss = net.losses.reduce((sum, penalty) => sum.add(penalty), net.apply(x).mean())
    return gradients(loss, net.trainableWeights)[0]!
  })
  assert.equal(await step(tensor([[0, 0]])).array(), [[1], [2]])
})

test('net.losses holds what layers added in the last call, beside the penalties', async () => {
  class Activity extends layers.Layer<{ by: number }> {
    override call(x: Tensor): Tensor {
      this.addLoss(x.square().sum().mul(this.config.by))
      return x
    }
  }
  const activity = new Activity({ by: 2 })
  const net = sequential([
    layers.dense({ units: 1, inputShape: [2], kernelRegularizer: regularizers.l2(0.5), useBias: false }),
    sequential([activity]),
  ])
  net.setWeights([[[1], [2]]])
  const items = (): Promise<number[]> => Promise.all(net.losses.map((loss) => loss.item()))
  assert.equal(await items(), [2.5], 'nothing was called')
  net.apply(tensor([[1, 1]]))
  assert.equal(await items(), [2.5, 18])
  assert.equal(await Promise.all(activity.losses.map((loss) => loss.item())), [18])
  net.apply(tensor([[1, 0]]))
  assert.equal(await items(), [2.5, 2], 'the last call alone')
  // two calls in one: a shared layer adds twice
  class Twice extends layers.Layer {
    readonly part = activity
    override call(x: Tensor): Tensor {
      return this.part.apply(this.part.apply(x))
    }
  }
  const twice = new Twice()
  twice.apply(tensor([[1]]))
  assert.equal(await Promise.all(twice.losses.map((loss) => loss.item())), [2, 2])
  // a traced loop gets the traced losses, and their slope; outside nothing of them is left
  const step = jit((x: Tensor) => {
    const mean = net.apply(x).mean()
    const loss = net.losses.reduce((sum, part) => sum.add(part), mean)
    return { loss, slope: gradients(loss, net.trainableWeights)[0]! }
  })
  for (let run = 0; run < 3; run++) {
    const { loss, slope } = step(tensor([[1, 0]]))
    assert.is(await loss.item(), 1 + 2.5 + 2)
    assert.equal(await slope.array(), [[1 + 1 + 4], [2]])
  }
  assert.equal(await items(), [2.5], 'the last call was traced')
  // fit adds what the loop adds
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'mse' })
  const { loss } = await net.evaluate([[1, 0]], [[1]])
  assert.is(loss, 2.5 + 2)
})

test('toCategorical refuses labels that are no class', () => {
  refuses(() => toCategorical([0, 5], 3), 'ERR_DATA', 'label 1 is 5', '0 to 2')
  refuses(() => toCategorical([0, 3], 3), 'ERR_DATA', 'Labels start at 0')
  refuses(() => toCategorical([-1, 0], 3), 'ERR_DATA', 'label 0 is -1')
  assert.equal(toCategorical([0, 2], 3).arraySync(), [
    [1, 0, 0],
    [0, 0, 1],
  ])
})

test.run()
