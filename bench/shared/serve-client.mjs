// The client of serve.mjs, in a process of its own.
import { existsSync, readFileSync } from 'node:fs'
import { percentile } from './measure.mjs'
import { bytesOf, Connection, jsonBytesOf, outputOf } from './serve-connection.mjs'
import { GrpcConnection, messageOf } from './serve-grpc.mjs'
import { answerRequests } from './side.mjs'

const outputs = async ({ url, name, rows }) => {
  const connection = new Connection(url)
  const reply = await connection.ask(bytesOf(name, rows))
  connection.close()
  return { outputs: outputOf(reply) }
}

/** Requests of a block: short enough that what disturbs the machine disturbs all sides of a round alike. */
const BLOCK = 500

const FORMATS = {
  binary: { Kind: Connection, write: bytesOf },
  json: { Kind: Connection, write: jsonBytesOf },
  grpc: { Kind: GrpcConnection, write: messageOf },
}

/**
 * Microseconds of `count` requests to each of the servers `urls`, one after the other, in blocks that take turns: all
 * times of each server, sorted.
 */
const latency = async ({ urls, name, rows, count, format = 'binary' }) => {
  const { Kind, write } = FORMATS[format]
  const bytes = write(name, rows)
  const sides = Object.entries(urls).map(([key, url]) => ({ key, connection: new Kind(url), times: [] }))
  const block = Math.min(BLOCK, count)
  for (let done = -block; done < count; done += block) {
    for (const { connection, times } of sides)
      for (let i = -5; i < block; i++) {
        const begin = performance.now()
        const { status, body } = await connection.ask(bytes)
        if (status !== 200) throw new Error(`status ${status}: ${body}`)
        if (done >= 0 && i >= 0) times.push((performance.now() - begin) * 1000)
      }
    sides.push(sides.shift())
  }
  for (const { connection } of sides) connection.close()
  return Object.fromEntries(sides.map(({ key, times }) => [key, times.sort((a, b) => a - b)]))
}

/** Clients that each ask again as soon as they have their answer. */
const throughput = async ({ url, name, rows, clients, milliseconds, model, key }) => {
  const times = []
  const asked = Array.from({ length: clients }, (_, seed) => ({
    connection: new Connection(url),
    bytes: bytesOf(name, rows, { seed, model, key }),
  }))
  const begin = performance.now()
  const client = async ({ connection, bytes }) => {
    while (performance.now() - begin < milliseconds) {
      const from = performance.now()
      const { status } = await connection.ask(bytes)
      if (status !== 200) throw new Error(`status ${status}`)
      times.push((performance.now() - from) * 1000)
    }
    connection.close()
  }
  await Promise.all(asked.map(client))
  const perSecond = (times.length * 1000) / (performance.now() - begin)
  const seconds = (performance.now() - begin) / 1000
  return { perSecond, seconds, microseconds: 1e6 / perSecond, processor: 1e6 / perSecond, p99: percentile(times, 0.99) }
}

/** Milliseconds of processor time of this process since then. */
const cpuMs = (before) => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/**
 * Connections that found the queue of those that a server is to take full, since the machine started. Linux drops what
 * such a client sends; where that lasts for seconds it may end the connection, with ECONNRESET, before the server has
 * seen it.
 */
const listenOverflows = () => {
  if (!existsSync('/proc/net/netstat')) return 0
  const lines = readFileSync('/proc/net/netstat', 'utf8').split('\n')
  const at = lines.findIndex((line) => line.startsWith('TcpExt:'))
  const names = lines[at].split(' ')
  return Number(lines[at + 1].split(' ')[names.indexOf('ListenOverflows')])
}

/** Connections of openLoop: so many at the start, and as many as it takes later. */
const CONNECTIONS = 1024
const MOST_CONNECTIONS = 8192

/**
 * Requests that begin evenly, whether those before them were answered or not. One that finds all connections waiting
 * opens another; beyond the most it is not sent.
 */
