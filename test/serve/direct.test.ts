// Requests that are answered before the router: the same status, headers and body as the router's, whoever asks.
import { request } from 'node:http'
import path from 'node:path'
import { writeFileSync } from 'node:fs'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createApiKey, serve } from '../../lib/serve/index.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const keys = {
  predict: createApiKey({ id: 'predict', roles: ['predict'] }),
  read: createApiKey({ id: 'read', roles: ['read'] }),
  other: createApiKey({ id: 'other', roles: ['predict'], models: ['other'] }),
}
const file = path.join(folder, 'keys.json')
writeFileSync(file, JSON.stringify({ keys: Object.values(keys).map(({ entry }) => entry) }))

interface Reply {
  status: number | undefined
  headers: Record<string, unknown>
  body: Buffer
}

/** Through the router where the request carries a trace. */
const ask = (url: string, route: string, headers: Record<string, string>, body: Buffer): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const asked = request(url + route, { method: 'POST', headers: { 'content-length': body.length, ...headers } }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('end', () => {
        const { date: _date, 'x-request-id': id, traceresponse: _trace, ...rest } = reply.headers
        assert.match(String(id), /^[0-9a-f-]{36}$/)
        resolve({ status: reply.statusCode, headers: rest, body: Buffer.concat(chunks) })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))
const x = { name: 'x', datatype: 'FP32', shape: [1, 2] }
const plain = json({ inputs: [{ ...x, data: [1, 2] }], id: 'é' })
const head = json({ inputs: [{ ...x, parameters: { binary_data_size: 8 } }], parameters: { binary_data_output: true } })
const values = Buffer.from(Float32Array.of(3, 4).buffer)
const wide = json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [200, 2], data: new Array(400).fill(1) }] })
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const good = bearer(keys.predict.key)

const cases: readonly (readonly [number, string, Record<string, string>, Buffer])[] = [
  [200, '/v2/models/m/infer', good, plain],
  [200, '/v2/models/m/versions/1/infer', good, plain],
  [200, '/v2/models/m/infer', { 'x-api-key': keys.predict.key, 'content-type': 'application/json' }, plain],
  [200, '/v2/models/m/infer', { ...good, 'inference-header-content-length': `${head.length}` }, Buffer.concat([head, values])],
  [200, '/v2/models/m/infer', { ...good, 'inference-header-content-length': '0' }, values],
  [200, '/v2/models/m/infer', { ...good, 'accept-encoding': 'gzip' }, wide],
  [400, '/v2/models/m/infer', good, json({ inputs: [] })],
  [400, '/v2/models/m/infer', { ...good, 'inference-header-content-length': '999' }, plain],
  [400, '/v2/models/m/infer', { ...good, 'content-encoding': 'gzip' }, plain],
  [501, '/v2/models/m/infer', { ...good, 'content-encoding': 'br' }, plain],
  [401, '/v2/models/m/infer', {}, plain],
  [401, '/v2/models/m/infer', bearer('wrong'), plain],
  [403, '/v2/models/m/infer', bearer(keys.read.key), plain],
  [403, '/v2/models/m/infer', bearer(keys.other.key), plain],
  [404, '/v2/models/none/infer', good, plain],
  [404, '/v2/models/m/versions/9/infer', good, plain],
  [413, '/v2/models/m/infer', good, Buffer.alloc(10_000, 32)],
  [404, '/v2/models/m/infer/', good, plain],
  [404, '//v2/models/m/infer', good, plain],
]

test('what is answered before the router is answered as the router would', async () => {
  const models = { m: scaling(2), other: scaling(3) }
  const server = await serve({
    models,
    http: { port: 0 },
    auth: { apiKeys: file },
    batching: { maxBatchSize: 256 },
    limits: { bodyBytes: 8192 },
  })
  const url = server.address.http!
  for (const [status, route, headers, body] of cases) {
    const what = `${route} ${JSON.stringify(headers)}`
    const direct = await ask(url, route, headers, body)
    const routed = await ask(url, route, { ...headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }, body)
    assert.is(direct.status, status, what)
    assert.equal(direct, routed, what)
  }
  const { body } = await ask(url, '/v2/models/m/infer', { ...good, 'inference-header-content-length': '0' }, values)
  assert.equal([...new Float32Array(new Uint8Array(body.subarray(-8)).buffer)], [6, 8])
  await server.close()
})

test('it is written down like others, and the last reply of a server that leaves closes its connection', async () => {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) })
  const server = await serve({ models: { m: scaling(2) }, http: { port: 0 }, auth: { apiKeys: file }, log })
  const url = server.address.http!
  await ask(url, '/v2/models/m/infer', good, plain)
  await ask(url, '/v2/models/m/infer', good, json({ inputs: [] }))
  const closing = server.close({ drainMs: 200 })
  const last = await ask(url, '/v2/models/m/infer', good, plain)
  assert.equal([last.status, last.headers['connection']], [200, 'close'])
  await closing
  const asked = lines.filter(({ msg }) => msg === 'request')
  assert.equal(
    asked.map(({ method, route, status, key, model, code }) => [method, route, status, key, model, code]),
    [
      ['POST', '/v2/models/:model/infer', 200, 'predict', 'm', undefined],
      ['POST', '/v2/models/:model/infer', 400, 'predict', 'm', 'ERR_ARGUMENT'],
      ['POST', '/v2/models/:model/infer', 200, 'predict', 'm', undefined],
    ],
  )
})

test.run()
