// Weft's side of large.mjs.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { layers, loadModel, sequential, synchronize, tensor } from '../../dist/lib/index.js'
import { answerRequests } from '../shared/side.mjs'

const seconds = async (work) => {
  const begin = performance.now()
  await work()
  return (performance.now() - begin) / 1000
}

/** A recurrent layer is made with its initial values, saved, and loaded again. */
const layer = async ({ kind, units, folder }) => {
  const path = mkdtempSync(join(folder, 'weft-bench-layer-'))
  try {
    let net
    const build = await seconds(async () => {
      net = sequential([layers[kind]({ units, inputShape: [10, 64] })])
      for (const weight of net.getWeights()) await weight.data()
    })
    await net.save(join(path, 'net'))
    net.dispose()
    let again
    const load = await seconds(async () => {
      again = await loadModel(join(path, 'net'))
      for (const weight of again.getWeights()) await weight.data()
    })
    again.dispose()
    return { build, load }
  } finally {
    rmSync(path, { recursive: true })
  }
}

const status = (key) => 1024 * Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))[1])
/** The resident bytes now, from which on the most is counted. */
const startCounting = () => {
  writeFileSync('/proc/self/clear_refs', '5')
  return status('VmRSS')
}

let model
/** The matrices of GPT-2: a table of 50,257 tokens and 12 blocks of 768, with Adam's moments. */
const make = async () => {
  const dense = (units) => layers.dense({ units })
  model = sequential([
    layers.embedding({ inputDim: 50_257, outputDim: 768, inputShape: [4] }),
    ...Array.from({ length: 12 }, () => [dense(768), dense(768), dense(768), dense(768), dense(3072), dense(768)]).flat(),
    layers.globalAveragePooling1d(),
    dense(1),
  ])
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError' })
  await model.fit(tensor(new Int32Array(8), [2, 4]), tensor(new Float32Array(2), [2, 1]), { epochs: 1, batchSize: 2, verbose: 0 })
  return { bytes: 3 * 4 * model.countParams() }
}

const save = async ({ path }) => {
  const before = startCounting()
  const time = await seconds(() => model.save(path))
  return { seconds: time, rise: status('VmHWM') - before }
}

/** Loads, ready to train on; the weights and moments themselves are no rise. */
const load = async ({ path }) => {
  const before = startCounting()
  const time = await seconds(async () => {
    model = await loadModel(path)
    await synchronize()
  })
  return { seconds: time, rise: status('VmHWM') - before - 3 * 4 * model.countParams() }
}

await answerRequests({ layer, make, save, load })
