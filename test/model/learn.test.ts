// What models learn: XOR, classes through a softmax trained on its logits, bytes and labels as they come.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, losses, optimizers, sequential, setSeed, tensor } from '../../lib/index.js'
import { close, generator } from '../expect.js'
import { line, values } from './line.js'

test('XOR is learned', async () => {
  setSeed(1)
  const net = sequential([
    layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.1 }), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  const inputs = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]
  await net.fit(inputs, [0, 1, 1, 0], { epochs: 150, verbose: 0 })
  const { loss, accuracy } = await net.evaluate(inputs, [0, 1, 1, 0])
  assert.is(accuracy, 1)
  assert.ok(loss! < 0.1, `loss ${loss}`)
})

test('a softmax layer is trained on its logits: the same steps as without it and fromLogits', async () => {
  const random = generator(4)
  const data = Array.from({ length: 12 }, () => Array.from({ length: 4 }, () => random() * 50))
  const labels = data.map((_, i) => i % 3)
  const run = async (
    activation: 'softmax' | 'linear',
    loss: losses.LossLike,
  ): Promise<{ weights: number[]; logs: Record<string, number> }> => {
    const net = sequential([layers.dense({ units: 3, activation, inputShape: [4] })])
    net.setWeights([Array.from({ length: 4 }, (_, i) => [i, 1 - i, 0.5]), [0.1, 0, -0.1]])
    net.compile({ optimizer: optimizers.sgd({ learningRate: 0.01 }), loss, metrics: ['accuracy'] })
    await net.fit(data, labels, { epochs: 3, batchSize: 5, shuffle: false, verbose: 0 })
    return { weights: await values(net), logs: await net.evaluate(data, labels) }
  }
  const plain = await run('linear', losses.sparseCategoricalCrossentropy({ fromLogits: true }))
  assert.equal(await run('softmax', 'sparseCategoricalCrossentropy'), plain)
  // both said: trained on the logits all the same, with a warning
  const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
  assert.equal(await run('softmax', losses.sparseCategoricalCrossentropy({ fromLogits: true })), plain)
  assert.is((await warned).code, 'WEFT_LOGITS')
})

test('a loss of probabilities after a layer that gives none warns, once per model', async () => {
  const seen: (Error & { code?: string })[] = []
  const listen = (warning: Error): void => void seen.push(warning)
  process.on('warning', listen)
  const train = async (last: 'linear' | 'tanh' | 'softmax', loss: losses.LossLike, name: string): Promise<void> => {
    const net = sequential([layers.dense({ units: 2, activation: last, inputShape: [1] })], { name })
    net.compile({ optimizer: 'sgd', loss })
    for (const _ of [1, 2]) await net.fit([[1], [2]], [0, 1], { verbose: 0 })
    await new Promise(setImmediate)
  }
  await train('softmax', 'sparseCategoricalCrossentropy', 'right')
  await train('linear', losses.sparseCategoricalCrossentropy({ fromLogits: true }), 'logits')
  assert.is(seen.length, 0)
  await train('linear', 'sparseCategoricalCrossentropy', 'bare')
  await train('tanh', 'sparseCategoricalCrossentropy', 'curved')
  process.off('warning', listen)
  assert.equal(
    seen.map(({ code }) => code),
    ['WEFT_NO_PROBABILITIES', 'WEFT_NO_PROBABILITIES'],
  )
  assert.match(
    seen[0]!.message,
    /^bare: the loss sparseCategoricalCrossentropy takes probabilities, and the last layer has no activation\./,
  )
  assert.match(
    seen[1]!.message,
    /^curved: .* has the activation 'tanh'\. Give that layer the activation 'softmax', or write .*fromLogits: true/,
  )
})

test('accuracy of binary logits compares with 0', async () => {
  const net = line({ w: 1, b: 0 })
  net.compile({ optimizer: 'sgd', loss: losses.binaryCrossentropy({ fromLogits: true }), metrics: ['accuracy', 'precision'] })
  const { accuracy, precision } = await net.evaluate([[0.3], [-0.3], [0.2], [-2]], [1, 0, 0, 0])
  close([accuracy!, precision!], [0.75, 0.5], 1e-6)
})

test('uint8 images and int32 labels; { data, shape } as x', async () => {
  const net = sequential([
    layers.rescaling({ scale: 1 / 255, inputShape: [2, 2, 1] }),
    layers.flatten(),
    layers.dense({ units: 2, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
  const data = Uint8Array.from({ length: 24 }, (_, i) => i * 10)
  await net.fit({ data, shape: [6, 2, 2] }, tensor([0, 1, 0, 1, 0, 1], { dtype: 'int32' }), { batchSize: 4, verbose: 0 })
  const p = await net.predict({ data, shape: [6, 2, 2, 1] })
  assert.equal(p.shape, [6, 2])
})

test.run()
