// The client: the same answers over REST and gRPC, errors by code, retries, credentials and TLS.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, tensor } from '../../lib/index.js'
import { type Client, connect, createApiKey, type ServeOptions, serve } from '../../lib/serve/index.js'
import { codeOfAsync, rejects } from '../expect.js'
import { testWith } from '../skip.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const words = () =>
  sequential([layers.embedding({ inputDim: 10, outputDim: 4, inputShape: [3] }), layers.flatten(), layers.dense({ units: 2 })])

/** Runs fn with a client of each kind. */
async function withClients(options: ServeOptions, fn: (client: Client, kind: string) => Promise<void>, apiKey?: string): Promise<void> {
  const server = await serve({ http: { port: 0 }, grpc: { port: 0 }, ...options })
  try {
    for (const kind of ['http', 'grpc'] as const) {
      const client = await connect(server.address[kind]!, apiKey === undefined ? {} : { apiKey })
      try {
        await fn(client, kind)
      } finally {
        client.close()
      }
    }
  } finally {
    await server.close()
  }
}

test('inference with tensors, arrays and other dtypes; the bits are those of the model', async () => {
  const net = sequential([layers.dense({ units: 5, activation: 'softmax', inputShape: [3] })])
  const expected = await net.predict(
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]),
  )
  await withClients({ models: { net, words: words() } }, async (client, kind) => {
    for (const x of [
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      tensor(Int32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
    ]) {
      const { outputs, model, version, id } = await client.infer('net', { inputs: { x }, id: 'a1' })
      assert.equal([model, version, id], ['net', '1', 'a1'], kind)
      const [y] = Object.values(outputs)
      assert.equal(y!.shape, [2, 5])
      assert.equal(await y!.data(), await expected.data())
    }
    const { outputs } = await client.infer('words', { inputs: { x: [[1, 2, 3]] }, version: 1 })
    assert.equal(Object.values(outputs)[0]!.shape, [1, 2])
  })
})

test('metadata, readiness, the index', async () => {
  await withClients({ models: { double: scaling(2) } }, async (client, kind) => {
    assert.is((await client.serverMetadata()).name, 'weft')
    assert.equal((await client.metadata('double')).inputs, [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], kind)
    assert.is(await client.ready(), true)
    assert.is(await client.ready('double', 1), true)
    assert.equal(await client.index(), [{ name: 'double', version: '1', state: 'READY', reason: '' }])
  })
})

