// Bad input to layers and models: each a typed error that names the layer and the values.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, gather, jit, ones, tensor, type Tensor, type WeftError } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { OptionTable } from '../../lib/core/options.js'
import { layer } from '../../lib/layers/declare.js'
import type { AnyLayer } from '../../lib/layers/layer.js'
import { layerFromJson, layerToJson } from '../../lib/layers/serialize.js'
import { input, model } from '../../lib/model/functional.js'
import { sequential } from '../../lib/model/sequential.js'
import { refuses } from '../expect.js'

/** [layer, shape of the input, words of the message] */
const wrongShapes: readonly [() => AnyLayer, readonly number[] | readonly (readonly number[])[], readonly string[]][] = [
  [() => layers.dense({ units: 1 }), [3], ['[batch, features]', '[3]', 'expandDims']],
  [() => layers.conv1d({ filters: 1, kernelSize: 2 }), [3, 4], ['[batch, steps, channels]', '[3, 4]', 'expandDims']],
  [() => layers.conv1d({ filters: 1, kernelSize: 5 }), [1, 4, 1], ['larger', '5', '4']],
  [() => layers.conv2d({ filters: 1, kernelSize: 3 }), [32, 28, 28], ['[batch, height, width, channels]', '[32, 28, 28]', 'expandDims']],
  [() => layers.conv2d({ filters: 1, kernelSize: 5 }), [1, 4, 4, 1], ['[5,5]', '[4,4]', 'larger']],
  [() => layers.conv2d({ filters: 2, kernelSize: 1, groups: 2 }), [1, 4, 4, 3], ['2 groups', '3 channels']],
  [() => layers.depthwiseConv2d({ kernelSize: 3 }), [4, 4, 3], ['[4, 4, 3]']],
  [() => layers.conv2dTranspose({ filters: 1, kernelSize: 3 }), [4, 4, 3], ['[4, 4, 3]']],
  [() => layers.maxPooling1d(), [4, 4], ['[4, 4]']],
  [() => layers.maxPooling2d({ poolSize: 3 }), [1, 2, 2, 1], ['[3,3]', '[2,2]', 'larger']],
  [() => layers.maxPooling2d(), [4, 4], ['[4, 4]']],
  [() => layers.averagePooling1d(), [4], ['[4]']],
  [() => layers.averagePooling2d(), [1, 4, 4], ['[1, 4, 4]']],
  [() => layers.globalMaxPooling1d(), [1, 4], ['[1, 4]']],
  [() => layers.globalMaxPooling2d(), [1, 4], ['[1, 4]']],
  [() => layers.globalAveragePooling1d(), [1, 4], ['[1, 4]']],
  [() => layers.globalAveragePooling2d(), [1, 4], ['[1, 4]']],
  [() => layers.flatten(), [], ['[]']],
  [() => layers.reshape({ targetShape: [4, -1] }), [2, 3], ['[3]', '3 values', '[4,-1]']],
  [() => layers.permute({ dims: [2, 1] }), [2, 3], ['[2, 3]']],
  [() => layers.repeatVector({ n: 2 }), [2, 3, 4], ['[2, 3, 4]']],
  [() => layers.zeroPadding2d(), [2, 3, 4], ['[2, 3, 4]']],
  [() => layers.cropping2d({ cropping: 2 }), [1, 4, 5, 1], ['leaves nothing', '[4, 5, 1]']],
  [() => layers.upSampling2d(), [2, 3], ['[2, 3]']],
  [() => layers.rescaling({ scale: [1, 2] }), [1, 3], ['[1,3]', '[2]']],
  [() => layers.normalization({ axis: 3 }), [1, 2], ['axis 3', 'rank 2']],
  [() => layers.batchNormalization({ axis: 2 }), [1, 2], ['axis 2', 'rank 2']],
  [() => layers.layerNormalization({ axis: 0 }), [1, 2], ['axis 0']],
  [() => layers.softmax({ axis: 4 }), [1, 2], ['axis 4', 'rank 2']],
  [() => layers.dropout({ rate: 0.5, noiseShape: [1] }), [1, 2], ['noiseShape']],
  [() => layers.spatialDropout1d({ rate: 0.5 }), [1, 2], ['[1, 2]']],
  [() => layers.spatialDropout2d({ rate: 0.5 }), [1, 2], ['[1, 2]']],
  [
    () => layers.add(),
    [
      [1, 2],
      [1, 3],
    ],
    ['[null, 2]', '[null, 3]', 'broadcast'],
  ],
  [
    () => layers.multiply(),
    [
      [1, 2, 3],
      [1, 3, 3],
    ],
    ['broadcast'],
  ],
  [
    () => layers.concatenate(),
    [
      [1, 2, 3],
      [1, 3, 3],
    ],
    ['axis 2'],
  ],
  [
    () => layers.concatenate({ axis: 0 }),
    [
      [1, 2],
      [1, 2],
    ],
    ['axis 0'],
  ],
  [
    () => layers.dot({ axes: 1 }),
    [
      [1, 2],
      [1, 3],
    ],
    ['axes 1'],
  ],
]

