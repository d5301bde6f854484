// Sections of serve.mjs: other forms of requests, what guards cost, the start of the command, versions under load.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { interleave, median, percentile } from './measure.mjs'

const BATCHING = { maxBatchSize: 32, maxQueueSize: 256 }

/**
 * µs that a request in JSON and one over gRPC add to the model, one client. The bounds: node:http that reads and writes
 * such JSON and computes the model; grpc-js that takes bytes and answers with as many as the model would.
 */
export const forms = async ({ report, weft, models, bare, client, names, rounds, count }) => {
  const { url, grpcUrl } = await weft.request({ command: 'start', names, batching: BATCHING, grpc: true })
  for (const name of names) {
    await models.request({ command: 'build', names: [name] })
    const { url: least } = await models.request({ command: 'startLeast', name })
    const { url: bareGrpc } = await bare.request({ command: 'startGrpc', bytes: name === 'identity' ? 3300 : 200 })
    for (const [format, goal, urls, bound] of [
      ['json', 250, { weft: url, bound: least }, 'node:http and the model'],
      ['grpc', 500, { weft: grpcUrl, bound: bareGrpc }, 'grpc-js alone'],
    ]) {
      const added = { weft: [], bound: [] }
      for (let round = 0; round < rounds; round++) {
        const raw = await models.request({ command: 'raw', name, rows: 1, count })
        const times = await client.request({ command: 'latency', urls, name, rows: 1, count, format })
        for (const [key, sorted] of Object.entries(times))
          added[key].push(percentile(sorted, 0.5) - (bound === 'grpc-js alone' && key === 'bound' ? 0 : raw.p50))
      }
      const [measured, least] = [median(added.weft), median(added.bound)]
      report.row({
        name: `${name}: latency added, one client, ${format}, p50`,
        measured,
        unit: `µs, ${bound} ${least.toFixed(0)}`,
        value: measured,
        goal,
        atMost: true,
        bound: least,
        raw: added,
      })
    }
    await models.request({ command: 'stopLeast' })
    await bare.request({ command: 'stop' })
  }
  await weft.request({ command: 'stop' })
}

/** 32 clients with API keys, rates and a line in the log for each request, against a server without. */
export const guards = async ({ report, guarded, open, client, names, rounds, milliseconds }) => {
  for (const name of names) {
    const start = (side, options) => side.request({ command: 'start', names: [name], batching: BATCHING, ...options })
    const load = ({ url, key }) => ({ command: 'throughput', url, key, name, rows: 1, clients: 32, milliseconds })
    const [asked, free] = [await start(guarded, { guarded: true }), await start(open, {})]
    const sides = { guarded: () => client.request(load(asked)), open: () => client.request(load(free)) }
    const figures = await interleave(sides, { rounds, warmUp: 2 })
    const [measured, peer] = [figures.guarded.median, figures.open.median]
    report.row({
      name: `${name}: 32 clients, with keys, rates and a log`,
      measured,
      unit: 'µs a request',
      peer,
      peerName: 'without',
      value: measured / peer,
      goal: 1.1,
      atMost: true,
      raw: figures,
    })
    await guarded.request({ command: 'stop' })
    await open.request({ command: 'stop' })
  }
}

/** From the start of the command until a model of 10 MB answers, in a process of its own. */
export const startOfCommand = async ({ report, models, rounds }) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-start-'))
  await models.request({ command: 'save', folder: join(folder, 'm', '1') })
  const command = fileURLToPath(new URL('../../dist/lib/cli/weftjs.js', import.meta.url))
  const once = async () => {
    const begin = performance.now()
    const child = spawn(process.execPath, [command, 'serve', folder, '--http', '0'], { env: { ...process.env, WEFT_DEVICE: 'cpu' } })
    let text = ''
    const url = await new Promise((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`weftjs serve ended with ${code}: ${text}`)))
      child.stdout.on('data', (part) => {
        text += part
        const [, found] = /(http:\S+)/.exec(text) ?? []
        if (found !== undefined) resolve(found)
      })
    })
    const { status } = await fetch(`${url}/v2/models/m/ready`)
    const took = performance.now() - begin
    if (status !== 200) throw new Error(`status ${status}`)
    const ended = new Promise((resolve) => child.removeAllListeners('exit').once('exit', resolve))
    child.kill('SIGTERM')
    await ended
    return took
  }
  const times = []
  for (let round = 0; round < rounds; round++) times.push(await once())
  rmSync(folder, { recursive: true })
  const took = median(times)
  const row = { name: 'weftjs serve: from its start to ready, a model of 10 MB', measured: took, unit: 'ms', value: took }
  report.row({ ...row, goal: 1000, atMost: true, raw: times })
}

/** Versions that are exchanged and labels that are moved under load, and a canary that answers otherwise. */
export const swaps = async ({ report, weft, client, milliseconds, quick }) => {
  const [count, rollbacks] = quick ? [10, 4] : [200, 50]
  const { url } = await weft.request({ command: 'startRepository' })
  const load = { url, clients: 8 }
  const steadily = { command: 'throughput', ...load, name: 'large', model: 'm', rows: 1, milliseconds }
  await client.request(steadily)
  const steady = (await client.request(steadily)).p99
  const versions = client.request({ command: 'versions', ...load })
  const took = await weft.request({ command: 'swap', swaps: count, rollbacks })
  await weft.request({ command: 'last' })
  const { answers, failed, wrong, p99 } = await versions
  const what = `${count} swaps and ${rollbacks} rollbacks`
  const none = { unit: `of ${answers} requests`, goal: 0, atMost: true }
  report.row({ name: `${what}: failed`, measured: failed.length, value: failed.length, ...none, raw: failed.slice(0, 10) })
  report.row({ name: `${what}: of a wrong version`, measured: wrong.length, value: wrong.length, ...none, raw: wrong.slice(0, 10) })
  const growth = took.rss.after / took.rss.before - 1
  report.row({
    name: `${what}: resident memory, the last quarter over the first`,
    measured: 100 * growth,
    unit: `% of ${Math.round(took.rss.before / 2 ** 20)} MiB`,
    value: growth,
    goal: 0.05,
    atMost: true,
    raw: took.rss,
  })
  report.row({
    name: `${what}: p99 of answers`,
    measured: p99 / 1000,
    unit: 'ms',
    peer: steady / 1000,
    peerName: 'without them',
    value: p99 / steady,
    goal: 1.5,
    atMost: true,
  })
  report.row({ name: `${what}: a swap, median`, measured: median(took.swaps), unit: 'ms' })
  const rollback = Math.max(...took.rollbacks)
  report.row({ name: `${what}: the slowest rollback`, measured: rollback, unit: 'ms', value: rollback, goal: 50, atMost: true })
  const asking = client.request({ ...steadily, milliseconds: 3000 })
  const trial = await weft.request({ command: 'trial' })
  await asking
  report.row({
    name: `a canary that answers otherwise, until it is rolled back`,
    measured: trial.milliseconds,
    unit: `ms: ${trial.reason}`,
    value: trial.milliseconds,
    goal: 10_000,
    atMost: true,
  })
  await weft.request({ command: 'stop' })
}
