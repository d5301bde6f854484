// Sequential and functional models: structure, parameter counts, summary, logits, JSON.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  add,
  concat,
  gradients,
  jit,
  mean,
  mul,
  ones,
  relu,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  topK,
} from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { layerFromJson, layerToJson } from '../../lib/layers/serialize.js'
import { type FunctionalModel, input, model } from '../../lib/model/functional.js'
import { type Sequential, sequential } from '../../lib/model/sequential.js'
import { values } from './check.js'
import { near, refuses } from '../expect.js'

/** The same model through JSON, with the same weights. */
function again<M extends Sequential | FunctionalModel>(net: M): M {
  const made = layerFromJson(JSON.parse(JSON.stringify(layerToJson(net)))) as M
  assert.equal(
    made.weightPaths().map(([name]) => name),
    net.weightPaths().map(([name]) => name),
  )
  made.setWeights(net.getWeights())
  return made
}

test('parameter counts of the nets users start from', () => {
  const conv = (filters: number, options: object = {}) => layers.conv2d({ filters, kernelSize: 3, activation: 'relu', ...options })
  const plain = sequential([conv(32, { inputShape: [28, 28, 1] }), layers.flatten(), layers.dense({ units: 10, activation: 'softmax' })])
  assert.is(plain.countParams(), 216_650)
  const pooled = sequential([
    conv(32, { inputShape: [28, 28, 1] }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dense({ units: 10 }),
  ])
  assert.is(pooled.countParams(), 54_410)
  const mlp = sequential([layers.dense({ units: 128, inputShape: [1000] }), layers.dense({ units: 64 }), layers.dense({ units: 10 })])
  assert.is(mlp.countParams(), 137_034)
  const cifar = sequential([
    conv(32, { inputShape: [32, 32, 3] }),
    layers.maxPooling2d(),
    conv(64),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dense({ units: 64 }),
    layers.dense({ units: 10 }),
  ])
  assert.is(cifar.countParams(), 167_562)
})

test('sequential builds at once with inputShape, else on the first data; add and pop', async () => {
  const net = sequential()
  net.add(layers.dense({ units: 4 }))
  assert.is(net.built, false)
  assert.equal(net.weights, [])
  assert.equal(net.apply(ones([3, 2])).shape, [3, 4])
  assert.is(net.built, true)
  const { version } = net
  net.add(layers.dense({ units: 2, activation: 'softmax' }))
  assert.ok(net.version > version)
  assert.is(net.countParams(), 2 * 4 + 4 + 4 * 2 + 2)
  assert.is(net.activationName, 'softmax')
  const grown = net.version
  assert.is(net.pop().className, 'Dense')
  assert.ok(net.version > grown)
  assert.equal(net.apply(ones([1, 2])).shape, [1, 4])
  const early = sequential([layers.inputLayer({ inputShape: [5] }), layers.dense({ units: 1 })])
  assert.is(early.countParams(), 6)
  assert.is(early.layers.length, 1)
  const nested = sequential([early, layers.dense({ units: 2 })])
  assert.is(nested.countParams(), 6 + 4)
  assert.equal(nested.computeOutputShape([null, 5]), [null, 2])
  assert.is(nested.getLayer(0), early)
  assert.is(nested.getLayer(nested.layers[1]!.name), nested.layers[1])
})

test('free extents: one net for images of every size', () => {
  const net = sequential([
    layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [null, null, 3] }),
    layers.globalAveragePooling2d(),
    layers.dense({ units: 1 }),
  ])
  assert.equal(net.apply(ones([2, 8, 8, 3])).shape, [2, 1])
  assert.equal(net.apply(ones([2, 12, 9, 3])).shape, [2, 1])
  assert.equal(net.computeOutputShape([null, null, null, 3]), [null, 1])
})

