// Values of layers that are made of other operations: against PyTorch, against the layers they are made of, and by
// hand.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { initializers, jit, layers, sequential, type Tensor, tensor } from '../../lib/index.js'
import { close, throws, values as valuesOf } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'

for (const { strides, shape, values } of recorded.convolutions)
  test(`conv1dTranspose with strides ${strides} as PyTorch computes it`, async () => {
    const layer = layers.conv1dTranspose({ filters: 2, kernelSize: 4, strides })
    layer.build([null, 5, 3])
    layer.setWeights([tensor(wave([4, 2, 3], 1), { shape: [4, 2, 3] }), tensor([0, 0])])
    const y = layer.apply(tensor(wave([2, 5, 3]), { shape: [2, 5, 3] }))
    assert.equal([...y.shape], shape)
    close(await y.data(), values, 2e-6)
  })

test('separableConv1d is separableConv2d of one row; causal sees no later step', async () => {
  const options = { filters: 3, kernelSize: 2, depthMultiplier: 2 }
  const x = tensor(wave([2, 6, 2]), { shape: [2, 6, 2] })
  const weights = [wave([2, 2, 2], 1), wave([1, 4, 3], 2), wave([3], 3)]
  for (const more of [{}, { strides: 2 }, { dilationRate: 2 }, { padding: 'same' as const }]) {
    const [line, image] = [
      layers.separableConv1d({ ...options, ...more }),
      layers.separableConv2d({ ...options, ...more, kernelSize: [1, 2] }),
    ]
    line.build([null, 6, 2])
    image.build([null, 1, 6, 2])
    for (const layer of [line, image]) layer.setWeights(layer.weights.map((w, i) => tensor(weights[i]!, { shape: w.shape })))
    assert.equal(
      line.weights.map((w) => w.shape),
      [[2, 2, 2], [1, 4, 3], [3]],
    )
    close(await line.apply(x).data(), Array.from(await image.apply(x.expandDims(1)).squeeze(1).data(), Number), 1e-6)
  }
  const causal = layers.separableConv1d({ ...options, padding: 'causal' })
  const before = (await causal.apply(x).array()) as number[][][]
  const changed = x.add(tensor([0, 0, 0, 1, 1, 1]).reshape([1, 6, 1]))
  const after = (await causal.apply(changed).array()) as number[][][]
  assert.equal(after[0]!.slice(0, 3), before[0]!.slice(0, 3))
  assert.not.equal(after[0]![3], before[0]![3])
})

test('padding, cropping and repeating steps and volumes', async () => {
  const steps = tensor([[[1], [2], [3]]])
  assert.equal(
    await layers
      .zeroPadding1d({ padding: [1, 2] })
      .apply(steps)
      .array(),
    [[[0], [1], [2], [3], [0], [0]]],
  )
  assert.equal(await layers.cropping1d().apply(steps).array(), [[[2]]])
  assert.equal(await layers.upSampling1d().apply(steps).array(), [[[1], [1], [2], [2], [3], [3]]])
  const volume = tensor(
    Array.from({ length: 8 }, (_, i) => i + 1),
    { shape: [1, 2, 2, 2, 1], dtype: 'uint8' },
  )
  const padded = layers
    .zeroPadding3d({
      padding: [
        [1, 0],
        [0, 0],
        [0, 1],
      ],
    })
    .apply(volume)
  assert.equal([...padded.shape, padded.dtype], [1, 3, 2, 3, 1, 'uint8'])
  assert.equal(await valuesOf(padded), [0, 0, 0, 0, 0, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 0])
  assert.equal(
    await layers
      .cropping3d({
        cropping: [
          [1, 0],
          [0, 1],
          [1, 0],
        ],
      })
      .apply(volume)
      .array(),
    [[[[[6]]]]],
  )
  assert.equal(await valuesOf(layers.upSampling3d({ size: [1, 1, 2] }).apply(volume)), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8])
  throws('ERR_SHAPE', /leaves nothing of inputs of shape \[3, 1\]/, () => layers.cropping1d({ cropping: 2 }).apply(steps))
  throws('ERR_ARGUMENT', /padding must be an integer or two of them/, () => layers.zeroPadding1d({ padding: [1, 2, 3] as never }))
  throws('ERR_ARGUMENT', /cropping must be an integer of at least 0/, () => layers.cropping3d({ cropping: -1 }))
  throws('ERR_ARGUMENT', /three of them or three pairs/, () => layers.zeroPadding3d({ padding: [1, 2] as never }))
  throws('ERR_ARGUMENT', /size must be an integer or three/, () => layers.upSampling3d({ size: [1, 2] as never }))
})

test('unitNormalization: length 1, and zeros stay', async () => {
  close(
    await layers
      .unitNormalization()
      .apply(
        tensor([
          [3, 4],
          [0, 0],
          [-5, 12],
        ]),
      )
      .data(),
    [0.6, 0.8, 0, 0, -5 / 13, 12 / 13],
    1e-6,
  )
  throws('ERR_ARGUMENT', /axis is an integer/, () => layers.unitNormalization({ axis: 0.5 }))
})

