// fit, evaluate and predict: figures against float64, weights, splits, orders, determinism.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, optimizers, regularizers, sequential, setSeed, type Tensor, tensor } from '../../lib/index.js'
import { close, generator, rejection } from '../expect.js'
import { line, stepLine, values } from './line.js'

const x = [0.5, -1, 2, 1.5, -0.25, 3, -2]
const y = [1, 0, 2, -1, 0.5, 1.5, 1]

test('unshuffled epochs with a short last batch: history and weights against float64', async () => {
  const net = line()
  const { history, epoch } = await net.fit(
    x.map((v) => [v]),
    y,
    { epochs: 3, batchSize: 3, shuffle: false, verbose: 0 },
  )
  const state = { w: 2, b: -1 }
  const expected: { loss: number[]; mae: number[] } = { loss: [], mae: [] }
  for (let e = 0; e < 3; e++) {
    let [loss, mae] = [0, 0]
    for (let at = 0; at < x.length; at += 3) {
      const rows = x.slice(at, at + 3)
      const figures = stepLine(state, rows, y.slice(at, at + 3), 0.1)
      loss += figures.loss * rows.length
      mae += figures.mae
    }
    expected.loss.push(loss / x.length)
    expected.mae.push(mae / x.length)
  }
  close(history['loss']!, expected.loss, 1e-5)
  close(history['mae']!, expected.mae, 1e-5)
  close(await values(net), [state.w, state.b], 1e-5)
  assert.equal(epoch, [0, 1, 2])
  assert.is(net.optimizer.iterations, 9)
})

test('evaluate and predict: figures, order, short batches, empty input', async () => {
  const net = line()
  const errors = x.map((v, i) => 2 * v - 1 - y[i]!)
  const figures = await net.evaluate(
    x.map((v) => [v]),
    y,
    { batchSize: 2 },
  )
  close(
    [figures['loss']!, figures['mae']!],
    [errors.reduce((s, e) => s + e * e, 0) / 7, errors.reduce((s, e) => s + Math.abs(e), 0) / 7],
    1e-5,
  )
  for (const batchSize of [1, 2, 3, 7, 32]) {
    const p = await net.predict(
      x.map((v) => [v]),
      { batchSize },
    )
    assert.equal(p.shape, [7, 1])
    close(
      await p.data(),
      x.map((v) => 2 * v - 1),
      1e-6,
    )
  }
  assert.equal((await net.predict(tensor(new Float32Array(0), [0, 1]))).shape, [0, 1])
  const [one, two] = await Promise.all([
    net.predict(
      x.map((v) => [v]),
      { batchSize: 2 },
    ),
    net.predict([[10], [20], [30]], { batchSize: 1 }),
  ])
  close(
    await one.data(),
    x.map((v) => 2 * v - 1),
    1e-6,
  )
  close(await two.data(), [19, 39, 59], 1e-6)
})

test('sample weights, class weights and their product: Σw·l / n', async () => {
  const w = [1, 0, 2, 0.5, 1, 3, 0.25]
  const net = line()
  await net.fit(
    x.map((v) => [v]),
    y,
    { batchSize: 7, sampleWeight: w, verbose: 0, shuffle: false },
  )
  const state = { w: 2, b: -1 }
  stepLine(state, x, y, 0.1, w)
  close(await values(net), [state.w, state.b], 1e-5)
  const classes = [0, 1, 1, 0, 1, 0, 0]
  const both = line()
  const { history } = await both.fit(
    x.map((v) => [v]),
    tensor(classes, { dtype: 'int32' }),
    { batchSize: 7, sampleWeight: w, classWeight: { 1: 3 }, verbose: 0, shuffle: false },
  )
  const second = { w: 2, b: -1 }
  const figures = stepLine(
    second,
    x,
    classes,
    0.1,
    w.map((v, i) => (classes[i] === 1 ? 3 * v : v)),
  )
  close(await values(both), [second.w, second.b], 1e-5)
  close(history['loss']!, [figures.loss], 1e-5)
  const { loss } = await line().evaluate(
    x.map((v) => [v]),
    y,
    { sampleWeight: w, batchSize: 7 },
  )
  close([loss!], [stepLine({ w: 2, b: -1 }, x, y, 0.1, w).loss], 1e-5)
})

test('penalties count in loss, not in metrics; in evaluate too', async () => {
  const net = line({ kernelRegularizer: regularizers.l2(0.5), metrics: ['mse'] })
  const plain = await line({ metrics: ['mse'] }).evaluate(
    x.map((v) => [v]),
    y,
  )
  const figures = await net.evaluate(
    x.map((v) => [v]),
    y,
  )
  close([figures['loss']! - plain['loss']!, figures['mse']! - plain['mse']!], [2, 0], 1e-5)
  const { history } = await net.fit(
    x.map((v) => [v]),
    y,
    { batchSize: 7, verbose: 0, validationData: [[[1]], [1]] },
  )
  close([history['loss']![0]!], [figures['loss']!], 1e-5)
  const weight = (await values(net))[0]!
  close([history['val_loss']![0]! - history['val_mse']![0]!], [0.5 * weight * weight], 1e-5)
})

