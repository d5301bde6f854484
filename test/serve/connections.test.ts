// Connections: HTTP/1.1 and HTTP/2 with and without TLS, their limits, and certificates that change.
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import * as http2 from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, type Limits, serve, type Server } from '../../lib/serve/index.js'
import { codeOfAsync, HANG_MS, until } from '../expect.js'
import { testWith } from '../skip.js'
import { Authority, hasOpenssl } from './certificates.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
/** SETTINGS of 4 bytes: not a multiple of 6. */
const BROKEN = Buffer.from([0, 0, 4, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4])

const portOf = (url: string | undefined): number => Number(new URL(url!.replace('grpc', 'http')).port)
const socketTo = (url: string | undefined, ...bytes: Buffer[]): Socket => {
  const socket = connectSocket({ port: portOf(url), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.resume()
  for (const part of bytes) socket.write(part)
  return socket
}
/** Far above the limits of these tests, and below those that a server has by itself. */
const SOON_MS = 20_000
/** Whether the server ended it soon. */
const ends = async (socket: Socket): Promise<boolean> => {
  const late = new AbortController()
  const ended = new Promise<boolean>((resolve) => socket.once('end', () => resolve(true)).once('close', () => resolve(true)))
  const found = await Promise.race([ended, pause(SOON_MS, false, { signal: late.signal })])
  late.abort()
  return found
}

async function ask(session: http2.ClientHttp2Session, pathname: string, body?: string): Promise<{ status: number; text: string }> {
  const stream = session.request({ ':path': pathname, ':method': body === undefined ? 'GET' : 'POST' })
  stream.end(body)
  let text = ''
  stream.setEncoding('utf8').on('data', (part: string) => (text += part))
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
  await once(stream, 'end')
  return { status: headers[':status']!, text }
}
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] })
const start = (limits: Limits = {}, more: object = {}): Promise<Server> =>
  serve({ models: { double: scaling(2) }, http: { port: 0 }, grpc: { port: 0 }, limits, ...more })

test('HTTP/2 without TLS: requests of one session share a batch, and the server drains it', async () => {
  // nothing goes before eight rows are there
  const server = await start({}, { http: { port: 0, http2: true }, batching: { maxBatchSize: 8, maxDelayMs: 3_600_000 } })
  const session = http2.connect(server.address.http!)
  const replies = await Promise.all(Array.from({ length: 8 }, () => ask(session, '/v2/models/double/infer', BODY)))
  for (const { status, text } of replies)
    assert.equal([status, (JSON.parse(text) as { outputs: { data: number[] }[] }).outputs[0]!.data], [200, [2, 4]])
  const { text } = await ask(session, '/v2/models/double/stats')
  assert.is((JSON.parse(text) as { model_stats: { execution_count: number }[] }).model_stats[0]!.execution_count, 1)
  const last = ask(session, '/v2/models/double/infer', BODY)
  const pending = /^nv_inference_pending_request_count\{.*\} 1$/m
  await until(async () => pending.test((await ask(session, '/metrics')).text), 'the request waits')
  await server.close()
  assert.is((await last).status, 200, 'what was accepted is answered')
  assert.ok(session.closed)
})

