// The least that answers with a model: node:http, the JSON of the request and the reply, and the model's program. No
// name or length is checked, nobody is asked who they are. The bound of serve.mjs.
import { createServer } from 'node:http'
import { tensor } from '../../dist/lib/index.js'

/** Sizes that batches are padded to, so that a function keeps the programs of all of them. */
const SIZES = [1, 2, 4, 8, 12, 16, 24, 32]
/** Connections that the kernel keeps until they are taken, as the model server has it. */
const BACKLOG = 4096

/** Calls `take` with the shape and the bytes of the values of a request, and whether they were in its JSON. */
const read = (request, take) => {
  const length = Number(request.headers['content-length'])
  let body
  request.on('data', (chunk) => {
    body = body === undefined ? chunk : Buffer.concat([body, chunk])
    if (body.length < length) return
    const json = request.headers['inference-header-content-length']
    if (json === undefined) {
      const [{ shape, data }] = JSON.parse(body.latin1Slice()).inputs
      take(shape, new Uint8Array(Float32Array.from(data).buffer), true)
    } else take(JSON.parse(body.latin1Slice(0, Number(json))).inputs[0].shape, body.subarray(Number(json)), false)
  })
}

const answer = (reply, shape, values, isJson) => {
  if (isJson) {
    const text = `{"outputs":[{"name":"y","datatype":"FP32","shape":[${shape}],"data":[${values.join()}]}]}`
    reply.writeHead(200, { 'content-length': text.length }).end(text)
    return
  }
  const json = `{"outputs":[{"name":"y","datatype":"FP32","shape":[${shape}],"parameters":{"binary_data_size":${values.byteLength}}}]}`
  reply.writeHead(200, { 'inference-header-content-length': json.length, 'content-length': json.length + values.byteLength })
  reply.end(Buffer.concat([Buffer.from(json), Buffer.from(values.buffer, values.byteOffset, values.byteLength)]))
}

/** Each request is computed by itself, as soon as it was read. */
const oneByOne = (run) => (request, reply) =>
  read(request, async (shape, bytes, isJson) => {
    const x = tensor(new Float32Array(new Uint8Array(bytes).buffer), shape)
    const y = run(x)
    answer(reply, y.shape, await y.data(), isJson)
    x.dispose()
    y.dispose()
  })

/**
 * What waits is computed together, up to 32 requests of one row; the next batch begins before the replies of the one
 * before it are written. Where `queue` requests wait, one more is refused with 429 before it is read.
 */
const batched = (run, queue) => {
  let waiting = []
  let running = false
  let scheduled = false
  const compute = async () => {
    const batch = waiting.slice(0, SIZES.at(-1))
    waiting = waiting.slice(batch.length)
    const rows = SIZES.find((size) => size >= batch.length)
    const [, ...sample] = batch[0].shape
    const width = sample.reduce((product, extent) => product * extent, 1)
    const data = new Float32Array(rows * width)
    const bytes = new Uint8Array(data.buffer)
    batch.forEach((one, row) => bytes.set(one.bytes, row * width * 4))
    const x = tensor(data, [rows, ...sample])
    const y = run(x)
    const values = await y.data()
    const [, ...result] = y.shape
    x.dispose()
    y.dispose()
    running = waiting.length > 0
    if (running) void compute()
    const length = values.length / rows
    batch.forEach(({ reply }, row) => answer(reply, [1, ...result], values.subarray(row * length, (row + 1) * length)))
  }
  const begin = () => {
    scheduled = false
    if (running || waiting.length === 0) return
    running = true
    void compute()
  }
  return (request, reply) => {
    if (waiting.length >= queue) {
      reply.writeHead(429, { 'content-length': 0 }).end()
      return
    }
    read(request, (shape, bytes) => {
      waiting.push({ shape, bytes, reply })
      if (running || scheduled) return
      scheduled = true
      setImmediate(begin)
    })
  }
}

/** Listens; resolves with the server. `queue` undefined: no batches, and nobody is refused. */
export const leastServer = async (run, queue) => {
  const server = createServer(queue === undefined ? oneByOne(run) : batched(run, queue))
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, resolve))
  return server
}
