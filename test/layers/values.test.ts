// Layers against values computed by hand, on plain arrays.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setSeed } from '../../lib/core/random.js'
import { jit, ones, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { near, values as list } from '../expect.js'

test('dense: x · kernel + bias, over the last axis', async () => {
  const layer = layers.dense({ units: 2, activation: 'relu' })
  layer.build([1, 3])
  layer.setWeights([
    [
      [1, -1],
      [2, 0],
      [0, 1],
    ],
    [0.5, -0.5],
  ])
  await near(layer.apply(tensor([[1, 2, 3]])), [5.5, 1.5])
  await near(layer.apply(tensor([[[1, 2, 3]], [[-9, 0, 0]]])), [5.5, 1.5, 0, 8.5])
  assert.equal(layer.apply(tensor([[[1, 2, 3]]])).shape, [1, 1, 2])
})

test('integers are cast to the dtype of the layer', async () => {
  const layer = layers.dense({ units: 1, kernelInitializer: 'ones' })
  const y = layer.apply(tensor([[1, 2]], { dtype: 'int32' }))
  assert.is(y.dtype, 'float32')
  await near(y, [3])
  assert.is(layers.flatten().apply(tensor([[[1, 2]]], { dtype: 'uint8' })).dtype, 'uint8')
})

test('convolution: same padding puts the odd place after, groups see their own channels', async () => {
  const layer = layers.conv2d({ filters: 1, kernelSize: 2, strides: 2, padding: 'same', kernelInitializer: 'ones' })
  // 3 × 3 with window 2, stride 2: one place added at the bottom and right
  await near(layer.apply(tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1])), [12, 9, 15, 9])
  const grouped = layers.conv2d({ filters: 2, kernelSize: 1, groups: 2, kernelInitializer: 'ones', useBias: false })
  await near(grouped.apply(tensor([3, 5], [1, 1, 1, 2])), [3, 5])
})

test('causal convolution sees no later step', async () => {
  const layer = layers.conv1d({ filters: 1, kernelSize: 2, padding: 'causal', dilationRate: 2, kernelInitializer: 'ones' })
  await near(layer.apply(tensor([1, 2, 3, 4], [1, 4, 1])), [1, 2, 4, 6])
})

test('pooling: windows are floored; padding counts neither as a value nor in the mean', async () => {
  const x = tensor([-1, -2, -3, -4, -5, -6, -7, -8, -9], [1, 3, 3, 1])
  await near(layers.maxPooling2d().apply(x), [-1])
  await near(layers.maxPooling2d({ padding: 'same' }).apply(x), [-1, -3, -7, -9])
  await near(layers.averagePooling2d({ padding: 'same' }).apply(x), [-3, -4.5, -7.5, -9])
})

test('batchNormalization: batch statistics while training, moving ones otherwise; frozen means inference', async () => {
  const layer = layers.batchNormalization({ momentum: 0.9 })
  const x = tensor([
    [1, 10],
    [3, 30],
  ])
  // mean (2, 20), biased variance (1, 100)
  const normalized = [-1 / Math.sqrt(1.001), -10 / Math.sqrt(100.001), 1 / Math.sqrt(1.001), 10 / Math.sqrt(100.001)]
  await near(layer.apply(x, { training: true }), normalized)
  await near(layer.movingMean, [0.2, 2])
  await near(layer.movingVariance, [0.9 + 0.1, 0.9 + 10])
  const inference = [(1 - 0.2) / Math.sqrt(1.001), (10 - 2) / Math.sqrt(10.901), (3 - 0.2) / Math.sqrt(1.001), (30 - 2) / Math.sqrt(10.901)]
  await near(layer.apply(x), inference)
  layer.trainable = false
  await near(layer.apply(x, { training: true }), inference)
  await near(layer.movingMean, [0.2, 2])
  assert.equal(layer.trainableWeights, [])
})