const openLoop = async ({ url, name, perSecond, milliseconds }) => {
  const all = Array.from({ length: CONNECTIONS }, () => new Connection(url))
  await Promise.all(all.map((connection) => connection.open))
  const free = [...all]
  let missed = 0
  let repeated = 0
  const bytes = bytesOf(name, 1)
  const good = []
  const refused = []
  const other = new Map()
  const overflows = listenOverflows()
  const begin = performance.now()
  const one = async () => {
    let connection = free.pop()
    if (connection === undefined && all.length === MOST_CONNECTIONS) return void missed++
    try {
      if (connection === undefined) {
        all.push((connection = new Connection(url)))
        await connection.open
      } else if (!connection.isOpen) {
        all[all.indexOf(connection)] = connection = new Connection(url)
        await connection.open
      }
      const from = performance.now()
      let { status } = await connection.ask(bytes)
      // nothing was asked on the connection for 30 s, and it ended as this was sent: RFC 9110, 15.5.9
      if (status === 408) {
        repeated++
        connection.close()
        all[all.indexOf(connection)] = connection = new Connection(url)
        await connection.open
        status = (await connection.ask(bytes)).status
      }
      const took = performance.now() - from
      if (status === 200) good.push(took)
      else if (status === 429) refused.push(took)
      else other.set(status, (other.get(status) ?? 0) + 1)
      free.push(connection)
    } catch (error) {
      const kind = `${connection.wasAnswered ? '' : 'never answered on this connection: '}${error.message}`
      other.set(kind, (other.get(kind) ?? 0) + 1)
    }
  }
  const running = new Set()
  const before = process.cpuUsage()
  let sent = 0
  for (;;) {
    const elapsed = performance.now() - begin
    if (elapsed >= milliseconds) break
    for (const due = (elapsed * perSecond) / 1000; sent < due; sent++) {
      const asked = one()
      running.add(asked)
      void asked.then(() => running.delete(asked))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const elapsed = performance.now() - begin
  await Promise.all(running)
  for (const connection of all) connection.close()
  const at = (list, share) => (list.length === 0 ? 0 : percentile(list, share))
  const answered = good.length + refused.length
  return {
    perSecond: (good.length * 1000) / elapsed,
    sentPerSecond: ((sent - missed) * 1000) / elapsed,
    acceptedP99: at(good, 0.99),
    refused: refused.length,
    refusedP50: at(refused, 0.5),
    refusedP99: at(refused, 0.99),
    other: [...other],
    missed,
    repeated,
    overflows: listenOverflows() - overflows,
    connections: all.length,
    processor: cpuMs(before) / (performance.now() - begin),
    answered,
    perRequest: (cpuMs(before) * 1000) / answered,
  }
}

let held = []
/** Opens so many connections, asks once on each of them, one after the other, and keeps them until letGo(). */
const hold = async ({ url, name, connections }) => {
  const bytes = bytesOf(name, 1)
  for (let i = 0; i < connections; i++) {
    const connection = new Connection(url)
    held.push(connection)
    const { status } = await connection.ask(bytes)
    if (status !== 200) throw new Error(`status ${status}`)
  }
}
const letGo = () => {
  for (const connection of held) connection.close()
  held = []
}

/** Microseconds of a token that comes as a server-sent event. */
const stream = async ({ url, prompt, tokens }) => {
  const body = JSON.stringify({ ids: prompt, max_tokens: tokens })
  const begin = performance.now()
  const reply = await fetch(`${url}/v2/models/writer/generate_stream`, { method: 'POST', body })
  if (!reply.ok) throw new Error(`status ${reply.status}: ${await reply.text()}`)
  const text = await reply.text()
  const ids = text.split('\n').flatMap((line) => (line.startsWith('data: ') ? (JSON.parse(line.slice(6)).ids ?? []) : []))
  if (ids.length !== tokens) throw new Error(`${ids.length} tokens of ${tokens}: ${text.slice(-300)}`)
  return { microseconds: ((performance.now() - begin) * 1000) / tokens }
}

/** Clients that ask, and go away before their answer, or in the middle of their request. */
const crash = async ({ url, name, clients }) => {
  const bytes = bytesOf(name, 1)
  const all = await Promise.all(
    Array.from({ length: clients }, async () => {
      const connection = new Connection(url)
      await connection.open
      return connection
    }),
  )
  all.forEach((connection, i) => connection.ask(i % 2 === 0 ? bytes : bytes.subarray(0, 500)).catch(() => {}))
  await new Promise((resolve) => setTimeout(resolve, 1))
  for (const connection of all) connection.close()
}

/**
 * Clients of a model whose version v answers v, until version 99 answers: what failed, and what was answered with the
 * values of another version than it says.
 */
const versions = async ({ url, clients }) => {
  let answers = 0
  const failed = []
  const wrong = []
  const times = []
  const bytes = bytesOf('large', 1, { model: 'm' })
  const one = async () => {
    let connection = new Connection(url)
    for (let version = 0; version !== 99; ) {
      try {
        const begin = performance.now()
        const reply = await connection.ask(bytes)
        times.push((performance.now() - begin) * 1000)
        const values = outputOf(reply)
        version = Number(/"model_version":"(\d+)"/.exec(reply.body.toString('latin1'))[1])
        if (values.some((value) => value !== version)) wrong.push(`version ${version} gave ${values[0]}`)
        answers++
      } catch (error) {
        failed.push(String(error.message))
        connection.close()
        connection = new Connection(url)
        await connection.open
      }
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: clients }, one))
  return { answers, failed, wrong, p99: percentile(times, 0.99) }
}

/** Milliseconds of answers to `path` while a long inference runs, over so long. */
const beside = async ({ url, name, rows, path, milliseconds }) => {
  const [asking, computing] = [new Connection(url), new Connection(url)]
  const [question, long] = [Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`), bytesOf(name, rows)]
  const end = performance.now() + milliseconds
  const inferences = async () => {
    while (performance.now() < end) {
      const { status } = await computing.ask(long)
      if (status !== 200) throw new Error(`status ${status}`)
    }
  }
  const times = []
  const questions = async () => {
    while (performance.now() < end) {
      const begin = performance.now()
      const { status } = await asking.ask(question)
      if (status !== 200) throw new Error(`status ${status}`)
      times.push(performance.now() - begin)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  await Promise.all([inferences(), questions()])
  for (const connection of [asking, computing]) connection.close()
  return { p99: percentile(times, 0.99), asked: times.length }
}

const usage = () => ({ cpu: process.cpuUsage() })
await answerRequests({ usage, outputs, latency, throughput, beside, stream, openLoop, hold, letGo, crash, versions })
// who asked is gone, and with it what is served
process.exit()
