// Weft's side of infer.mjs: from a JavaScript array to a JavaScript array, through `predict` and through a function of
// one's own.
import { jit, tensor } from '../../dist/lib/index.js'
import { calibrate, time } from '../shared/measure.mjs'
import { answerRequests } from '../shared/side.mjs'
import { loadData, loadNetwork } from './networks.mjs'

let calls
let images

const load = async (request) => {
  const net = loadNetwork(request)
  const { x } = loadData(request)
  images = await x.data()
  const apply = jit((batch) => net.apply(batch))
  const few = jit((batch) => batch.reshape([batch.shape[0], 784]).slice([0, 0], [batch.shape[0], 10]))
  const read = async (output) => {
    const values = await output.data()
    output.dispose()
    return values
  }
  calls = {
    predict: async (data, batch) => {
      const x = tensor(data, [batch, 28, 28, 1])
      const output = await net.predict(x, { batchSize: batch })
      x.dispose()
      return read(output)
    },
    jit: (data, batch) => {
      const x = tensor(data, [batch, 28, 28, 1])
      const output = apply(x)
      x.dispose()
      return read(output)
    },
    // all of a call but its computing
    empty: (data, batch) => {
      const x = tensor(data, [batch, 28, 28, 1])
      const output = few(x)
      x.dispose()
      return read(output)
    },
  }
}

const outputs = async ({ batch, way }) => ({ outputs: [...(await calls[way](images.subarray(0, batch * 784), batch))] })

const counts = new Map()

const run = async ({ batch, way, milliseconds }) => {
  let row = 0
  const call = async () => {
    row = (row + batch) % 1024
    const y = await calls[way](images.subarray(row * 784, (row + batch) * 784), batch)
    if (y.length !== batch * 10) throw new Error('wrong size')
  }
  const key = `${way} ${batch}`
  if (!counts.has(key)) counts.set(key, await calibrate(call, milliseconds))
  return await time(call, counts.get(key))
}

await answerRequests({ load, outputs, run })
