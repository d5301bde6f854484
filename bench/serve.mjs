// The model server against fastify and onnxruntime-node, client and servers in processes of their own, interleaved.
// Sections: latency (added to the model), forms (the same in JSON and over gRPC), throughput (32 clients), guards
// (keys,
// logs and rates against none), wrk (load of an independent tool), overload (three times the peak for a minute),
// connections (memory of those that are kept), loop (the event loop under a long inference), generate (a token of a
// text), start (of the command), swaps (200 versions and 50 rollbacks under load). --only latency,loop runs some of
// them; --soak 30 the memory over that many minutes of mixed load; --minute 20 is for shorter overload, --bound HTTP
// for that which HTTP is the bound of.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { interleave, median, percentile } from './shared/measure.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { forms, guards, startOfCommand, swaps } from './shared/serve-goals.mjs'
import { connections, overload } from './shared/serve-overload.mjs'
import { Side } from './shared/side.mjs'

const SECTIONS = ['latency', 'forms', 'throughput', 'guards', 'wrk', 'overload', 'connections', 'loop', 'generate', 'start', 'swaps']
const options = readOptions({
  rounds: { type: 'string', default: '7' },
  seconds: { type: 'string', default: '3' },
  only: { type: 'string' },
  models: { type: 'string', default: 'identity,small,large,cnn' },
  soak: { type: 'string' },
  minute: { type: 'string', default: '60' },
  bound: { type: 'string', default: 'model,HTTP' },
})
const sections = options.only?.split(',') ?? (options.soak === undefined ? SECTIONS : [])
const rounds = options.quick ? 2 : Number(options.rounds)
const count = options.quick ? 300 : 3000
const milliseconds = options.quick ? 500 : Number(options.seconds) * 1000
const NAMES = options.models.split(',')
const CLIENTS = 32
const report = new Report(`Model server, REST binary, median of ${rounds} interleaved rounds`, options)

// as docs/serving.md and deploy/ start servers; all sides alike
const collector = ['--max-semi-space-size=32', ...(availableParallelism() <= 2 ? ['--single-threaded-gc'] : [])]
const side = (name, program, args = []) =>
  new Side(name, process.execPath, ['--expose-gc', ...collector, ...args, program], { WEFT_DEVICE: 'cpu', WEFT_THREADS: '1' })
const wantsPeer = sections.includes('throughput')
const hasPeer = (() => {
  try {
    createRequire(new URL('peers/', import.meta.url)).resolve('onnxruntime-node')
    return true
  } catch {
    report.note('onnxruntime-node is not installed in bench/: figures without a peer. npm install there')
    return false
  }
})()

const BATCHING = { maxBatchSize: 32, maxQueueSize: 256 }
const weft = side('weft', 'weft/serve.mjs')
const models = side('models', 'weft/serve.mjs')
const weftWithoutOverlap = side('weft without overlap', 'weft/serve.mjs')
const client = side('client', 'shared/serve-client.mjs')
const bare = side('bare', 'peers/serve-bare.mjs')
const plain = hasPeer && wantsPeer ? side('plain', 'peers/serve-onnxruntime.mjs') : undefined
const greedy = hasPeer && wantsPeer ? side('greedy', 'peers/serve-onnxruntime.mjs') : undefined
const started = await weft.request({ command: 'start', names: NAMES, batching: BATCHING })
const urls = { weft: started.url }
if (plain) urls.plain = (await plain.request({ command: 'start', names: NAMES, batched: false, threads: 1 })).url
if (greedy) urls.greedy = (await greedy.request({ command: 'start', names: NAMES, batched: true, threads: 1 })).url
report.row({
  name: `start of the server, ${NAMES.length} models`,
  measured: started.milliseconds,
  unit: 'ms',
  value: started.milliseconds,
  goal: 5000,
  atMost: true,
})

