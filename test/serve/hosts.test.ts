// The header Host: a server that asks nobody who he is answers under the names of this machine alone.
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ServeOptions, serve } from '../../lib/serve/index.js'
import { codeOfAsync } from '../expect.js'
import { scaling } from './models.js'

const models = { m: scaling(2) }

async function statusOf(url: string, host: string): Promise<{ status: number; text: string }> {
  const request = http.request(`${url}/v2`, { headers: { host } })
  request.end()
  const [reply] = (await once(request, 'response')) as [http.IncomingMessage]
  let text = ''
  for await (const part of reply.setEncoding('utf8')) text += part as string
  return { status: reply.statusCode!, text }
}
async function withServer(options: ServeOptions, fn: (url: string) => Promise<void>): Promise<void> {
  const server = await serve({ models, http: { port: 0 }, ...options })
  try {
    await fn(server.address.http!)
  } finally {
    await server.close()
  }
}

const OWN = ['localhost', 'LOCALHOST:8080', 'localhost.:1', 'a.localhost', '127.0.0.1', '127.0.0.1:99', '127.9.9.9', '[::1]', '[::1]:8080']
const OTHERS = [
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'localhostt',
  '10.0.0.1',
  '0.0.0.0',
  '[::2]',
]

test('without authentication: the names of the loopback, others get 403', async () => {
  await withServer({}, async (url) => {
    for (const host of OWN) assert.is((await statusOf(url, host)).status, 200, host)
    for (const host of OTHERS) {
      const { status, text } = await statusOf(url, host)
      assert.is(status, 403, host)
      // whether one of them was asked for before or not
      assert.is((await statusOf(url, 'localhost')).status, 200)
      assert.match(text, /Host/)
      assert.not.match(text, /evil/)
    }
  })
})

test('hosts: those as well; any with *, and where who asks is known or a gateway protects the server', async () => {
  await withServer({ hosts: ['models.example', '::2'] }, async (url) => {
    for (const host of [...OWN, 'models.example', 'Models.Example:443', '[::2]:1']) assert.is((await statusOf(url, host)).status, 200, host)
    for (const host of OTHERS.filter((other) => other !== '[::2]')) assert.is((await statusOf(url, host)).status, 403, host)
  })
  for (const options of [{ hosts: ['*'] }, { insecure: true }])
    await withServer(options, async (url) => {
      for (const host of [...OWN, ...OTHERS]) assert.is((await statusOf(url, host)).status, 200, host)
    })
  for (const hosts of [['a b'], ['http://a'], ['a:80'], [''], [1]])
    assert.is(await codeOfAsync(serve({ models, http: { port: 0 }, hosts: hosts as string[] })), 'ERR_ARGUMENT', String(hosts))
})

test('HTTP/2: the authority that the request is for', async () => {
  await withServer({ http: { port: 0, http2: true } }, async (url) => {
    const session = http2.connect(url)
    for (const [authority, expected] of [
      ['localhost:1', 200],
      ['evil.example', 403],
    ] as const) {
      const stream = session.request({ ':path': '/v2', ':authority': authority })
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
      assert.is(headers[':status'] as unknown, expected, authority)
      stream.close()
    }
    session.close()
  })
})

test.after(() => models.m.dispose())
test.run()
