// Quantized models: they say what the float model says, to the precision of their numbers; they save, load and refuse
// what they cannot do.
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dequantize, foldBatchNormalization, quantize, type QuantizeOptions } from '../../lib/compress/index.js'
import { input, layers, loadModel, model, randomNormal, sequential, setSeed, type Tensor, tensor } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { bytesOf as bytesOfType } from '../../lib/core/spec.js'
import { codeOf, rejects } from '../expect.js'
import { convolutional, difference, scratch } from './models.js'

const folder = scratch()
const { net, x, y } = await convolutional()
const { accuracy } = await net.evaluate(x, y)

const bytesOf = ({ weights }: AnyModel): number => weights.reduce((sum, { size, dtype }) => sum + size * bytesOfType(dtype), 0)
const predicted = async (model: AnyModel, rows: Tensor): Promise<Tensor> => (await model.predict(rows)) as Tensor

const METHODS: readonly (readonly [string, QuantizeOptions, { distance: number; ratio: number }])[] = [
  ['static', { data: x }, { distance: 0.05, ratio: 0.32 }],
  ['static, one scale', { data: { x }, perChannel: false }, { distance: 0.06, ratio: 0.3 }],
  ['percentile', { data: x, calibration: 'percentile', percentile: 99.9 }, { distance: 0.1, ratio: 0.32 }],
  ['entropy', { data: x, calibration: 'entropy' }, { distance: 0.2, ratio: 0.32 }],
  ['static, 4 bits', { data: x, bits: 4 }, { distance: 0.4, ratio: 0.32 }],
  ['dynamic', { method: 'dynamic' }, { distance: 0.02, ratio: 0.7 }],
  ['8 bits', { method: 'weightOnly' }, { distance: 0.02, ratio: 0.4 }],
  ['4 bits', { method: 'weightOnly', bits: 4, groupSize: 32 }, { distance: 0.3, ratio: 0.35 }],
  ['bfloat16', { to: 'bfloat16' }, { distance: 0.02, ratio: 0.6 }],
  ['float16', { to: 'float16' }, { distance: 0.002, ratio: 0.6 }],
]

for (const [name, options, most] of METHODS) {
  test(`${name}: near the float model, smaller, and the same once it is saved and loaded`, async () => {
    const small = await quantize(net, options)
    const [own, other] = [await predicted(net, x), await predicted(small, x)]
    const distance = difference(own, other)
    assert.ok(distance > 0 && distance < most.distance, `probabilities differ by ${distance}`)
    assert.ok(bytesOf(small) < most.ratio * bytesOf(net), `${bytesOf(small)} of ${bytesOf(net)} bytes`)
    assert.ok(Math.abs((await small.evaluate(x, y)).accuracy - accuracy) <= 0.03)
    await small.save(folder)
    const loaded = await loadModel(folder)
    assert.equal(await (await predicted(loaded, x)).data(), await other.data())
    await rejects('ERR_DTYPE', /are not trained/, small.fit(x, y, { verbose: 0 }))
    await rejects('ERR_STATE', /quantized already/, quantize(loaded))
    small.dispose()
    loaded.dispose()
  })
}

test('the given model is unharmed', async () => {
  const [values, dtypes] = [await (await predicted(net, x)).data(), net.weights.map(({ dtype }) => dtype)]
  await quantize(net, { data: x })
  await quantize(net, { method: 'weightOnly', bits: 4 })
  assert.equal(await (await predicted(net, x)).data(), values)
  assert.equal(
    net.weights.map(({ dtype }) => dtype),
    dtypes,
  )
})

