// The REST server: every endpoint over real sockets on the loopback interface, and what it makes of wrong, large and
// abandoned requests.
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { gunzipSync, gzipSync, deflateSync, inflateSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, sequential, type Tensor } from '../../lib/index.js'
import { type ServeOptions, type Server, serve } from '../../lib/serve/index.js'
import { codeOfAsync } from '../expect.js'
import { scaling } from './models.js'

const quiet = { http: { port: 0 } } as const
async function withServer(options: ServeOptions, fn: (url: string, server: Server) => Promise<void>): Promise<void> {
  const server = await serve({ ...quiet, ...options })
  try {
    await fn(server.address.http!, server)
  } finally {
    await server.close()
  }
}
const words = () =>
  sequential([layers.embedding({ inputDim: 10, outputDim: 4, inputShape: [3] }), layers.flatten(), layers.dense({ units: 2 })])
const two = () => {
  const a = input({ shape: [2], name: 'a' })
  const b = input({ shape: [2], name: 'b' })
  return model({ inputs: { a, b }, outputs: { sum: a.add(b), difference: a.sub(b) } as Record<string, Tensor> })
}
interface Json {
  error: string
  outputs: { name: string; data: number[]; shape: number[]; parameters: object }[]
  [key: string]: unknown
}
const get = async (url: string, init?: RequestInit): Promise<{ status: number; json: Json; headers: Headers }> => {
  const reply = await fetch(url, init)
  const text = await reply.text()
  return { status: reply.status, json: (text ? JSON.parse(text) : {}) as Json, headers: reply.headers }
}
const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  get(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: (typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)) as string,
  })
const x = (rows: number[][], more: object = {}) => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [rows.length, rows[0]!.length], data: rows }],
  ...more,
})
const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)

test('metadata, health and configuration', async () => {
  await withServer({ models: { double: scaling(2), words: words() } }, async (url) => {
    const { json: server } = await get(`${url}/v2`)
    assert.equal(server['name'], 'weft')
    assert.equal(server['extensions'], [
      'binary_tensor_data',
      'statistics',
      'model_configuration',
      'model_repository',
      'schedule_policy',
      'generate',
    ])
    assert.equal((await get(`${url}/v2/health/live`)).json, { live: true })
    assert.equal((await get(`${url}/v2/health/ready`)).json, { ready: true })
    const expected = {
      name: 'double',
      versions: ['1'],
      platform: 'weft',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
    }
    assert.equal((await get(`${url}/v2/models/double`)).json, expected)
    assert.equal((await get(`${url}/v2/models/double/versions/1`)).json, expected)
    assert.equal((await get(`${url}/v2/models/double/ready`)).json, { ready: true })
    assert.equal((await get(`${url}/v2/models/double/versions/1/ready`)).json, { ready: true })
    assert.is(((await get(`${url}/v2/models/words`)).json['inputs'] as { datatype: string }[])[0]!.datatype, 'INT32')
    const { json: config } = await get(`${url}/v2/models/double/config`)
    assert.equal([config['max_batch_size'], config['input']], [32, [{ name: 'x', data_type: 'TYPE_FP32', dims: [2] }]])
  })
})

test('inference in JSON: the id is echoed, outputs are picked', async () => {
  await withServer({ models: { double: scaling(2), two: two() } }, async (url) => {
    const { status, json, headers } = await post(
      `${url}/v2/models/double/infer`,
      x(
        [
          [1, 2],
          [3, 4],
        ],
        { id: 'a1' },
      ),
    )
    assert.is(status, 200)
    assert.match(headers.get('content-type')!, /^application\/json/)
    assert.equal(json, {
      id: 'a1',
      model_name: 'double',
      model_version: '1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], data: [2, 4, 6, 8] }],
    })
    const ab = {
      inputs: [
        { name: 'b', datatype: 'FP32', shape: [1, 2], data: [1, 1] },
        { name: 'a', datatype: 'FP32', shape: [1, 2], data: [5, 6] },
      ],
    }
    const both = await post(`${url}/v2/models/two/versions/1/infer`, ab)
    assert.equal(
      both.json.outputs.map(({ name, data }) => [name, data]),
      [
        ['sum', [6, 7]],
        ['difference', [4, 5]],
      ],
    )
    const one = await post(`${url}/v2/models/two/infer`, { ...ab, outputs: [{ name: 'difference' }] })
    assert.equal(
      one.json.outputs.map(({ name }) => name),
      ['difference'],
    )
    const none = await post(`${url}/v2/models/double/infer`, { inputs: [{ name: 'x', datatype: 'FP32', shape: [0, 2], data: [] }] })
    assert.equal(none.json.outputs[0], { name: 'y', datatype: 'FP32', shape: [0, 2], data: [] } as never)
  })
})

