// Builds the network of a search whose trials run in worker threads.
import { layers, type Model, optimizers, sequential } from '../../lib/index.js'
import type { NetworkFacts } from '../../lib/learn/index.js'

export default function build({ units }: { units: number }, { inputShape, outputs }: NetworkFacts): Model {
  const net = sequential([layers.dense({ units, activation: 'tanh', inputShape }), layers.dense({ units: outputs, activation: 'softmax' })])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.03 }), loss: 'sparseCategoricalCrossentropy' })
  return net as never
}