test('wrong ranks and shapes', () => {
  for (const [make, shape, words] of wrongShapes) {
    const layer = make()
    const x = Array.isArray(shape[0]) ? (shape as number[][]).map((s) => ones(s)) : ones(shape as number[])
    const error = refuses(() => layer.apply(x, { training: true }), 'ERR_SHAPE', layer.name, ...words)
    assert.is(error.layer, layer.name)
  }
})

test('a built layer keeps the number of features it was built for', () => {
  const dense = layers.dense({ units: 1 })
  dense.apply(ones([1, 4]))
  refuses(() => dense.apply(ones([1, 5])), 'ERR_SHAPE', dense.name, '4', '[1, 5]', 'flatten')
  const conv = layers.conv2d({ filters: 1, kernelSize: 1 })
  conv.apply(ones([1, 2, 2, 3]))
  refuses(() => conv.apply(ones([1, 2, 2, 1])), 'ERR_SHAPE', conv.name, '3', '[1, 2, 2, 1]')
  const norm = layers.batchNormalization()
  norm.apply(ones([2, 3]))
  refuses(() => norm.apply(ones([2, 4])), 'ERR_SHAPE', norm.name, '[2, 4]')
  refuses(() => layers.subtract().apply([ones([1, 1]), ones([1, 1]), ones([1, 1])]), 'ERR_ARGUMENT', '2 tensors', 'got 3')
  refuses(() => layers.add().apply(ones([1, 1]) as never), 'ERR_ARGUMENT', 'list')
  refuses(() => dense.apply([[1, 2, 3, 4]] as never), 'ERR_ARGUMENT', 'tensor(')
})

test('every factory refuses surplus arguments, what is no options object, and options it does not know', () => {
  for (const [name, factory] of Object.entries(layers)) {
    if (name === 'Layer' || name === 'RecurrentCell') continue
    const make = (...args: unknown[]): unknown =>
      (factory as (...args: unknown[]) => unknown)(...(name === 'lambda' ? [(x: Tensor) => x, ...args] : args))
    refuses(() => make({}, 5), 'ERR_ARGUMENT', `Write layers.${name}(`)
    for (const wrong of [5, 'relu', null, [1], tensor(1)])
      refuses(() => make(wrong), 'ERR_ARGUMENT', `layers.${name}`, 'options are an object')
    refuses(() => make({ mispelt: 1 }), 'ERR_ARGUMENT', `layers.${name}`, 'mispelt')
    refuses(() => make({ trainable: 'no' }), 'ERR_ARGUMENT', `layers.${name}`, 'trainable', "'no'")
    refuses(() => make({ name: 5 }), 'ERR_ARGUMENT', `layers.${name}`, 'name', '5')
  }
})

test('a class of layers is declared once, under a name of its own', () => {
  class Dense extends layers.Layer<{ units: number }> {
    static override readonly className: string = 'Dense'
    static override readonly options: OptionTable<{ units: number }> = { units: 'integer' }
    call(x: Tensor): Tensor {
      return x
    }
  }
  refuses(() => layer(Dense), 'ERR_STATE', 'Dense')
})