test('validationSplit takes the last rows, validationData its own', async () => {
  const net = line({ learningRate: 0 })
  const rows = Array.from({ length: 10 }, (_, i) => i)
  const { history } = await net.fit(
    rows.map((v) => [v]),
    rows,
    { validationSplit: 0.25, batchSize: 4, verbose: 0 },
  )
  const mse = (list: number[]): number => list.reduce((s, v) => s + (2 * v - 1 - v) ** 2, 0) / list.length
  close([history['loss']![0]!, history['val_loss']![0]!], [mse(rows.slice(0, 7)), mse(rows.slice(7))], 1e-5)
  const own = await net.fit([[0], [1]], [0, 1], {
    validationData: [
      [[5], [6]],
      [5, 6],
    ],
    epochs: 2,
    validationFreq: 2,
    verbose: 0,
  })
  close(own.history['val_loss']!, [mse([5, 6])], 1e-5)
})

test('y [n] meets predictions [n, 1] in loss and metrics; other shapes throw', async () => {
  const net = line()
  assert.is(
    (
      await rejection(
        net.fit(
          [[1], [2]],
          [
            [1, 2],
            [3, 4],
          ],
          { verbose: 0 },
        ),
      )
    ).code,
    'ERR_SHAPE',
  )
  assert.is((await rejection(net.fit([[1], [2]], [1, 2, 3], { verbose: 0 }))).code, 'ERR_SHAPE')
  await net.fit([[1], [2]], [[1], [2]], { verbose: 0 })
})

test('shuffling: every row once per epoch, orders differ, seeds repeat them', async () => {
  const orders = async (seed: number): Promise<number[]> => {
    setSeed(seed)
    const net = line({ learningRate: 0.01 })
    const rows = Array.from({ length: 16 }, (_, i) => i / 8)
    const losses: number[] = []
    await net.fit(
      rows.map((v) => [v]),
      rows,
      { epochs: 2, batchSize: 1, verbose: 0, callbacks: { onBatchEnd: (_, logs) => void losses.push(logs['loss']!) } },
    )
    return [...losses, ...(await values(net))]
  }
  const [one, again, other] = [await orders(1), await orders(1), await orders(2)]
  assert.equal(one, again)
  assert.not.equal(one, other)
  assert.not.equal(one.slice(0, 4), one.slice(16, 20))
  // with learning rate 0 an epoch's loss is the mean over all rows, in whatever order
  const net = line({ learningRate: 0 })
  const { history } = await net.fit(
    x.map((v) => [v]),
    y,
    { epochs: 3, batchSize: 2, verbose: 0 },
  )
  const mean = x.map((v, i) => (2 * v - 1 - y[i]!) ** 2).reduce((s, e) => s + e, 0) / 7
  close(history['loss']!, [mean, mean, mean], 1e-5)
})

test('the same seed gives the same bits, twice', async () => {
  const random = generator(3)
  const data = Array.from({ length: 50 }, () => Array.from({ length: 6 }, random))
  const labels = data.map((row) => Math.floor(row[0]! * 3))
  const run = async (): Promise<number[]> => {
    setSeed(5)
    const net = sequential([
      layers.dense({ units: 8, activation: 'relu', inputShape: [6] }),
      layers.dropout({ rate: 0.3 }),
      layers.dense({ units: 3, activation: 'softmax' }),
    ])
    net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    const { history } = await net.fit(data, labels, { epochs: 4, batchSize: 8, verbose: 0 })
    return [...history['loss']!, ...history['accuracy']!, ...(await values(net))]
  }
  assert.equal(await run(), await run())
})

test('a second fit goes on: two of one epoch are one of two', async () => {
  const run = async (epochs: number[]): Promise<number[]> => {
    setSeed(9)
    const net = sequential([layers.dense({ units: 3, activation: 'tanh', inputShape: [1] }), layers.dense({ units: 1 })])
    net.compile({ optimizer: 'adam', loss: 'mse' })
    for (const count of epochs)
      await net.fit(
        x.map((v) => [v]),
        y,
        { epochs: count, batchSize: 2, verbose: 0 },
      )
    assert.is(net.epochsTrained, 2)
    return values(net)
  }
  assert.equal(await run([1, 1]), await run([2]))
})

test('trainOnBatch and evaluateOnBatch: figures of the batch alone', async () => {
  const net = line()
  const state = { w: 2, b: -1 }
  for (const at of [0, 2, 4]) {
    const rows = x.slice(at, at + 2)
    const expected = stepLine(state, rows, y.slice(at, at + 2), 0.1)
    const logs = await net.trainOnBatch(
      rows.map((v) => [v]),
      y.slice(at, at + 2),
    )
    close([logs['loss']!, logs['mae']!], [expected.loss, expected.mae / 2], 1e-5)
  }
  close(await values(net), [state.w, state.b], 1e-5)
  const logs = await net.evaluateOnBatch([[1]], [0])
  close([logs['mae']!], [Math.abs(state.w + state.b)], 1e-5)
})

test('functions as loss and metric', async () => {
  const net = line()
  const biggest = (yTrue: Tensor, yPred: Tensor): Tensor => yPred.sub(yTrue).abs().max()
  net.compile({
    optimizer: optimizers.sgd({ learningRate: 0.1 }),
    loss: (yTrue, yPred) => yPred.sub(yTrue).square().mean(),
    metrics: [biggest],
  })
  const { history } = await net.fit(
    x.map((v) => [v]),
    y,
    { batchSize: 7, shuffle: false, verbose: 0 },
  )
  const errors = x.map((v, i) => 2 * v - 1 - y[i]!)
  close(
    [history['loss']![0]!, history['biggest']![0]!],
    [errors.reduce((s, e) => s + e * e, 0) / 7, Math.max(...errors.map(Math.abs))],
    1e-5,
  )
})

test.run()
