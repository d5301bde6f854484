// Overload of the model server: three times its peak, from connections that do not wait for each other; beside it the
// same load on the least that serves a model, which is the bound. And what a connection takes that is kept.
import { availableParallelism } from 'node:os'

const BATCHING = { maxBatchSize: 32, maxQueueSize: 128 }
const CLIENTS = 32
const CONNECTIONS = 8192
/** The most that the bounds are measured for, in milliseconds. */
const LONGEST_BOUND = 15_000

/** Microseconds of processor time of a side since then. */
const spent = (before, after) => after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system

/**
 * A server under clients that ask again once they are answered, and under three times as much: its peak, what it does
 * under `perSecond(peak)` for so long, and microseconds of processor time of the server and of its client, of each
 * request that was answered or refused.
 */
const overloaded = async ({ server, client, url, name, perSecond, milliseconds, lasting }) => {
  const usage = async () => ({ server: await server.request({ command: 'usage' }), client: await client.request({ command: 'usage' }) })
  const costs = (before, after, requests) => ({
    server: spent(before.server, after.server) / requests,
    client: spent(before.client, after.client) / requests,
  })
  const closed = async () => {
    const before = await usage()
    const took = await client.request({ command: 'throughput', url, name, rows: 1, clients: CLIENTS, milliseconds })
    return { perSecond: took.perSecond, costs: costs(before, await usage(), took.perSecond * took.seconds) }
  }
  await closed()
  const first = await closed()
  const memory = { before: (await server.request({ command: 'memory' })).rss }
  await server.request({ command: 'followMemory' })
  const before = await usage()
  const since = performance.now()
  const over = await client.request({ command: 'openLoop', url, name, perSecond: perSecond(first.perSecond), milliseconds: lasting })
  const seconds = (performance.now() - since) / 1000
  const after = await usage()
  memory.most = (await server.request({ command: 'mostMemory' })).rss
  memory.after = (await server.request({ command: 'memory' })).rss
  const second = await closed()
  // the machine is not equally fast at all times: the better of the peaks before and after
  const peak = first.perSecond > second.perSecond ? first : second
  return {
    ...over,
    peak,
    share: over.perSecond / peak.perSecond,
    costs: costs(before, after, over.answered),
    busy: spent(before.server, after.server) / 1e6 / seconds,
    memory,
  }
}

const costsOf = ({ peak, costs }) =>
  `server ${peak.costs.server.toFixed(0)} and ${costs.server.toFixed(0)}, client ${peak.costs.client.toFixed(0)} and ${costs.client.toFixed(0)}`

/** Of a model that takes its time, and of one that takes so little that all the time goes to HTTP. */
const KINDS = { model: 'heavy', HTTP: 'large' }