test('values stay uint8 from a convolution to the dense layers', async () => {
  const small = await quantize(net, { data: x })
  assert.equal(
    small.layers.map(({ className }) => className),
    ['QuantizedConv2d', 'QuantizedConv2d', 'QuantizedMaxPooling2d', 'Flatten', 'QuantizedDense', 'QuantizedDense'],
  )
  const facts = small.layers.map(({ config }) => config as { takesBytes?: boolean; output?: object; input: object })
  assert.equal(
    facts.map(({ takesBytes, output }) => [takesBytes ?? false, output !== undefined]),
    [
      [false, true],
      [true, true],
      [false, false],
      [false, false],
      [true, true],
      [true, false],
    ],
  )
  // what one layer makes is what the next one takes
  assert.equal(facts[0]!.output, facts[1]!.input)
  assert.equal(facts[1]!.output, facts[4]!.input)
})

test('images of bytes that are scaled go into the first layer as they are', async () => {
  setSeed(6)
  const bytes = Uint8Array.from({ length: 6 * 64 }, (_, i) => (i * 37) % 256)
  const images = tensor(bytes, { shape: [6, 8, 8, 1] })
  const build = (offset: number): AnyModel =>
    sequential([
      layers.rescaling({ scale: 1 / 255, offset, inputShape: [8, 8, 1] }),
      layers.conv2d({ filters: 5, kernelSize: 3, activation: 'relu' }),
      layers.flatten(),
      layers.dense({ units: 3 }),
    ]) as AnyModel
  const wide = build(0)
  const small = await quantize(wide, { data: images })
  const [scaled, convolution] = small.layers as unknown as [{ className: string }, { config: { input: object; takesBytes: boolean } }]
  assert.is(scaled.className, 'QuantizedRescaling')
  assert.is(convolution.config.takesBytes, true)
  assert.equal(convolution.config.input, { scale: Math.fround(1 / 255), zeroPoint: 0 })
  const ofBytes = await predicted(small, images)
  assert.equal(await (await predicted(small, images.cast('float32'))).array(), await ofBytes.array(), 'floats that are bytes')
  assert.ok((await difference(ofBytes, await predicted(wide, images))) < 0.03)
  await small.save(`${folder}/scaled`)
  assert.equal(await (await predicted((await loadModel(`${folder}/scaled`)) as AnyModel, images)).array(), await ofBytes.array())
  // values around 0 are no bytes
  const shifted = await quantize(build(-0.5), { data: images })
  assert.is(shifted.layers[0]!.className, 'Rescaling')
})

test('a dense layer is the sum of its rounded numbers', async () => {
  setSeed(5)
  const one = sequential([layers.dense({ units: 3, inputShape: [7], biasInitializer: 'ones' })])
  const rows = randomNormal([9, 7])
  const small = await quantize(one, { data: rows })
  const { kernel, kernelScale, config } = small.layers[0] as unknown as {
    kernel: Tensor
    kernelScale: Tensor
    config: { input: { scale: number; zeroPoint: number } }
  }
  const { scale, zeroPoint } = config.input
  assert.is(kernelScale.size, 3)
  const w = await dequantize(kernel, { scale: kernelScale, zeroPoint: 0 }).data()
  const rounded = Array.from((await rows.data()) as Float32Array, (value) => {
    const q = Math.min(255, Math.max(0, Math.round(value / scale) + zeroPoint))
    return (q - zeroPoint) * scale
  })
  const found = (await (await predicted(small, rows)).data()) as Float32Array
  for (let r = 0; r < 9; r++)
    for (let j = 0; j < 3; j++) {
      let sum = 1
      for (let i = 0; i < 7; i++) sum += rounded[r * 7 + i]! * Number(w[i * 3 + j])
      assert.ok(Math.abs(sum - found[r * 3 + j]!) < 1e-4)
    }
})

test('a kernel that is replaced is the one that is computed with', async () => {
  const small = await quantize(net, { data: x })
  const before = await (await predicted(small, x)).data()
  const [last] = small.layers.slice(-1)
  const values = last!.getWeights()
  last!.setWeights([new Int8Array(values[0]!.size), ...values.slice(1)])
  const none = await (await predicted(small, x)).data()
  assert.not.equal(none, before)
  last!.setWeights(values)
  assert.equal(await (await predicted(small, x)).data(), before)
})