for (const name of NAMES) {
  if (!plain) break
  const [ours, theirs] = [
    await client.request({ command: 'outputs', url: urls.weft, name, rows: 3 }),
    await client.request({ command: 'outputs', url: urls.plain, name, rows: 3 }),
  ]
  report.check(`${name}, against onnxruntime-node`, relativeDifference(ours.outputs, theirs.outputs), 1e-4)
}

/** node:http alone, with replies of the size of a model's. */
const bareFor = async (name) => bare.request({ command: 'start', bytes: name === 'identity' ? 3300 : 200 })

/**
 * Beside the server: node:http alone, and node:http that does nothing but compute the model. The latter is the bound: a
 * model costs more between requests than in a loop, and a thread that waited longer is woken later.
 */
for (const name of sections.includes('latency') ? NAMES : []) {
  const added = {}
  const { url: http } = await bareFor(name)
  await models.request({ command: 'build', names: [name] })
  const { url: least } = await models.request({ command: 'startLeast', name })
  for (let round = 0; round < rounds; round++) {
    const raw = await models.request({ command: 'raw', name, rows: 1, count })
    const times = await client.request({ command: 'latency', urls: { weft: urls.weft, least, http }, name, rows: 1, count })
    for (const [key, sorted] of Object.entries(times)) {
      added[key] ??= { p50: [], p99: [] }
      const took = { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
      for (const which of ['p50', 'p99']) added[key][which].push(took[which] - (key === 'http' ? 0 : raw.p50))
    }
  }
  for (const [which, goal] of [
    ['p50', 100],
    ['p99', 1000],
  ]) {
    const [measured, least, http] = ['weft', 'least', 'http'].map((key) => median(added[key][which]))
    report.row({
      name: `${name}: latency added, one client, ${which}`,
      measured,
      unit: 'µs',
      value: measured,
      goal,
      atMost: true,
      bound: least,
      raw: added,
    })
    report.row({ name: `${name}: bound, node:http and the model, ${which}`, measured: least, unit: 'µs' })
    report.row({ name: `${name}: bound, node:http alone, ${which}`, measured: http, unit: 'µs' })
  }
  await bare.request({ command: 'stop' })
  await models.request({ command: 'stopLeast' })
}

for (const name of sections.includes('throughput') ? NAMES : []) {
  const load = (url) => () => client.request({ command: 'throughput', url, name, rows: 1, clients: CLIENTS, milliseconds })
  const { url: bound } = await bareFor(name)
  await models.request({ command: 'build', names: [name] })
  const isGoal = name === 'large'
  const turns = isGoal
    ? await weftWithoutOverlap.request({ command: 'start', names: [name], batching: BATCHING, overlap: false })
    : undefined
  // microseconds of processor time of each part, beside each runtime that computes the model
  const runtimes = { weft: models, ...(greedy && { 'onnxruntime-node': greedy }) }
  const parts = Object.fromEntries(Object.keys(runtimes).map((key) => [key, { http: [], client: [], model: [] }]))
  const sides = Object.fromEntries(Object.entries({ ...urls, ...(turns && { turns: turns.url }) }).map(([key, url]) => [key, load(url)]))
  sides.bare = async () => {
    const took = await load(bound)()
    // what each of them costs while the others run: caches and memory are shared as well
    for (const [key, runtime] of Object.entries(runtimes)) {
      const before = { http: await bare.request({ command: 'usage' }), client: await client.request({ command: 'usage' }) }
      const computing = runtime.request({ command: 'busy', name, rows: CLIENTS, milliseconds })
      const beside = await load(bound)()
      const { perRow } = await computing
      const after = { http: await bare.request({ command: 'usage' }), client: await client.request({ command: 'usage' }) }
      for (const part of ['http', 'client']) {
        const [{ cpu: from }, { cpu: to }] = [before[part], after[part]]
        parts[key][part].push((to.user + to.system - from.user - from.system) / (beside.seconds * beside.perSecond))
      }
      parts[key].model.push(perRow)
    }
    return took
  }
  // servers run for long: what V8 makes of their code in the first seconds is not what is compared
  const figures = await interleave(sides, { rounds, warmUp: 3 })
  await bare.request({ command: 'stop' })
  // every processor always busy, no thread ever waiting for another one: whoever serves needs these three
  const bounds = Object.entries(parts).map(([key, one]) => {
    const [http, ofClient, model] = [one.http, one.client, one.model].map(median)
    const least = Math.max(http, ofClient, model, (http + ofClient + model) / availableParallelism())
    return { key, http, ofClient, model, least }
  })
  const { key: runtime, http, ofClient, model, least: best } = bounds.sort((a, b) => a.least - b.least)[0]
  report.row({ name: `${name}: ${CLIENTS} clients, node:http alone`, measured: figures.bare.median, unit: 'µs a request' })
  report.row({
    name: `${name}: ${CLIENTS} clients, bound`,
    measured: best,
    unit: `µs a request: node:http ${http.toFixed(0)}, the client ${ofClient.toFixed(0)}, the model (${runtime}) ${model.toFixed(0)} on ${availableParallelism()} processors`,
  })
  // rows a second, as a share of what HTTP without a model, and the model without HTTP, would allow
  const ceiling = Math.max(figures.bare.median, model)
  report.row({
    name: `${name}: ${CLIENTS} clients, share of HTTP alone or the model alone`,
    measured: figures.weft.median,
    unit: 'µs a request',
    peer: ceiling,
    peerName: ceiling === model ? 'the model' : 'node:http',
    value: ceiling / figures.weft.median,
    goal: 0.6,
    bound: ceiling / best,
  })
  if (!plain) report.row({ name: `${name}: ${CLIENTS} clients`, measured: figures.weft.median, unit: 'µs a request' })
  for (const peer of ['plain', 'greedy'])
    if (figures[peer])
      report.compare(`${name}: ${CLIENTS} clients, against ${peer}`, figures.weft, figures[peer], {
        unit: 'µs a request',
        of: 'median',
        peerName: peer,
        ...(isGoal && { goal: { plain: 5, greedy: 1.2 }[peer], bound: figures[peer].median / best }),
      })
  if (turns) {
    report.compare(`${name}: ${CLIENTS} clients, against itself without overlap`, figures.weft, figures.turns, {
      unit: 'µs a request',
      of: 'median',
      peerName: 'without',
    })
    await weftWithoutOverlap.request({ command: 'stop' })
  }
}

const wrk = spawnSync('wrk', ['--version']).error === undefined
if (sections.includes('wrk') && wrk) {
  const script = fileURLToPath(new URL('shared/serve.lua', import.meta.url))
  const { stdout } = spawnSync(
    'wrk',
    ['-t1', `-c${CLIENTS}`, `-d${Math.ceil(milliseconds / 1000)}s`, '-s', script, `${urls.weft}/v2/models/large/infer`],
    { encoding: 'utf8' },
  )
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  report.row({
    name: `large: ${CLIENTS} connections of wrk`,
    measured: perSecond,
    unit: 'requests a second',
    value: bad,
    goal: 0,
    atMost: true,
  })
} else if (sections.includes('wrk')) report.note('wrk is not installed: no load of an independent tool. apt-get install wrk')

await weft.request({ command: 'stop' })

if (sections.includes('overload')) {
  const lasting = options.quick ? 3000 : Number(options.minute) * 1000
  await overload({ report, weft, models, bare, client, milliseconds, lasting, of: options.bound.split(',') })
}
if (sections.includes('connections')) await connections({ report, weft, models, client })

// the event loop
if (sections.includes('loop')) {
  const { url } = await weft.request({ command: 'start', names: ['slow'], batching: { maxBatchSize: 512 } })
  const long = async () => (await client.request({ command: 'latency', urls: { slow: url }, name: 'slow', rows: 512, count: 3 })).slow
  await long()
  await weft.request({ command: 'watch' })
  const took = await long()
  const delay = await weft.request({ command: 'delay' })
  report.row({
    name: `event loop, p99 of its delay while batches take ${(median(took) / 1000).toFixed(0)} ms`,
    measured: delay.p99,
    unit: 'ms',
    value: delay.p99,
    goal: 10,
    atMost: true,
  })
  const health = { command: 'beside', url, name: 'slow', rows: 512, path: '/v2/health/live', milliseconds: Math.max(2000, milliseconds) }
  const { p99, asked } = await client.request(health)
  report.row({ name: `/v2/health/live meanwhile, p99 of ${asked}`, measured: p99, unit: 'ms', value: p99, goal: 20, atMost: true })
  await weft.request({ command: 'stop' })
}

if (sections.includes('generate')) {
  const { url } = await weft.request({ command: 'startWriter' })
  const text = { prompt: [1, 2, 3], tokens: 200 }
  const took = { raw: [], served: [] }
  for (let round = -1; round < rounds; round++) {
    const [raw, served] = [await weft.request({ command: 'rawTokens', ...text }), await client.request({ command: 'stream', url, ...text })]
    if (round < 0) continue
    took.raw.push(raw.microseconds)
    took.served.push(served.microseconds)
  }
  const [raw, served] = [median(took.raw), median(took.served)]
  report.row({ name: 'generate: a token, the model alone', measured: raw, unit: 'µs' })
  report.row({ name: 'generate: the server and its stream add to it', measured: served - raw, unit: 'µs', raw: took })
  await weft.request({ command: 'stop' })
}

if (sections.includes('forms')) await forms({ report, weft, models, bare, client, names: NAMES, rounds, count })
if (sections.includes('guards')) {
  const names = NAMES.filter((name) => name === 'small' || name === 'large')
  await guards({ report, guarded: weft, open: models, client, names, rounds, milliseconds })
}
if (sections.includes('start')) await startOfCommand({ report, models, rounds })
if (sections.includes('swaps')) {
  // V8's new space would grow to what it may take at some moment, and be taken for a version that was not let go
  const swapping = side('weft, versions', 'weft/serve.mjs', ['--min-semi-space-size=32'])
  await swaps({ report, weft: swapping, client, milliseconds, quick: options.quick })
  swapping.close()
}

if (options.soak !== undefined) {
  const { url } = await weft.request({ command: 'start', names: NAMES, batching: { maxBatchSize: 32 } })
  const points = []
  let minutes = 0
  let requests = 0
  while (minutes < Number(options.soak)) {
    for (const name of NAMES) {
      const load = { command: 'throughput', url, name, rows: 1 + (points.length % 3), clients: 16, milliseconds: 2500 }
      const { perSecond, seconds } = await client.request(load)
      requests += Math.round(perSecond * seconds)
      minutes += seconds / 60
    }
    // clients that go away in the middle
    await client.request({ command: 'crash', url, name: 'large', clients: 16 })
    const { rss, descriptors } = await weft.request({ command: 'memory' })
    points.push([minutes, rss / 2 ** 20, descriptors])
  }
  report.note(`${requests} requests`)
  // least squares over all but the first fifth
  const used = points.slice(Math.floor(points.length / 5))
  const mean = (axis) => used.reduce((sum, point) => sum + point[axis], 0) / used.length
  const [time, size] = [mean(0), mean(1)]
  const slope = used.reduce((sum, [t, s]) => sum + (t - time) * (s - size), 0) / used.reduce((sum, [t]) => sum + (t - time) ** 2, 0)
  report.row({
    name: `memory over ${options.soak} minutes`,
    measured: slope,
    unit: 'MiB a minute',
    value: slope,
    goal: 1,
    atMost: true,
    raw: points,
  })
  const [first, last] = [used[0], used.at(-1)].map(([, , descriptors]) => descriptors)
  const row = { name: `open files after ${options.soak} minutes`, measured: last, unit: `, ${first} after a fifth of them` }
  report.row({ ...row, value: last - first, goal: 0, atMost: true })
  await weft.request({ command: 'stop' })
}

for (const one of [plain, greedy]) await one?.request({ command: 'stop' })
for (const one of [weft, models, weftWithoutOverlap, client, bare, plain, greedy]) one?.close()
report.finish()