test('weights that depend on an extent that varies', () => {
  const makers: [AnyLayer, (number | null)[], number][] = [
    [layers.dense({ units: 1 }), [null, null], 1],
    [layers.conv2d({ filters: 1, kernelSize: 1 }), [null, 4, 4, null], 3],
    [layers.depthwiseConv2d({ kernelSize: 1 }), [null, 4, 4, null], 3],
    [layers.batchNormalization(), [null, 3, null], 2],
    [layers.layerNormalization(), [null, 3, null], 2],
    [layers.rmsNormalization(), [null, 3, null], 2],
    [layers.groupNormalization({ groups: 1 }), [null, 3, null], 2],
    [layers.normalization(), [null, null], 1],
    [layers.prelu(), [null, null], 1],
    [layers.lstm({ units: 1 }), [null, null, null], 2],
    [layers.bidirectional({ layer: layers.gru({ units: 1 }) }), [null, null, null], 2],
    [layers.multiHeadAttention({ numHeads: 1, keyDim: 1 }), [null, null, null], 2],
    [layers.transformerEncoder({ numHeads: 1, intermediateDim: 1 }), [null, null, null], 2],
    [layers.positionEmbedding({ sequenceLength: 1 }), [null, null, null], 2],
  ]
  for (const [layer, shape, axis] of makers) {
    const error = refuses(() => layer.build(shape), 'ERR_SHAPE', `the extent of axis ${axis} is unknown`, 'inputShape: [')
    assert.ok(error.layer !== undefined, layer.className)
    assert.not(layer.built)
  }
})

/** [call, code, words] */
const wrongOptions: readonly [() => unknown, ErrorCode, readonly string[]][] = [
  [() => layers.dense({ unit: 3 } as never), 'ERR_ARGUMENT', ["'unit'", "'units'"]],
  [() => layers.dense({} as never), 'ERR_ARGUMENT', ['units']],
  [() => (layers.dense as () => unknown)(), 'ERR_ARGUMENT', ['layers.dense({']],
  [() => layers.dense(10 as never), 'ERR_ARGUMENT', ['10']],
  [() => layers.dense({ units: 0 }), 'ERR_ARGUMENT', ['units', '0']],
  [() => layers.dense({ units: 2.5 }), 'ERR_ARGUMENT', ['2.5']],
  [() => layers.dense({ units: 1, dtype: 'int32' }), 'ERR_DTYPE', ['int32']],
  [() => layers.dense({ units: 1, activation: 'rleu' as never }), 'ERR_ARGUMENT', ["'rleu'", "'relu'"]],
  [() => layers.activation({ activation: 'sofmax' as never }), 'ERR_ARGUMENT', ["'softmax'"]],
  [() => layers.conv2d({ filters: 1, kernelSize: [3] as never }), 'ERR_ARGUMENT', ['kernelSize', '[3]']],
  [() => layers.conv2d({ filters: 1, kernelSize: 3, padding: 'causal' as never }), 'ERR_ARGUMENT', ['causal']],
  [() => layers.conv2d({ filters: 1, kernelSize: 3, strides: 2, dilationRate: 2 }), 'ERR_ARGUMENT', ['strides', 'dilationRate']],
  [() => layers.conv2d({ filters: 3, kernelSize: 3, groups: 2 }), 'ERR_ARGUMENT', ['groups']],
  [() => layers.maxPooling2d({ poolSize: 0 }), 'ERR_ARGUMENT', ['poolSize']],
  [() => layers.maxPooling2d({ pool: 2 } as never), 'ERR_ARGUMENT', ["'pool'"]],
  [() => layers.dropout({ rate: 1 }), 'ERR_ARGUMENT', ['rate', '1']],
  [() => layers.dropout({ rate: -0.1 }), 'ERR_ARGUMENT', ['-0.1']],
  [() => layers.reshape({ targetShape: [-1, -1] }), 'ERR_ARGUMENT', ['targetShape']],
  [() => layers.permute({ dims: [0, 1] }), 'ERR_ARGUMENT', ['dims']],
  [() => layers.rescaling({} as never), 'ERR_ARGUMENT', ['scale']],
  [() => layers.normalization({ mean: 1 }), 'ERR_ARGUMENT', ['variance']],
  [() => layers.batchNormalization({ momentum: 2 }), 'ERR_ARGUMENT', ['momentum']],
  [() => layers.layerNormalization({ epsilon: 0 }), 'ERR_ARGUMENT', ['epsilon']],
  [() => layers.dot({} as never), 'ERR_ARGUMENT', ['axes']],
  [() => layers.lambda('relu' as never), 'ERR_ARGUMENT', ['function']],
  [() => layers.gaussianNoise({ stddev: -1 }), 'ERR_ARGUMENT', ['stddev']],
  [() => layers.inputLayer({} as never), 'ERR_SHAPE', ['shape']],
  [() => layers.dense({ units: 1, kernelInitializer: 'heNorm' as never }).build([1, 1]), 'ERR_ARGUMENT', ["'heNormal'"]],
  [() => layers.dense({ units: 1, kernelRegularizer: 'l3' as never }).build([1, 1]), 'ERR_ARGUMENT', ["'l3'"]],
  [() => layers.dense({ units: 1, kernelConstraint: 'maxnorm' as never }).build([1, 1]), 'ERR_ARGUMENT', ["'maxNorm'"]],
]

