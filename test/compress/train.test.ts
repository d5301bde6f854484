// Training of smaller models: pruning, distillation, and training for few bits.
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, distill, prune, quantize, quantizeAware } from '../../lib/compress/index.js'
import { magnitudeMasks, withoutSmallest } from '../../lib/compress/masks.js'
import {
  callbacks,
  input,
  jit,
  layers,
  loadModel,
  model,
  optimizers,
  randomNormal,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  variable,
} from '../../lib/index.js'
import { gradients } from '../../lib/core/grad.js'
import { fakeInputs, fakeKernel } from '../../lib/compress/aware_layers.js'
import type { AnyModel } from '../../lib/model/model.js'
import { codeOf, rejection, rejects } from '../expect.js'
import { convolutional, difference, digits, network, scratch } from './models.js'

const folder = scratch()
const data = await digits()

const zerosOf = (weight: Tensor): number => (weight.dataSync() as Float32Array).reduce((sum, value) => sum + Number(value === 0), 0)
const kernelsOf = (net: AnyModel): Tensor[] => net.weights.filter(({ shape }) => shape.length > 1)

test('the smallest values go, as many as were asked for', () => {
  assert.equal([...withoutSmallest(Float32Array.of(3, 1, 2, 1, 5), 2)], [1, 0, 1, 0, 1])
  // one of equals
  assert.equal([...withoutSmallest(Float32Array.of(1, 1, 1, 1), 3)], [0, 0, 0, 1])
  const [a, b] = magnitudeMasks([Float32Array.of(9, 8, 0.1, 7), Float32Array.of(-0.2, 0.3, -6, 5)], 0.5, 'global')
  assert.equal(
    [[...a!], [...b!]],
    [
      [1, 1, 0, 1],
      [0, 0, 1, 0],
    ],
  )
})

for (const optimizer of ['adam', 'sgd', 'rmsprop'] as const) {
  test(`a sparsity of 80 % is exact, and kept after every step of ${optimizer}`, async () => {
    setSeed(3)
    const net = network(8)
    net.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' })
    // programs that were traced before know nothing of masks
    await net.fit(data.x, data.y, { epochs: 1, verbose: 0 })
    const pruning = prune(net, { sparsity: 0.8 })
    const counts = kernelsOf(net).map(({ size }) => Math.round(0.8 * size))
    let steps = 0
    for await (const { type } of net.train(data.x, data.y, { epochs: 2, batchSize: 500, verbose: 0, callbacks: [pruning] })) {
      if (type !== 'step') continue
      steps++
      assert.equal(kernelsOf(net).map(zerosOf), counts)
    }
    assert.is(steps, 6)
    assert.ok(Math.abs(pruning.sparsity - 0.8) < 2e-3)
    assert.ok(Object.values(pruning.sparsities).every((share) => Math.abs(share - 0.8) < 0.01))
    pruning.release()
    await net.fit(data.x, data.y, { epochs: 1, verbose: 0 })
    assert.ok(
      kernelsOf(net)
        .map(zerosOf)
        .every((zeros, i) => zeros < counts[i]!),
    )
  })
}

test('a polynomial schedule goes up to the sparsity, and fine-tuning keeps the accuracy within a point', async () => {
  setSeed(5)
  const net = network()
  await net.fit(data.x, data.y, { epochs: 8, verbose: 0 })
  const before = await net.evaluate(data.xTest, data.yTest)
  const pruning = prune(net, { sparsity: 0.8, schedule: 'polynomial', scope: 'global' })
  const seen: number[] = []
  const watch = callbacks.lambda({ onBatchEnd: () => void seen.push(pruning.sparsity) })
  await net.fit(data.x, data.y, { epochs: 8, verbose: 0, callbacks: [pruning, watch] })
  assert.ok(seen.every((share, i) => i === 0 || share >= seen[i - 1]!))
  assert.is(seen[0], 0)
  assert.ok(new Set(seen).size > 15, `${new Set(seen).size} sparsities`)
  assert.ok(Math.abs(pruning.sparsity - 0.8) < 1e-3)
  const all = kernelsOf(net)
  const total = all.reduce((sum, { size }) => sum + size, 0)
  assert.is(
    all.reduce((sum, weight) => sum + zerosOf(weight), 0),
    Math.round(0.8 * total),
  )
  const after = await net.evaluate(data.xTest, data.yTest)
  assert.ok(after.accuracy >= before.accuracy - 0.01, `${before.accuracy} → ${after.accuracy}`)
})

