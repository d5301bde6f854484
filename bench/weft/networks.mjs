// The benches' networks, built with Weft.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { layers, losses, optimizers, sequential, tensor } from '../../dist/lib/index.js'
import { size } from '../shared/networks.mjs'

const bytes = (path) => new Uint8Array(readFileSync(path)).buffer

const makeLayer = (layer, first) => {
  if (layer.type === 'conv') return layers.conv2d({ filters: layer.filters, kernelSize: 3, activation: 'relu', ...first })
  if (layer.type === 'pool') return layers.maxPooling2d({ poolSize: 2, ...first })
  if (layer.type === 'flatten') return layers.flatten(first)
  return layers.dense({ units: layer.units, activation: layer.activation, ...first })
}

export const buildNetwork = ({ layers: list, inputShape }) =>
  sequential(list.map((layer, i) => makeLayer(layer, i === 0 ? { inputShape } : {})))

/** A network with the initial weights of `request`, ready to train with Adam. */
export const loadNetwork = (request, { epsilon = 1e-7 } = {}) => {
  const net = buildNetwork(request)
  const fromLogits = request.layers.at(-1).activation === 'linear'
  net.compile({
    optimizer: optimizers.adam({ learningRate: 1e-3, epsilon }),
    loss: fromLogits ? losses.sparseCategoricalCrossentropy({ fromLogits }) : 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  const values = new Float32Array(bytes(join(request.folder, 'weights')))
  let offset = 0
  const weights = request.weightShapes.map((shape) => {
    offset += size(shape)
    return tensor(values.slice(offset - size(shape), offset), shape)
  })
  net.setWeights(weights)
  return net
}

export const loadData = ({ folder, samples, inputShape }) => ({
  x: tensor(new Float32Array(bytes(join(folder, 'x'))), [samples, ...inputShape]),
  y: tensor(new Int32Array(bytes(join(folder, 'y'))), [samples]),
})
