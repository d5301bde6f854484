// Models with several inputs and outputs: structures of x and y, losses, weights, metrics and keys by output.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, optimizers, type Tensor, tensor } from '../../lib/index.js'
import { close, codeOfAsync, rejection } from '../expect.js'

const a = [[1], [2], [3], [4]]
const b = [[0.5], [0], [-1], [2]]
const sum = a.map((row, i) => row[0]! + b[i]![0]!)
const square = (list: number[]): number => list.reduce((s, v) => s + v * v, 0) / list.length

/** Outputs: 2·(a + b), and the sigmoid of a - b. */
function wire(form: 'list' | 'record') {
  const [one, two] = [input({ shape: [1], name: 'one' }), input({ shape: [1], name: 'two' })]
  const twice = layers.dense({ units: 1, useBias: false, name: 'twice', kernelInitializer: 'ones' }).apply(one.add(two).mul(2)) as Tensor
  const chance = layers
    .dense({ units: 1, useBias: false, name: 'chance', kernelInitializer: 'ones', activation: 'sigmoid' })
    .apply(one.sub(two)) as Tensor
  return form === 'list'
    ? model({ inputs: [one, two], outputs: [twice, chance] })
    : model({ inputs: { one, two }, outputs: { total: twice, likely: chance } })
}
const labels = [1, 0, 1, 1]
const logits = a.map((row, i) => row[0]! - b[i]![0]!)
const entropy = logits.reduce((s, z, i) => s + Math.log(1 + Math.exp(-z)) + (1 - labels[i]!) * z, 0) / 4
const first = square(sum.map((v) => 2 * v - v))

test('lists: losses and metrics by position, keys by the layers', async () => {
  const net = wire('list')
  net.compile({
    optimizer: optimizers.sgd({ learningRate: 0 }),
    loss: ['mse', 'binaryCrossentropy'],
    metrics: [['mae'], ['accuracy']],
    lossWeights: [1, 0.5],
  })
  for (const logs of [
    await net.evaluate([tensor(a), tensor(b)], [tensor(sum), tensor(labels)]),
    await net.evaluate([a, b] as never, [sum, labels] as never, { batchSize: 3 }),
    Object.fromEntries(
      Object.entries((await net.fit([tensor(a), tensor(b)], [tensor(sum), tensor(labels)], { verbose: 0 })).history).map(([k, v]) => [
        k,
        v[0]!,
      ]),
    ),
  ]) {
    assert.equal(Object.keys(logs), ['loss', 'twice_loss', 'chance_loss', 'twice_mae', 'chance_accuracy'])
    close([logs['loss']!, logs['twice_loss']!, logs['chance_loss']!], [first + 0.5 * entropy, first, entropy], 1e-5)
  }
  const [p, q] = (await net.predict([tensor(a), tensor(b)], { batchSize: 3 })) as unknown as [Tensor, Tensor]
  close(
    await p.data(),
    sum.map((v) => 2 * v),
    1e-6,
  )
  close(
    await q.data(),
    logits.map((z) => 1 / (1 + Math.exp(-z))),
    1e-6,
  )
})

test('records: by name', async () => {
  const net = wire('record')
  net.compile({
    optimizer: optimizers.sgd({ learningRate: 0.1 }),
    loss: { total: 'mse', likely: 'binaryCrossentropy' },
    metrics: { likely: ['accuracy'] },
  })
  const logs = await net.evaluate({ one: a, two: b }, { total: sum, likely: labels })
  assert.equal(Object.keys(logs), ['loss', 'total_loss', 'likely_loss', 'likely_accuracy'])
  close([logs['loss']!], [first + entropy], 1e-5)
  const p = (await net.predict({ one: a, two: b })) as unknown as Record<string, Tensor>
  assert.equal(Object.keys(p), ['total', 'likely'])
  assert.match((await rejection(net.evaluate({ one: a, two: b }, { total: sum }))).message, /likely/)
  await net.fit([{ x: { one: a, two: b }, y: { total: sum, likely: labels } }], { verbose: 0 })
  assert.is(net.optimizer.iterations, 1)
})

test('one output of two is trained; the other needs no target', async () => {
  const net = wire('record')
  net.compile({ optimizer: 'sgd', loss: { total: 'mse' } })
  const logs = await net.evaluate({ one: a, two: b }, { total: sum })
  close([logs['loss']!], [first], 1e-5)
  net.compile({ optimizer: 'sgd', loss: ['mse', 'mse', 'mse'] })
  assert.is(await codeOfAsync(net.evaluate({ one: a, two: b }, { total: sum, likely: labels })), 'ERR_ARGUMENT')
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  assert.is(await codeOfAsync(net.evaluate({ one: a, two: b }, tensor(sum))), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(net.evaluate({ one: a, two: [[1]] }, { total: sum, likely: labels })), 'ERR_SHAPE')
})

test('addLoss and addMetric of layers reach loss and logs', async () => {
  class Penalty extends layers.Layer<{ by: number }> {
    override call(x: Tensor): Tensor {
      this.addLoss(x.square().mean().mul(this.config.by))
      this.addMetric('size', x.abs().mean())
      return x
    }
  }
  const x = input({ shape: [1] })
  const net = model({ inputs: x, outputs: new Penalty({ by: 2 }).apply(x) as Tensor })
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  const logs = await net.evaluate(a, a, { batchSize: 3 })
  close([logs['loss']!, logs['size']!], [2 * square([1, 2, 3, 4]), 2.5], 1e-5)
})

test.run()