test('steps of a schedule: begin, end and frequency', async () => {
  const net = sequential([layers.dense({ units: 10, inputShape: [10] })])
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  const pruning = prune(net, { sparsity: 0.5, schedule: 'polynomial', begin: 2, end: 6, frequency: 2 })
  const seen: number[] = []
  const watch = callbacks.lambda({ onBatchEnd: () => void seen.push(pruning.sparsity) })
  await net.fit(randomNormal([8, 10]), randomNormal([8, 10]), { batchSize: 1, verbose: 0, callbacks: [pruning, watch] })
  assert.equal(seen, [0, 0, 0, 0, 0.44, 0.44, 0.5, 0.5])
})

test('a constraint of the weight still holds, and a saved model has its zeros', async () => {
  const net = sequential([layers.dense({ units: 8, inputShape: [8], kernelConstraint: 'nonNeg' })])
  net.compile({ optimizer: optimizers.sgd({ learningRate: 0.5 }), loss: 'mse' })
  const pruning = prune(net, { sparsity: 0.25 })
  await net.fit(randomNormal([16, 8]), randomNormal([16, 8]), { epochs: 3, verbose: 0, callbacks: [pruning] })
  const values = (await net.weights[0]!.data()) as Float32Array
  assert.ok(values.every((value) => value >= 0))
  assert.ok(zerosOf(net.weights[0]!) >= 16)
  await net.save(folder)
  assert.is(zerosOf((await loadModel(folder)).weights[0]!), zerosOf(net.weights[0]!))
})

test('2:4: two of four neighbouring inputs stay', async () => {
  const { net, x, y } = await convolutional(2)
  const pruning = prune(net, { structured: '2:4' })
  await net.fit(x, y, { epochs: 1, verbose: 0, callbacks: [pruning] })
  const kernel = net.layers[7]!.weights[0]!
  const [inputs, outputs] = kernel.shape as [number, number]
  const values = kernel.dataSync() as Float32Array
  for (let j = 0; j < outputs; j++)
    for (let from = 0; from < inputs; from += 4) assert.is([0, 1, 2, 3].filter((i) => values[(from + i) * outputs + j] === 0).length, 2)
})

test('channels: layers shrink, and what is left computes what it did', async () => {
  setSeed(6)
  const { net, x, y } = await convolutional(2)
  // channels that do nothing can go without a trace
  const [kernel, bias] = [net.layers[3]!.weights[0]!, net.layers[3]!.weights[1]!]
  const keep = tensor(Float32Array.from({ length: 16 }, (_, i) => Number(i % 2 === 0)))
  kernel.assign(kernel.mul(keep))
  bias.assign(bias.mul(keep))
  const { model: smaller } = prune(net, { structured: 'channels', sparsity: 0.5, skip: ['conv2d', 'dense'] })
  assert.equal(smaller.layers[3]!.weights[0]!.shape, [3, 3, 16, 8])
  assert.equal(smaller.layers[7]!.weights[0]!.shape, [72, 32])
  assert.ok(difference((await net.predict(x)) as Tensor, (await smaller.predict(x)) as Tensor) < 1e-5)
  const pruning = prune(net, { structured: 'channels', sparsity: 0.25, scope: 'global' })
  assert.ok(pruning.sparsity > 0.2 && pruning.model !== net)
  const { loss } = await pruning.model.evaluate(x, y)
  await pruning.model.fit(x, y, { epochs: 3, verbose: 0, callbacks: [pruning] })
  assert.ok((await pruning.model.evaluate(x, y)).loss < loss)
  await pruning.model.save(folder)
  assert.is((await loadModel(folder)).countParams(), pruning.model.countParams())
})

test('channels of a functional model: what a sum reads stays', async () => {
  const a = input({ shape: [8, 8, 3] })
  const h = layers.conv2d({ filters: 8, kernelSize: 3, padding: 'same', name: 'stem' }).apply(a)
  const inner = layers.conv2d({ filters: 12, kernelSize: 3, padding: 'same', activation: 'relu', name: 'inner' }).apply(h)
  const back = layers.conv2d({ filters: 8, kernelSize: 1, name: 'back' }).apply(inner)
  const top = layers.dense({ units: 6, name: 'top' }).apply(layers.globalAveragePooling2d().apply(layers.add().apply([h, back])))
  const net = model({ inputs: a, outputs: layers.dense({ units: 2, name: 'out' }).apply(top) }) as unknown as AnyModel
  const { model: smaller } = prune(net, { structured: 'channels', sparsity: 0.5 })
  const outputsOf = (name: string): number => smaller.getLayer(name).weights[0]!.shape.at(-1)!
  assert.equal(['stem', 'inner', 'back', 'top', 'out'].map(outputsOf), [8, 6, 8, 3, 2])
  assert.equal(((await smaller.predict(randomNormal([2, 8, 8, 3]))) as Tensor).shape, [2, 2])
})

