// The networks that are trained and served in the benches, with the data and the initial weights that every side starts
// from.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const conv = (filters) => ({ type: 'conv', filters })
const dense = (units, activation) => ({ type: 'dense', units, activation })
const pool = { type: 'pool' }
const flatten = { type: 'flatten' }

// Convolutions are 3x3 with relu and without padding, pools are 2x2. Rounds are sized for about half a second each.
export const networks = {
  mnist: {
    title: 'MNIST CNN',
    inputShape: [28, 28, 1],
    layers: [conv(32), pool, flatten, dense(10, 'softmax')],
    samples: 8192,
    epochs: 2,
    peerSteps: 64,
  },
  cifar: {
    title: 'CIFAR CNN',
    inputShape: [32, 32, 3],
    layers: [conv(32), pool, conv(64), pool, flatten, dense(64, 'relu'), dense(10, 'linear')],
    samples: 2048,
    epochs: 1,
    peerSteps: 32,
  },
  mlp: {
    title: 'MLP 1000-128-64-10',
    inputShape: [1000],
    layers: [dense(128, 'relu'), dense(64, 'relu'), dense(10, 'softmax')],
    samples: 8192,
    epochs: 4,
    peerSteps: 256,
  },
}

/** The shapes of a network's weights in Keras' order: kernel, bias, kernel, bias ... */
export const weightShapes = ({ inputShape, layers }) => {
  const shapes = []
  let shape = inputShape
  for (const layer of layers) {
    if (layer.type === 'conv') {
      const [height, width, channels] = shape
      shapes.push([3, 3, channels, layer.filters], [layer.filters])
      shape = [height - 2, width - 2, layer.filters]
    } else if (layer.type === 'pool') {
      shape = [shape[0] >> 1, shape[1] >> 1, shape[2]]
    } else if (layer.type === 'flatten') {
      shape = [shape.reduce((a, b) => a * b, 1)]
    } else {
      shapes.push([shape[0], layer.units], [layer.units])
      shape = [layer.units]
    }
  }
  return shapes
}

export const size = (shape) => shape.reduce((a, b) => a * b, 1)

/** A generator of uniform numbers in [0, 1) (mulberry32). */
export const uniform = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

// Ten noisy patterns; every fifth label is random, so that the loss never collapses and no side computes with denormal
// numbers.
const makeData = ({ inputShape, samples }) => {
  const next = uniform(1)
  const features = size(inputShape)
  const patterns = Float32Array.from({ length: 10 * features }, next)
  const x = new Float32Array(samples * features)
  const y = new Int32Array(samples)
  for (let i = 0; i < samples; i++) {
    const pattern = Math.floor(next() * 10)
    y[i] = next() < 0.2 ? Math.floor(next() * 10) : pattern
    for (let j = 0; j < features; j++) x[i * features + j] = 0.3 * patterns[pattern * features + j] + 0.7 * next()
  }
  return { x, y }
}

// Glorot uniform kernels, zero biases.
export const makeWeights = (network) => {
  const next = uniform(2)
  return weightShapes(network).map((shape) => {
    if (shape.length === 1) return new Float32Array(shape[0])
    const field = size(shape.slice(0, -2))
    const limit = Math.sqrt(6 / (field * (shape.at(-2) + shape.at(-1))))
    return Float32Array.from({ length: size(shape) }, () => (2 * next() - 1) * limit)
  })
}

/**
 * Writes x, y and the initial weights of a network, by default a known one, as plain binary files and returns what a
 * side needs to load them.
 */
export const writeNetwork = (name, network = networks[name]) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  const { x, y } = makeData(network)
  const weights = makeWeights(network)
  const joined = new Float32Array(weights.reduce((sum, weight) => sum + weight.length, 0))
  let offset = 0
  for (const weight of weights) {
    joined.set(weight, offset)
    offset += weight.length
  }
  writeFileSync(join(folder, 'x'), x)
  writeFileSync(join(folder, 'y'), y)
  writeFileSync(join(folder, 'weights'), joined)
  return { name, folder, ...network, weightShapes: weightShapes(network) }
}

export const removeNetwork = ({ folder }) => rmSync(folder, { recursive: true })
