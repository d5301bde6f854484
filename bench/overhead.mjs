// What a call costs beside its kernels: a program of 200 empty steps, an op outside `jit`, and native calls per
// training step.
import Benchmark from 'benchmark'
import { median, summarize } from './shared/measure.mjs'
import { networks, removeNetwork, writeNetwork } from './shared/networks.mjs'
import { Report, readOptions } from './shared/report.mjs'

// The addon reads it when it starts: before the import.
process.env.WEFT_THREADS ??= '1'
process.env.WEFT_DEVICE ??= 'cpu'
const { jit, synchronize, tensor } = await import('../dist/lib/index.js')
const { Buffer: DeviceBuffer } = await import('../dist/lib/core/buffer.js')
const { nativeCalls } = await import('../dist/lib/core/flights.js')
const { Program } = await import('../dist/lib/core/program.js')
const { loadData, loadNetwork } = await import('./weft/networks.mjs')

const options = readOptions()
const report = new Report('Overhead: µs per call', options)
const bursts = options.quick ? 200 : 2000
const BURST = 32
const STEPS = 256

/**
 * Microseconds that the JavaScript thread spends in one call of `fn`, over bursts short enough never to fill the queue.
 */
const submissionCost = async (fn) => {
  const costs = []
  for (let i = -50; i < bursts; i++) {
    const start = performance.now()
    for (let j = 0; j < BURST; j++) fn()
    const elapsed = performance.now() - start
    await synchronize()
    if (i >= 0) costs.push((elapsed * 1000) / BURST)
  }
  return summarize([...costs].sort((a, b) => a - b).filter((_, i) => i % 20 === 0))
}

/** Microseconds per call through the `benchmark` package: mean and relative margin of error. */
const sampled = (name, fn, deferred) =>
  new Promise((resolve, reject) => {
    const settings = deferred ? { defer: true, fn: (run) => fn().then(() => run.resolve(), reject) } : { fn }
    new Benchmark(name, {
      ...settings,
      maxTime: options.quick ? 0.5 : 3,
      onComplete: ({ target }) =>
        resolve({
          median: median(target.stats.sample) * 1e6,
          minimum: Math.min(...target.stats.sample) * 1e6,
          samples: target.stats.sample.length,
        }),
      onError: ({ target }) => reject(target.error),
    }).run({ async: true })
  })

const row = (name, figure, more = {}) =>
  report.row({ name, measured: figure.median, unit: 'µs', value: figure.median, raw: figure, ...more })

// A chain of `count` calls on empty values: all that is left is the walk over prepared steps.
const emptyProgram = (count) => {
  const values = Array.from({ length: count + 1 }, (_, i) => ({ slot: i, shape: [0], dtype: 'float32' }))
  const slots = values.map((_, i) => ({ kind: i === 0 ? 'input' : i === count ? 'output' : 'arena', index: 0, bytes: 0 }))
  const calls = Array.from({ length: count }, (_, i) => ({ op: 'identity', inputs: [i], outputs: [i + 1], attrs: {}, update: false }))
  const spec = { slots, values, calls, states: [], writes: [], precision: 'float32', single: false }
  return new Program(spec, [], () => ({ op: 'identity', layer: undefined, names: undefined }), 0)
}

for (const count of [1, 200]) {
  const program = emptyProgram(count)
  const inputs = [new DeviceBuffer(0, 'cpu')]
  const outputs = [new DeviceBuffer(0, 'cpu')]
  row(`program.run, ${count} empty step(s), JavaScript side`, await submissionCost(() => program.run(inputs, outputs)))
  row(`program.run, ${count} empty step(s), run after run`, await sampled('run', () => program.run(inputs, outputs)))
  await synchronize()
  program.dispose()
}

const a = tensor(new Float32Array(16), [4, 4])
const b = tensor(new Float32Array(16), [4, 4])
row('eager add of 16 numbers, JavaScript side', await submissionCost(() => a.add(b)))
row('eager add of 16 numbers, call after call', await sampled('add', () => a.add(b)))
await synchronize()
row('eager add of 16 numbers, awaited data()', await sampled('add, awaited', () => a.add(b).data(), true))
const traced = jit((x, y) => x.add(y).mul(y).relu())
row('jit function of 3 ops, JavaScript side', await submissionCost(() => traced(a, b)))
row('jit function of 3 ops, awaited data()', await sampled('jit, awaited', () => traced(a, b).data(), true))

for (const name of Object.keys(networks)) {
  const network = writeNetwork(name)
  const net = loadNetwork(network)
  const { x, y } = loadData(network)
  // The first epoch loads the programs.
  await net.fit(x, y, { epochs: 1, batchSize: network.samples / STEPS, verbose: 0 })
  const before = nativeCalls()
  await net.fit(x, y, { epochs: 1, batchSize: network.samples / STEPS, verbose: 0 })
  const calls = (nativeCalls() - before) / STEPS
  report.row({
    name: `native calls per step, fit of ${STEPS}, ${network.title}`,
    measured: calls,
    unit: 'calls',
    value: calls,
    goal: 1.05,
    atMost: true,
  })
  removeNetwork(network)
}
report.finish()