test('pruning refuses what does not go together', () => {
  const net = network()
  for (const options of [
    {},
    { sparsity: 1 },
    { sparsity: 0.5, end: 5 },
    { sparsity: 0.6, structured: '2:4' },
    { sparsity: 0.5, structured: 'channels', schedule: 'polynomial' },
    { sparsity: 0.5, structured: 'rows' },
    { sparsity: 0.5, skip: ['nobody'] },
  ])
    assert.is(
      codeOf(() => prune(net, options as never)),
      'ERR_ARGUMENT',
      JSON.stringify(options),
    )
})

test('a student learns from its teacher more than alone', async () => {
  setSeed(8)
  const teacher = network(24)
  await teacher.fit(data.x, data.y, { epochs: 10, verbose: 0 })
  const small = (): AnyModel => {
    setSeed(9)
    const net = sequential([
      layers.flatten({ inputShape: [8, 8, 1] }),
      layers.dense({ units: 12, activation: 'relu' }),
      layers.dense({ units: 10, activation: 'softmax' }),
    ])
    net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    return net
  }
  const before = await teacher.weights[0]!.data()
  const agreement = async (net: AnyModel): Promise<number> => {
    const [own, taught] = [(await net.predict(data.xTest)) as Tensor, (await teacher.predict(data.xTest)) as Tensor]
    const [p, q] = [await own.argMax(-1).data(), await taught.argMax(-1).data()]
    return Array.from(p as Int32Array).filter((one, i) => one === q[i]).length / p.length
  }
  // few labels: the teacher knows more than they say
  const few = { x: data.x, y: undefined }
  const alone = small()
  await alone.fit(data.x.slice([0, 0, 0, 0], [100, 8, 8, 1]), data.y.slice([0], [100]), { epochs: 20, verbose: 0 })
  const student = small()
  const history = await distill(student, teacher, { data: few, temperature: 3, epochs: 10, verbose: 0 })
  assert.ok((await agreement(student)) > (await agreement(alone)), `${await agreement(student)} and ${await agreement(alone)}`)
  assert.is(history.history['loss']!.length, 10)
  const losses = history.history['loss']!
  assert.ok(losses.at(-1)! < 0.7 * losses[0]!, `${losses}`)
  assert.equal(await teacher.weights[0]!.data(), before)
  assert.ok(teacher.trainable)
  const both = small()
  const { history: logs } = await distill(both, teacher, { data: { x: data.x, y: data.y }, alpha: 0.5, epochs: 8, verbose: 0 })
  assert.ok(logs['accuracy']!.at(-1)! > 0.5)
  assert.is(both.epochsTrained, 8)
})

test('the loss of distillation is alpha · own + (1 - alpha) · T² · KL', async () => {
  const make = (seed: number): AnyModel => {
    setSeed(seed)
    const net = sequential([layers.dense({ units: 3, inputShape: [4], activation: 'softmax' })])
    net.compile({ optimizer: optimizers.sgd({ learningRate: 0 }), loss: 'sparseCategoricalCrossentropy' })
    return net
  }
  const [student, teacher] = [make(1), make(2)]
  const x = randomNormal([5, 4])
  const y = tensor([0, 1, 2, 0, 1], { dtype: 'int32' })
  const [temperature, alpha] = [2, 0.3]
  const { history } = await distill(student, teacher, { data: { x, y }, temperature, alpha, verbose: 0 })
  const logitsOf = async (net: AnyModel): Promise<number[][]> =>
    (await (net.apply(x, { withoutActivation: true }) as Tensor).array()) as number[][]
  const [own, taught] = [await logitsOf(student), await logitsOf(teacher)]
  const soft = (row: number[], t: number): number[] => {
    const powers = row.map((value) => Math.exp(value / t))
    const sum = powers.reduce((a, b) => a + b)
    return powers.map((value) => value / sum)
  }
  let expected = 0
  for (const [i, row] of own.entries()) {
    const [p, q] = [soft(taught[i]!, temperature), soft(row, temperature)]
    const kl = p.reduce((sum, value, j) => sum + value * Math.log(value / q[j]!), 0)
    expected += (alpha * -Math.log(soft(row, 1)[[0, 1, 2, 0, 1][i]!]!) + (1 - alpha) * temperature ** 2 * kl) / 5
  }
  assert.ok(Math.abs(history['loss']![0]! - expected) < 1e-5, `${history['loss']![0]} and ${expected}`)
})

test('distillation refuses models that do not fit', async () => {
  const [student, teacher] = [network(), network()]
  const bare = sequential([layers.dense({ units: 10, inputShape: [4] })])
  const other = sequential([layers.dense({ units: 4, inputShape: [4], activation: 'softmax' })])
  await rejects(
    'ERR_STATE',
    /not compiled/,
    distill(bare, bare === student ? teacher : sequential([layers.dense({ units: 10, inputShape: [4] })]), { data: randomNormal([2, 4]) }),
  )
  await rejects('ERR_SHAPE', /10 outputs, the teacher 4/, distill(student, other, { data }))
  await rejects('ERR_ARGUMENT', /same model/, distill(student, student, { data }))
  await rejects('ERR_ARGUMENT', /temperature/, distill(student, teacher, { data, temperature: 0 }))
  await rejects('ERR_ARGUMENT', /has no y/, distill(student, teacher, { data: data.x, alpha: 0.5 }))
})