/** `lasting`: milliseconds of overload; `of`: model, HTTP or both. */
export const overload = async ({ report, weft, models, bare, client, milliseconds, lasting, of }) => {
  for (const kind of of) {
    const name = KINDS[kind]
    const what = `3x overload, bound by ${kind === 'model' ? 'the model' : kind}`
    const shorter = Math.min(lasting, LONGEST_BOUND)
    const { url } = await weft.request({ command: 'start', names: [name], batching: BATCHING })
    const load = { client, name, milliseconds }
    const over = await overloaded({ ...load, server: weft, url, perSecond: (peak) => 3 * peak, lasting })
    await weft.request({ command: 'stop' })
    // the least that serves the model, with the same queue, under the very load that the server had
    const perSecond = () => 3 * over.peak.perSecond
    await models.request({ command: 'build', names: [name] })
    const { url: leastUrl } = await models.request({ command: 'startLeast', name, queue: BATCHING.maxQueueSize })
    const least = await overloaded({ ...load, server: models, url: leastUrl, perSecond, lasting: shorter })
    await models.request({ command: 'stopLeast' })
    // the same load on node:http, which does nothing but refuse, while the model is computed beside it
    const { url: refusingUrl } = await bare.request({ command: 'start', refuse: true })
    const refusingMs = Math.min(lasting, 5000)
    const computing = models.request({ command: 'busy', name, rows: BATCHING.maxBatchSize, milliseconds: refusingMs })
    const before = await bare.request({ command: 'usage' })
    const refusing = await client.request({ command: 'openLoop', url: refusingUrl, name, perSecond: perSecond(), milliseconds: refusingMs })
    const refusal = spent(before, await bare.request({ command: 'usage' })) / refusing.answered
    await computing
    await bare.request({ command: 'stop' })

    report.row({
      name: `${what}: goodput, share of the peak`,
      measured: over.perSecond,
      unit: `requests a second of ${Math.round(over.sentPerSecond)}`,
      peer: over.peak.perSecond,
      peerName: 'peak',
      value: over.share,
      goal: 0.9,
      bound: least.share,
      raw: { over, least },
    })
    report.row({
      name: `${what}: bound, node:http and the model`,
      measured: least.perSecond,
      unit: `requests a second of ${Math.round(least.sentPerSecond)}`,
      peer: least.peak.perSecond,
      peerName: 'peak',
      value: least.share,
    })
    // what a request takes, of processor time, at the peak and above it: what refusals take, answers do not get
    report.row({ name: `${what}: µs a request, peak and overload`, measured: over.costs.server + over.costs.client, unit: costsOf(over) })
    report.row({
      name: `${what}: the same, node:http and the model`,
      measured: least.costs.server + least.costs.client,
      unit: costsOf(least),
    })
    report.row({
      name: `${what}: µs a refusal of node:http`,
      measured: refusal,
      unit: `and its client's ${refusing.perRequest.toFixed(0)}`,
    })
    const refused = { name: `${what}: p99 of ${over.refused} refusals`, measured: over.refusedP99, unit: 'ms' }
    report.row({ ...refused, value: over.refusedP99, goal: 10, atMost: true, bound: refusing.refusedP99 })
    report.row({ name: `${what}: bound, p99 of refusals of node:http beside the model`, measured: refusing.refusedP99, unit: 'ms' })
    // where both together are busy, and the client sends less than it was to, nothing can be answered sooner
    report.row({ name: `${what}: processors busy with the server`, measured: over.busy, unit: `of ${availableParallelism()}` })
    report.row({ name: `${what}: and with its client`, measured: over.processor, unit: `, ${over.connections} connections` })
    report.row({ name: `${what}: bound, its client`, measured: least.processor, unit: `, ${least.connections} connections` })
    report.row({ name: `${what}: median of refusals`, measured: over.refusedP50, unit: 'ms' })
    // a full queue before it, and two batches
    const most = ((BATCHING.maxQueueSize + 2 * BATCHING.maxBatchSize) * 1000) / over.peak.perSecond
    const answers = { name: `${what}: p99 of answers`, measured: over.acceptedP99, unit: 'ms' }
    report.row({ ...answers, value: over.acceptedP99, goal: most, atMost: true, bound: least.acceptedP99 })
    const [growth, peakGrowth, leastGrowth, leastMost] = [over, least].flatMap(({ memory }) =>
      [memory.after, memory.most].map((rss) => (rss - memory.before) / 2 ** 20),
    )
    report.row({ name: `${what}: memory more`, measured: growth, unit: 'MiB', value: growth, goal: 64, atMost: true, bound: leastGrowth })
    report.row({ name: `${what}: bound, node:http and the model`, measured: leastGrowth, unit: 'MiB' })
    report.row({
      name: `${what}: memory more, the most meanwhile`,
      measured: peakGrowth,
      unit: `MiB, node:http and the model ${leastMost.toFixed(0)}`,
    })
    const others = over.other.reduce((sum, [, times]) => sum + times, 0)
    report.row({
      name: `${what}: other answers`,
      measured: others,
      unit: over.other.map(([reason, times]) => `${times} × ${reason}`).join(', '),
      value: others,
      goal: 0,
      atMost: true,
      raw: over.other,
    })
    if (over.overflows > 0)
      report.note(`${what}: connections found the queue of those to be taken full ${over.overflows} times (ListenOverflows)`)
    if (over.repeated > 0) report.note(`${what}: ${over.repeated} requests met 408 on connections never used before, and were sent again`)
    if (over.missed > 0) report.note(`${what}: ${over.missed} requests were not sent, because all ${over.connections} connections waited`)
  }
}

/** KiB of memory that a kept connection takes on which one request was answered, beside node:http and the model. */
export const connections = async ({ report, weft, models, client }) => {
  const name = 'small'
  const kept = async (server, url, count) => {
    // what the first connections make is there for all
    await client.request({ command: 'hold', url, name, connections: 256 })
    const before = await server.request({ command: 'memory' })
    await client.request({ command: 'hold', url, name, connections: count })
    const after = await server.request({ command: 'memory' })
    await client.request({ command: 'letGo' })
    const end = await server.request({ command: 'memory' })
    const each = (of) => (of.rss - before.rss) / count / 1024
    return { resident: each(after), heap: (after.heapUsed - before.heapUsed) / count / 1024, left: each(end) }
  }
  const count = report.options.quick ? 1024 : CONNECTIONS
  const { url } = await weft.request({ command: 'start', names: [name], batching: BATCHING })
  const ours = await kept(weft, url, count)
  await weft.request({ command: 'stop' })
  await models.request({ command: 'build', names: [name] })
  const { url: leastUrl } = await models.request({ command: 'startLeast', name, queue: BATCHING.maxQueueSize })
  const least = await kept(models, leastUrl, count)
  await models.request({ command: 'stopLeast' })
  for (const [key, words] of [
    ['heap', 'in the heap of JavaScript'],
    ['resident', 'of resident memory'],
    ['left', 'of resident memory left when they are closed'],
  ])
    report.row({
      name: `${count} connections kept: each, ${words}`,
      measured: ours[key],
      unit: `KiB, node:http and the model ${least[key].toFixed(1)}`,
      raw: { ours, least },
    })
}
