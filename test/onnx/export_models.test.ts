// Export of whole models: ONNX's checker accepts them, onnxruntime-node computes them alike, and they are written as
// docs/onnx.md says.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setSeed } from '../../lib/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { testWith } from '../skip.js'
import { cases } from './exported_models.js'
import {
  agree,
  CHECKER,
  checkFiles,
  countOf,
  type Feed,
  hasChecker,
  hasRuntime,
  operatorsOf,
  readModel,
  readsBack,
  RUNTIME,
  scratch,
} from './oracles.js'

setSeed(3)
const folder = scratch()
const OPSETS = [17, 21]
const first = (feed: Feed): unknown => Object.values(feed)[0]

const models = new Map<string, AnyModel>()
const fileOf = (name: string, opset: number): string => path.join(folder, `${name.replace(/\W+/g, '-')}-${opset}.onnx`)

test('every model is exported', async () => {
  for (const { name, make, options } of cases) {
    const net = make()
    models.set(name, net)
    for (const opset of OPSETS)
      await net
        .exportOnnx(fileOf(name, opset), { opset, ...options })
        .catch((error: Error) => assert.unreachable(`${name}: ${error.message}`))
  }
})

testWith(hasChecker, CHECKER, 'the checker accepts every model', () => {
  assert.ok(checkFiles(cases.flatMap(({ name }) => OPSETS.map((opset) => fileOf(name, opset)))) >= cases.length)
})

for (const opset of OPSETS) {
  test(`importOnnx reads every model back, and computes it alike, opset ${opset}`, async () => {
    for (const { name, feeds, form = first, tolerance } of cases)
      await readsBack(models.get(name)!, fileOf(name, opset), feeds(), form, tolerance).catch((error: Error) =>
        assert.unreachable(`${name}: ${error.message}`),
      )
  })

  testWith(hasRuntime, RUNTIME, `onnxruntime computes every model alike, opset ${opset}`, async () => {
    for (const { name, feeds, form = first, tolerance } of cases)
      await agree(models.get(name)!, fileOf(name, opset), feeds(), form, tolerance).catch((error: Error) =>
        assert.unreachable(`${name}: ${error.message}`),
      )
  })
}

test('images are transposed where they come in, and where an image goes out', () => {
  assert.is(countOf(fileOf('fashion-cnn', 17), 'Transpose'), 1)
  assert.is(countOf(fileOf('residual images of any size', 17), 'Transpose'), 2)
  // flattened as they lie: the dense layer's weights are in their order
  assert.equal(operatorsOf(fileOf('digits-cnn', 17)), [
    'Transpose',
    'Conv',
    'Relu',
    'BatchNormalization',
    'MaxPool',
    'Reshape',
    'Gemm',
    'Softmax',
  ])
})

test('sequences go from one recurrent layer to the next as they are', () => {
  const operators = ['Transpose', 'LSTM', 'Squeeze', 'LSTM', 'Squeeze', 'LSTM', 'Squeeze', 'Gemm']
  assert.equal(operatorsOf(fileOf('births-lstm, any number of steps', 17)), operators)
})

test('inputs, outputs and weights keep their names, and what varies is named', () => {
  const { graph } = readModel(fileOf('residual images of any size', 17))
  const shapeOf = (port: NonNullable<typeof graph>['input'][number]): unknown[] => {
    const { value } = port.type!.value as { value: { shape?: { dim: { value: { value?: unknown } }[] } } }
    return value.shape!.dim.map((dim) => (typeof dim.value.value === 'bigint' ? Number(dim.value.value) : dim.value.value))
  }
  assert.equal(
    graph!.input.map((port) => [port.name, shapeOf(port)]),
    [['image', ['batch', 'height', 'width', 3]]],
  )
  assert.equal(
    graph!.output.map(({ name }) => name),
    ['logits', 'map'],
  )
  assert.equal(shapeOf(graph!.output[0]!), ['batch', 4])
  const constants = new Set(graph!.initializer.map(({ name }) => name))
  const net = models.get('residual images of any size')!
  const missing = net.weights.map(({ name }) => name).filter((name) => !constants.has(name))
  assert.equal(missing, [])
  assert.ok(graph!.node.some(({ name, opType }) => opType === 'Conv' && name === 'conv2d/Conv'))
})

test('a table that is looked up and multiplied with is stored once', () => {
  const { graph } = readModel(fileOf('char-gpt', 17))
  const tables = graph!.initializer.filter(({ dims }) => dims.map(Number).join() === '20,16' || dims.map(Number).join() === '16,20')
  assert.equal(
    tables.map(({ name }) => name),
    ['embedding/embeddings'],
  )
})

test.run()