test('the binary extension: in, out, raw', async () => {
  await withServer({ models: { double: scaling(2) } }, async (url) => {
    const infer = `${url}/v2/models/double/infer`
    const json = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
      parameters: { binary_data_output: true },
    })
    const send = (body: Uint8Array, length: string) =>
      fetch(infer, {
        method: 'POST',
        headers: { 'inference-header-content-length': length, 'content-type': 'application/octet-stream' },
        body: body as never,
      })
    const decode = async (reply: Response): Promise<number[]> => {
      assert.is(reply.status, 200)
      const bytes = new Uint8Array(await reply.arrayBuffer())
      const length = Number(reply.headers.get('inference-header-content-length'))
      const { outputs } = JSON.parse(Buffer.from(bytes.subarray(0, length)).toString()) as {
        outputs: { parameters: { binary_data_size: number } }[]
      }
      assert.is(outputs[0]!.parameters.binary_data_size, bytes.length - length)
      return [...new Float32Array(bytes.slice(length).buffer)]
    }
    assert.equal(await decode(await send(Buffer.concat([Buffer.from(json), floats(1.5, -3)]), `${json.length}`)), [3, -6])
    assert.equal(
      await decode(await send(floats(7, Number.POSITIVE_INFINITY), '0')),
      [14, Number.POSITIVE_INFINITY].map((value, i) => (i === 0 ? Number.NaN : value)),
    )
    for (const length of ['-1', '99999999999', '0x10', `${json.length + 9}`]) {
      const reply = await send(Buffer.concat([Buffer.from(json), floats(1, 2)]), length)
      assert.is(reply.status, 400, length)
      await reply.arrayBuffer()
    }
    // infinity in JSON: an error that says what to ask for, and no null
    const wrong = await post(infer, '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[3e38,0]}]}')
    assert.is(wrong.status, 400)
    assert.match(wrong.json.error, /Infinity, which JSON cannot hold. Ask for binary_data/)
  })
})