testWith(hasOpenssl, 'openssl', 'with TLS a client has the choice between HTTP/2 and HTTP/1.1', async () => {
  const authority = new Authority(folder, 'alpn')
  const pair = authority.issue('server')
  const server = await start({}, { tls: pair })
  const url = server.address.http!
  for (const [offered, chosen] of [
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [[], false],
  ] as const) {
    const socket = connectTls({ port: portOf(url), host: '127.0.0.1', ca: authority.cert, ALPNProtocols: [...offered] })
    await once(socket, 'secureConnect')
    assert.is(socket.alpnProtocol, chosen)
    socket.destroy()
  }
  const session = http2.connect(url, { ca: authority.cert })
  assert.is((await ask(session, '/v2/health/ready')).status, 200)
  const client = await connect(url, { ca: authority.cert })
  assert.equal(await (await client.infer('double', { inputs: { x: [[1, 2]] } })).outputs['y']!.array(), [[2, 4]])
  for (const maxVersion of ['TLSv1', 'TLSv1.1'] as const) {
    const old = connectTls({
      port: portOf(url),
      host: '127.0.0.1',
      ca: authority.cert,
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const [error] = (await once(old, 'error')) as [Error]
    assert.ok(error, maxVersion)
  }
  client.close()
  await server.close()
  assert.ok(session.closed)
})

testWith(hasOpenssl, 'openssl', 'clients show certificates: none, expired, of others and their own', async () => {
  const authority = new Authority(folder, 'clients')
  const others = new Authority(folder, 'others')
  const server = await start({}, { tls: { ...authority.issue('server'), ca: authority.cert } })
  const good = authority.issue('good')
  for (const url of [server.address.http!, server.address.grpc!]) {
    const attempt = (more: object) => connect(url, { ca: authority.cert, retries: 0, ...more })
    // gRPC tries again until the time is over
    for (const [what, pair] of Object.entries({
      none: {},
      expired: authority.issue('expired', { expired: true }),
      stranger: others.issue('stranger'),
    }))
      assert.match(
        (await codeOfAsync(attempt({ ...pair, timeoutMs: 700 }))) ?? 'it was let in',
        /^ERR_(UNAVAILABLE|TIMEOUT)$/,
        `${url} ${what}`,
      )
    const client = await attempt(good)
    assert.ok(await client.ready())
    client.close()
  }
  await server.close()
})

testWith(hasOpenssl, 'openssl', 'a new certificate is used without a restart; half of a pair is not', async () => {
  const [first, second] = [new Authority(folder, 'first'), new Authority(folder, 'second')]
  const write = (name: 'cert' | 'key', text: string): void => {
    const file = path.join(folder, `served.${name}`)
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const [old, fresh] = [first.issue('old'), second.issue('fresh')]
  write('cert', old.cert)
  write('key', old.key)
  const server = await start({}, { tls: { cert: path.join(folder, 'served.cert'), key: path.join(folder, 'served.key') } })
  const urls = [server.address.http!, server.address.grpc!]
  const works = async (url: string, ca: string): Promise<string | undefined> =>
    codeOfAsync(connect(url, { ca, retries: 0, timeoutMs: HANG_MS }).then((client) => client.close()))
  const kept = await connect(urls[0]!, { ca: first.cert })
  for (const url of urls) assert.equal([await works(url, first.cert), await works(url, second.cert)], [undefined, 'ERR_UNAVAILABLE'])
  write('cert', fresh.cert)
  await pause(1300)
  for (const url of urls) assert.is(await works(url, first.cert), undefined, 'the key does not fit yet')
  write('key', fresh.key)
  for (const url of urls) await until(async () => (await works(url, second.cert)) === undefined, 'the new certificate is used')
  for (const url of urls) assert.equal([await works(url, second.cert), await works(url, first.cert)], [undefined, 'ERR_UNAVAILABLE'])
  assert.ok(await kept.ready(), 'connections that there are stay')
  kept.close()
  await server.close()
})

test('a connection that broke the protocol, says nothing, or is too slow is ended', async () => {
  const limits = { idleMs: 400, arrivalMs: 400 }
  const server = await start(limits, { http: { port: 0, http2: true } })
  const plain = await start(limits)
  const half = Buffer.from('POST /v2/models/double/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{')
  const sockets: [string, Socket][] = [
    ['HTTP/2, silent', socketTo(server.address.http)],
    ['HTTP/2, no preface', socketTo(server.address.http, Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['HTTP/2, preface alone', socketTo(server.address.http, PREFACE)],
    ['HTTP/2, idle', socketTo(server.address.http, PREFACE, SETTINGS)],
    ['HTTP/2, broken settings', socketTo(server.address.http, PREFACE, BROKEN)],
    ['HTTP/2, broken later', socketTo(server.address.http, PREFACE, SETTINGS, BROKEN)],
    ['gRPC, silent', socketTo(server.address.grpc)],
    ['gRPC, no preface', socketTo(server.address.grpc, Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['gRPC, idle', socketTo(server.address.grpc, PREFACE, SETTINGS)],
    ['gRPC, broken', socketTo(server.address.grpc, PREFACE, SETTINGS, BROKEN)],
    ['HTTP/1.1, silent', socketTo(plain.address.http)],
    ['HTTP/1.1, half of the headers', socketTo(plain.address.http, Buffer.from('GET /v2 HTTP/1.1\r\nhost'))],
    ['HTTP/1.1, half of the body', socketTo(plain.address.http, half)],
  ]
  const ended = await Promise.all(sockets.map(([, socket]) => ends(socket)))
  assert.equal(
    sockets.filter((_, i) => !ended[i]).map(([what]) => what),
    [],
  )
  const session = http2.connect(server.address.http!)
  session.on('error', () => undefined)
  const slow = session.request({ ':path': '/v2/models/double/infer', ':method': 'POST' })
  slow.on('error', () => undefined)
  slow.write('{')
  const begin = performance.now()
  await once(slow, 'close')
  assert.ok(performance.now() - begin < SOON_MS, 'a body of HTTP/2 that does not arrive')
  session.destroy()
  for (const [, socket] of sockets) socket.destroy()
  await Promise.all([server.close(), plain.close()])
})

test('old connections take no more requests, and others than there may be are closed', async () => {
  const server = await start({ connectionAgeMs: 400 }, { http: { port: 0, http2: true } })
  // where this process stood still for so long, the first ones are old before they ask
  for (let status = 0; status !== 200; ) {
    const session = http2.connect(server.address.http!)
    session.on('error', () => undefined)
    const closed = once(session, 'close')
    const answered = ask(session, '/v2/health/live').then((reply) => reply.status)
    status = await Promise.race([answered.catch(() => 0), closed.then(() => 0)])
    await closed
  }
  await server.close()
  const plain = await start({ connectionAgeMs: 400, connections: 3 })
  const get = 'GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n'
  const young = async (): Promise<Socket> => {
    for (;;) {
      const socket = socketTo(plain.address.http, Buffer.from(get))
      const [data] = (await once(socket, 'data')) as [Buffer]
      if (/connection: keep-alive/i.test(data.toString())) return socket
      socket.destroy()
    }
  }
  const client = await young()
  let text = ''
  client.on('data', (data: Buffer) => (text += data.toString()))
  await pause(450)
  const ended = ends(client)
  client.write(get)
  assert.ok(await ended)
  assert.match(text, /^HTTP\/1.1 200[\s\S]*connection: close/i)
  client.destroy()
  const few = Array.from({ length: 3 }, () => socketTo(plain.address.http))
  await Promise.all(few.map((socket) => once(socket, 'connect')))
  assert.ok(await ends(socketTo(plain.address.http)), 'the fourth')
  for (const socket of few) socket.destroy()
  await plain.close()
})

test.run()
