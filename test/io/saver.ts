// Saves models in a loop, for tests of saves beside readers, other savers, and sudden ends. Each model is one number
// everywhere: in its weights, its optimizer's rate and its assets, so that a mixture of two saves is noticed.
import { writeSync } from 'node:fs'
import { layers, optimizers, sequential } from '../../lib/index.js'

/** A model all of which is the number n. */
export function numbered(n: number): ReturnType<typeof sequential> {
  const net = sequential([layers.dense({ units: 40, inputShape: [50], name: 'one' }), layers.dense({ units: 3, name: 'two' })], {
    name: 'net',
  })
  net.setWeights(net.weights.map((w) => new Float32Array(w.size).fill(n)) as never)
  net.compile({ optimizer: optimizers.adam({ learningRate: n }), loss: 'mse' })
  net.epochsTrained = n
  return net
}

if (process.argv[1]?.endsWith('saver.js')) {
  const [folder, from, saves] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
  const nets = Array.from({ length: 10 }, (_, i) => numbered(from + i))
  writeSync(1, 'ready\n')
  for (let i = 0; i < saves; i++) await nets[i % 10]!.save(folder, { assets: { n: from + (i % 10), text: 'x'.repeat((i % 10) * 100) } })
}
