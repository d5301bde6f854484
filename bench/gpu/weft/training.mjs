// Training steps on Weft's side, timed in JavaScript around `fit` over whole epochs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { losses, optimizers, tensor } from '../../../dist/lib/index.js'
import { startClocks } from '../../shared/measure.mjs'
import { size } from '../../shared/networks.mjs'
import { buildNetwork } from '../../weft/networks.mjs'

export const bytes = (path) => new Uint8Array(readFileSync(path)).buffer

/** The network with the initial weights of the row, ready to train with Adam. */
export const make = ({ folder, layers, inputShape, weightShapes, precision }, epsilon = 1e-7) => {
  const net = buildNetwork({ layers, inputShape })
  net.compile({
    optimizer: optimizers.adam({ learningRate: 1e-3, epsilon }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
    metrics: ['accuracy'],
    precision: precision ?? 'float32',
  })
  const values = new Float32Array(bytes(join(folder, 'weights')))
  let offset = 0
  net.setWeights(
    weightShapes.map((shape) => {
      offset += size(shape)
      return tensor(values.slice(offset - size(shape), offset), shape)
    }),
  )
  return net
}

let current

export const load = async (row) => {
  const { folder, samples, inputShape } = row
  const x = tensor(new Float32Array(bytes(join(folder, 'x'))), [samples, ...inputShape])
  const y = tensor(new Int32Array(bytes(join(folder, 'y'))), [samples])
  begin({ row, make: (epsilon) => make(row, epsilon), x, y })
}

/** Data, and a function that makes the network with its initial weights. */
export const begin = ({ row, make, x, y }) => {
  current = { row, make, net: make(), x, y }
}

/**
 * Mean losses of runs of four steps that start from the initial weights and never shuffle; the first epoch of what is
 * timed on the way.
 */
export const sample = async () => {
  const { row, make, net, x, y } = current
  // Weft's Adam adds epsilon where Keras adds it, PyTorch's where the paper does: next to nothing makes the forms equal
  const fresh = make(1e-12)
  const few = [x, y].map((t) => t.slice([0], [4 * row.batch]))
  const { history } = await fresh.fit(...few, { epochs: 3, batchSize: row.batch, shuffle: false, verbose: 0 })
  fresh.dispose()
  for (const t of few) t.dispose()
  await net.fit(x, y, { epochs: 1, batchSize: row.batch, verbose: 0 })
  return { values: history.loss }
}

/**
 * Microseconds per step over whole epochs: batch gathering, loss and accuracy included, and what `fit` does around its
 * steps.
 */
export const run = async ({ milliseconds }) => {
  const { row, net, x, y } = current
  const steps = row.samples / row.batch
  const stop = startClocks()
  for (let count = steps; ; count += steps) {
    await net.fit(x, y, { epochs: 1, batchSize: row.batch, verbose: 0 })
    const figures = stop(count)
    if (figures.microseconds * count > milliseconds * 1000) return figures
  }
}

export const unload = () => {
  const { net, x, y } = current
  net.dispose()
  x.dispose()
  y.dispose()
  current = undefined
}