test('einsumDense: dense over the last axis, heads, and what an equation may be', async () => {
  const x = tensor(wave([2, 3, 4]), { shape: [2, 3, 4] })
  const made = [
    layers.einsumDense({ equation: 'abc,cd->abd', outputShape: [null, 5], biasAxes: 'd', activation: 'relu' }),
    layers.einsumDense({ equation: '...x,xy->...y', outputShape: 5, biasAxes: 'y', activation: 'relu' }),
  ]
  const dense = layers.dense({ units: 5, activation: 'relu', biasInitializer: 'ones' })
  const expected = Array.from(await dense.apply(x).data(), Number)
  for (const layer of made) {
    layer.build([null, 3, 4])
    layer.setWeights(dense.getWeights())
    close(await layer.apply(x).data(), expected, 1e-6)
  }
  const heads = layers.einsumDense({ equation: 'abc,cde->abde', outputShape: [null, 2, 3], biasAxes: 'e' })
  assert.equal(heads.computeOutputShape([null, 3, 4]), [null, 3, 2, 3])
  assert.equal(
    heads.weights.map((w) => w.shape),
    [[4, 2, 3], [3]],
  )
  const first = layers.einsumDense({ equation: 'ab...,bc->ac...', outputShape: 5, biasAxes: 'c' })
  assert.equal(first.computeOutputShape([null, 3, 4]), [null, 5, 4])
  assert.equal(
    first.weights.map((w) => w.shape),
    [
      [3, 5],
      [5, 1],
    ],
  )
  throws('ERR_ARGUMENT', /equation must be like/, () => layers.einsumDense({ equation: 'ab->b', outputShape: 3 }))
  throws('ERR_ARGUMENT', /has 1 extents for the 2 of 'abd'/, () => layers.einsumDense({ equation: 'abc,cd->abd', outputShape: 3 }))
  throws('ERR_ARGUMENT', /'z' is no axis of the result/, () => layers.einsumDense({ equation: 'ab,bc->ac', outputShape: 3, biasAxes: 'z' }))
  throws('ERR_ARGUMENT', /'\.\.\.' stands at the begin or at the end/, () =>
    layers.einsumDense({ equation: '...b,bc->ac', outputShape: 3 }),
  )
  throws('ERR_SHAPE', /extent of 'd' is not known/, () =>
    layers.einsumDense({ equation: 'abc,cd->abd', outputShape: [null, null] }).build([null, 3, 4]),
  )
})

test('spectralNormalization: the largest singular value becomes 1 in training, and the layer is left alone else', async () => {
  // values whose largest and second singular values lie apart: with two that are close, steps come near 1 slowly
  const inner = layers.dense({ units: 3, useBias: false, kernelInitializer: initializers.randomNormal({ seed: 5 }) })
  const layer = layers.spectralNormalization({ layer: inner, powerIterations: 30 })
  const x = tensor(wave([2, 4]), { shape: [2, 4] })
  layer.build([null, 4])
  const start = await inner.kernel.data()
  layer.apply(x)
  assert.equal(await inner.kernel.data(), start)
  layer.apply(x, { training: true })
  // the largest eigenvalue of KᵀK, by many steps
  const k = inner.kernel
  let v = tensor([[1], [2], [3]])
  for (let i = 0; i < 60; i++) v = k.matMul(k.matMul(v), { transposeA: true }).div(v.norm())
  close([await k.matMul(v.div(v.norm())).norm().item()], [1], 1e-4)
  throws('ERR_ARGUMENT', /has no kernel and no embeddings/, () =>
    layers.spectralNormalization({ layer: layers.flatten() }).build([null, 4]),
  )
  throws('ERR_ARGUMENT', /layer must be a layer, got 3/, () => layers.spectralNormalization({ layer: 3 as never }))
})

test('spectralNormalization trains: the loss falls while the kernel keeps its norm', async () => {
  const net = sequential([
    layers.spectralNormalization({ layer: layers.dense({ units: 2, useBias: false }), powerIterations: 5, inputShape: [2] }),
  ])
  net.compile({ optimizer: 'sgd', loss: 'mse' })
  const x = tensor([
    [1, 0],
    [0, 1],
    [1, 1],
    [-1, 2],
  ])
  const y = x.mul(0.5)
  const { history } = await net.fit(x, y, { epochs: 30, verbose: 0 })
  assert.ok(history.loss.at(-1)! < history.loss[0]!, `${history.loss[0]} became ${history.loss.at(-1)}`)
  const step = jit((t: Tensor) => net.apply(t, { training: true }))
  step(x)
  const length = await net.weights[0]!.norm().item()
  assert.ok(length > 0.9 && length < 1.5, `the kernel has the norm ${length}`)
})

test('global pooling of volumes: the largest value and the mean of each channel', async () => {
  const volumes = tensor(new Float32Array([1, 10, 2, 20, 3, 30, 4, 60, -1, 0, -2, 0, -3, 0, -4, 4]), [2, 1, 2, 2, 2])
  assert.equal(await layers.globalMaxPooling3d().apply(volumes).array(), [
    [4, 60],
    [-1, 4],
  ])
  assert.equal(await layers.globalAveragePooling3d().apply(volumes).array(), [
    [2.5, 30],
    [-2.5, 1],
  ])
  throws('ERR_SHAPE', /GlobalMaxPooling3d/, () => layers.globalMaxPooling3d().apply(tensor([[1]])))
})

test.run()