test('compressed bodies, with the limit on what comes out', async () => {
  await withServer({ models: { wide: scaling(2, 600) }, limits: { bodyBytes: 100_000 } }, async (url) => {
    const infer = `${url}/v2/models/wide/infer`
    const body = JSON.stringify(x([Array<number>(600).fill(1)]))
    for (const [encoding, packed] of [
      ['gzip', gzipSync(body)],
      ['deflate', deflateSync(body)],
    ] as const) {
      const { status, json } = await post(infer, packed, { 'content-encoding': encoding, 'accept-encoding': 'identity' })
      assert.is(status, 200, JSON.stringify(json))
      assert.is(json.outputs[0]!.data[599], 2)
    }
    const bomb = await post(infer, gzipSync(Buffer.alloc(10_000_000)), { 'content-encoding': 'gzip' })
    assert.is(bomb.status, 413)
    assert.is((await post(infer, gzipSync(body).subarray(0, 50), { 'content-encoding': 'gzip' })).status, 400)
    assert.is((await post(infer, body, { 'content-encoding': 'gzip' })).status, 400)
    for (const encoding of ['br', 'gzip, gzip', 'constructor'])
      assert.is((await post(infer, body, { 'content-encoding': encoding })).status, 501, encoding)
    assert.is((await post(infer, 'x'.repeat(100_001))).status, 413)
    // raw sockets: fetch would inflate by itself
    for (const [accept, open] of [
      ['gzip', gunzipSync],
      ['deflate;q=1', inflateSync],
      ['br, gzip;q=0', (bytes: Buffer) => bytes],
    ] as const) {
      const { head, bytes } = await raw(
        url,
        `POST /v2/models/wide/infer HTTP/1.1\r\nhost: localhost\r\naccept-encoding: ${accept}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      )
      assert.match(head, /^HTTP\/1.1 200/)
      assert.is((JSON.parse(open(bytes).toString()) as Json).outputs[0]!.data[0], 2, accept)
    }
  })
})

/** What the server answers to these bytes. */
async function raw(url: string, text: string): Promise<{ head: string; bytes: Buffer }> {
  const socket = connectSocket(Number(new URL(url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(text)
  await once(socket, 'close')
  const whole = Buffer.concat(chunks)
  const end = whole.indexOf('\r\n\r\n')
  const head = whole.subarray(0, end).toString()
  let bytes = whole.subarray(end + 4)
  if (/transfer-encoding: chunked/i.test(head)) {
    const parts: Buffer[] = []
    for (let at = 0; ; ) {
      const line = bytes.indexOf('\r\n', at)
      const length = Number.parseInt(bytes.subarray(at, line).toString(), 16)
      if (!(length > 0)) break
      parts.push(bytes.subarray(line + 2, line + 2 + length))
      at = line + 4 + length
    }
    bytes = Buffer.concat(parts)
  }
  return { head, bytes }
}

test('wrong requests: the status, and a message without internals', async () => {
  await withServer({ models: { double: scaling(2), words: words() }, batching: { maxBatchSize: 4 } }, async (url) => {
    const infer = `${url}/v2/models/double/infer`
    const cases: [string, string, unknown, number, RegExp][] = [
      ['POST', infer, x([[1, 2, 3]]), 400, /input 'x' has shape \[-1,2\], got \[1,3\]/],
      ['POST', infer, { inputs: [{ name: 'z', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] }, 400, /input 'z' is unknown/],
      ['POST', infer, { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 2], data: [1, 2] }] }, 400, /is FP32, got INT32/],
      ['POST', infer, x([[1, 2]], { outputs: [{ name: 'z' }] }), 400, /output 'z' is unknown/],
      ['POST', infer, x([[1, 2]], { outputs: [{ name: 'y' }, { name: 'y' }] }), 400, /asked for twice/],
      ['POST', infer, x([[1, 2]], { parameters: { priority: 2 } }), 400, /priority must be an integer between 0 and 1/],
      ['POST', infer, x(Array(5).fill([1, 2])), 400, /5 rows, maxBatchSize is 4/],
      ['POST', infer, '', 400, /not JSON/],
      ['POST', infer, '['.repeat(200) + ']'.repeat(200), 413, /100 deep/],
      ['POST', `${url}/v2/models/words/infer`, { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 3], data: [1, 2, 10] }] }, 400, /10/],
      ['POST', `${url}/v2/models/none/infer`, x([[1, 2]]), 404, /model 'none' is unknown/],
      ['POST', `${url}/v2/models/double/versions/2/infer`, x([[1, 2]]), 404, /no version '2'/],
      ['GET', `${url}/v2/models/none`, undefined, 404, /unknown/],
      ['GET', `${url}/v2/models/none/ready`, undefined, 404, /unknown/],
      ['GET', `${url}/v2/models/..%2f..%2fetc`, undefined, 404, /unknown/],
      ['GET', `${url}/v2/models/%00`, undefined, 404, /model '\?' is unknown/],
      ['GET', `${url}/v2/models/%ff`, undefined, 400, /not understood/],
      ['GET', `${url}/v2/models/${'n'.repeat(600)}`, undefined, 414, /not understood/],
      ['GET', `${url}/v2/`, undefined, 404, /no such endpoint/],
      ['GET', `${url}/V2`, undefined, 404, /no such endpoint/],
      ['GET', `${url}//v2`, undefined, 404, /no such endpoint/],
      ['GET', infer, undefined, 404, /no such endpoint/],
      ['DELETE', `${url}/v2/models/double`, undefined, 404, /no such endpoint/],
      ['POST', `${url}/v2/repository/models/double/load`, {}, 409, /not loaded and unloaded by clients/],
      ['POST', `${url}/v2/repository/models/double/load`, { parameters: { config: '{}' } }, 501, /parameter 'config' is not offered/],
      ['POST', `${url}/v2/repository/index`, { ready: 1 }, 400, /true or false/],
    ]
    for (const [method, address, body, status, message] of cases) {
      const found = await get(address, {
        method,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      assert.is(found.status, status, `${method} ${address} ${JSON.stringify(body)?.slice(0, 99)} ${JSON.stringify(found.json)}`)
      assert.match(found.json.error, message)
      assert.not.match(found.json.error, /node_modules|\.js\b|\/work|\/tmp/)
    }
    // still well
    assert.is((await post(infer, x([[1, 2]]))).status, 200)
  })
})

test('broken HTTP never reaches a model, and the server goes on', async () => {
  await withServer({ models: { double: scaling(2) } }, async (url) => {
    const requests = [
      'GARBAGE\r\n\r\n',
      'POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n',
      'POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}',
      'POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
      'POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n',
      'POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n',
      `GET /v2 HTTP/1.1\r\nhost: localhost\r\n${'a: b\r\n'.repeat(20_000)}\r\n`,
    ]
    for (const text of requests) {
      const { head } = await raw(url, text)
      assert.match(head, /^HTTP\/1.1 4\d\d/, `${text.slice(0, 80)}: ${head}`)
    }
    assert.is((await get(`${url}/v2/health/ready`)).status, 200)
  })
})

test('a full queue: 429 with Retry-After; a timeout: 504; a client that goes away is taken out', async () => {
  // nothing goes before two rows are there
  const batching = { maxBatchSize: 2, maxDelayMs: 3_600_000, maxQueueSize: 1, timeoutMs: 0 }
  let waiting: ReturnType<typeof post> | undefined
  await withServer({ models: { double: scaling(2) }, batching }, async (url) => {
    const infer = `${url}/v2/models/double/infer`
    const pending = async (): Promise<number> => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/^nv_inference_pending_request_count\{.*\} (\d+)$/m.exec(text)![1])
    }
    const until = async (count: number): Promise<void> => {
      while ((await pending()) !== count) await new Promise((resolve) => setImmediate(resolve))
    }
    const controller = new AbortController()
    waiting = post(infer, x([[1, 2]]))
    await until(1)
    const refused = await post(infer, x([[1, 2]]))
    assert.is(refused.status, 429)
    assert.is(refused.headers.get('retry-after'), '1')
    // what will not be answered is not read: the reply is there before the body
    const early = connectSocket(Number(new URL(url).port), '127.0.0.1')
    early.write('POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{')
    assert.match(String((await once(early, 'data'))[0]), /^HTTP\/1.1 429/)
    early.destroy()
    await withServer({ models: { double: scaling(2) }, batching }, async (other) => {
      const late = await post(`${other}/v2/models/double/infer`, x([[1, 2]], { parameters: { timeout: 2000 } }))
      assert.is(late.status, 504)
      const gone = fetch(`${other}/v2/models/double/infer`, {
        method: 'POST',
        body: JSON.stringify(x([[1, 2]])),
        signal: controller.signal,
      }).catch(() => 'gone')
      const text = async (): Promise<string> => (await fetch(`${other}/metrics`)).text()
      while (!/^nv_inference_pending_request_count\{.*\} 1$/m.test(await text())) await new Promise((resolve) => setImmediate(resolve))
      controller.abort()
      assert.is(await gone, 'gone')
      while (!/^nv_inference_pending_request_count\{.*\} 0$/m.test(await text())) await new Promise((resolve) => setImmediate(resolve))
      assert.match(await text(), /^nv_inference_request_failure\{.*reason="CANCELED"\} 1$/m)
    })
  })
  assert.is((await waiting!).status, 200, 'close() answers what is waiting')
})

test('refusals that follow a refusal, before the router: the same to clients, counted, and for full queues alone', async () => {
  const batching = { maxBatchSize: 2, maxDelayMs: 3_600_000, maxQueueSize: 1, timeoutMs: 0 }
  let waiting: ReturnType<typeof post> | undefined
  await withServer({ models: { double: scaling(2), other: scaling(3) }, batching }, async (url) => {
    const infer = `${url}/v2/models/double/infer`
    const metric = async (pattern: RegExp): Promise<string | undefined> => pattern.exec(await (await fetch(`${url}/metrics`)).text())?.[1]
    waiting = post(infer, x([[1, 2]]))
    while ((await metric(/^nv_inference_pending_request_count\{model="double".*\} (\d+)$/m)) !== '1')
      await new Promise((resolve) => setImmediate(resolve))
    const ask = (to: string): Promise<Response> =>
      fetch(to, { method: 'POST', headers: { 'x-request-id': 'a.1' }, body: JSON.stringify(x([[1, 2]])) })
    const refusals = [await ask(infer), await ask(infer), await ask(`${url}/v2/models/double/versions/1/infer`)]
    const facts = await Promise.all(
      refusals.map(async ({ status, headers, text }, i) => [
        status,
        ...['retry-after', 'x-request-id', 'content-type', 'connection'].map((name) => headers.get(name)),
        await text.call(refusals[i]),
      ]),
    )
    assert.equal(facts[0]!.slice(0, 3), [429, '1', 'a.1'])
    for (const fact of facts) assert.equal(fact, facts[0])
    assert.is(await metric(/^nv_inference_request_failure\{.*model="double".*reason="REJECTED"\} (\d+)$/m), '3')
    // others are what they are
    assert.is((await ask(`${url}/v2/models/none/infer`)).status, 404)
    const strange = connectSocket(Number(new URL(url).port), '127.0.0.1')
    strange.write('POST /v2/models/double/infer HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 1\r\n\r\n{')
    assert.match(String((await once(strange, 'data'))[0]), /^HTTP\/1.1 403/)
    strange.destroy()
    const two = post(
      `${url}/v2/models/other/infer`,
      x([
        [1, 2],
        [3, 4],
      ]),
    )
    assert.is((await two).status, 200)
  })
  assert.is((await waiting)?.status, 200)
})

test('bytes of bodies are counted before they are read: 429, and 200 once those of others are gone', async () => {
  await withServer({ models: { double: scaling(2) }, limits: { inFlightBytes: 2000 } }, async (url) => {
    const infer = `${url}/v2/models/double/infer`
    const [body, headers] = [JSON.stringify(x([[1, 2]])).padEnd(1000), 'host: localhost\r\nconnection: close\r\n']
    const ask = (length: string) => raw(url, `POST /v2/models/double/infer HTTP/1.1\r\n${headers}${length}\r\n\r\n`)
    const slow = connectSocket(Number(new URL(url).port), '127.0.0.1')
    slow.write(`POST /v2/models/double/infer HTTP/1.1\r\n${headers}content-length: 1500\r\n\r\n{`)
    let status = 200
    while (status === 200) status = (await post(infer, body)).status
    assert.is(status, 429)
    assert.match((await ask('transfer-encoding: chunked')).head, /^HTTP\/1.1 429/, 'a length that is not known counts as the largest')
    slow.destroy()
    while (status !== 200) status = (await post(infer, body)).status
  })
})

test('close answers what was accepted, also what waits for its batch', async () => {
  const server = await serve({ ...quiet, models: { double: scaling(2) }, batching: { maxBatchSize: 8, maxDelayMs: 3_600_000 } })
  const url = server.address.http!
  const answers = Array.from({ length: 3 }, () => post(`${url}/v2/models/double/infer`, x([[1, 2]])))
  while (!/^nv_inference_pending_request_count\{.*\} 3$/m.test(await (await fetch(`${url}/metrics`)).text()))
    await new Promise((resolve) => setImmediate(resolve))
  await server.close()
  for (const { status, json } of await Promise.all(answers)) assert.equal([status, json.outputs[0]!.data], [200, [2, 4]])
  assert.is(await fetch(url).catch(() => 'refused'), 'refused')
  await server.close()
})

test('statistics, the index and metrics', async () => {
  await withServer({ models: { double: scaling(2), words: words() } }, async (url) => {
    for (let i = 0; i < 3; i++)
      await post(
        `${url}/v2/models/double/infer`,
        x([
          [1, 2],
          [3, 4],
        ]),
      )
    await post(`${url}/v2/models/words/infer`, { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 3], data: [1, 2, 10] }] })
    interface Stats {
      name: string
      inference_count: number
      execution_count: number
      inference_stats: Record<string, { count: number; ns: number }>
      batch_stats: { batch_size: number; compute_infer: { count: number } }[]
    }
    const { json } = await get(`${url}/v2/models/double/stats`)
    const [stats] = json['model_stats'] as Stats[]
    assert.equal([stats!.inference_count, stats!.execution_count, stats!.inference_stats['success']!.count], [6, 3, 3])
    assert.ok(stats!.inference_stats['compute_infer']!.ns > 0)
    assert.equal(
      stats!.batch_stats.map(({ batch_size, compute_infer }) => [batch_size, compute_infer.count]),
      [[2, 3]],
    )
    const all = (await get(`${url}/v2/models/stats`)).json['model_stats'] as Stats[]
    assert.equal(
      all.map(({ name }) => name),
      ['double', 'words'],
    )
    assert.is(all[1]!.inference_stats['fail']!.count, 1)
    assert.is((await get(`${url}/v2/models/none/stats`)).status, 404)
    const { json: index } = await post(`${url}/v2/repository/index`, { ready: true })
    assert.equal(index as unknown, [
      { name: 'double', version: '1', state: 'READY', reason: '' },
      { name: 'words', version: '1', state: 'READY', reason: '' },
    ])
    await get(`${url}/v2/models/none/ready`)
    const text = await (await fetch(`${url}/metrics`)).text()
    assert.match(text, /^nv_inference_request_success\{model="double",version="1"\} 3$/m)
    assert.match(text, /^nv_inference_count\{model="double",version="1"\} 6$/m)
    assert.match(text, /^nv_inference_exec_count\{model="double",version="1"\} 3$/m)
    assert.match(text, /^nv_inference_request_failure\{model="words",version="1",reason="BACKEND"\} 1$/m)
    assert.match(text, /^weft_inference_request_duration_seconds_bucket\{le="\+Inf",model="double",version="1"\} 3$/m)
    assert.not.match(text, /none/)
  })
})