test('functional models with sums, shared layers and inner models', async () => {
  setSeed(2)
  const inner = sequential([layers.dense({ units: 12, activation: 'relu', inputShape: [12] })], { name: 'inner' })
  const shared = layers.dense({ units: 12, activation: 'tanh', name: 'shared' })
  const a = input({ shape: [12] })
  const h = layers.dense({ units: 12, activation: 'relu', name: 'first' }).apply(a)
  const sum = layers.add().apply([h, shared.apply(inner.apply(h)), shared.apply(h)])
  const whole = model({ inputs: a, outputs: [layers.dense({ units: 4, name: 'last' }).apply(sum), h] }) as unknown as AnyModel
  const rows = randomNormal([64, 12])
  const all: readonly QuantizeOptions[] = [
    { data: rows },
    { method: 'dynamic' },
    { method: 'weightOnly', bits: 4 },
    { data: rows, skip: ['inner', 'last'] },
  ]
  for (const options of all) {
    const small = await quantize(whole, options)
    const [own, other] = [await whole.predict(rows), await small.predict(rows)] as unknown as [Tensor[], Tensor[]]
    for (const [i, t] of own.entries()) assert.ok(difference(t, other[i]!) < (options.bits === 4 ? 0.5 : 0.1))
    if (options.skip === undefined) continue
    assert.is(small.getLayer('last').className, 'Dense')
    assert.is((small.getLayer('inner') as AnyModel).layers[0]!.className, 'Dense')
    assert.is(small.getLayer('first').className, 'QuantizedDense')
  }
})

test('recurrent layers, tables and attention keep their matrices in few bits', async () => {
  setSeed(3)
  const text = sequential([
    layers.embedding({ inputDim: 40, outputDim: 16, maskZero: true, inputShape: [10] }),
    layers.transformerEncoder({ intermediateDim: 32, numHeads: 2 }),
    layers.bidirectional({ layer: layers.lstm({ units: 8, returnSequences: true }) }),
    layers.gru({ units: 8 }),
    layers.dense({ units: 2 }),
  ])
  const ids = tensor(
    Int32Array.from({ length: 60 }, (_, i) => (i * 7) % 40),
    [6, 10],
  )
  const own = await predicted(text, ids)
  const all: readonly (readonly [QuantizeOptions, number])[] = [
    [{ method: 'weightOnly' }, 0.02],
    [{ method: 'weightOnly', bits: 4 }, 0.3],
    [{ to: 'float16' }, 0.002],
  ]
  for (const [options, most] of all) {
    const small = await quantize(text, options)
    const floats = small.weights.filter(({ dtype, shape, name }) => dtype === 'float32' && shape.length > 1 && !/Scale$|[bB]ias/.test(name))
    assert.equal(
      floats.map(({ name }) => name),
      [],
    )
    assert.ok(difference(own, await predicted(small, ids)) < most)
    await small.save(folder)
    assert.equal(await (await predicted(await loadModel(folder), ids)).data(), await (await predicted(small, ids)).data())
  }
})

test('every kind of convolution keeps its kernel in few bits', async () => {
  setSeed(4)
  const images = { inputShape: [6, 6, 4] }
  const steps = { inputShape: [6, 4] }
  const size = { filters: 5, kernelSize: 2 }
  const all = [
    layers.conv2d({ ...size, groups: 1, ...images }),
    layers.depthwiseConv2d({ kernelSize: 2, depthMultiplier: 2, ...images }),
    layers.separableConv2d({ ...size, ...images }),
    layers.conv2dTranspose({ ...size, ...images }),
    layers.conv1d({ ...size, ...steps }),
    layers.conv3d({ ...size, inputShape: [4, 4, 4, 2] }),
    layers.convLstm2d({ ...size, inputShape: [3, 5, 5, 2] }),
    layers.separableConv1d({ ...size, ...steps }),
    layers.conv1dTranspose({ ...size, ...steps }),
  ]
  for (const layer of all) {
    const one = sequential([layer])
    const rows = randomNormal([2, ...(layer.config.inputShape as number[])])
    const small = await quantize(one, { method: 'weightOnly' })
    const error = difference(await predicted(one, rows), await predicted(small, rows))
    assert.ok(error > 0 && error < 0.1, `${layer.className}: ${error}`)
  }
})

