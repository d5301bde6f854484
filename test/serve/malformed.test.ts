// Malformed requests, written by hand: framing, headers, JSON, tensors, names, gRPC. Each has the status that it gets.
import { connect as connectSocket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { input, layers, model, sequential, type Tensor } from '../../lib/index.js'
import { ModelInferRequestSchema } from '../../lib/serve/grpc/inference_pb.js'
import { type Server, serve } from '../../lib/serve/index.js'
import { HANG_MS } from '../expect.js'
import { scaling } from './models.js'

const two = () => {
  const a = input({ shape: [2], name: 'a' })
  const b = input({ shape: [2], name: 'b' })
  return model({ inputs: { a, b }, outputs: { sum: a.add(b) } as Record<string, Tensor> })
}
let server: Server
let cases = 0
test.before(async () => {
  const words = sequential([layers.embedding({ inputDim: 10, outputDim: 2, inputShape: [2] }), layers.flatten()])
  const models = { m: scaling(2), two: two(), words }
  server = await serve({ models, http: { port: 0 }, grpc: { port: 0 }, limits: { bodyBytes: 65_536 }, batching: { maxBatchSize: 4 } })
})
test.after(async () => {
  const reply = await fetch(`${server.address.http}/v2/models/m/infer`, { method: 'POST', body: JSON.stringify({ inputs: [x()] }) })
  assert.is(reply.status, 200, 'after all that the server answers')
  await server.close()
})

/**
 * Bytes as they are, on a connection of their own: the status of the first reply, or 0 where it is closed without one.
 */
const raw = (text: string | Buffer): Promise<{ status: number; replies: number; text: string }> =>
  new Promise((resolve) => {
    let received = ''
    const socket = connectSocket(Number(new URL(server.address.http!).port), '127.0.0.1', () => socket.write(text))
    const timer = setTimeout(() => socket.destroy(), HANG_MS)
    socket.on('data', (data: Buffer) => {
      received += data.toString('latin1')
      const whole = /transfer-encoding/i.test(received) ? /\r\n0\r\n\r\n$/ : /\r\n\r\n[\s\S]*\}$/
      // another reply would come at once
      if (whole.test(received)) setTimeout(() => socket.destroy(), 20)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      const statuses = received.match(/HTTP\/1\.1 \d{3}/g) ?? []
      resolve({ status: Number(statuses[0]?.slice(9) ?? 0), replies: statuses.length, text: received })
    })
  })
async function send(
  body: string | Uint8Array,
  headers: Record<string, string> = {},
  url = '/v2/models/m/infer',
): Promise<{ status: number; text: string }> {
  const reply = await fetch(`${server.address.http}${url}`, { method: 'POST', body: body as never, headers })
  return { status: reply.status, text: await reply.text() }
}
async function refused(
  what: string,
  status: number,
  body: string | Uint8Array,
  headers?: Record<string, string>,
  url?: string,
): Promise<void> {
  cases++
  const reply = await send(body, headers, url)
  assert.is(reply.status, status, `${what}: ${reply.text.slice(0, 200)}`)
  const json = JSON.parse(reply.text) as { error: string }
  assert.type(json.error, 'string', what)
  assert.ok(json.error.length > 0 && json.error.length < 2000, what)
  assert.not.match(json.error, /\/work|node_modules|dist\/|\bat [\w.]+ \(|0x[0-9a-f]{6}/, what)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what writes elsewhere in a terminal
  assert.not.match(json.error, /[\u0000-\u0008\u000b-\u001f\u007f]/, what)
}
const x = (more: object = {}): object => ({ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2], ...more })
const without = (key: string): object => Object.fromEntries(Object.entries(x()).filter(([name]) => name !== key))