test('wrong options', () => {
  for (const [call, code, words] of wrongOptions) refuses(call, code, ...words)
})

test('models: data that do not fit, and a sample without its batch axis', () => {
  const net = sequential([layers.conv2d({ filters: 1, kernelSize: 3, inputShape: [28, 28, 1] }), layers.flatten()])
  const message = refuses(() => net.apply(ones([2, 14, 14, 1])), 'ERR_SHAPE', '[null, 28, 28, 1]', '[2, 14, 14, 1]')
  assert.ok(message.layer)
  refuses(() => net.apply(ones([28, 28, 1])), 'ERR_SHAPE', 'expandDims(0)')
  refuses(() => net.apply(ones([28, 28])), 'ERR_SHAPE', 'expandDims(0)')
  assert.equal(net.apply(ones([2, 28, 28])).shape, [2, 676])
  const lazy = sequential([layers.conv2d({ filters: 1, kernelSize: 3 })])
  refuses(() => lazy.apply(ones([2, 28, 28])), 'ERR_SHAPE', 'expandDims(-1)')
  assert.equal(lazy.apply(ones([2, 28, 28, 1])).shape, [2, 26, 26, 1])
})

test('models: wrong lists of layers', () => {
  refuses(() => sequential([{} as never]), 'ERR_ARGUMENT', 'expected a layer')
  refuses(() => sequential('dense' as never), 'ERR_ARGUMENT', 'list of layers')
  refuses(() => sequential([]).apply(ones([1, 1])), 'ERR_STATE', 'no layers')
  const layer = layers.dense({ units: 1 })
  refuses(() => sequential([layer, layer]), 'ERR_ARGUMENT', 'already')
  refuses(() => sequential([layers.dense({ units: 1, name: 'same' }), layers.dense({ units: 1, name: 'same' })]), 'ERR_ARGUMENT', "'same'")
  refuses(() => sequential([layers.dense({ units: 1 })]).countParams(), 'ERR_STATE', 'inputShape')
  refuses(() => sequential([layers.dense({ units: 1, name: 'only' })]).getLayer('onyl'), 'ERR_ARGUMENT', "'only'")
  refuses(() => sequential([layers.dense({ units: 1 })]).getLayer(1), 'ERR_ARGUMENT', '1')
  // a layer that does not fit is named when it is added
  const deep = layers.conv2d({ filters: 1, kernelSize: 9, name: 'deep' })
  refuses(() => sequential([layers.maxPooling2d({ inputShape: [8, 8, 1] }), deep]), 'ERR_SHAPE', 'deep', '[9,9]', '[4,4]')
})

