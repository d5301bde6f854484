// Training steps of a small language model on Weft's side: `gpt()` and `fit`, as in training.mjs.
import { gpt, losses, optimizers, tensor } from '../../../dist/lib/index.js'
import { size } from '../../shared/networks.mjs'
import { fill, tokenAt } from '../pattern.mjs'
import { begin, run, sample, unload } from './training.mjs'

export { run, sample, unload }

/** The model with the initial weights of the row: numbers of the pattern, one seed for each weight in its order. */
const make = ({ layers, width, heads, steps, vocabulary, precision }, epsilon = 1e-7) => {
  const net = gpt({
    vocabularySize: vocabulary,
    sequenceLength: steps,
    numLayers: layers,
    numHeads: heads,
    hiddenDim: width,
    dropout: 0,
  })
  net.compile({
    optimizer: optimizers.adamw({ learningRate: 1e-3, weightDecay: 0.01, epsilon }),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
    precision,
  })
  net.setWeights(
    net.weights.map(({ name, shape }, i) => {
      const offset = name.endsWith('gamma') ? 1 : 0
      return tensor(
        fill(size(shape), 100 + i).map((value) => value / 32 + offset),
        shape,
      )
    }),
  )
  return net
}

/** Sequences and the same one step later. */
export const load = async (row) => {
  const { samples, steps, vocabulary } = row
  const [x, y] = [0, 1].map((later) =>
    tensor(
      Int32Array.from({ length: samples * steps }, (_, i) => tokenAt(Math.floor(i / steps), (i % steps) + later, steps + 1, vocabulary)),
      [samples, steps],
    ),
  )
  begin({ row, make: (epsilon) => make(row, epsilon), x, y })
}