test('errors have the codes of the server', async () => {
  await withClients({ models: { double: scaling(2), words: words() }, batching: { maxBatchSize: 2 } }, async (client, kind) => {
    const infer = (model: string, x: number[][], more: object = {}) => client.infer(model, { inputs: { x }, ...more })
    await rejects('ERR_NOT_FOUND', /model 'none' is unknown/, infer('none', [[1, 2]]))
    await rejects('ERR_NOT_FOUND', /no version '7'/, infer('double', [[1, 2]], { version: 7 }))
    await rejects('ERR_ARGUMENT', /shape \[-1,2\], got \[1,3\]/, infer('double', [[1, 2, 3]]))
    await rejects('ERR_ARGUMENT', /input 'z' is unknown/, client.infer('double', { inputs: { z: [[1, 2]] } }))
    await rejects('ERR_ARGUMENT', /10/, infer('words', [[1, 2, 10]]))
    await rejects(
      'ERR_ARGUMENT',
      /3 rows/,
      infer('double', [
        [1, 2],
        [1, 2],
        [1, 2],
      ]),
    )
    await rejects('ERR_ARGUMENT', /output 'w' is unknown/, infer('double', [[1, 2]], { outputs: ['w'] }))
    await rejects('ERR_STATE', /not loaded and unloaded/, client.load('double'))
    await rejects('ERR_NOT_FOUND', /./, client.ready('none'))
    assert.is(await codeOfAsync(infer('double', [[1, 2]], { timeout: 3 })), 'ERR_ARGUMENT', kind)
    const reason = new Error('stop')
    assert.is(await infer('double', [[1, 2]], { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error), reason)
  })
})

test('timeouts and cancellation reach the server', async () => {
  const batching = { maxBatchSize: 2, maxDelayMs: 3_600_000, timeoutMs: 0 }
  await withClients({ models: { double: scaling(2) }, batching }, async (client) => {
    await client.metadata('double')
    await rejects('ERR_TIMEOUT', /./, client.infer('double', { inputs: { x: [[1, 2]] }, timeoutMs: 200 }))
    const controller = new AbortController()
    const waiting = client.infer('double', { inputs: { x: [[1, 2]] }, signal: controller.signal })
    setImmediate(() => controller.abort())
    assert.is((await waiting.catch((error: Error) => error.name)) as unknown, 'AbortError')
    const before = performance.now()
    const ended = client.infer('double', { inputs: { x: [[1, 2]] }, signal: AbortSignal.abort(), timeoutMs: 20_000 })
    assert.is((await ended.catch((error: Error) => error.name)) as unknown, 'AbortError')
    assert.ok(performance.now() - before < 10_000, 'a call whose signal was aborted before it began waited for its deadline')
  })
})

test('a server that is too busy is asked again, others are not', async () => {
  const statuses = [429, 503, 200]
  let asked = 0
  const server = createServer((_, reply) => {
    const status = statuses[asked++]!
    reply
      .writeHead(status, { 'retry-after': '0' })
      .end(JSON.stringify(status === 200 ? { name: 'other', version: '1', extensions: [] } : { error: 'busy' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = await connect(url)
  assert.is(asked, 3)
  client.close()
  for (const [status, code] of [
    [429, 'ERR_OVERLOADED'],
    [400, 'ERR_ARGUMENT'],
    [500, 'ERR_INTERNAL'],
    [418, 'ERR_ARGUMENT'],
  ] as const) {
    asked = 0
    statuses.splice(0, statuses.length, status)
    await rejects(code, /busy/, connect(url, { retries: 0 }))
    assert.is(asked, 1)
  }
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  assert.is(await codeOfAsync(connect(url, { retries: 0 })), 'ERR_UNAVAILABLE')
  assert.is(await codeOfAsync(connect(url.replace('http', 'grpc'), { retries: 0 })), 'ERR_UNAVAILABLE')
  for (const wrong of ['', 'localhost:8080', 'ftp://localhost', 'http://', 5])
    assert.is(await codeOfAsync(connect(wrong as string)), 'ERR_ARGUMENT', String(wrong))
  // certificates that would not be used: what was meant to be encrypted would not be
  for (const place of ['http://localhost:1', 'grpc://localhost:1']) {
    await rejects('ERR_ARGUMENT', /ca is for TLS, which (http|grpc): does without.*Write (https|grpcs):/s, connect(place, { ca: 'x' }))
    await rejects('ERR_ARGUMENT', /cert is for TLS/, connect(place, { cert: 'x', key: 'x' }))
  }
  for (const half of [{ cert: 'x' }, { key: 'x' }])
    await rejects('ERR_ARGUMENT', /cert and key go together/, connect('https://localhost:1', half))
})

test('connections that clients keep do not hold up the end of a server', async () => {
  for (let round = 0; round < 10; round++) {
    const server = await serve({ models: { double: scaling(2) }, http: { port: 0 }, batching: { maxDelayMs: 3_600_000 } })
    const client = await connect(server.address.http!)
    await client.metadata('double')
    const calls = Array.from({ length: 8 }, (_, i) =>
      client.infer('double', { inputs: { x: [[i, 0]] } }).then(({ outputs }) => outputs['y']!.array()),
    )
    const pending = async (): Promise<string> => (await fetch(`${server.address.http}/metrics`)).text()
    while (!/^nv_inference_pending_request_count\{.*\} 8$/m.test(await pending()));
    await server.close()
    assert.equal(
      await Promise.all(calls),
      calls.map((_, i) => [[2 * i, 0]]),
    )
    client.close()
  }
})

test('models are loaded and unloaded by who may', async () => {
  const root = path.join(folder, 'models')
  await scaling(3).save(path.join(root, 'm/1'))
  const { key, entry } = createApiKey({ id: 'all', roles: ['predict', 'read', 'admin'] })
  const reader = createApiKey({ id: 'reader', roles: ['read'] })
  const file = path.join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [entry, reader.entry] }))
  await withClients(
    { repository: root, control: 'explicit', load: [], auth: { apiKeys: file } },
    async (client) => {
      assert.equal((await client.index()).flatMap(({ name, state }) => [name, state ?? '']).includes('READY'), false)
      await client.load('m')
      const { outputs } = await client.infer('m', { inputs: { x: [[1, 2]] } })
      assert.equal(await outputs['y']!.array(), [[3, 6]])
      await client.unload('m')
      assert.is(await client.ready('m'), false)
      await rejects('ERR_NOT_FOUND', /not in the repository/, client.load('../m'))
    },
    key,
  )
  const server = await serve({ models: { m: scaling(1) }, http: { port: 0 }, grpc: { port: 0 }, auth: { apiKeys: file } })
  for (const url of [server.address.http!, server.address.grpc!]) {
    assert.is(await codeOfAsync(connect(url)), 'ERR_UNAUTHENTICATED', url)
    const client = await connect(url, { apiKey: reader.key })
    assert.is(await codeOfAsync(client.infer('m', { inputs: { x: [[1, 2]] } })), 'ERR_FORBIDDEN', url)
    client.close()
  }
  await server.close()
})

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

testWith(hasOpenssl, 'openssl', 'TLS, and certificates of clients', async () => {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name)) as [string, string]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      ...subject,
    ],
    { stdio: 'ignore' },
  )
  const server = await serve({ models: { double: scaling(2) }, http: { port: 0 }, grpc: { port: 0 }, tls: { cert, key } })
  for (const [kind, scheme] of [
    ['http', 'https:'],
    ['grpc', 'grpcs:'],
  ] as const) {
    const url = server.address[kind]!
    assert.ok(url.startsWith(scheme), url)
    const client = await connect(url, { ca: readFileSync(cert, 'utf8') })
    const { outputs } = await client.infer('double', { inputs: { x: [[1, 2]] } })
    assert.equal(await outputs['y']!.array(), [[2, 4]])
    client.close()
    assert.is(await codeOfAsync(connect(url, { retries: 0 })), 'ERR_UNAVAILABLE', 'a certificate that nobody vouches for')
  }
  await server.close()
  const mutual = await serve({ models: { double: scaling(2) }, http: { port: 0 }, grpc: { port: 0 }, tls: { cert, key, ca: cert } })
  for (const url of [mutual.address.http!, mutual.address.grpc!])
    assert.is(
      await codeOfAsync(connect(url, { retries: 0, ca: readFileSync(cert, 'utf8') })),
      'ERR_UNAVAILABLE',
      'no certificate of its own',
    )
  await mutual.close()
  assert.is(await codeOfAsync(serve({ models: { double: scaling(2) }, http: { port: 0 }, tls: { cert: 'none.pem', key } })), 'ERR_ARGUMENT')
})

test.run()