test('batch normalization and activations become part of the layer before them', async () => {
  const folded = foldBatchNormalization(net)
  assert.equal(
    folded.layers.map(({ className }) => className),
    ['Conv2d', 'Conv2d', 'MaxPooling2d', 'Flatten', 'Dropout', 'Dense', 'Dense'],
  )
  assert.ok(difference(await predicted(net, x), await predicted(folded, x)) < 1e-4)
  assert.is((await folded.evaluate(x, y)).accuracy, accuracy)
})

test('what does not go together is refused', async () => {
  const wrong: readonly (readonly [RegExp, QuantizeOptions])[] = [
    [/needs data/, { method: 'static' }],
    [/groupSize goes with method 'weightOnly'/, { data: x, groupSize: 32 }],
    [/data goes with method 'static'/, { method: 'weightOnly', data: x }],
    [/perChannel goes with/, { method: 'weightOnly', perChannel: false }],
    [/percentile goes with calibration/, { data: x, percentile: 99 }],
    [/bits goes with to: 'int8'/, { to: 'float16', bits: 4 }],
    [/bits must be 8 or 4/, { bits: 3 as never }],
    [/groupSize must be 32/, { method: 'weightOnly', groupSize: 16 as never }],
    [/skip names 'dens'/, { data: x, skip: ['dens'] }],
    [/skip names 'nobody'/, { method: 'weightOnly', skip: ['nobody'] }],
  ]
  for (const [message, options] of wrong) await rejects('ERR_ARGUMENT', message, quantize(net, options))
  const recurrent = sequential([layers.lstm({ units: 2, inputShape: [3, 2] })])
  await rejects('ERR_ARGUMENT', /has no dense or conv2d/, quantize(recurrent, { data: randomNormal([2, 3, 2]) }))
  await rejects('ERR_STATE', /do not exist yet/, quantize(sequential([layers.dense({ units: 2 })])))
  await rejects('ERR_DATA', /not finite/, quantize(net, { data: x.mul(Number.NaN) }))
  assert.is(
    codeOf(() => quantize('net' as never)),
    'ERR_ARGUMENT',
  )
})

test('a saved storage that is none is refused', async () => {
  const small = await quantize(net, { to: 'float16' })
  await small.save(folder)
  const place = `${folder}/model.json`
  const text = await readFile(place, 'utf8')
  assert.match(text, /float16/)
  await writeFile(place, text.replaceAll('float16', 'float8'))
  await rejects('ERR_FORMAT', /type, groupSize, skip/, loadModel(folder, { verify: false }))
})

test('weights that are no numbers are refused', async () => {
  const broken = sequential([layers.dense({ units: 2, inputShape: [2] })])
  broken.setWeights([
    [
      [Number.NaN, 1],
      [1, 2],
    ],
    [0, 0],
  ])
  for (const options of [{ method: 'dynamic' }, { method: 'weightOnly' }, { bits: 4 }] as const)
    await rejects('ERR_DATA', /a weight is NaN/, quantize(broken, options))
})

test('a summary counts integers among what is not trained', async () => {
  const plain = sequential([layers.dense({ units: 4, inputShape: [3] })])
  const small = await quantize(plain, { method: 'dynamic' })
  const lines: string[] = []
  small.summary({ print: (line) => lines.push(line) })
  const text = lines.join('\n')
  // the bias, and of the rest the bytes of the kernel and four scales
  assert.match(text, 'Trainable params: 4 (16 B)')
  assert.match(text, 'Non-trainable params: 16 (28 B)')
  plain.dispose()
})

test.run()
