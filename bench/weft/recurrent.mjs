// Weft's side of recurrent.mjs: one recurrent layer forward and backward, and training steps of a classifier, timed
// around `fit`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gradients, gru, jit, layers, lstm, optimizers, sequential, tensor } from '../../dist/lib/index.js'
import { startClocks, time } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'

const bytes = (folder, name) => new Uint8Array(readFileSync(join(folder, name))).buffer
const floats = (folder, name, shape) => tensor(new Float32Array(bytes(folder, name)), shape)
const functions = { lstm, gru }
const steps = new Map()

const layer = async ({ name, kind, folder, gates, batch, steps: count, features, units }) => {
  const n = gates * units
  const given = [
    floats(folder, `${name}-x`, [batch, count, features]),
    floats(folder, `${name}-kernel`, [features, n]),
    floats(folder, `${name}-recurrent`, [units, n]),
    floats(folder, `${name}-bias`, kind === 'gru' ? [2, n] : [n]),
    floats(folder, `${name}-g`, [batch, count, units]),
  ]
  const run = jit((x, kernel, recurrent, bias, g) => {
    const { sequence } = functions[kind](x, kernel, recurrent, bias)
    return [sequence, ...gradients(sequence.mul(g).sum(), [x, kernel, recurrent, bias])]
  })
  const both = async () => {
    const [sequence, ...rest] = run(...given)
    await rest.at(-1).data()
    for (const t of [sequence, ...rest]) t.dispose()
  }
  steps.set(name, both)
  const [sequence, x, kernel, recurrent] = run(...given)
  const parts = { sequence, 'gradient of x': x, 'gradient of the kernel': kernel, 'gradient of the recurrent kernel': recurrent }
  const results = {}
  for (const [part, t] of Object.entries(parts)) results[part] = [...(await t.data()).subarray(0, 2000)]
  return { results }
}

const run = ({ name, count }) => time(steps.get(name), count)

let trained

const build = ({ folder, vocabulary, dimension, units, steps: count }, epsilon) => {
  const net = sequential([
    layers.embedding({ inputDim: vocabulary, outputDim: dimension, inputShape: [count] }),
    layers.lstm({ units, returnSequences: true }),
    layers.lstm({ units }),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 1e-3, epsilon }), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  const lstms = [dimension, units].flatMap((inputs, i) => [
    floats(folder, `kernel${i}`, [inputs, 4 * units]),
    floats(folder, `recurrent${i}`, [units, 4 * units]),
    floats(folder, `bias${i}`, [4 * units]),
  ])
  net.setWeights([
    floats(folder, 'embedding', [vocabulary, dimension]),
    ...lstms,
    floats(folder, 'out', [units, 1]),
    floats(folder, 'out-bias', [1]),
  ])
  return net
}

/** Loads the data; the losses of 8 steps from the initial weights, without shuffling. */
const classifier = async (request) => {
  const { folder, samples, steps: count } = request
  const x = tensor(new Int32Array(bytes(folder, 'ids')), [samples, count])
  const y = tensor(Float32Array.from(new Int32Array(bytes(folder, 'labels'))), [samples, 1])
  // Weft's Adam adds epsilon where Keras adds it, PyTorch's where the paper does: next to nothing makes the forms equal
  const first = build(request, 1e-12)
  const losses = []
  for (let i = 0; i < 8; i++) {
    const [from, size] = [i * 32, 32]
    const { history } = await first.fit(x.slice([from], [size]), y.slice([from], [size]), {
      epochs: 1,
      batchSize: 32,
      shuffle: false,
      verbose: 0,
    })
    losses.push(history.loss[0])
  }
  first.dispose()
  trained = { net: build(request, 1e-7), x, y, samples }
  return { losses }
}

const train = async ({ batch, count }) => {
  const { net, x, y } = trained
  const stop = startClocks()
  await net.fit(x, y, { epochs: 1, batchSize: batch, verbose: 0 })
  return stop(count)
}

await answerRequests({ layer, run, classifier, train })
