// Weft's side of serve.mjs: the model server, in a process of its own.
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { destination, pino } from 'pino'
import { gpt, initializers, jit, layers, sequential, tensor } from '../../dist/lib/index.js'
import { createApiKey, serve } from '../../dist/lib/serve/index.js'
import { Overlap } from '../../dist/lib/serve/overlap.js'
import { percentile, time } from '../shared/measure.mjs'
import { rowsOf, servedModels } from '../shared/served.mjs'
import { answerRequests } from '../shared/side.mjs'
import { leastServer } from './serve-least.mjs'

const modelOf = ({ kind, sizes, input, weights }) => {
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

/** A model of 10 MB in a folder. */
const save = async ({ folder: to }) => {
  const net = sequential([layers.dense({ units: 1600, inputShape: [1600] })])
  await net.save(to)
  net.dispose()
}

let server
let nets = {}
let folder
/** Of batches that go before all that has arrived was read. */
const overlaps = Object.getOwnPropertyDescriptor(Overlap.prototype, 'rows')

/**
 * `overlap` false: batches take turns with the reading of requests. `guarded`: with API keys, rates, an audit log of
 * refusals, and a line in the log for each request; then the key is in the reply.
 */
const start = async ({ batching, names, overlap = true, guarded = false, grpc = false }) => {
  Object.defineProperty(Overlap.prototype, 'rows', overlap ? overlaps : { ...overlaps, get: () => batching.maxBatchSize })
  nets = Object.fromEntries(names.map((name) => [name, modelOf(servedModels[name]())]))
  const begin = performance.now()
  const guards = guarded ? guardsOf() : {}
  server = await serve({ models: nets, http: { port: 0 }, ...(grpc && { grpc: { port: 0 } }), batching, ...guards.options })
  const { http: url, grpc: grpcUrl } = server.address
  return { url, grpcUrl, key: guards.key, milliseconds: performance.now() - begin }
}
const guardsOf = () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-bench-guards-'))
  const { key, entry } = createApiKey({ id: 'client', roles: ['predict'] })
  const apiKeys = join(folder, 'keys.json')
  writeFileSync(apiKeys, JSON.stringify({ keys: [entry] }))
  const log = pino({ level: 'info' }, destination({ dest: join(folder, 'log'), sync: false }))
  const rate = { requestsPerSecond: 1e6, burst: 1e6 }
  return { key, options: { auth: { apiKeys }, rate, log, audit: { file: join(folder, 'audit.jsonl') } } }
}
/** Models alone, for raw() and startLeast(): the process that serves is not to compute them in other ways as well. */
const build = ({ names }) => {
  nets = Object.fromEntries(names.map((name) => [name, modelOf(servedModels[name]())]))
}
const stop = async () => {
  await server.close()
  for (const net of Object.values(nets)) net.dispose()
  nets = {}
  if (folder !== undefined) rmSync(folder, { recursive: true })
  folder = undefined
}

/** Settings of the model `m`: they are there as a whole or not at all. */
const settings = (value) => {
  const file = join(folder, 'm', 'serve.json')
  writeFileSync(`${file}.new`, JSON.stringify(value))
  renameSync(`${file}.new`, file)
}

/** A version whose highest score is another one than that of the others. */
const WRONG = 98

/** Serves a repository of a model `m` of the size of `large`, whose version v answers v. */
const startRepository = async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-bench-swaps-'))
  for (const version of [1, 2, 3, 4, WRONG, 99]) {
    const bias = version === WRONG ? initializers.randomUniform({ seed: 3 }) : initializers.constant({ value: version })
    const net = sequential([
      layers.dense({ units: 1024, activation: 'relu', inputShape: [784] }),
      layers.dense({ units: 1024, activation: 'relu' }),
      layers.dense({ units: 10, kernelInitializer: 'zeros', biasInitializer: bias }),
    ])
    await net.save(join(folder, 'm', String(version)))
    net.dispose()
  }
  settings({ versionPolicy: { specific: [1] } })
  server = await serve({ repository: folder, http: { port: 0 }, batching: { maxBatchSize: 32 } })
  return { url: server.address.http }
}

/**
 * Versions one after the other, then a label that goes to and fro; milliseconds of each, and the mean of the resident
 * memory over the first and the last quarter of the versions.
 */
