// TensorFlow.js' side of train.mjs, on its cpu or its wasm backend: node peers/train-tfjs.mjs cpu|wasm
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { startClocks } from '../shared/measure.mjs'
import { size } from '../shared/networks.mjs'
import { answerRequests } from '../shared/side.mjs'

const backend = process.argv[2]
const require = createRequire(import.meta.url)
setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'))
await tf.setBackend(backend)
await tf.ready()

const floats = (path) => new Float32Array(new Uint8Array(readFileSync(path)).buffer)

// A loss of one's own takes one-hot labels only; the loss by name takes class numbers.
const endsInLogits = (layers) => layers.at(-1).activation === 'linear'

const build = ({ layers, inputShape, weightShapes, folder }, epsilon = 1e-7) => {
  const net = tf.sequential()
  layers.forEach((layer, i) => {
    const first = i === 0 ? { inputShape } : {}
    if (layer.type === 'conv') net.add(tf.layers.conv2d({ filters: layer.filters, kernelSize: 3, activation: 'relu', ...first }))
    else if (layer.type === 'pool') net.add(tf.layers.maxPooling2d({ poolSize: 2 }))
    else if (layer.type === 'flatten') net.add(tf.layers.flatten())
    else net.add(tf.layers.dense({ units: layer.units, activation: layer.activation, ...first }))
  })
  const logitsLoss = (y, logits) => tf.losses.softmaxCrossEntropy(y, logits)
  net.compile({
    optimizer: tf.train.adam(1e-3, 0.9, 0.999, epsilon),
    loss: endsInLogits(layers) ? logitsLoss : 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  const values = floats(join(folder, 'weights'))
  let offset = 0
  const weights = weightShapes.map((shape) => {
    offset += size(shape)
    return tf.tensor(values.slice(offset - size(shape), offset), shape)
  })
  net.setWeights(weights)
  return net
}

const loaded = new Map()

const load = (request) => {
  const { name, folder, samples, inputShape } = request
  const x = tf.tensor(floats(join(folder, 'x')), [samples, size(inputShape)])
  const labels = new Int32Array(new Uint8Array(readFileSync(join(folder, 'y'))).buffer)
  const y = endsInLogits(request.layers) ? tf.oneHot(labels, 10).toFloat() : tf.tensor(Float32Array.from(labels), [samples, 1])
  loaded.set(name, { net: build(request), x, y, request })
  return { version: tf.version.tfjs }
}

const step = async ({ x, y, request }, net, batch, start) => {
  const index = tf.range(start, start + batch, 1, 'int32')
  const [xBatch, yBatch] = tf.tidy(() => [tf.gather(x, index).reshape([batch, ...request.inputShape]), tf.gather(y, index)])
  const logs = await net.trainOnBatch(xBatch, yBatch)
  tf.dispose([index, xBatch, yBatch])
  return logs
}

const check = async ({ name, batch, steps, epochs, epsilon }) => {
  const entry = loaded.get(name)
  const net = build(entry.request, epsilon)
  const losses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    let sum = 0
    for (let i = 0; i < steps; i++) sum += (await step(entry, net, batch, i * batch))[0]
    losses.push(sum / steps)
  }
  return { losses }
}

const steps = async ({ name, batch, count }) => {
  const entry = loaded.get(name)
  const stop = startClocks()
  for (let i = 0; i < count; i++) await step(entry, entry.net, batch, (i * batch) % (entry.request.samples - batch))
  return stop(count)
}

await answerRequests({ load, check, steps })
