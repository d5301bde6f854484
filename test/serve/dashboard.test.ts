// The dashboard: for those who may read, figures of what they may see; in a browser it shows them, and runs nothing but
// itself.
import { createHash } from 'node:crypto'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data } from '../../lib/index.js'
import type { DashboardData } from '../../lib/serve/dashboard/data.js'
import { connect, createApiKey, serve, type Server } from '../../lib/serve/index.js'
import { testWith } from '../skip.js'
import { Browser, hasChromium } from './browser.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const HOSTILE = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=2</script>'
const keys = {
  reader: createApiKey({ id: 'reader', roles: ['read'] }),
  some: createApiKey({ id: 'some', roles: ['read'], models: ['m'] }),
  predict: createApiKey({ id: 'predict', roles: ['predict'] }),
  admin: createApiKey({ id: 'admin', roles: ['admin'] }),
}
const keyFile = path.join(folder, 'keys.json')
writeFileSync(keyFile, JSON.stringify({ keys: Object.values(keys).map(({ entry }) => entry) }))
const root = path.join(folder, 'models')

async function started(options: object = {}): Promise<Server> {
  return serve({ repository: root, http: { port: 0 }, auth: { apiKeys: keyFile }, batching: { maxBatchSize: 4 }, ...options })
}
const basic = (key: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`any:${key}`).toString('base64')}` })

test('models: one with drift and hostile names, one that cannot be loaded', async () => {
  const statistics = await data.statistics(
    [
      [0, 1],
      [1, 2],
      [2, 3],
    ],
    { names: [HOSTILE, 'score'] },
  )
  await scaling(2).save(path.join(root, 'm/1'), { assets: { statistics } })
  writeFileSync(path.join(root, 'm/serve.json'), '{"labels":{"stable":1}}')
  await scaling(2).save(path.join(root, 'broken/1'))
  truncateSync(path.join(root, 'broken/1/model.json'), 10)
  mkdirSync(path.join(root, 'empty'))
})

test('for readers alone, by header or as the password of a browser; other routes take no password', async () => {
  const server = await started()
  const ask = (route: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.address.http}${route}`, { headers })
  for (const route of ['/dashboard', '/dashboard/data']) {
    for (const headers of [{}, basic('weft_no'), basic(''), { authorization: 'Basic !' }, { authorization: `Basic ${keys.reader.key}` }]) {
      const reply = await ask(route, headers as Record<string, string>)
      assert.is(reply.status, 401)
      assert.match(reply.headers.get('www-authenticate')!, /^Basic realm="weft"/)
    }
    for (const key of [keys.predict, keys.admin]) assert.is((await ask(route, basic(key.key))).status, 403)
    for (const headers of [basic(keys.reader.key), { authorization: `Bearer ${keys.reader.key}` }, { 'x-api-key': keys.reader.key }]) {
      const reply = await ask(route, headers as Record<string, string>)
      assert.is(reply.status, 200)
      assert.is(reply.headers.get('cache-control'), 'no-store')
      assert.is(reply.headers.get('x-content-type-options'), 'nosniff')
    }
  }
  for (const route of ['/v2', '/metrics', '/v2/models/stats', '/dashboard/', '/dashboard/x', '/Dashboard']) {
    const reply = await ask(route, basic(keys.reader.key))
    assert.equal([reply.status, reply.headers.get('www-authenticate')], [401, 'Bearer'], route)
  }
  const seen = async (key: string): Promise<string[]> => {
    const { models } = (await (await ask('/dashboard/data', { authorization: `Bearer ${key}` })).json()) as DashboardData
    return models.map(({ name }) => name)
  }
  assert.equal(await seen(keys.reader.key), ['broken', 'empty', 'm'])
  assert.equal(await seen(keys.some.key), ['m'])
  await server.close()
  const without = await started({ dashboard: false })
  assert.is((await fetch(`${without.address.http}/dashboard`, { headers: { 'x-api-key': keys.reader.key } })).status, 404)
  await without.close()
})

