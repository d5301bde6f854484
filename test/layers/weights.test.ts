// Weights of layers: names, order, freezing, setting, losses, layers inside layers, warnings.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as constraints from '../../lib/constraints.js'
import { bert, gpt, gradients, input, jit, model, mul, ones, type Shape, sum, type Tensor, tensor, type Variable } from '../../lib/index.js'
import { collectLosses } from '../../lib/layers/context.js'
import * as layers from '../../lib/layers/index.js'
import { layerFromJson, layerToJson } from '../../lib/layers/serialize.js'
import { sequential } from '../../lib/model/sequential.js'
import * as regularizers from '../../lib/regularizers.js'
import { constraintOf } from '../../lib/layers/weight_options.js'
import { near, refuses } from '../expect.js'

test('names count up by kind, as in Keras', () => {
  class Thing extends layers.Layer {
    call(x: Tensor): Tensor {
      return x
    }
  }
  assert.equal(
    [new Thing().name, new Thing().name, new Thing({ name: 'thing_5' }).name, new Thing().name],
    ['thing', 'thing_1', 'thing_5', 'thing_6'],
  )
  assert.match(layers.maxPooling2d().name, /^max_pooling2d(_\d+)?$/)
  assert.match(layers.conv2dTranspose({ filters: 1, kernelSize: 1 }).name, /^conv2d_transpose(_\d+)?$/)
  assert.match(layers.batchNormalization().name, /^batch_normalization(_\d+)?$/)
})

test('a model numbers the layers that nobody named, whatever was made before', () => {
  const names = (net: { layers: readonly { name: string }[] }): string[] => net.layers.map(({ name }) => name)
  const dense = (name?: string): layers.Dense => layers.dense({ units: 2, ...(name === undefined ? {} : { name }) })
  const one = sequential([layers.dense({ units: 2, inputShape: [2] }), dense(), layers.dropout({ rate: 0.1 }), dense()])
  assert.equal(names(one), ['dense', 'dense_1', 'dropout', 'dense_2'])
  assert.is(one.getLayer('dense_1'), one.layers[1])
  // names that are given stay, and the others make room
  assert.equal(names(sequential([dense(), dense('dense'), dense('dense_2'), dense()])), ['dense_1', 'dense', 'dense_2', 'dense_3'])
  // a layer keeps its name in a second model, and what is new there is numbered around it
  const a = input({ shape: [2] })
  const both = model({ inputs: a, outputs: dense().apply(one.layers[0]!.apply(a) as Tensor) })
  assert.equal(names(both), ['input_layer', 'dense', 'dense_1'])
  assert.is(one.layers[0]!.name, 'dense')
  // two layers of one name in two models still fit into a third
  const two = sequential([layers.dense({ units: 2, inputShape: [2] })])
  const three = model({ inputs: a, outputs: [one.layers[0]!.apply(a) as Tensor, two.layers[0]!.apply(a) as Tensor] })
  assert.is(new Set(names(three)).size, 3)
  assert.is(three.outputNames[1], two.layers[0]!.name)
})

test('names of weights are unique in a model: their paths', () => {
  const unique = (net: { weights: readonly Variable[] }): string[] => {
    const names = net.weights.map(({ name }) => name)
    assert.is(new Set(names).size, names.length, names.join())
    return names
  }
  const sizes = { vocabularySize: 5, sequenceLength: 4, numLayers: 2, numHeads: 1, hiddenDim: 2 }
  const language = unique(gpt(sizes))
  assert.ok(language.includes('block0/selfAttention/queryKernel') && language.includes('block1/selfAttention/queryKernel'), language.join())
  unique(bert(sizes))
  // a model inside has layers of the same names as the model around it
  const inner = sequential([layers.dense({ units: 2, inputShape: [2] })])
  const outer = sequential([layers.dense({ units: 2, inputShape: [2] }), inner])
  const names = ['dense/kernel', 'dense/bias', 'sequential/dense/kernel', 'sequential/dense/bias']
  assert.equal(unique(outer), names)
  inner.add(layers.dense({ units: 2 }))
  assert.equal(unique(outer), [...names, 'sequential/dense_1/kernel', 'sequential/dense_1/bias'])
  // a model that learns its shapes from the first data
  const lazy = sequential([layers.lstm({ units: 1 }), layers.dense({ units: 1 })])
  lazy.apply(ones([1, 2, 3]))
  assert.equal(unique(lazy), ['lstm/cell/kernel', 'lstm/cell/recurrentKernel', 'lstm/cell/bias', 'dense/kernel', 'dense/bias'])
})