test('a batchNormalization that is called twice in one step updates twice', async () => {
  const layer = layers.batchNormalization({ momentum: 0.5, center: false, scale: false })
  layer.build([2, 1])
  const step = jit((x: Tensor) => [layer.apply(x, { training: true }), layer.apply(x.mul(3), { training: true })])
  step(tensor([[1], [3]]))
  // 0 → 0.5·0 + 0.5·2 = 1 → 0.5·1 + 0.5·6 = 3.5
  await near(layer.movingMean, [3.5])
  await near(layer.movingVariance, [(1 * 0.5 + 1 * 0.5) * 0.5 + 9 * 0.5])
})

test('batchNormalization with a mask takes statistics of the steps that are data', async () => {
  const layer = layers.batchNormalization({ momentum: 0 })
  const x = tensor([[[1], [3], [100]]])
  x.mask = tensor([[true, true, false]])
  const y = await list(layer.apply(x, { training: true }))
  assert.ok(Math.abs(y[0]! + 1 / Math.sqrt(1.001)) < 1e-5 && Math.abs(y[1]! - 1 / Math.sqrt(1.001)) < 1e-5)
  await near(layer.movingMean, [2])
  await near(layer.movingVariance, [1])
})

test('layerNormalization: each sample by itself', async () => {
  await near(layers.layerNormalization().apply(tensor([[1, 3]])), [-1 / Math.sqrt(1.001), 1 / Math.sqrt(1.001)])
})

test('dropout: training only, two layers draw differently, each call anew, the mean stays', async () => {
  setSeed(3)
  const [a, b] = [layers.dropout({ rate: 0.25 }), layers.dropout({ rate: 0.25 })]
  const x = ones([4000])
  assert.is(a.apply(x), x)
  const first = await list(a.apply(x, { training: true }))
  const second = await list(a.apply(x, { training: true }))
  const other = await list(b.apply(x, { training: true }))
  assert.not.equal(first, second)
  assert.not.equal(first, other)
  assert.ok(first.every((v) => v === 0 || Math.abs(v - 1 / 0.75) < 1e-6))
  const kept = first.filter((v) => v !== 0).length / first.length
  assert.ok(Math.abs(kept - 0.75) < 0.035, String(kept))
  setSeed(3)
  assert.equal(await list(layers.dropout({ rate: 0.25 }).apply(x, { training: true })), first)
})

test('spatial dropout drops whole channels', async () => {
  const y = await layers
    .spatialDropout1d({ rate: 0.5, seed: 1 })
    .apply(ones([8, 3, 4]), { training: true })
    .array()
  for (const sample of y as number[][][]) for (let c = 0; c < 4; c++) assert.is(new Set(sample.map((step) => step[c])).size, 1)
})

test('rescaling and normalization', async () => {
  await near(layers.rescaling({ scale: 1 / 255 }).apply(tensor([[0, 51, 255]], { dtype: 'uint8' })), [0, 0.2, 1])
  await near(layers.rescaling({ scale: [2, 3], offset: [1, 0] }).apply(tensor([[1, 1]])), [3, 3])
  const data = [
    [1, 10, 5],
    [3, 30, 5],
  ]
  const layer = layers.normalization()
  await layer.adapt(data)
  // the third feature is constant: only the mean goes
  await near(layer.apply(tensor(data)), [-1, -1, 0, 1, 1, 0])
  const streamed = layers.normalization()
  await streamed.adapt([{ x: data.slice(0, 1) }, { x: data.slice(1) }][Symbol.iterator]())
  await near(streamed.apply(tensor(data)), [-1, -1, 0, 1, 1, 0])
  const inverse = layers.normalization({ mean: [2, 20, 5], variance: [1, 100, 4], invert: true })
  await near(inverse.apply(tensor([[-1, 1, 1]])), [1, 30, 7])
  const whole = layers.normalization({ axis: null })
  await whole.adapt([
    [1, 2],
    [3, 4],
  ])
  await near(whole.apply(tensor([[2.5, 2.5 + Math.sqrt(1.25)]])), [0, 1])
})

