// Models of few bits as ONNX files: checked, run by onnxruntime, read back.
import { statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dequantize, quantize as quantizeAny, type QuantizeOptions } from '../../lib/compress/index.js'
import { gpt, importOnnx, input, layers, model, randomNormal, sequential, setSeed, type Tensor, tensor } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { agree, CHECKER, checkFiles, hasChecker, hasRuntime, operatorsOf, RUNTIME, readModel, scratch } from '../onnx/oracles.js'
import { testWith } from '../skip.js'
import { convolutional, difference } from './models.js'

const folder = scratch()
const { net, x } = await convolutional(2)
const METHODS: Readonly<Record<string, QuantizeOptions>> = {
  static: { data: x },
  whole: { data: x, perChannel: false },
  dynamic: { method: 'dynamic' },
  groups: { method: 'weightOnly' },
  fours: { method: 'weightOnly', bits: 4 },
  float16: { to: 'float16' },
  bfloat16: { to: 'bfloat16' },
}
const OPSETS = [17, 21]
const fileOf = (name: string, opset: number): string => path.join(folder, `${name}-${opset}.onnx`)
const models = new Map<string, AnyModel>()
for (const [name, options] of Object.entries(METHODS)) models.set(name, await quantizeAny(net as unknown as AnyModel, options))
// bytes between rows with an axis of their own, and a sum that keeps two branches apart
setSeed(2)
const a = input({ shape: [6, 12] })
const h = layers.dense({ units: 12, activation: 'tanh' }).apply(layers.dense({ units: 16, activation: 'relu' }).apply(a))
const rows = randomNormal([5, 6, 12])
const sequences = model({ inputs: a, outputs: layers.add().apply([h, a]) }) as unknown as AnyModel
const FEEDS = new Map([...models.keys()].map((name) => [name, x.slice([0, 0, 0, 0], [9, 8, 8, 1])]))
for (const [name, options] of Object.entries({ rows: { data: rows }, rowsDynamic: { method: 'dynamic' } } as Record<
  string,
  QuantizeOptions
>)) {
  models.set(name, await quantizeAny(sequences, options))
  FEEDS.set(name, rows)
}
for (const opset of OPSETS) for (const [name, one] of models) await one.exportOnnx(fileOf(name, opset), { opset })

/** Probabilities and values that rounding may move by about a step of what lies between. */
const QUANTUM = 0.02

test('int8 layers are pairs of operators around those of floats, with integers inside', () => {
  const operators = operatorsOf(fileOf('static', 17))
  assert.is(operators.filter((op) => op === 'QuantizeLinear').length, 4)
  const { initializer, node } = readModel(fileOf('static', 17)).graph!
  const typeOf = (name: string): number | undefined => initializer.find((one) => one.name === name)?.dataType
  assert.equal(['conv2d/kernel', 'dense/kernel', 'conv2d/bias'].map(typeOf), [3, 3, 6])
  const perChannel = node.filter(({ opType, attribute }) => opType === 'DequantizeLinear' && attribute.some(({ name }) => name === 'axis'))
  assert.ok(perChannel.length >= 8)
  // a pool of bytes
  assert.is(operators.indexOf('MaxPool'), operators.indexOf('QuantizeLinear', operators.indexOf('MaxPool') - 1) + 1)
})

test('weights of 16 bits stay so, and files are smaller', () => {
  for (const [name, type] of [
    ['float16', 10],
    ['bfloat16', 16],
  ] as const)
    assert.is(readModel(fileOf(name, 17)).graph!.initializer.find((one) => one.name === 'dense/kernel')!.dataType, type)
  const size = (name: string): number => statSync(fileOf(name, 17)).size
  assert.ok(size('static') < 0.75 * size('float16'), `${size('static')} and ${size('float16')}`)
})

test('importOnnx reads them back', async () => {
  for (const opset of OPSETS)
    for (const [name, one] of models) {
      const feed = FEEDS.get(name)!
      const back = await importOnnx(fileOf(name, opset))
      const error = difference((await one.predict(feed)) as Tensor, (await back.predict(feed)) as unknown as Tensor)
      assert.ok(error < QUANTUM, `${name}, opset ${opset}: ${error}`)
    }
})

testWith(hasChecker, CHECKER, 'the checker accepts them', () => {
  const files = OPSETS.flatMap((opset) => [...models.keys()].map((name) => fileOf(name, opset)))
  assert.ok(checkFiles(files) >= models.size)
})

testWith(hasRuntime, RUNTIME, 'onnxruntime agrees within a quantum', async () => {
  for (const opset of OPSETS)
    for (const [name, one] of models) {
      const [key] = readModel(fileOf(name, opset)).graph!.input.map((port) => port.name) as [string]
      await agree(one, fileOf(name, opset), [{ [key]: FEEDS.get(name)! }], (feed) => Object.values(feed)[0], QUANTUM)
    }
})

test('the operations by themselves, along an axis and for all', async () => {
  const b = input({ shape: [3, 4] })
  const scale = tensor([0.1, 0.2, 0.05, 0.4])
  const zeroPoint = tensor([1, -2, 0, 3], { dtype: 'int32' })
  const q = quantizeAny(b, { scale, zeroPoint, axis: -1 })
  const back = dequantize(q, { scale, zeroPoint, axis: -1 })
  const other = dequantize(quantizeAny(b, { scale: 0.1, zeroPoint: 7, dtype: 'uint8' }), { scale: 0.1, zeroPoint: 7 })
  const both = model({ inputs: b, outputs: [back, other] }) as unknown as AnyModel
  const feed = randomNormal([2, 3, 4])
  const file = path.join(folder, 'operations.onnx')
  await both.exportOnnx(file)
  const read = await importOnnx(file)
  const [own, found] = [await both.predict(feed), Object.values(await read.predict(feed))] as unknown as [Tensor[], Tensor[]]
  for (const [i, t] of own.entries()) assert.is(difference(t, found[i]!), 0)
})

test('a language model of few bits is exported', async () => {
  const language = gpt({ vocabularySize: 40, sequenceLength: 8, numLayers: 1, numHeads: 2, hiddenDim: 32 })
  const ids = tensor([[1, 2, 3, 4, 5]], { dtype: 'int32' })
  for (const options of [{ bits: 4 }, { to: 'float16' }] as QuantizeOptions[]) {
    const small = await quantizeAny(language, options)
    const file = path.join(folder, 'language.onnx')
    await small.exportOnnx(file)
    const back = await importOnnx(file)
    assert.ok(difference((await small.predict(ids)) as Tensor, (await back.predict(ids)) as unknown as Tensor) < 1e-4)
  }
  const text = sequential([
    layers.embedding({ inputDim: 20, outputDim: 8, inputShape: [6] }),
    layers.lstm({ units: 4 }),
    layers.dense({ units: 2 }),
  ])
  const small = await quantizeAny(text, { method: 'weightOnly' })
  const file = path.join(folder, 'text.onnx')
  await small.exportOnnx(file)
  const sample = tensor([[1, 2, 3, 4, 5, 6]], { dtype: 'int32' })
  assert.ok(
    difference((await small.predict(sample)) as Tensor, (await (await importOnnx(file)).predict(sample)) as unknown as Tensor) < 1e-4,
  )
})

test.run()