test('order: kernel, bias; gamma, beta, moving mean, moving variance', () => {
  const names = (layer: { weights: Variable[] }): string[] => layer.weights.map((w) => w.name.split('/')[1]!)
  const dense = layers.dense({ units: 2 })
  assert.equal(dense.weights, [])
  dense.build([1, 3])
  assert.equal(names(dense), ['kernel', 'bias'])
  const norm = layers.batchNormalization()
  norm.build([1, 3])
  assert.equal(names(norm), ['gamma', 'beta', 'movingMean', 'movingVariance'])
  assert.equal(norm.trainableWeights.length, 2)
  assert.equal(norm.nonTrainableWeights.length, 2)
  const net = sequential([layers.dense({ units: 2, inputShape: [3] }), layers.batchNormalization(), layers.dropout({ rate: 0.5 })])
  assert.equal(names(net), ['kernel', 'bias', 'gamma', 'beta', 'movingMean', 'movingVariance'])
  assert.is(net.savedVariables().length, 7)
})

test('trainable is recursive, hides weights from training and changes the version', () => {
  const net = sequential([layers.dense({ units: 2, inputShape: [3] }), layers.batchNormalization()])
  const before = net.version
  assert.is(net.trainableWeights.length, 4)
  net.trainable = false
  assert.ok(net.version > before)
  assert.equal(net.trainableWeights, [])
  assert.ok(net.weights.every((w) => !w.trainable))
  assert.is(net.nonTrainableWeights.length, 6)
  // what is frozen as a whole stays frozen, as in Keras
  net.layers[0]!.trainable = true
  assert.equal(net.trainableWeights, [])
  const now = net.version
  net.trainable = true
  assert.ok(net.version > now)
  assert.is(net.trainableWeights.length, 4)
  assert.equal(
    net.weights.map((w) => w.trainable),
    [true, true, true, true, false, false],
  )
  const frozen = layers.dense({ units: 1, trainable: false })
  frozen.build([1, 1])
  assert.equal(frozen.trainableWeights, [])
})

test('getWeights gives copies, setWeights works in place and all or nothing', async () => {
  const layer = layers.dense({ units: 2 })
  refuses(() => layer.countParams(), 'ERR_STATE', 'inputShape')
  refuses(() => layer.setWeights([]), 'ERR_STATE')
  layer.build([1, 2])
  const [kernel] = layer.weights
  const old = layer.getWeights()
  layer.setWeights([Float32Array.of(1, 2, 3, 4), tensor([5, 6])])
  assert.is(layer.weights[0], kernel)
  await near(kernel!, [1, 2, 3, 4])
  refuses(
    () =>
      layer.setWeights([
        tensor([
          [0, 0],
          [0, 0],
        ]),
        tensor([1, 2, 3]),
      ]),
    'ERR_SHAPE',
    layer.name,
    'weight 1',
    '[2]',
    '[3]',
  )
  refuses(() => layer.setWeights([tensor([1])]), 'ERR_SHAPE', 'expected 2 weights')
  await near(kernel!, [1, 2, 3, 4])
  assert.is(old[0]!.isDisposed, false)
  assert.not.equal(await old[0]!.array(), [
    [1, 2],
    [3, 4],
  ])
  assert.is(layer.countParams(), 6)
})

test('collectLosses: penalties of weights once, activity penalties and addLoss per call, metrics by name', async () => {
  class Watched extends layers.Layer {
    call(x: Tensor): Tensor {
      this.addLoss(sum(x))
      this.addMetric('total', sum(x))
      return x
    }
  }
  const dense = layers.dense({ units: 1, kernelInitializer: 'ones', kernelRegularizer: regularizers.l2(0.5), activityRegularizer: 'l1' })
  const watched = new Watched()
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  const { losses, metrics } = collectLosses(() => watched.apply(dense.apply(dense.apply(x).mul(ones([1, 2])))))
  // kernel penalty 0.5·(1 + 1); outputs 3, 7 then 6, 14: 0.01·Σ|y| / 2; and their sum
  const values = await Promise.all(losses.map((t) => t.item()))
  assert.is(values.length, 4)
  assert.ok(
    [1, 0.05, 0.1, 20].every((v, i) => Math.abs(values[i]! - v) < 1e-6),
    String(values),
  )
  assert.is(await metrics.get('total')!.item(), 20)
  dense.trainable = false
  assert.is(collectLosses(() => dense.apply(x)).losses.length, 1)
  refuses(
    () =>
      new (class extends layers.Layer {
        call(t: Tensor): Tensor {
          this.addLoss(t)
          return t
        }
      })().apply(x),
    'ERR_SHAPE',
    'scalar',
  )
})

test('constraints stay with the weight', async () => {
  const layer = layers.dense({ units: 1, kernelConstraint: constraints.nonNeg(), biasConstraint: 'unitNorm' })
  layer.build([1, 2])
  await near(constraintOf(layer.kernel)!(tensor([[-1], [2]])), [0, 2])
  assert.ok(constraintOf(layer.bias!))
  const free = layers.dense({ units: 1 })
  free.build([1, 1])
  assert.is(constraintOf(free.kernel), undefined)
})