test('activations: Keras defaults and options', async () => {
  const x = tensor([[-2, 0.3, 2]])
  await near(layers.leakyRelu().apply(x), [-0.6, 0.3, 2])
  await near(layers.relu({ maxValue: 1, negativeSlope: 0.1, threshold: 0.5 }).apply(x), [-0.25, -0.02, 1])
  await near(layers.relu({ maxValue: 1 }).apply(x), [0, 0.3, 1])
  await near(layers.elu({ alpha: 2 }).apply(x), [2 * (Math.exp(-2) - 1), 0.3, 2])
  await near(layers.activation({ activation: 'leakyRelu' }).apply(x), [-0.4, 0.3, 2])
  await near(layers.prelu({ alphaInitializer: 'ones' }).apply(x), [-2, 0.3, 2])
  const sum = Math.exp(-2) + Math.exp(0.3) + Math.exp(2)
  await near(
    layers.softmax().apply(x),
    [-2, 0.3, 2].map((v) => Math.exp(v) / sum),
  )
})

test('moving values: permute, upSampling2d, zeroPadding2d, cropping2d, repeatVector', async () => {
  const image = tensor([1, 2, 3, 4], [1, 2, 2, 1])
  await near(layers.upSampling2d({ size: [1, 2] }).apply(image), [1, 1, 2, 2, 3, 3, 4, 4])
  await near(
    layers
      .zeroPadding2d({
        padding: [
          [1, 0],
          [0, 1],
        ],
      })
      .apply(image),
    [0, 0, 0, 1, 2, 0, 3, 4, 0],
  )
  await near(
    layers
      .cropping2d({
        cropping: [
          [1, 0],
          [0, 1],
        ],
      })
      .apply(image),
    [3],
  )
  await near(
    layers.permute({ dims: [2, 1] }).apply(
      tensor([
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ]),
    ),
    [1, 4, 2, 5, 3, 6],
  )
  await near(layers.repeatVector({ n: 2 }).apply(tensor([[1, 2]])), [1, 2, 1, 2])
})

test('merging', async () => {
  const [a, b] = [tensor([[1, 5]]), tensor([[4, 2]])]
  await near(layers.add().apply([a, b]), [5, 7])
  await near(layers.subtract().apply([a, b]), [-3, 3])
  await near(layers.multiply().apply([a, b]), [4, 10])
  await near(layers.average().apply([a, b, b]), [3, 3])
  await near(layers.maximum().apply([a, b]), [4, 5])
  await near(layers.minimum().apply([a, b]), [1, 2])
  await near(layers.concatenate().apply([a, b]), [1, 5, 4, 2])
  await near(layers.dot({ axes: 1 }).apply([a, b]), [14])
  await near(layers.dot({ axes: -1, normalize: true }).apply([a, b]), [14 / Math.sqrt(26 * 20)])
})

test('masks: merged as Keras does, and the mean over steps counts the valid ones', async () => {
  const x = tensor([[[2], [4], [9]]])
  x.mask = tensor([[true, true, false]])
  await near(layers.globalAveragePooling1d().apply(x), [3])
  const y = tensor([[[1], [1], [1]]])
  y.mask = tensor([[true, false, false]])
  assert.equal(await layers.add().apply([x, y]).mask!.array(), [[true, false, false]])
  assert.is(layers.add().apply([x, tensor([[[1], [1], [1]]])]).mask, undefined)
  assert.equal(await layers.concatenate({ axis: 1 }).apply([x, y]).mask!.array(), [[true, true, false, true, false, false]])
  const given = tensor([[false, true, true]])
  assert.is(layers.activation({ activation: 'relu' }).apply(x, { mask: given }).mask, given)
})

test('batchNormalization at inference keeps its digits beside a large mean', async () => {
  const layer = layers.batchNormalization({ inputShape: [1] })
  layer.build([null, 1])
  layer.setWeights([1, 0, 1e6, 1].map((value) => tensor([value])))
  const y = await list(layer.apply(tensor([[1e6 - 1], [1e6], [1e6 + 0.5]])))
  const right = [-1, 0, 0.5].map((x) => x / Math.sqrt(1 + 1e-3))
  for (let i = 0; i < 3; i++) assert.ok(Math.abs(y[i]! - right[i]!) < 1e-6, `${y[i]}, should be ${right[i]}`)
})

test.run()