test('the figures are those of the requests; the page runs its own script alone', async () => {
  const server = await started({ auth: undefined })
  const client = await connect(server.address.http!)
  for (let i = 0; i < 5; i++)
    await client.infer('m', {
      inputs: {
        x: [
          [1, 1],
          [5, 5],
        ],
      },
    })
  client.close()
  const { models, server: about } = (await (await fetch(`${server.address.http}/dashboard/data`)).json()) as DashboardData
  assert.equal([about.name, about.ready], ['weft', true])
  const [broken, empty, m] = models as [DashboardData['models'][0], DashboardData['models'][0], DashboardData['models'][0]]
  assert.equal([broken.state, broken.latency, empty.state], ['UNAVAILABLE', undefined, undefined])
  assert.equal([m.state, m.labels, m.requests, m.failures, m.waiting], ['READY', ['stable'], 5, 0, 0])
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  assert.equal([m.latency!.count, sum(m.latency!.counts), m.latency!.counts.length], [5, 5, m.latency!.bounds.length + 1])
  assert.equal([m.batch!.sum, m.batch!.counts[1]], [10, 5])
  assert.ok(m.latency!.counts.every((count) => count >= 0))
  assert.equal([m.drift![0]!.rows, m.drift![0]!.features[0]!.outOfRange], [10, 0.5])
  const page = await fetch(`${server.address.http}/dashboard`)
  const html = await page.text()
  const policy = page.headers.get('content-security-policy')!
  for (const part of ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
    assert.ok(policy.includes(part), part)
  assert.not.match(policy, /unsafe|\*|http|data:/)
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ]) {
    const parts = [...html.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))]
    assert.is(parts.length, 1)
    assert.ok(policy.includes(`${directive} 'sha256-${createHash('sha256').update(parts[0]![1]!).digest('base64')}'`), tag)
  }
  assert.not.match(
    html.replace('http://www.w3.org/2000/svg', ''),
    /https?:|src=|@import|url\(|innerHTML|insertAdjacent|document\.write|eval/,
  )
  await server.close()
})

testWith(
  hasChromium,
  'chromium',
  'in a browser: it asks for the key, shows the figures, follows them, and takes names for text',
  async () => {
    const server = await started()
    const { host } = new URL(server.address.http!)
    const client = await connect(server.address.http!, { apiKey: keys.predict.key })
    const infer = (): Promise<unknown> => client.infer('m', { inputs: { x: [[1, 9]] } })
    await infer()
    const browser = await Browser.open()
    try {
      await browser.send('Page.navigate', { url: `http://any:${keys.reader.key}@${host}/dashboard` })
      await browser.until("document.querySelector('article[data-model=m] table') !== null")
      const text = (): Promise<string> => browser.evaluate<string>('document.body.innerText')
      const first = await text()
      assert.match(first, /m \/ 1\s*stable\s*READY/)
      assert.match(first, /broken \/ 1\s*UNAVAILABLE/)
      assert.match(first, /requests in all\s*1\b/)
      assert.ok(first.includes(HOSTILE), 'the name is there, as text')
      assert.match(first, /out of range/)
      const busy = setInterval(() => void infer().catch(() => undefined), 20)
      await browser.until('Number(/requests a second\\s+([\\d.]+)/.exec(document.body.innerText)?.[1]) > 1')
      clearInterval(busy)
      assert.match(await text(), /latency, median\s*[\d.]+ (µs|ms)/)
      assert.ok(await browser.evaluate("document.querySelector('polyline').getAttribute('points').length > 3"))
      assert.is(await browser.evaluate('window.hacked === undefined && document.images.length === 0'), true)
      assert.is(await browser.evaluate("document.querySelectorAll('script').length"), 1)
      const requested = browser.events
        .filter(({ method }) => method === 'Network.requestWillBeSent')
        .map(({ params }) => (params['request'] as { url: string }).url)
      assert.ok(requested.length >= 3 && requested.every((url) => new URL(url).host === host || url === 'about:blank'), requested.join())
      const complaints = (): string[] =>
        browser.events
          .filter(({ method }) => ['Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'].includes(method))
          .map(({ params }) => JSON.stringify(params))
          .filter((line) => !line.includes('favicon.ico'))
      assert.equal(complaints(), [], 'neither errors nor violations of the policy')
      // the policy holds: what gets into the page all the same does not run
      await browser.evaluate("{ const s = document.createElement('script'); s.textContent = 'window.hacked = 3'; document.body.append(s) }")
      await browser.evaluate(
        "{ const i = document.createElement('div'); i.innerHTML = '<img src=x onerror=\"window.hacked=4\">'; document.body.append(i) }",
      )
      assert.is(await browser.evaluate('window.hacked === undefined'), true)
      assert.ok(complaints().some((line) => line.includes('Content Security Policy')))
      client.close()
      await server.close()
      await browser.until("document.getElementById('state').className === 'lost'")
    } finally {
      await browser.close()
    }
  },
)

test.run()