const swap = async ({ swaps, rollbacks }) => {
  const change = async (value) => {
    const begin = performance.now()
    settings(value)
    await server.refresh()
    return performance.now() - begin
  }
  const to = (i) => change({ versionPolicy: { specific: [(i % 4) + 1] } })
  const warmUp = Math.ceil(swaps / 10)
  for (let i = 0; i < warmUp; i++) await to(i)
  const times = { swaps: [], rollbacks: [] }
  // for a moment there are two versions, and garbage of the requests: it goes up and down by a tenth, so means tell
  const resident = []
  for (let i = 0; i < swaps; i++) {
    times.swaps.push(await to(warmUp + i))
    resident.push(process.memoryUsage.rss())
  }
  await change({ versionPolicy: { specific: [1, 2] }, labels: { stable: 1 } })
  for (let i = 0; i < rollbacks; i++)
    times.rollbacks.push(await change({ versionPolicy: { specific: [1, 2] }, labels: { stable: (i % 2) + 1 } }))
  await to(0)
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const quarter = Math.ceil(swaps / 4)
  return { ...times, rss: { before: mean(resident.slice(0, quarter)), after: mean(resident.slice(-quarter)) } }
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

/** Milliseconds from when a canary that answers otherwise is in force until it was rolled back, and its reason. */
const trial = async () => {
  const canary = { share: 0.2, rollback: { disagreement: 0.1 } }
  settings({ versionPolicy: { specific: [1, WRONG] }, labels: { stable: 1, canary: WRONG }, canary })
  await server.refresh()
  const begin = performance.now()
  for (;;) {
    const reply = await fetch(`${server.address.http}/v2/repository/index`, { method: 'POST', body: '{}' })
    const { reason = '' } = (await reply.json()).find(({ version }) => version === `${WRONG}`)
    if (reason.startsWith('rolled back')) return { milliseconds: performance.now() - begin, reason }
    if (performance.now() - begin > 60_000) throw new Error('the canary was not rolled back')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

let least
/** `queue`: with batches, and at most so many requests waiting. */
const startLeast = async ({ name, queue }) => {
  const run = jit((x) => nets[name].apply(x))
  least = await leastServer(run, queue)
  least.on('close', () => run.dispose())
  return { url: `http://127.0.0.1:${least.address().port}` }
}
const stopLeast = async () => {
  least.closeAllConnections()
  await new Promise((resolve) => least.close(resolve))
}

/** Microseconds of processor time of a batch, computed again and again. */
const rawBatches = async ({ name, rows, count }) => {
  const run = jit((x) => nets[name].apply(x))
  const x = tensor(rowsOf(name, rows), [rows, ...servedModels[name]().input])
  const { processor } = await time(async () => {
    const y = run(x)
    await y.data()
    y.dispose()
  }, count)
  x.dispose()
  run.dispose()
  return { processor }
}

/**
 * Computes batches of so many rows, one after the other, for so long: beside what else the machine does then. How many
 * batches, and microseconds of processor time of each row.
 */
const busy = async ({ name, rows, milliseconds }) => {
  const run = jit((x) => nets[name].apply(x))
  const x = tensor(rowsOf(name, rows), [rows, ...servedModels[name]().input])
  const one = async () => {
    const y = run(x)
    await y.data()
    y.dispose()
  }
  await one()
  const before = process.cpuUsage()
  const begin = performance.now()
  let batches = 0
  for (; performance.now() - begin < milliseconds; batches++) await one()
  const { user, system } = process.cpuUsage(before)
  x.dispose()
  run.dispose()
  return { batches, perRow: (user + system) / (batches * rows) }
}

/** Ends the load of versions. */
const last = async () => {
  settings({ versionPolicy: { specific: [99] } })
  await server.refresh()
}

let writer
/** A small model of texts, served; and the microseconds of a token that the model alone takes. */
const startWriter = async () => {
  writer = gpt({ vocabularySize: 256, sequenceLength: 256, numLayers: 2, numHeads: 4, hiddenDim: 128 })
  server = await serve({ models: { writer }, http: { port: 0 } })
  nets = { writer }
  return { url: server.address.http }
}
const rawTokens = async ({ prompt, tokens }) => {
  const begin = performance.now()
  let count = 0
  for await (const _ of writer.generate(prompt, { maxTokens: tokens })) count++
  return { microseconds: ((performance.now() - begin) * 1000) / count }
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
/** Bytes, once what can be collected is, and connections that ended are closed. */
const memory = async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { ...process.memoryUsage(), descriptors: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0 }
}
let sampling
let most = 0
/** Follows resident memory, until mostMemory() says the most of it. */
const followMemory = () => {
  most = 0
  sampling = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 250)
}
const mostMemory = () => {
  clearInterval(sampling)
  return { rss: most }
}
const usage = () => ({ cpu: process.cpuUsage() })

await answerRequests({
  start,
  build,
  save,
  startRepository,
  swap,
  trial,
  last,
  stop,
  startLeast,
  stopLeast,
  raw,
  rawBatches,
  busy,
  startWriter,
  rawTokens,
  watch,
  delay,
  memory,
  followMemory,
  mostMemory,
  usage,
})
// who asked is gone, and with it what is served
process.exit()