test('summary: layers, shapes, parameters, totals', () => {
  const lines: string[] = []
  const print = (line: string): void => {
    lines.push(line)
  }
  const net = sequential([
    layers.conv2d({ filters: 32, kernelSize: 3, inputShape: [28, 28, 1], name: 'c' }),
    layers.batchNormalization({ name: 'b' }),
    layers.flatten({ name: 'f' }),
    layers.dense({ units: 10, name: 'd' }),
  ])
  net.summary({ print })
  const text = lines.join('\n')
  for (const words of [
    'c (Conv2d)',
    '[null, 26, 26, 32]',
    '320',
    '[null, 21632]',
    '216,330',
    'Total params: 216,778',
    'Trainable params: 216,714',
    'Non-trainable params: 64 (256 B)',
  ]) {
    assert.ok(text.includes(words), `'${words}' is not in\n${text}`)
  }
  lines.length = 0
  sequential([layers.dense({ units: 1, name: 'later' })]).summary({ print })
  assert.ok(lines.join('\n').includes('not built'))
  lines.length = 0
  const a = input({ shape: [4], name: 'in' })
  const shared = layers.dense({ units: 4, name: 'shared' })
  model({ inputs: a, outputs: layers.add({ name: 'join' }).apply([shared.apply(a), shared.apply(relu(a))]) }).summary({ print })
  const joined = lines.join('\n')
  for (const words of ['Connected to', 'in (InputLayer)', 'join (Add)', 'multiple', 'Total params: 20 (80 B)'])
    assert.ok(joined.includes(words), `'${words}' is not in\n${joined}`)
  refuses(() => net.summary({ prnt: print } as never), 'ERR_ARGUMENT', "'print'")
})

test('functional: operations on symbolic tensors, batch unknown', async () => {
  const a = input({ shape: [3] })
  assert.equal(a.shape as readonly (number | null)[], [null, 3])
  const h = a.mul(2).add(1).reshape([-1, 3, 1]).sum(-1)
  assert.equal(h.shape as readonly (number | null)[], [null, 3])
  const joined = concat([h, relu(a)], 1)
  assert.equal(joined.shape as readonly (number | null)[], [null, 6])
  const best = topK(joined, 2)
  const m = model({ inputs: a, outputs: { sums: h, joined, best: best.values } })
  const y = m.apply(tensor([[1, -2, 3]]))
  await near(y.sums, [3, -3, 7])
  await near(y.joined, [3, -3, 7, 1, 0, 3])
  await near(y.best, [7, 3])
  const copy = again(m as unknown as FunctionalModel) as unknown as typeof m
  await near(copy.apply(tensor([[1, -2, 3]])).best, [7, 3])
  assert.equal(m.outputNames, ['sums', 'joined', 'best'])
})

test('functional: several inputs and outputs as lists and records, shared layers, nested models', async () => {
  const [a, b] = [input({ shape: [2], name: 'a' }), input({ shape: [2], name: 'b' })]
  const shared = layers.dense({ units: 3, kernelInitializer: 'ones', name: 'tower' })
  const inner = sequential([layers.dense({ units: 1, kernelInitializer: 'ones', inputShape: [3] })], { name: 'head' })
  const [u, v] = [shared.apply(a), shared.apply(b)]
  const m = model({ inputs: [a, b], outputs: [inner.apply(u), add(u, v)] })
  assert.is(m.countParams(), 9 + 4)
  assert.equal(
    m.layers.map((layer) => layer.name),
    ['a', 'b', 'tower', 'head'],
  )
  assert.is(m.getLayer('tower'), shared)
  const [x, y] = [tensor([[1, 2]]), tensor([[3, 4]])]
  const [p, q] = m.apply([x, y])
  await near(p, [9])
  await near(q, [10, 10, 10])
  const [pAgain, qAgain] = (again(m as unknown as FunctionalModel) as unknown as typeof m).apply([x, y])
  await near(pAgain, [9])
  await near(qAgain, [10, 10, 10])
  const byName = model({ inputs: { left: a, right: b }, outputs: { total: sum(mul(u, v), -1) } })
  await near(byName.apply({ right: y, left: x }).total, [63])
  // gradients of a shared layer add up
  const step = jit((t: Tensor) => gradients(sum(byName.apply({ left: t, right: t }).total), [shared.kernel])[0]!)
  await near(step(x), [6, 6, 6, 12, 12, 12])
})

