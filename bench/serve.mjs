// The model server against fastify and onnxruntime-node, client and servers in processes of their own, interleaved:
// latency added to the model, throughput with 32 clients, the event loop under a long inference, overload, and with
// --soak 30 the memory over minutes of mixed load.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { interleave, median } from './shared/measure.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { Side } from './shared/side.mjs'

const options = readOptions({ rounds: { type: 'string', default: '7' }, soak: { type: 'string' } })
const rounds = options.quick ? 2 : Number(options.rounds)
const count = options.quick ? 300 : 3000
const milliseconds = options.quick ? 500 : 3000
const NAMES = ['identity', 'small', 'large', 'cnn']
const CLIENTS = 32
const report = new Report(`Model server, REST binary, median of ${rounds} interleaved rounds`, options)

const side = (name, program, threads = '1') =>
  new Side(name, process.execPath, ['--expose-gc', program], { WEFT_DEVICE: 'cpu', WEFT_THREADS: threads })
const hasPeer = (() => {
  try {
    createRequire(new URL('peers/', import.meta.url)).resolve('onnxruntime-node')
    return true
  } catch {
    report.note('onnxruntime-node is not installed in bench/: figures without a peer. npm install there')
    return false
  }
})()

const weft = side('weft', 'weft/serve.mjs')
const client = side('client', 'shared/serve-client.mjs')
const plain = hasPeer ? side('plain', 'peers/serve-onnxruntime.mjs') : undefined
const greedy = hasPeer ? side('greedy', 'peers/serve-onnxruntime.mjs') : undefined
const started = await weft.request({ command: 'start', names: NAMES, batching: { maxBatchSize: 32, maxQueueSize: 256 } })
const urls = { weft: started.url }
if (plain) urls.plain = (await plain.request({ command: 'start', names: NAMES, batched: false, threads: 1 })).url
if (greedy) urls.greedy = (await greedy.request({ command: 'start', names: NAMES, batched: true, threads: 1 })).url
report.row({
  name: 'start of the server, 4 models',
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

for (const name of NAMES) {
  const added = { p50: [], p99: [] }
  for (let round = 0; round < rounds; round++) {
    const raw = await weft.request({ command: 'raw', name, rows: 1, count })
    const asked = await client.request({ command: 'latency', url: urls.weft, name, rows: 1, count })
    added.p50.push(asked.p50 - raw.p50)
    added.p99.push(asked.p99 - raw.p50)
  }
  for (const [which, goal] of [
    ['p50', 100],
    ['p99', 1000],
  ]) {
    const measured = median(added[which])
    report.row({
      name: `${name}: latency added, one client, ${which}`,
      measured,
      unit: 'µs',
      value: measured,
      goal,
      atMost: true,
      raw: added[which],
    })
  }
}

for (const name of NAMES) {
  const load = (url) => () => client.request({ command: 'throughput', url, name, rows: 1, clients: CLIENTS, milliseconds })
  const sides = Object.fromEntries(Object.entries(urls).map(([key, url]) => [key, load(url)]))
  const figures = await interleave(sides, { rounds })
  const goals = name === 'large' ? { plain: 5, greedy: 1.2 } : {}
  if (!plain) report.row({ name: `${name}: ${CLIENTS} clients`, measured: figures.weft.median, unit: 'µs a request' })
  for (const peer of ['plain', 'greedy'])
    if (figures[peer])
      report.compare(`${name}: ${CLIENTS} clients, against ${peer}`, figures.weft, figures[peer], {
        unit: 'µs a request',
        peerName: peer,
        goal: goals[peer],
      })
}

const wrk = spawnSync('wrk', ['--version']).error === undefined
if (wrk) {
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
} else report.note('wrk is not installed: no load of an independent tool. apt-get install wrk')

// overload
{
  const peak = await client.request({ command: 'throughput', url: urls.weft, name: 'large', rows: 1, clients: CLIENTS, milliseconds })
  const before = await weft.request({ command: 'memory' })
  const over = await client.request({
    command: 'openLoop',
    url: urls.weft,
    name: 'large',
    perSecond: 3 * peak.perSecond,
    milliseconds: options.quick ? 3000 : 60_000,
  })
  const after = await weft.request({ command: 'memory' })
  const growth = (after.rss - before.rss) / 2 ** 20
  report.row({
    name: '3x overload: goodput, share of the peak',
    measured: over.perSecond,
    unit: 'requests a second',
    peer: peak.perSecond,
    peerName: 'peak',
    value: over.perSecond / peak.perSecond,
    goal: 0.9,
  })
  report.row({
    name: '3x overload: p99 of refusals',
    measured: over.refusedP99,
    unit: 'ms',
    value: over.refusedP99,
    goal: 10,
    atMost: true,
  })
  report.row({ name: '3x overload: memory more', measured: growth, unit: 'MiB', value: growth, goal: 64, atMost: true })
  report.row({
    name: '3x overload: other answers',
    measured: over.other.length,
    unit: '',
    value: over.other.length,
    goal: 0,
    atMost: true,
    raw: over.other,
  })
}
await weft.request({ command: 'stop' })

// the event loop
{
  const { url } = await weft.request({ command: 'start', names: ['slow'], batching: { maxBatchSize: 512 } })
  const long = () => client.request({ command: 'latency', url, name: 'slow', rows: 512, count: 3 })
  await long()
  await weft.request({ command: 'watch' })
  const took = await long()
  const delay = await weft.request({ command: 'delay' })
  report.row({
    name: `event loop, p99 of its delay while batches take ${(took.p50 / 1000).toFixed(0)} ms`,
    measured: delay.p99,
    unit: 'ms',
    value: delay.p99,
    goal: 10,
    atMost: true,
  })
  await weft.request({ command: 'stop' })
}

if (options.soak !== undefined) {
  const { url } = await weft.request({ command: 'start', names: NAMES, batching: { maxBatchSize: 32 } })
  const points = []
  const end = performance.now() + Number(options.soak) * 60_000
  const begin = performance.now()
  while (performance.now() < end) {
    for (const name of NAMES)
      await client.request({ command: 'throughput', url, name, rows: 1 + (points.length % 3), clients: 16, milliseconds: 2500 })
    const { rss } = await weft.request({ command: 'memory' })
    points.push([(performance.now() - begin) / 60_000, rss / 2 ** 20])
  }
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
  await weft.request({ command: 'stop' })
}

for (const one of [plain, greedy]) await one?.request({ command: 'stop' })
for (const one of [weft, client, plain, greedy]) one?.close()
report.finish()