test('gradients pass rounded kernels as they are, and rounded inputs inside their range', () => {
  const x = variable([-3, -0.4, 0.3, 0.9, 5])
  const fn = jit(() => {
    const y = fakeInputs(x, tensor(-1), tensor(1))
    return [y, ...gradients(y.sum(), [x])]
  })
  const [y, g] = fn() as [Tensor, Tensor]
  assert.equal([...(g.dataSync() as Float32Array)], [0, 1, 1, 1, 0])
  const values = [...(y.dataSync() as Float32Array)]
  assert.ok(Math.abs(values[0]! + 1) < 0.005 && Math.abs(values[4]! - 1) < 0.005 && Math.abs(values[2]! - 0.3) < 0.004)
  const w = variable([
    [0.5, -2],
    [-1, 0.31],
  ])
  const [rounded, slope] = jit(() => {
    const k = fakeKernel(w, 2, true)
    return [k, ...gradients(k.mul(3).sum(), [w])]
  })() as [Tensor, Tensor]
  assert.equal(rounded.arraySync(), [
    [0, -2],
    [-1, 0],
  ])
  assert.equal(slope.arraySync(), [
    [3, 3],
    [3, 3],
  ])
})

test('training for few bits is at least as good as rounding afterwards, and is what it says once it is quantized', async () => {
  setSeed(10)
  const net = network(8)
  await net.fit(data.x, data.y, { epochs: 10, verbose: 0 })
  const at = { data: data.x, bits: 4 } as const
  const rounded = await quantize(net, at)
  const aware = quantizeAware(net, { bits: 4 })
  await aware.fit(data.x, data.y, { epochs: 3, verbose: 0 })
  const small = await quantize(aware, { bits: 4 })
  const [after, trained, kept] = [
    await rounded.evaluate(data.xTest, data.yTest),
    await aware.evaluate(data.xTest, data.yTest),
    await small.evaluate(data.xTest, data.yTest),
  ]
  assert.ok(kept.accuracy >= after.accuracy, `${kept.accuracy} and ${after.accuracy}`)
  assert.ok(Math.abs(kept.loss - trained.loss) < 0.01, `${kept.loss} and ${trained.loss}`)
  assert.ok(difference((await aware.predict(data.xTest)) as Tensor, (await small.predict(data.xTest)) as Tensor) < 0.06)
  await aware.save(folder)
  const loaded = await loadModel(folder)
  assert.equal(await ((await loaded.predict(data.xTest)) as Tensor).data(), await ((await aware.predict(data.xTest)) as Tensor).data())
  await loaded.fit(data.x, data.y, { epochs: 1, verbose: 0 })
  assert.is(
    codeOf(() => quantizeAware(net, { bits: 9 })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => quantizeAware(net, { skip: ['nobody'] })),
    'ERR_ARGUMENT',
  )
})

test('a schedule without its callback is not silent, and a callback of another model is refused', async () => {
  const { net, x, y } = await convolutional(1)
  const other = (await convolutional(1)).net
  const pruning = prune(net, { sparsity: 0.5, schedule: 'polynomial', begin: 1, end: 2, frequency: 1 })
  assert.match((await rejection(other.fit(x, y, { verbose: 0, callbacks: [pruning] }))).message, /prunes another model than/)
  await net.fit(x, y, { epochs: 1, verbose: 0 })
  const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>
  const fresh = prune(other, { sparsity: 0.5, schedule: 'polynomial', begin: 1, end: 2, frequency: 1 })
  await other.fit(x, y, { epochs: 1, verbose: 0 })
  assert.is(fresh.sparsity, 0)
  assert.is((await warned)[0].code, 'WEFT_PRUNE')
})

test('data to measure on may be a pair, and must have labels; epochs need something to train', async () => {
  const { net, x, y } = await convolutional(1)
  const { report } = await compress(net, { prune: 0.5, data: x, validationData: [x, y] })
  assert.type(report.after.figures?.['accuracy'], 'number')
  assert.match((await rejection(compress(net, { prune: 0.5, validationData: x }))).message, /has no labels/)
  assert.match((await rejection(compress(net, { quantize: 'float16', epochs: 2 }))).message, /epochs are those of fine-tuning/)
  assert.match((await rejection(compress(net, { prune: 0.5, epochs: 2 }))).message, /epochs are those of fine-tuning/)
})

test.run()