test('a port that is taken, and certificates that are none', async () => {
  await withServer({ models: { double: scaling(2) } }, async (url) => {
    const port = Number(new URL(url).port)
    const models = { double: scaling(2) }
    assert.is(await codeOfAsync(serve({ models, http: { port } })), 'ERR_STATE')
    assert.is(await codeOfAsync(serve({ models, http: { port: 0 }, grpc: { port } })), 'ERR_STATE')
    const tls = { cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN PRIVATE KEY-----' }
    assert.is(await codeOfAsync(serve({ models, http: { port: 0 }, tls })), 'ERR_ARGUMENT')
  })
})

test('where others reach it, the server needs TLS and authentication, or to be told', async () => {
  const models = { double: scaling(2) }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org'])
    assert.is(await codeOfAsync(serve({ models, http: { host, port: 0 } })), 'ERR_ARGUMENT', host)
  assert.is(await codeOfAsync(serve({ models, http: { host: '127.0.0.1', port: 0 }, grpc: { host: '0.0.0.0', port: 0 } })), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(serve({ models, control: 'explicit', http: { port: 0 } })), 'ERR_ARGUMENT')
  const wrong: object[] = [
    {},
    { models, htpp: {} },
    { models, http: { prot: 1 } },
    { models, http: { port: 70_000 } },
    { models, control: 'all' },
    { models, limits: { bodyBytes: 0 } },
    { models, batching: { maxBatch: 1 } },
    { models, auth: {} },
    { models, tls: { cert: 'a' } },
    { models, http: { port: 0 }, log: 5 },
  ]
  for (const options of wrong)
    assert.is(await codeOfAsync(serve(options as ServeOptions)), 'ERR_ARGUMENT', JSON.stringify(Object.keys(options)))
})

test.run()