test('a layer made of layers: weights, saving, freezing', async () => {
  class Block extends layers.Layer<{ units: number }> {
    readonly first = layers.dense({ units: this.config.units, name: 'first' })
    readonly rest = [layers.dense({ units: 1, name: 'second' })]
    override build(inputShape: Shape): void {
      this.first.build(inputShape)
      this.rest[0]!.build([null as never, this.config.units])
    }
    call(x: Tensor): Tensor {
      return this.rest[0]!.apply(this.first.apply(x))
    }
  }
  const block = new Block({ units: 4 })
  const x = tensor([[1, 2, 3]])
  const y = await block.apply(x).array()
  assert.is(block.weights.length, 4)
  assert.equal(
    block.savedVariables('b').map(([name]) => name),
    ['b/first/kernel', 'b/first/bias', 'b/second/kernel', 'b/second/bias'],
  )
  block.trainable = false
  assert.is(block.first.trainable, false)
  const again = layerFromJson(JSON.parse(JSON.stringify(layerToJson(block))), { layers: { Block } }) as Block
  assert.is(again.trainable, false)
  again.setWeights(block.getWeights())
  assert.equal(await again.apply(x).array(), y)
})

test('a layer is built outside the recording it is first used in, and learns there', async () => {
  const layer = layers.dense({ units: 1, kernelInitializer: 'ones' })
  const step = jit((x: Tensor) => {
    const loss = sum(layer.apply(x))
    const [kernel] = gradients(loss, layer.trainableWeights)
    layer.kernel.assign(layer.kernel.sub(mul(kernel!, 0.5)))
    return loss
  })
  assert.is(await step(tensor([[1, 2]])).item(), 3)
  await near(layer.kernel, [0.5, 0])
})

test('bytes that reach weights in training warn once; scaled ones do not', async () => {
  const warnings: string[] = []
  const listen = (warning: Error & { code?: string }): void => {
    warnings.push(warning.code ?? '')
  }
  process.on('warning', listen)
  const bytes = tensor(new Uint8Array(8), { shape: [2, 4] })
  sequential([layers.rescaling({ scale: 1 / 255 }), layers.dense({ units: 1 })]).apply(bytes, { training: true })
  sequential([layers.dense({ units: 1 })]).apply(bytes)
  layers.dense({ units: 1 }).apply(bytes.cast('float32'), { training: true })
  await new Promise(setImmediate)
  assert.equal(warnings, [])
  const net = sequential([
    layers.reshape({ targetShape: [2, 2] }),
    layers.dropout({ rate: 0.1 }),
    layers.flatten(),
    layers.dense({ units: 1 }),
  ])
  net.apply(bytes, { training: true })
  net.apply(bytes, { training: true })
  await new Promise(setImmediate)
  process.off('warning', listen)
  assert.equal(warnings, ['WEFT_UNSCALED'])
})

test('disposing frees the weights', () => {
  const net = sequential([layers.dense({ units: 2, inputShape: [3] }), layers.dropout({ rate: 0.5 })])
  const weights = net.weights
  net.dispose()
  assert.ok(weights.every((w) => w.isDisposed))
  refuses(() => net.apply(ones([1, 3])), 'ERR_DISPOSED')
})

test('layers in lists, records, Maps and Sets are found; a layer that is not held cannot be called', async () => {
  class Parts extends layers.Layer {
    readonly list = [layers.dense({ units: 1 }), [layers.dense({ units: 1 })]] as const
    readonly record = { a: layers.dense({ units: 1 }), deep: { b: layers.dense({ units: 1 }) } }
    readonly map = new Map([['c', layers.dense({ units: 1 })]])
    readonly set = new Set([layers.dense({ units: 1 })])
    call(x: Tensor): Tensor {
      const all = [this.list[0], this.list[1][0], this.record.a, this.record.deep.b, this.map.get('c')!, ...this.set]
      return all.reduce((y, layer) => layer.apply(y), x)
    }
  }
  const net = sequential([new Parts()])
  await net.predict([[1]])
  assert.is(net.weights.length, 12)
  assert.equal(
    net.layers[0]!.weightPaths()
      .map(([path]) => path)
      .filter((path) => path.endsWith('kernel')),
    ['list.0.kernel', 'list.1.0.kernel', 'record.a.kernel', 'record.deep.b.kernel', 'map.c.kernel', 'set.0.kernel'],
  )
  class Hidden extends layers.Layer {
    readonly #inner = layers.dense({ units: 1 })
    call(x: Tensor): Tensor {
      return this.#inner.apply(x)
    }
  }
  const hidden = new Hidden({ name: 'hides' })
  const error = refuses(() => hidden.apply(tensor([[1]])), 'ERR_STATE', "layer 'hides' (Hidden), which does not hold it", 'in a field')
  assert.match(error.layer!, /^dense/)
  const outside = layers.dense({ units: 1 })
  refuses(() => layers.lambda((x) => outside.apply(x)).apply(tensor([[1]])), 'ERR_STATE', 'neither trained nor saved')
  // without weights nothing is lost
  const activation = layers.relu()
  assert.equal(
    layers
      .lambda((x) => activation.apply(x))
      .apply(tensor([[-1]]))
      .arraySync(),
    [[0]],
  )
})

test.run()
