// The event loop while `fit` runs on all threads: delay from the `tensor()` of the data on, and how many steps an
// AbortSignal takes.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { layers, losses, optimizers, sequential, tensor } from '../dist/lib/index.js'
import { networks, size, uniform } from './shared/networks.mjs'
import { Report, readOptions } from './shared/report.mjs'
import { buildNetwork } from './weft/networks.mjs'

const options = readOptions()
const report = new Report('Event loop while fit runs on all threads', options)

const compiled = (net) => {
  net.compile({ optimizer: optimizers.adam({}), loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }), metrics: ['accuracy'] })
  return net
}

const random = (shape) => Float32Array.from({ length: size(shape) }, uniform(3))
const labels = (count) => Int32Array.from({ length: count }, (_, i) => i % 10)

const measureDelay = async (name, samples, shape, net, fitOptions) => {
  const host = random([samples, ...shape])
  const hostLabels = labels(samples)
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  // The histogram needs a turn of the loop on either side of what it measures.
  await sleep(20)
  const x = tensor(host, [samples, ...shape])
  const y = tensor(hostLabels, [samples])
  await net.fit(x, y, { verbose: 0, ...fitOptions })
  await sleep(20)
  histogram.disable()
  const raw = { p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6, count: histogram.count }
  report.row({ name: `${name}: p99 delay`, measured: raw.p99, unit: 'ms', value: raw.p99, goal: 10, atMost: true, raw })
  report.row({ name: `${name}: maximum delay`, measured: raw.max, unit: 'ms', value: raw.max, goal: 100, atMost: true })
  x.dispose()
  y.dispose()
}

const rows = options.quick ? 15000 : 60000
const pooled = () =>
  compiled(
    sequential([
      layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 10 }),
    ]),
  )
await measureDelay(`MNIST CNN, ${rows} images, batch 32`, rows, [28, 28, 1], pooled(), { epochs: 2, batchSize: 32 })
await measureDelay(
  'MLP, 8192 rows, batch 32',
  8192,
  [1000],
  compiled(sequential([layers.dense({ units: 128, activation: 'relu', inputShape: [1000] }), layers.dense({ units: 10 })])),
  {
    epochs: options.quick ? 4 : 16,
    batchSize: 32,
  },
)
const cifar = compiled(buildNetwork(networks.cifar))
await measureDelay('CIFAR CNN, 2048 images, batch 256', 2048, [32, 32, 3], cifar, { epochs: 4, batchSize: 256 })

// Long steps, so that the time from abort() to the rejection can be told in steps.
const x = tensor(random([2048, 32, 32, 3]), [2048, 32, 32, 3])
const y = tensor(labels(2048), [2048])
const start = performance.now()
await cifar.fit(x, y, { epochs: 1, batchSize: 256, verbose: 0 })
const step = (performance.now() - start) / 8
const latencies = []
for (let i = 0; i < 9; i++) {
  const controller = new AbortController()
  let abortedAt = 0
  setTimeout(
    () => {
      abortedAt = performance.now()
      controller.abort(new Error('enough'))
    },
    step * (2 + 0.3 * i),
  )
  const reason = await cifar.fit(x, y, { epochs: 100, batchSize: 256, verbose: 0, signal: controller.signal }).catch((error) => error)
  if (reason?.message !== 'enough') throw new Error(`fit did not reject with the signal's reason: ${reason}`)
  latencies.push((performance.now() - abortedAt) / step)
}
const worst = Math.max(...latencies)
report.row({
  name: `AbortSignal to rejection, worst of 9 (a step: ${step.toFixed(0)} ms)`,
  measured: worst,
  unit: 'steps',
  value: worst,
  goal: 1,
  atMost: true,
  raw: latencies,
})
report.finish()