test('inner values of models', async () => {
  const net = sequential([
    layers.dense({ units: 2, kernelInitializer: 'ones', name: 'inner', inputShape: [3] }),
    layers.dense({ units: 1, name: 'outer' }),
  ])
  const features = model({ inputs: net.inputs[0], outputs: net.getLayer('inner').output as Tensor })
  await near(features.apply(ones([1, 3])), [3, 3])
  assert.is(features.weights[0], net.weights[0])
  const whole = model({ inputs: net.inputs, outputs: net.outputs })
  assert.equal(await whole.apply([ones([1, 3])])[0].array(), await net.apply(ones([1, 3])).array())
})

test('the same net, sequential and functional', async () => {
  const a = input({ shape: [6, 6, 1] })
  const m = model({
    inputs: a,
    outputs: layers
      .dense({ units: 3, activation: 'softmax' })
      .apply(layers.flatten().apply(layers.conv2d({ filters: 2, kernelSize: 3, activation: 'relu' }).apply(a))),
  })
  const s = sequential([
    layers.conv2d({ filters: 2, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1] }),
    layers.flatten(),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  s.setWeights(m.getWeights())
  const x = values([4, 6, 6, 1], 1)
  assert.equal(await s.apply(x).data(), await m.apply(x).data())
  assert.equal(await m.apply(x.squeeze(-1)).data(), await m.apply(x).data())
})

test('withoutActivation gives the logits of softmax and sigmoid layers', async () => {
  const x = values([2, 3], 5)
  const net = sequential([layers.dense({ units: 4, activation: 'softmax', inputShape: [3] })])
  const logits = net.apply(x, { withoutActivation: true })
  assert.equal(await softmax(logits).data(), await net.apply(x).data())
  const apart = sequential([layers.dense({ units: 4, inputShape: [3] }), layers.softmax()])
  apart.setWeights(net.getWeights())
  assert.is(apart.activationName, 'softmax')
  assert.equal(await apart.apply(x, { withoutActivation: true }).data(), await logits.data())
  const a = input({ shape: [3] })
  const p = net.apply(a)
  const q = layers.dense({ units: 1, activation: 'sigmoid', name: 'gate' }).apply(p)
  const both = model({ inputs: a, outputs: [p, q] })
  assert.equal(both.outputActivations, ['softmax', 'sigmoid'])
  const [l, g] = both.apply(x, { withoutActivation: [true, false] })
  assert.equal(await l.data(), await logits.data())
  const [pPlain, gPlain] = both.apply(x)
  assert.equal(await g.data(), await gPlain.data())
  assert.equal(await pPlain.data(), await net.apply(x).data())
  assert.is(model({ inputs: a, outputs: p }).activationName, 'softmax')
})

test('sequential through JSON: weights, frozen layers, lazy input shapes, random states', async () => {
  const net = sequential([
    layers.rescaling({ scale: 0.5 }),
    layers.dense({ units: 3, kernelInitializer: 'heNormal', kernelRegularizer: 'l2' }),
    layers.dropout({ rate: 0.5 }),
    layers.batchNormalization(),
  ])
  const x = values([4, 2], 3)
  net.apply(x, { training: true })
  net.layers[1]!.trainable = false
  const copy = again(net)
  assert.is(copy.layers[1]!.trainable, false)
  assert.is(copy.trainableWeights.length, 2)
  assert.equal(await copy.apply(x).data(), await net.apply(x).data())
  net.savedVariables().forEach(([, v], i) => copy.savedVariables()[i]![1].assign(v))
  assert.equal(await copy.apply(x, { training: true }).data(), await net.apply(x, { training: true }).data())
  const shaped = sequential([layers.inputLayer({ inputShape: [2], dtype: 'int32' }), layers.dense({ units: 1 })])
  assert.equal(layerToJson(again(shaped)), layerToJson(shaped))
})

test('a model learns through a jit step', async () => {
  const net = sequential([
    layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  const x = tensor([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])
  const y = tensor([[0], [1], [1], [0]])
  const step = jit(() => {
    const loss = mean(square(sub(net.apply(x, { training: true }), y)))
    const weights = net.trainableWeights
    gradients(loss, weights).forEach((g, i) => weights[i]!.assign(sub(weights[i]!, mul(g, 2))))
    return loss
  })
  const first = await step().item()
  for (let i = 0; i < 3000; i++) step()
  const last = await step().item()
  assert.ok(last < 0.01 && last < first, `${first} became ${last}`)
})

test.run()