test('framing', async () => {
  const head = 'POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\n'
  const body = JSON.stringify({ inputs: [x()] })
  const rows: [string, string, number][] = [
    ['no length, no body', `${head}\r\n`, 400],
    ['a negative length', `${head}content-length: -1\r\n\r\n`, 400],
    ['a length that is no number', `${head}content-length: ten\r\n\r\n`, 400],
    ['a length in hexadecimal', `${head}content-length: 0x10\r\n\r\n`, 400],
    ['two lengths', `${head}content-length: 5\r\ncontent-length: 6\r\n\r\n{}{}{}`, 400],
    ['two lengths in one', `${head}content-length: 5, 6\r\n\r\n{}{}{}`, 400],
    ['a length beyond all numbers', `${head}content-length: 99999999999999999999\r\n\r\n`, 400],
    ['a length beyond the limit', `${head}content-length: 65537\r\n\r\n`, 413],
    ['length and chunks', `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['chunks twice', `${head}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['an unknown transfer encoding', `${head}transfer-encoding: zip\r\n\r\n`, 400],
    ['a chunk of no length', `${head}transfer-encoding: chunked\r\n\r\nx\r\n`, 400],
    ['a negative chunk', `${head}transfer-encoding: chunked\r\n\r\n-1\r\n\r\n`, 400],
    ['a chunk beyond all numbers', `${head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n`, 400],
    ['a chunk longer than it says', `${head}transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`, 400],
    [
      'chunks beyond the limit',
      `${head}transfer-encoding: chunked\r\n\r\n${'1000\r\n'.concat(' '.repeat(4096), '\r\n').repeat(17)}0\r\n\r\n`,
      413,
    ],
    ['many small chunks beyond the limit', `${head}transfer-encoding: chunked\r\n\r\n${'6\r\n      \r\n'.repeat(11_000)}0\r\n\r\n`, 413],
    ['no host', 'GET /v2 HTTP/1.1\r\n\r\n', 400],
    ['an unknown method', 'BREW /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['a method in small letters', 'get /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['no version: HTTP/0.9', 'GET /v2\r\n\r\n', 200],
    ['another version', 'GET /v2 HTTP/9.9\r\nhost: localhost\r\n\r\n', 400],
    ['HTTP/2 without a preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a header without a name', 'GET /v2 HTTP/1.1\r\nhost: localhost\r\n: x\r\n\r\n', 400],
    ['a header with a blank', 'GET /v2 HTTP/1.1\r\nhost: localhost\r\na b: x\r\n\r\n', 400],
    ['a folded header', 'GET /v2 HTTP/1.1\r\nhost: localhost\r\n x: y\r\n\r\n', 400],
    ['a header with a zero', 'GET /v2 HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n', 400],
    ['headers beyond 16 KiB', `GET /v2 HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['many headers', `GET /v2 HTTP/1.1\r\nhost: localhost\r\n${'x: y\r\n'.repeat(10_000)}\r\n`, 431],
    ['a path beyond 16 KiB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 431],
    ['a blank in the path', 'GET /v2 x HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['a zero in the path', 'GET /v2\0 HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['bytes', '\u0016\u0003\u0001\u0000\u00c8\u0001', 400],
    ['line feeds alone', 'GET /v2 HTTP/1.1\nhost: localhost\n\n', 400],
    [
      'a websocket',
      'GET /v2 HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: a\r\n\r\n',
      200,
    ],
    ['an address as path', 'GET http://other/v2 HTTP/1.1\r\nhost: localhost\r\n\r\n', 200],
    ['a tunnel', 'CONNECT other:80 HTTP/1.1\r\nhost: localhost\r\n\r\n', 0],
    ['an expectation', `${head}expect: magic\r\ncontent-length: 2\r\n\r\n{}`, 417],
    ['a body longer than its length', `${head}content-length: ${body.length - 1}\r\n\r\n${body}`, 400],
    ['a request behind the length', `${head}content-length: 0\r\n\r\nGET /metrics`, 400],
  ]
  for (const [what, text, status] of rows) {
    cases++
    const found = await raw(Buffer.from(text, 'latin1'))
    assert.is(found.status, status, `${what}: ${found.text.slice(0, 200)}`)
  }
})

test('paths', async () => {
  const get = async (path: string): Promise<number> =>
    (await raw(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)).status
  const unknown = [
    '/',
    '//v2',
    '/v2/',
    '/V2',
    '/v2//models/m',
    '/v2/models/m/',
    '/v2/models/M',
    '/v2/models/../v2',
    '/v2/models/%2e%2e',
    '/v2/models/..%2fm',
    '/v2/models/m%2f..',
    '/v2/models/%2fetc%2fpasswd',
    '/v2/models/m%00',
    '/v2/models/m%20',
    '/v2/models/%20m',
    '/v2/models/m\\',
    '/v2/models/%6d%6d',
    '/v2/models/%ef%bd%8d',
    '/v2/models/%d0%bc',
    '/v2/models/__proto__',
    '/v2/models/constructor',
    '/v2/models/m/versions/0',
    '/v2/models/m/versions/01',
    '/v2/models/m/versions/-1',
    '/v2/models/m/versions/1.0',
    '/v2/models/m/versions/1e0',
    '/v2/models/m/versions/2',
    '/v2/models/m/versions/99999999999999999999',
    '/v2/models/m/versions/__proto__',
    '/v2/models/m/versions/latest',
    '/v2/models/m/infer/x',
    '/v2/models/m;a=b',
    '/v1/models/m:predict',
    '/v1/models/m:',
    '/v1/models/m/versions/x',
    '/metrics/',
    '/openapi.json/x',
    '/v2/systemsharedmemory/status',
    '/.env',
    '/v2/repository/models/m/load',
  ]
  for (const path of unknown) {
    cases++
    assert.is(await get(path), 404, path)
  }
  for (const path of ['/v2/models/%', '/v2/models/%zz', '/v2/models/%c0%af', '/v2/models/%ff']) {
    cases++
    assert.is(await get(path), 400, path)
  }
  cases++
  assert.is(await get(`/v2/models/${'m'.repeat(600)}`), 414)
})

test('headers of the protocol', async () => {
  const body = JSON.stringify({ inputs: [x()] })
  for (const value of ['-1', 'NaN', '0x10', '1e2', '1.5', ' ', '99999999999', `${body.length + 1}`, '9'.repeat(30), '5, 5', '+5'])
    await refused(`header length '${value}'`, 400, body, { 'inference-header-content-length': value })
  await refused('the length of half of the JSON', 400, body, { 'inference-header-content-length': '10' })
  await refused('a raw body of another size', 400, new Uint8Array(7), { 'inference-header-content-length': '0' })
  await refused('a raw body for two inputs', 400, new Uint8Array(8), { 'inference-header-content-length': '0' }, '/v2/models/two/infer')
  const gzip = { 'content-encoding': 'gzip' }
  await refused('a bomb', 413, gzipSync(Buffer.alloc(1 << 24)), gzip)
  await refused('half of a file', 400, gzipSync(body).subarray(0, 20), gzip)
  await refused('not compressed', 400, body, gzip)
  await refused('compressed twice', 400, gzipSync(gzipSync(body)), gzip)
  await refused('an empty file', 400, new Uint8Array(0), gzip)
  for (const encoding of ['br', 'zstd', 'gzip, gzip', 'GZIP', 'x', '__proto__', 'constructor'])
    await refused(`encoding ${encoding}`, 501, body, { 'content-encoding': encoding })
})

test('JSON', async () => {
  const texts = [
    '',
    ' ',
    '{',
    '[]',
    '5',
    'null',
    '"text"',
    'true',
    '{}',
    '{"inputs":null}',
    '{"inputs":{}}',
    '{"inputs":[]}',
    '{"inputs":[null]}',
    '{"inputs":[[]]}',
    '{"inputs":[5]}',
    "{'inputs':[]}",
    '{"inputs":[{}],}',
    '{"inputs":NaN}',
    '{"inputs":[{"name":"x"}]}{}',
    '\u{feff}{"inputs":[]}',
    '{"inputs":[]} x',
    '{"__proto__":{"inputs":[]}}',
    '{"constructor":5}',
    '{"inputs":[{"__proto__":{"name":"x"}}]}',
    '/* */{}',
    '{"inputs":[1e]}',
    '{"inputs":[01]}',
    '{"inputs":["\\x"]}',
    '{"inputs":["\u0001"]}',
  ]
  for (const text of texts) await refused(JSON.stringify(text), 400, text)
  await refused('bytes that are no UTF-8', 400, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))
  await refused('UTF-16', 400, Buffer.from('{"inputs":[]}', 'utf16le'))
  for (const depth of [101, 5000]) await refused(`${depth} deep`, 413, `{"inputs":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  await refused('larger than the limit', 413, `{"a":"${'x'.repeat(70_000)}"}`)
  await refused('many keys', 400, `{${Array.from({ length: 5000 }, (_, i) => `"${i}":1`)}}`)
})

test('ids, parameters, outputs', async () => {
  const of = (more: object): string => JSON.stringify({ inputs: [x()], ...more })
  for (const id of [5, null, {}, [], true]) await refused(`id ${JSON.stringify(id)}`, 400, of({ id }))
  await refused('a long id', 413, of({ id: 'i'.repeat(1025) }))
  const parameters: unknown[] = [
    5,
    [],
    null,
    'x',
    { a: null },
    { a: {} },
    { a: [] },
    { priority: -1 },
    { priority: 1.5 },
    { priority: '1' },
    { priority: 99 },
    { priority: 2 ** 60 },
    { timeout: -1 },
    { timeout: 'soon' },
    { timeout: 0.5 },
    { binary_data_output: 1 },
    { binary_data_output: 'true' },
    { triton_x: 1 },
  ]
  for (const value of parameters) await refused(`parameters ${JSON.stringify(value)}`, 400, of({ parameters: value }))
  for (const value of [{ sequence_id: 5 }, { sequence_start: true }])
    await refused(`parameters ${JSON.stringify(value)}`, 501, of({ parameters: value }))
  const outputs: unknown[] = [
    5,
    {},
    'y',
    [5],
    [null],
    [[]],
    [{}],
    [{ name: 5 }],
    [{ name: '' }],
    [{ name: 'z' }],
    [{ name: 'y' }, { name: 'y' }],
    [{ name: 'y', parameters: 5 }],
    [{ name: 'y', parameters: { binary_data: 'x' } }],
  ]
  for (const value of outputs) await refused(`outputs ${JSON.stringify(value)}`, 400, of({ outputs: value }))
  await refused('1,025 outputs', 413, of({ outputs: Array.from({ length: 1025 }, (_, i) => ({ name: `${i}` })) }))
  await refused('classification', 501, of({ outputs: [{ name: 'y', parameters: { classification: 3 } }] }))
  await refused('shared memory', 501, of({ outputs: [{ name: 'y', parameters: { shared_memory_region: 'r' } }] }))
})

test('tensors', async () => {
  const of = (...inputs: unknown[]): string => JSON.stringify({ inputs })
  for (const key of ['name', 'datatype', 'shape', 'data']) await refused(`no ${key}`, 400, of(without(key)))
  for (const name of [5, '', null, 'y', 'X', 'x ', 'x\u0000', '__proto__', 'n'.repeat(257)])
    await refused(`name ${JSON.stringify(name)}`, 400, of(x({ name })))
  await refused('twice', 400, of(x(), x()))
  await refused('one too many', 400, of(x(), x({ name: 'z' })))
  await refused('one missing', 400, of(x({ name: 'a' })), {}, '/v2/models/two/infer')
  await refused(
    'rows that differ',
    400,
    of(x({ name: 'a' }), x({ name: 'b', shape: [2, 2], data: [1, 2, 3, 4] })),
    {},
    '/v2/models/two/infer',
  )
  for (const datatype of [5, '', 'fp32', 'FLOAT', 'FP8', 'INT32', 'FP64', 'BYTES', 'FP16', 'BF16', 'constructor', null])
    await refused(`datatype ${datatype}`, 400, of(x({ datatype })))
  const shapes: [unknown, number][] = [
    [5, 400],
    ['1,2', 400],
    [{}, 400],
    [null, 400],
    [[], 400],
    [[2], 400],
    [[1, 3], 400],
    [[1, 2, 1], 400],
    [[-1, 2], 400],
    [[1, -2], 400],
    [[1.5, 2], 400],
    [['1', 2], 400],
    [[null, 2], 400],
    [[[1], 2], 400],
    [[2, 2], 400],
    [[0, 2], 400],
    [[5, 2], 400],
    [[2 ** 31, 2], 413],
    [[2 ** 32, 2], 413],
    [[2 ** 33, 2 ** 31], 413],
    [[2 ** 53, 2], 400],
    [[1e300, 2], 400],
    [[0, 2 ** 40], 413],
    [Array.from({ length: 17 }, () => 1), 413],
  ]
  for (const [shape, status] of shapes) await refused(`shape ${JSON.stringify(shape)}`, status, of(x({ shape })))
  await refused('more rows than a batch', 400, of(x({ shape: [5, 2], data: Array.from({ length: 10 }, () => 1) })))
  const data: unknown[] = [
    5,
    null,
    'text',
    {},
    [],
    [1],
    [1, 2, 3],
    [1, '2'],
    [1, null],
    [1, true],
    [1, {}],
    [1, [2]],
    [[1], [2]],
    [[1, 2, 3]],
    [[[1, 2]]],
    [
      [1, 2],
      [3, 4],
    ],
  ]
  for (const values of data) await refused(`data ${JSON.stringify(values)}`, 400, of(x({ data: values })))
  for (const number of ['1e400', '-1e400', '3.5e38', 'NaN', 'Infinity'])
    await refused(number, 400, `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,${number}]}]}`)
  const ids = (...values: unknown[]): string => of({ name: 'x', datatype: 'INT32', shape: [1, 2], data: values })
  for (const value of [1.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, '1', true, null, 10, -1])
    await refused(`id ${value}`, 400, ids(1, value), {}, '/v2/models/words/infer')
  const binary = (size: unknown, bytes = 8): [Uint8Array, Record<string, string>] => {
    const json = Buffer.from(of({ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: size } }))
    return [Buffer.concat([json, Buffer.alloc(bytes)]), { 'inference-header-content-length': `${json.length}` }]
  }
  for (const size of [-1, 7, 9, 4, 0, 1.5, '8', 2 ** 40, 2 ** 53, true]) await refused(`binary size ${size}`, 400, ...binary(size))
  for (const bytes of [0, 7, 9, 16]) await refused(`${bytes} bytes for 8`, 400, ...binary(8, bytes))
  await refused('data and binary data', 400, of(x({ parameters: { binary_data_size: 8 } })))
  await refused('shared memory', 501, of(x({ parameters: { shared_memory_region: 'r' } })))
  await refused('1,025 inputs', 413, of(...Array.from({ length: 1025 }, () => 1)))
})

test('gRPC', async () => {
  const client = new grpc.Client(server.address.grpc!.replace('grpc://', ''), grpc.credentials.createInsecure())
  const same = (value: Buffer): Buffer => value
  const send = (method: string, bytes: Uint8Array, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve) => {
      const metadata = new grpc.Metadata()
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
      client.makeUnaryRequest(method, same, same, Buffer.from(bytes), metadata, { deadline: Date.now() + HANG_MS }, (error) =>
        resolve(error?.code ?? 0),
      )
    })
  const at = (method: string): string => `/inference.GRPCInferenceService/${method}`
  const of = (more: object): Uint8Array =>
    toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, { modelName: 'm', ...more } as never))
  const wire = (more: object = {}): object => ({ name: 'x', datatype: 'FP32', shape: [1n, 2n], ...more })
  const rawContents = [new Uint8Array(8)]
  const { INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, RESOURCE_EXHAUSTED } = grpc.status
  const rows: [string, Uint8Array, number][] = [
    ['no model', of({ modelName: '' }), NOT_FOUND],
    ['another model', of({ modelName: 'none' }), NOT_FOUND],
    ['another version', of({ modelVersion: '7' }), NOT_FOUND],
    ['no inputs', of({}), INVALID_ARGUMENT],
    ['no contents', of({ inputs: [wire()] }), INVALID_ARGUMENT],
    ['short contents', of({ inputs: [wire()], rawInputContents: [new Uint8Array(7)] }), INVALID_ARGUMENT],
    ['long contents', of({ inputs: [wire()], rawInputContents: [new Uint8Array(9)] }), INVALID_ARGUMENT],
    ['more contents than inputs', of({ inputs: [wire()], rawInputContents: [...rawContents, ...rawContents] }), INVALID_ARGUMENT],
    ['both contents', of({ inputs: [wire({ contents: { fp32Contents: [1, 2] } })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['contents of another kind', of({ inputs: [wire({ contents: { intContents: [1, 2] } })] }), INVALID_ARGUMENT],
    ['contents of two kinds', of({ inputs: [wire({ contents: { fp32Contents: [1, 2], intContents: [1] } })] }), INVALID_ARGUMENT],
    ['too few contents', of({ inputs: [wire({ contents: { fp32Contents: [1] } })] }), INVALID_ARGUMENT],
    ['no name', of({ inputs: [wire({ name: '' })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['another name', of({ inputs: [wire({ name: 'z' })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['another datatype', of({ inputs: [wire({ datatype: 'INT32' })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['an unknown datatype', of({ inputs: [wire({ datatype: 'FP8' })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['a negative extent', of({ inputs: [wire({ shape: [-1n, 2n] })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['a large extent', of({ inputs: [wire({ shape: [2n ** 62n, 2n] })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    [
      'an extent beyond 64 bits together',
      of({ inputs: [wire({ shape: [2n ** 33n, 2n ** 33n] })], rawInputContents: rawContents }),
      INVALID_ARGUMENT,
    ],
    ['many axes', of({ inputs: [wire({ shape: Array.from({ length: 40 }, () => 1n) })], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['another output', of({ inputs: [wire()], rawInputContents: rawContents, outputs: [{ name: 'z' }] }), INVALID_ARGUMENT],
    ['an output twice', of({ inputs: [wire()], rawInputContents: rawContents, outputs: [{ name: 'y' }, { name: 'y' }] }), INVALID_ARGUMENT],
    ['a long id', of({ id: 'i'.repeat(2000), inputs: [wire()], rawInputContents: rawContents }), INVALID_ARGUMENT],
    ['beyond the limit', of({ inputs: [wire()], rawInputContents: [new Uint8Array(70_000)] }), RESOURCE_EXHAUSTED],
    ['a field without an end', Uint8Array.of(0x0a), INVALID_ARGUMENT],
    ['a length beyond the message', Uint8Array.of(0x0a, 0x7f, 1), INVALID_ARGUMENT],
    ['a number without an end', new Uint8Array(12).fill(0xff), INVALID_ARGUMENT],
    ['an unknown kind of field', Uint8Array.of(0x0f), INVALID_ARGUMENT],
    ['groups without an end', new Uint8Array(3000).fill(0x0b), INVALID_ARGUMENT],
  ]
  for (const [what, bytes, status] of rows) {
    cases++
    assert.is(await send(at('ModelInfer'), bytes), status, what)
  }
  for (const [method, status] of [
    [at('None'), UNIMPLEMENTED],
    [at('SystemSharedMemoryRegister'), UNIMPLEMENTED],
    [at('modelInfer'), UNIMPLEMENTED],
    ['/inference.Other/ModelInfer', UNIMPLEMENTED],
    ['/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', UNIMPLEMENTED],
    ['/', UNIMPLEMENTED],
  ] as const) {
    cases++
    assert.is(await send(method, new Uint8Array(0)), status, method)
  }
  client.close()
})

test('there are at least 300', () => {
  assert.ok(cases >= 300, `${cases} malformed requests`)
})

test.run()
