// Connections of the clients of serve.mjs: sockets that are kept, requests that are written as they are.
import { connect } from 'node:net'
import { jsonOf, requestOf } from './served.mjs'

const END = Buffer.from('\r\n\r\n')

/** One connection: one request at a time. */
export class Connection {
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

const inTheClear = (path, headers, body) =>
  Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}content-length: ${body.length}\r\n\r\n`), body])
const keyOf = (key) => (key === undefined ? '' : `authorization: Bearer ${key}\r\n`)

/** A request with binary values. `model`: where the model has another name there; `key`: an API key. */
export const bytesOf = (name, rows, { seed, model = name, key } = {}) => {
  const { json, body } = requestOf(name, rows, seed)
  const headers = `content-type: application/octet-stream\r\n${keyOf(key)}inference-header-content-length: ${json}\r\n`
  return inTheClear(`/v2/models/${model}/infer`, headers, body)
}
/** The same request with its values in JSON. */
export const jsonBytesOf = (name, rows) =>
  inTheClear(`/v2/models/${name}/infer`, 'content-type: application/json\r\n', Buffer.from(jsonOf(name, rows)))

export const outputOf = ({ status, head, body }) => {
  if (status !== 200) throw new Error(`status ${status}: ${body}`)
  const length = Number(/inference-header-content-length: (\d+)/i.exec(head)[1])
  return [...new Float32Array(new Uint8Array(body.subarray(length)).buffer)]
}
