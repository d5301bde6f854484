// Export of whole models: those of examples/, transformers, image networks, and operations in functional models.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  atan2,
  batchNorm,
  bert,
  concat,
  defineOp,
  gpt,
  input,
  model,
  oneHot,
  pad,
  scatterAdd,
  sequential,
  setSeed,
  type Shape,
  sort,
  type Tensor,
  tensor,
  topK,
  updateSlice,
  type Variable,
  where,
} from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { AnyModel } from '../../lib/model/model.js'
import { values } from '../layers/check.js'
import { testWith } from '../skip.js'
import { agree, CHECKER, checkFiles, countOf, type Feed, hasChecker, hasRuntime, operatorsOf, readModel, RUNTIME, scratch } from './oracles.js'

setSeed(3)
const folder = scratch()
const OPSETS = [17, 21]

/** Numbers below `count`; zeros, where some are wanted, at places all over a row. */
function ids(batch: number, steps: number, { count = 20, zeros = false }: { count?: number; zeros?: boolean } = {}): Tensor {
  const at = (i: number): number => (i * 7919 + 13) % 101
  return tensor(
    Int32Array.from({ length: batch * steps }, (_, i) => (zeros && at(i) % 3 === 0 ? 0 : 1 + (at(i) % (count - 1)))),
    [batch, steps],
  )
}

const first = (feed: Feed): unknown => Object.values(feed)[0]
const all = (feed: Feed): unknown => Object.values(feed)
const named = (feed: Feed): unknown => feed

interface Case {
  readonly name: string
  readonly make: () => AnyModel
  readonly feeds: () => readonly Feed[]
  readonly form?: (feed: Feed) => unknown
  readonly tolerance?: number
}

const images = (size: number, channels: number, name = 'x'): (() => Feed[]) => () =>
  [1, 4].map((batch) => ({ [name]: values([batch, size, size, channels], batch) }))

/** Weights of a size that tells layers apart: those that embeddings begin with are near zero. */
function spread(net: AnyModel): AnyModel {
  net.setWeights(net.weights.map((w, i) => values(w.shape, i + 1).mul(w.rank > 1 ? 0.4 : 0.2)))
  return net
}