test('functional models: disconnected graphs, real tensors, missing inputs', () => {
  const [a, b] = [input({ shape: [2], name: 'left' }), input({ shape: [2], name: 'right' })]
  const join = layers.add({ name: 'join' })
  const out = join.apply([a, b])
  refuses(() => model({ inputs: a, outputs: out }), 'ERR_ARGUMENT', "'join'", "'right'")
  refuses(() => model({ inputs: ones([1, 2]), outputs: out }), 'ERR_ARGUMENT', 'symbolic')
  refuses(() => model({ inputs: [a, b], outputs: out, input: a } as never), 'ERR_ARGUMENT', "'input'")
  const m = model({ inputs: { left: a, right: b }, outputs: out })
  refuses(() => m.apply({ left: ones([1, 2]) } as never), 'ERR_ARGUMENT', "'right'")
  refuses(() => m.apply({ left: ones([1, 2]), right: ones([1, 3]) }), 'ERR_SHAPE', '[null, 2]', '[1, 3]')
  refuses(() => model({ inputs: [a, b], outputs: out }).apply([ones([1, 2])] as never), 'ERR_ARGUMENT', '2 inputs', 'got 1')
  refuses(() => input({ shape: 3 as never }), 'ERR_SHAPE', '3')
  refuses(() => input({ shape: [3], dtyp: 'int32' } as never), 'ERR_ARGUMENT', "'dtype'")
  refuses(() => layers.dense({ units: 1 }).apply(input({ shape: [null] })), 'ERR_SHAPE', 'null')
  refuses(() => (a as Tensor).dataSync(), 'ERR_TRACE', 'symbolic')
  refuses(() => layers.dense({ units: 1 }).output, 'ERR_STATE', '0 symbolic inputs')
})

test('layers that cannot be saved or loaded', () => {
  refuses(() => layerToJson(layers.dense({ units: 1, activation: (x) => x })), 'ERR_ARGUMENT', 'config.activation', 'function')
  refuses(() => layerToJson(sequential([layers.lambda((x) => x)])), 'ERR_ARGUMENT', 'lambda')
  refuses(() => layerFromJson({ className: 'Dens', config: {} }), 'ERR_FORMAT', "'Dense'")
  refuses(() => layerFromJson({ className: 'Dense' } as never), 'ERR_FORMAT')
  refuses(
    () => layerFromJson({ className: 'Functional', config: { name: 'm', layers: [], nodes: [{ function: 'nothing', args: [] }] } }),
    'ERR_FORMAT',
    'nothing',
  )
})

test('errors of operations inside a layer name the layer', () => {
  const layer = layers.lambda((x) => x.matMul(ones([7, 1])), { name: 'product' })
  const error: WeftError = refuses(() => layer.apply(tensor([[1, 2]])), 'ERR_SHAPE', "'product'")
  assert.is(error.layer, 'product')
  assert.ok(error.cause)
})

test('ids out of range reject the await naming the layer, outside a traced function too', async () => {
  const [first, second] = ['first', 'second'].map((name) => layers.embedding({ inputDim: 4, outputDim: 2, name }))
  const ids = tensor([[1, 7]], { dtype: 'int32' })
  const table = ones([4, 2])
  // one program of the same call serves all of them
  for (const [make, layer] of [
    [() => first!.apply(ids), 'first'],
    [() => second!.apply(ids), 'second'],
    [() => gather(table, ids), undefined],
    [jit(() => second!.apply(ids)), 'second'],
    [
      () =>
        layers
          .lambda(
            jit((x) => gather(table, x)),
            { name: 'traced' },
          )
          .apply(ids),
      'traced',
    ],
  ] as const) {
    const error = await make()
      .data()
      .then(
        () => undefined as never,
        (e: WeftError) => e,
      )
    assert.is(error.code, 'ERR_DATA')
    assert.is(error.layer, layer)
    assert.match(error.message, layer === undefined ? /^gather: value 7/ : `gather in layer '${layer}': value 7`)
  }
})

test('a layer of the user whose call returns nothing', () => {
  class Forgetful extends layers.Layer {
    static override readonly className: string = 'Forgetful'
    call(): never {
      return undefined as never
    }
  }
  refuses(() => new Forgetful({}).apply(tensor([1])), 'ERR_ARGUMENT', 'call() returned undefined')
  refuses(() => sequential([layers.dense({ units: 1, inputShape: [2] }), new Forgetful({})]), 'ERR_ARGUMENT', 'call() returned undefined')
})

test.run()
