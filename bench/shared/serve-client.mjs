// The client of serve.mjs, in a process of its own: sockets that are kept, requests that are written as they are.
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { percentile } from './measure.mjs'
import { requestOf } from './served.mjs'
import { answerRequests } from './side.mjs'

const END = Buffer.from('\r\n\r\n')

/** One connection: one request at a time. */
class Connection {
  #socket
  #chunks = []
  #length = 0
  #done
  wasAnswered = false
  /** Resolves when it is open. */
  open

  constructor(url) {
    const { hostname, port } = new URL(url)
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.open = new Promise((resolve, reject) => this.#socket.once('connect', resolve).once('error', reject))
    this.open.catch(() => {})
    this.#socket.on('data', (chunk) => this.#take(chunk))
    this.#socket.on('error', (error) => this.#done?.reject(error))
    this.#socket.on('close', () => this.#done?.reject(new Error('the connection was closed')))
  }

  ask(bytes) {
    return new Promise((resolve, reject) => {
      this.#done = { resolve, reject }
      this.#socket.write(bytes)
    })
  }
  get isOpen() {
    return !this.#socket.destroyed && this.#socket.readyState === 'open'
  }
  close() {
    this.#done = undefined
    this.#socket.destroy()
  }

  #take(chunk) {
    // a server ends connections that ask nothing for long, and may say so
    if (this.#done === undefined) {
      this.#socket.destroy()
      return
    }
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#length)
    this.#chunks = [all]
    const end = all.indexOf(END)
    if (end < 0) return
    const head = all.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (all.length < end + 4 + length) return
    const body = all.subarray(end + 4, end + 4 + length)
    this.#chunks = []
    this.#length = 0
    const { resolve } = this.#done
    this.#done = undefined
    this.wasAnswered = true
    resolve({ status: Number(head.slice(9, 12)), head, body })
  }
}

const bytesOf = (name, rows, seed) => {
  const { json, body } = requestOf(name, rows, seed)
  const head = `POST /v2/models/${name}/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n`
  return Buffer.concat([Buffer.from(`${head}inference-header-content-length: ${json}\r\ncontent-length: ${body.length}\r\n\r\n`), body])
}
const outputOf = ({ status, head, body }) => {
  if (status !== 200) throw new Error(`status ${status}: ${body}`)
  const length = Number(/inference-header-content-length: (\d+)/i.exec(head)[1])
  return [...new Float32Array(new Uint8Array(body.subarray(length)).buffer)]
}

const outputs = async ({ url, name, rows }) => {
  const connection = new Connection(url)
  const reply = await connection.ask(bytesOf(name, rows))
  connection.close()
  return { outputs: outputOf(reply) }
}

/** Requests of a block: short enough that what disturbs the machine disturbs all sides of a round alike. */
const BLOCK = 500

/**
 * Microseconds of `count` requests to each of the servers `urls`, one after the other, in blocks that take turns: all
 * times of each server, sorted.
 */
const latency = async ({ urls, name, rows, count }) => {
  const bytes = bytesOf(name, rows)
  const sides = Object.entries(urls).map(([key, url]) => ({ key, connection: new Connection(url), times: [] }))
  for (let done = -Math.min(BLOCK, count); done < count; done += BLOCK) {
    for (const { connection, times } of sides)
      for (let i = -5; i < Math.min(BLOCK, count); i++) {
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
const throughput = async ({ url, name, rows, clients, milliseconds }) => {
  const times = []
  const asked = Array.from({ length: clients }, (_, i) => ({ connection: new Connection(url), bytes: bytesOf(name, rows, i) }))
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
  const { hostname } = new URL(url)
  let answers = 0
  const failed = []
  const wrong = []
  const { json, body } = requestOf('large', 1)
  const head = `POST /v2/models/m/infer HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/octet-stream\r\n`
  const bytes = Buffer.concat([
    Buffer.from(`${head}inference-header-content-length: ${json}\r\ncontent-length: ${body.length}\r\n\r\n`),
    body,
  ])
  const one = async () => {
    let connection = new Connection(url)
    for (let version = 0; version !== 99; ) {
      try {
        const reply = await connection.ask(bytes)
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
  return { answers, failed, wrong }
}

const usage = () => ({ cpu: process.cpuUsage() })
await answerRequests({ usage, outputs, latency, throughput, stream, openLoop, hold, letGo, crash, versions })
// who asked is gone, and with it what is served
process.exit()
