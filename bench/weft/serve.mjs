// Weft's side of serve.mjs: the model server, in a process of its own.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { jit, layers, sequential, tensor } from '../../dist/lib/index.js'
import { serve } from '../../dist/lib/serve/index.js'
import { percentile } from '../shared/measure.mjs'
import { rowsOf, servedModels } from '../shared/served.mjs'
import { answerRequests } from '../shared/side.mjs'

const build = ({ kind, sizes, input, weights }) => {
  const dense = (units, i) =>
    layers.dense({ units, activation: i === sizes.length - 2 ? 'softmax' : 'relu', ...(i === 0 && { inputShape: input }) })
  const made = {
    identity: () => [layers.reshape({ targetShape: input, inputShape: input })],
    perceptron: () => sizes.slice(1).map(dense),
    cnn: () => [
      layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: input }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 10, activation: 'softmax' }),
    ],
  }
  const net = sequential(made[kind]())
  if (weights.length > 0) net.setWeights(weights.map(({ shape, data }) => tensor(data, shape)))
  return net
}

let server
let nets
const start = async ({ batching, names }) => {
  nets = Object.fromEntries(names.map((name) => [name, build(servedModels[name]())]))
  const begin = performance.now()
  server = await serve({ models: nets, http: { port: 0 }, batching })
  return { url: server.address.http, milliseconds: performance.now() - begin }
}
const stop = async () => {
  await server.close()
  for (const net of Object.values(nets)) net.dispose()
}

/** Microseconds of the model alone, from a typed array to one: median and 99th percentile. */
const raw = async ({ name, rows, count }) => {
  const run = jit((x) => nets[name].apply(x))
  const { input } = servedModels[name]()
  const data = rowsOf(name, rows)
  const times = []
  for (let i = -20; i < count; i++) {
    const begin = performance.now()
    const x = tensor(data, [rows, ...input])
    const y = run(x)
    await y.data()
    x.dispose()
    y.dispose()
    if (i >= 0) times.push((performance.now() - begin) * 1000)
  }
  run.dispose()
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
}

let histogram
const watch = () => {
  histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
}
/** Milliseconds of delay of the event loop beyond the timer's own, since watch(). */
const delay = () => {
  histogram.disable()
  return { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 }
}
const memory = () => {
  globalThis.gc?.()
  return { rss: process.memoryUsage().rss }
}
const usage = () => ({ cpu: process.cpuUsage() })

await answerRequests({ start, stop, raw, watch, delay, memory, usage })
// who asked is gone, and with it what is served
process.exit()