const cases: Case[] = [
  {
    name: 'fashion-cnn',
    make: () =>
      sequential([
        layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
        layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
        layers.flatten(),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: images(28, 1),
  },
  {
    name: 'fashion-pooling, cifar-cnn',
    make: () =>
      sequential([
        layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [32, 32, 3] }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 64, activation: 'relu' }),
        layers.dense({ units: 10 }),
      ]),
    feeds: images(32, 3),
  },
  {
    name: 'digits-cnn',
    make: () =>
      sequential([
        layers.conv2d({ filters: 16, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [8, 8, 1] }),
        layers.batchNormalization(),
        layers.maxPooling2d(),
        layers.dropout({ rate: 0.3 }),
        layers.flatten(),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: images(8, 1),
  },
  {
    name: 'mlp',
    make: () =>
      sequential([
        layers.dense({ units: 128, activation: 'relu', inputShape: [100] }),
        layers.dense({ units: 64, activation: 'relu' }),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: () => [1, 33].map((batch) => ({ x: values([batch, 100], batch) })),
  },
  ...[28, null].map(
    (steps): Case => ({
      name: `births-lstm, ${steps ?? 'any number of'} steps`,
      make: () =>
        sequential([
          layers.lstm({ units: 50, returnSequences: true, inputShape: [steps, 9] }),
          layers.lstm({ units: 50, returnSequences: true }),
          layers.lstm({ units: 50 }),
          layers.dense({ units: 1 }),
        ]),
      feeds: () => [1, 5].map((batch) => ({ x: values([batch, steps ?? 9 * batch, 9], batch) })),
    }),
  ),
  ...[60, null].map(
    (steps): Case => ({
      name: `spam-lstm, ${steps ?? 'any number of'} steps`,
      make: () =>
        spread(
          sequential([
            layers.embedding({ inputDim: 20, outputDim: 16, maskZero: true, inputShape: [steps] }),
            layers.lstm({ units: 12, returnSequences: true }),
            layers.lstm({ units: 8 }),
            layers.dense({ units: 1, activation: 'sigmoid' }),
          ]),
        ),
      // masked steps in front, between and behind; a row of nothing else
      feeds: () => [
        ...[1, 6].map((batch) => ({ x: ids(batch, steps ?? 5 + batch, { zeros: true }) })),
        { x: tensor(new Int32Array(2 * (steps ?? 4)), [2, steps ?? 4]) },
      ],
    }),
  ),
  ...(['lstm', 'gru', 'simpleRnn'] as const).flatMap((kind) =>
    [false, true].map(
      (goBackwards): Case => ({
        name: `masked ${kind}${goBackwards ? ' backwards' : ''}`,
        make: () =>
          spread(
            sequential([
              layers.embedding({ inputDim: 20, outputDim: 6, maskZero: true, inputShape: [null] }),
              layers.bidirectional({ layer: layers[kind]({ units: 5, returnSequences: true }) }),
              layers[kind]({ units: 4, returnSequences: true, goBackwards }),
              layers.timeDistributed({ layer: layers.dense({ units: 3, activation: 'tanh' }) }),
              layers.globalAveragePooling1d(),
            ]),
          ),
        feeds: () => [...[1, 5].map((batch) => ({ x: ids(batch, 9 + batch, { zeros: true }) })), { x: tensor(new Int32Array(8), [2, 4]) }],
      }),
    ),
  ),
  ...[false, true].flatMap((rotary) =>
    [{}, { normalization: 'rms' as const, activation: 'silu', tieWeights: false, numKeyValueHeads: 2 }].map(
      (extra): Case => ({
        name: `char-gpt${rotary ? ', rotary' : ''}${'normalization' in extra ? ', rms, grouped queries' : ''}`,
        make: () => spread(gpt({ vocabularySize: 20, sequenceLength: 32, numLayers: 2, numHeads: 4, hiddenDim: 16, rotary, ...extra })),
        feeds: () => [{ ids: ids(1, 5) }, { ids: ids(3, 32) }, { ids: ids(2, 1) }],
      }),
    ),
  ),
  ...[false, true].map(
    (maskedLanguageHead): Case => ({
      name: `bert${maskedLanguageHead ? ' with a language head' : ''}`,
      make: () => spread(bert({ vocabularySize: 20, sequenceLength: 32, numLayers: 2, numHeads: 4, hiddenDim: 16, maskedLanguageHead }) as AnyModel),
      feeds: () =>
        [
          [1, 5],
          [3, 32],
        ].map(([batch, steps]) => ({
          tokenIds: ids(batch!, steps!),
          segmentIds: ids(batch!, steps!, { count: 2 }).sub(1),
          paddingMask: tensor(Array.from({ length: batch! }, (_, i) => Array.from({ length: steps! }, (_, j) => j < steps! - i))),
        })),
      form: named,
    }),
  ),
  {
    name: 'residual images of any size',
    make: residual,
    feeds: () => [{ image: values([1, 16, 16, 3], 1) }, { image: values([2, 17, 24, 3], 2) }],
  },
  {
    name: 'sequences through convolutions, attention and gru',
    make: () => {
      const x = input({ shape: [null, 3], name: 'steps' })
      let h = layers.conv1d({ filters: 4, kernelSize: 3, padding: 'causal', activation: 'relu' }).apply(x)
      h = layers.maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' }).apply(h)
      h = layers.conv1d({ filters: 4, kernelSize: 3, dilationRate: 2, padding: 'same' }).apply(h)
      h = layers.layerNormalization().apply(h)
      h = layers.multiHeadAttention({ numHeads: 2, keyDim: 4 }).apply([h, h]) as Tensor
      h = layers.gru({ units: 6, returnSequences: true, resetAfter: false, activation: 'relu', recurrentActivation: 'hardSigmoid' }).apply(h)
      h = layers.dense({ units: 5, activation: 'gelu' }).apply(h)
      return model({ inputs: x, outputs: layers.globalMaxPooling1d().apply(h) })
    },
    feeds: () => [{ steps: values([1, 16, 3], 1) }, { steps: values([2, 17, 3], 2) }],
  },
  {
    name: 'sines of positions',
    make: () => {
      const x = input({ shape: [null, 6], name: 'steps' })
      const h = x.add(layers.sinePositionEncoding().apply(x))
      return model({ inputs: x, outputs: layers.transformerEncoder({ intermediateDim: 8, numHeads: 2 }).apply(h) as Tensor })
    },
    feeds: () => [16, 17, 2048].map((steps) => ({ steps: values([1, steps, 6], 1) })),
  },
  {
    name: 'operations between layers',
    make: operations,
    feeds: () => [
      { a: values([1, 16, 6], 1), b: values([1, 12, 6], 2) },
      { a: values([2, 17, 6], 3), b: values([2, 3, 6], 4) },
    ],
    form: all,
  },
  { name: 'own layers and operations', make: own, feeds: () => [2, 7].map((batch) => ({ x: values([batch, 4], batch) })) },
  {
    name: 'float16',
    make: () =>
      sequential([
        layers.conv2d({ filters: 4, kernelSize: 3, dtype: 'float16', inputShape: [8, 8, 2] }),
        layers.flatten({ dtype: 'float16' }),
        layers.dense({ units: 3, dtype: 'float16', activation: 'softmax' }),
      ]),
    feeds: images(8, 2),
    tolerance: 2e-3,
  },
]

/** Residual blocks with squeeze and excitation, enlargement, and two outputs. */
function residual(): AnyModel {
  const x = input({ shape: [null, null, 3], name: 'image' })
  const normal = (h: Tensor): Tensor => layers.batchNormalization({ movingMeanInitializer: 'randomUniform' }).apply(h)
  const conv = (h: Tensor, filters: number, strides = 1): Tensor =>
    layers.relu().apply(normal(layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', useBias: false }).apply(h)))
  let h = conv(x, 8)
  for (const strides of [1, 2]) {
    const filters = 8 * strides
    let y = normal(layers.conv2d({ filters, kernelSize: 3, padding: 'same' }).apply(conv(h, filters, strides)))
    const short = strides === 1 ? h : layers.conv2d({ filters, kernelSize: 1, strides, padding: 'same' }).apply(h)
    const gate = layers.dense({ units: filters, activation: 'sigmoid' }).apply(layers.globalAveragePooling2d().apply(y))
    y = layers.multiply().apply([y, layers.reshape({ targetShape: [1, 1, filters] }).apply(gate)])
    h = layers.relu().apply(layers.add().apply([y, short]))
  }
  const pools = [layers.maxPooling2d({ padding: 'same' }), layers.averagePooling2d({ padding: 'same' })]
  h = layers.concatenate().apply(pools.map((pool) => layers.upSampling2d().apply(pool.apply(h))))
  h = layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }).apply(h)
  return model({
    inputs: x,
    outputs: {
      logits: layers.dense({ units: 4 }).apply(layers.globalAveragePooling2d().apply(h)),
      map: layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same' }).apply(h),
    },
  })
}

function operations(): AnyModel {
  const [a, b] = [input({ shape: [null, 6], name: 'a' }), input({ shape: [null, 6], name: 'b' })]
  const outputs = {
    sums: a.sin().add(b.mean(1, { keepDims: true })),
    places: a.argMax(-1),
    running: a.sub(a.mean()).cumSum(1, { exclusive: true, reverse: true }),
    chosen: where(a.greater(0), a, b.sum(1, { keepDims: true })),
    part: a.slice([0, 1, 2], [-1, -1, 3]),
    backwards: a.slice([0, 0, 5], [-1, -1, 3], [1, 1, -2]),
    rests: a.floorDiv(0.3).mod(2),
    joined: concat([a, b], 1),
    whole: a.mul(10).cast('int32').floorDiv(3).add(a.mul(10).cast('int32').mod(-3)),
    bordered: pad(
      a,
      [
        [0, 0],
        [2, 1],
        [0, 0],
      ],
      3,
    ),
    products: a.transpose([0, 2, 1]).matMul(a),
    largest: a.max([1, 2]),
    shaped: a.reshape([-1, 3]).sum(1),
    angles: atan2(a, a.add(0.1)),
    log: a.logSoftmax(),
    inside: a.clip(-0.5, 0.5),
    smooth: a.softplus().add(a.erf()).add(a.mish()).add(a.selu()).add(a.hardSigmoid()),
    flags: a.less(0).logicalXor(a.greater(1)).cast('float32'),
    classes: oneHot(a.mul(2).cast('int32'), 3),
    best: topK(a, 2).values,
    all: a.greater(-3).all(),
    copy: a,
    added: scatterAdd(a.mul(0), [1, 0, 1], a.slice([0, 0, 0], [-1, 3, -1]), 1),
    replaced: updateSlice(a, b.slice([0, 0, 0], [-1, 2, -1]), a.argMax(1).max().mul(0).add(1), { axis: 1 }),
    normal: batchNorm(a, [1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 0, 0]).y,
    ranked: sort(a, { descending: true, axis: 1 }),
  }
  return model({ inputs: [a, b], outputs })
}

const cube = defineOp({
  name: 'test.cube',
  forward: ([x]) => x!.mul(x!).mul(x!),
  grad: ([g], { inputs: [x] }) => [g!.mul(x!.square()).mul(3)],
})

class Gate extends layers.Layer<{ by: number }> {
  gate!: Variable
  override build(shape: Shape): void {
    this.gate = this.addWeight({ name: 'gate', shape: [shape.at(-1)!], initializer: 'randomUniform' })
  }
  call(x: Tensor): Tensor {
    return (cube([x], {}) as Tensor).mul(this.gate.sigmoid()).add(tensor([1, 2, 3, 4])).div(this.config.by)
  }
}

function own(): AnyModel {
  return sequential([new Gate({ by: 2, inputShape: [4] }), layers.lambda((x: Tensor) => x.tanh().sub(x.shape[0]!)), layers.dense({ units: 2 })])
}

const models = new Map<string, AnyModel>()
const fileOf = (name: string, opset: number): string => path.join(folder, `${name.replace(/\W+/g, '-')}-${opset}.onnx`)

test('every model is exported', async () => {
  for (const { name, make } of cases) {
    const net = make()
    models.set(name, net)
    for (const opset of OPSETS)
      await net.exportOnnx(fileOf(name, opset), { opset }).catch((error: Error) => assert.unreachable(`${name}: ${error.message}`))
  }
})

testWith(hasChecker, CHECKER, 'the checker accepts every model', () => {
  assert.ok(checkFiles(cases.flatMap(({ name }) => OPSETS.map((opset) => fileOf(name, opset)))) >= cases.length)
})

for (const opset of OPSETS) {
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
  assert.equal(operatorsOf(fileOf('digits-cnn', 17)), ['Transpose', 'Conv', 'Relu', 'BatchNormalization', 'MaxPool', 'Reshape', 'Gemm', 'Softmax'])
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
  assert.equal(graph!.input.map((port) => [port.name, shapeOf(port)]), [['image', ['batch', 'height', 'width', 3]]])
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
