// The peer of serve.mjs: fastify and onnxruntime-node in a process of its own, the way it is written by hand.
// `batched`: requests that came while the model ran are computed together.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import Fastify from '../../node_modules/fastify/fastify.js'
import { identityOnnx, mnistOnnx, perceptronOnnx } from '../shared/onnx.mjs'
import { time } from '../shared/measure.mjs'
import { rowsOf, servedModels } from '../shared/served.mjs'
import { answerRequests } from '../shared/side.mjs'

const onnxOf = ({ kind, input, weights }) => {
  if (kind === 'identity') return identityOnnx(input[0])
  return kind === 'cnn' ? mnistOnnx(weights.map(({ data }) => data)) : perceptronOnnx(weights)
}

let app
let folder
const runs = {}
const start = async ({ names, batched, threads }) => {
  folder = mkdtempSync(join(tmpdir(), 'weft-bench-serve-'))
  app = Fastify({ bodyLimit: 1 << 26 })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  for (const name of names) {
    const model = servedModels[name]()
    const file = join(folder, `${name}.onnx`)
    writeFileSync(file, onnxOf(model))
    const session = await InferenceSession.create(file, { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 })
    const sample = model.input.reduce((product, extent) => product * extent, 1)
    // the CNN of ONNX has its channels first: one channel is the same
    const shape = model.kind === 'cnn' ? [1, 28, 28] : model.input
    const run = async (x, rows) => (await session.run({ x: new Tensor('float32', x, [rows, ...shape]) })).y.data
    runs[name] = run
    const waiting = []
    let running = false
    const pump = async () => {
      running = true
      while (waiting.length > 0) {
        const batch = waiting.splice(0, 32)
        const rows = batch.reduce((sum, { x }) => sum + x.length / sample, 0)
        const x = new Float32Array(rows * sample)
        let at = 0
        for (const one of batch) {
          x.set(one.x, at)
          at += one.x.length
        }
        const y = await run(x, rows)
        const width = y.length / rows
        let row = 0
        for (const one of batch) {
          const count = one.x.length / sample
          one.done(y.slice(row * width, (row + count) * width))
          row += count
        }
      }
      running = false
    }
    const batchedRun = (x) =>
      new Promise((done) => {
        waiting.push({ x, done })
        if (!running) setImmediate(() => running || pump())
      })
    app.post(`/v2/models/${name}/infer`, async (request, reply) => {
      const length = Number(request.headers['inference-header-content-length'])
      const json = JSON.parse(request.body.subarray(0, length).toString())
      const x = new Float32Array(new Uint8Array(request.body.subarray(length)).buffer)
      const [rows] = json.inputs[0].shape
      const y = batched ? await batchedRun(x) : await run(x, rows)
      const output = { name: 'y', datatype: 'FP32', shape: [rows, y.length / rows], parameters: { binary_data_size: y.byteLength } }
      const head = Buffer.from(JSON.stringify({ model_name: name, outputs: [output] }))
      reply.header('inference-header-content-length', head.length).type('application/octet-stream')
      return Buffer.concat([head, Buffer.from(y.buffer, y.byteOffset, y.byteLength)])
    })
  }
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }) }
}
/** Microseconds of processor time of a batch, computed again and again. */
const rawBatches = async ({ name, rows, count }) => {
  const x = rowsOf(name, rows)
  return { processor: (await time(() => runs[name](x, rows), count)).processor }
}
/** The same as the command of weft/serve.mjs: batches for so long, and microseconds of processor time of each row. */
const busy = async ({ name, rows, milliseconds }) => {
  const x = rowsOf(name, rows)
  await runs[name](x, rows)
  const before = process.cpuUsage()
  const begin = performance.now()
  let batches = 0
  for (; performance.now() - begin < milliseconds; batches++) await runs[name](x, rows)
  const { user, system } = process.cpuUsage(before)
  return { batches, perRow: (user + system) / (batches * rows) }
}
const stop = async () => {
  await app.close()
  rmSync(folder, { recursive: true })
}

await answerRequests({ start, stop, rawBatches, busy, usage: () => ({ cpu: process.cpuUsage() }) })
// who asked is gone, and with it what is served
process.exit()
