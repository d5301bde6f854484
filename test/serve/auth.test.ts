// Credentials: every route that the router has is closed to those who prove nothing, and open to the roles it names
// alone.
import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ApiKeys } from '../../lib/serve/auth/api_keys.js'
import { ROLES, type Role } from '../../lib/serve/auth/principal.js'
import { dashboardRoutes } from '../../lib/serve/dashboard/routes.js'
import { explainLimits } from '../../lib/serve/explanation.js'
import { createApiKey, serve } from '../../lib/serve/index.js'
import { Metrics } from '../../lib/serve/metrics.js'
import { limitsOf } from '../../lib/serve/protocol/limits.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { restApp } from '../../lib/serve/rest/app.js'
import { templateOf } from '../../lib/serve/rest/openapi.js'
import { routes } from '../../lib/serve/rest/routes.js'
import { Service } from '../../lib/serve/service.js'
import { codeOf, codeOfAsync } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const file = path.join(folder, 'keys.json')
const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString()
const made = {
  ...Object.fromEntries(ROLES.map((role) => [role, createApiKey({ id: role, roles: [role] })])),
  expired: createApiKey({ id: 'expired', roles: [...ROLES], expires: YESTERDAY }),
  other: createApiKey({ id: 'other', roles: [...ROLES], models: ['other'] }),
} as Record<Role | 'expired' | 'other', ReturnType<typeof createApiKey>>
const write = (keys: object[]): void => {
  writeFileSync(`${file}.new`, JSON.stringify({ keys }))
  renameSync(`${file}.new`, file)
}
write(Object.values(made).map(({ entry }) => entry))

async function app() {
  const repository = await Repository.open(undefined, { batching: {}, load: {} })
  await repository.add('m', scaling(2))
  await repository.add('other', scaling(2))
  const service = new Service(repository, 'explicit', limitsOf('test'), undefined, explainLimits(true))
  const authenticator = new ApiKeys(
    file,
    (error) => assert.unreachable(String(error)),
    (reason) => assert.unreachable(reason),
  )
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
  const metrics = new Metrics()
  const list = [...routes(service, () => metrics.text()), ...dashboardRoutes(service, metrics)]
  const built = restApp({ service, routes: list, authenticator, log })
  await built.ready()
  const close = async (): Promise<void> => {
    await built.close()
    authenticator.close()
    await repository.close()
  }
  return { built, list, close, lines }
}

const pathOf = (url: string): string => templateOf(url).replace('{model}', 'm').replace('{version}', '1')

test('every route of the router x no, wrong, expired and twofold credentials: 401', async () => {
  const { built, close } = await app()
  assert.ok(built.registered.length >= 19, `${built.registered.length} routes`)
  const wrong: Record<string, string | string[]>[] = [
    {},
    { authorization: '' },
    { authorization: 'Bearer' },
    { authorization: `Basic ${made.predict.key}` },
    { authorization: `Bearer ${made.predict.key}x` },
    { authorization: `Bearer ${made.predict.entry.hash}` },
    { authorization: `Bearer weft_${'A'.repeat(43)}` },
    { authorization: `Bearer ${'A'.repeat(10_000)}` },
    { authorization: `Bearer ${made.expired.key}` },
    { authorization: `Bearer ${made.predict.key}`, 'x-api-key': made.predict.key },
    { 'x-api-key': `${made.predict.key},${made.predict.key}` },
    { 'x-api-key': '' },
    { 'x-api-key': '__proto__' },
  ]
  for (const { method, url } of [
    ...built.registered,
    { method: 'GET', url: '/' },
    { method: 'POST', url: '/v2/none' },
    { method: 'OPTIONS', url: '/v2' },
    { method: 'HEAD', url: '/v2' },
  ])
    for (const headers of wrong) {
      const reply = await built.inject({ method: method as 'GET', url: pathOf(url), headers })
      assert.is(reply.statusCode, 401, `${method} ${url} ${JSON.stringify(headers)}`)
      const browsers = url.startsWith('/dashboard')
      assert.is(reply.headers['www-authenticate'], browsers ? 'Basic realm="weft", charset="UTF-8"' : 'Bearer')
      assert.not.match(reply.body, /weft_|sha256/)
    }
  await close()
})

test('every route x each role: 403 but for the roles that it names; keys of other models: 403', async () => {
  const { built, list, close } = await app()
  assert.is(built.registered.length, list.length, 'the router has the routes of the list, and no others')
  for (const { method, url, roles, ofAll } of list) {
    assert.ok(roles.length > 0, url)
    for (const role of ROLES) {
      const reply = await built.inject({ method, url: pathOf(url), headers: { authorization: `Bearer ${made[role].key}` } })
      assert.is(reply.statusCode === 403, !roles.includes(role), `${method} ${url} ${role}: ${reply.statusCode}`)
      assert.not.equal(reply.statusCode, 401)
    }
    const reply = await built.inject({ method, url: pathOf(url), headers: { 'x-api-key': made.other.key } })
    if (url.includes(':model') || ofAll) assert.is(reply.statusCode, 403, `${method} ${url}: ${reply.statusCode}`)
    else assert.not.match(reply.body, /"name":"m"/, `${method} ${url} tells of a model of others`)
  }
  await close()
})

test('logs have who, what and how long, and neither keys nor values', async () => {
  const { built, close, lines } = await app()
  const payload = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [12345.5, 2] }] })
  const headers = { authorization: `Bearer ${made.predict.key}`, 'x-request-id': 'req-1' }
  const reply = await built.inject({ method: 'POST', url: '/v2/models/m/infer', headers, payload })
  assert.is(reply.statusCode, 200, reply.body)
  assert.is(reply.headers['x-request-id'], 'req-1')
  const bad = await built.inject({ method: 'GET', url: '/v2/models/%1b%5b31m%0a', headers: { ...headers, 'x-request-id': 'a b\u00e9' } })
  assert.is(bad.statusCode, 404)
  assert.match(String(bad.headers['x-request-id']), /^[0-9a-f-]{36}$/)
  await close()
  const [line, second] = lines.map((text) => JSON.parse(text) as Record<string, unknown>)
  assert.equal(
    [line!['requestId'], line!['key'], line!['model'], line!['status'], line!['route']],
    ['req-1', 'predict', 'm', 200, '/v2/models/:model/infer'],
  )
  assert.is(second!['code'], 'ERR_NOT_FOUND')
  for (const text of lines) assert.not.match(text, /12345|weft_[A-Za-z0-9_-]{43}|\p{Cc}(?!$)/u)
})

test('a key that is taken out of the file is refused; a broken file changes nothing', () => {
  const keys = new ApiKeys(
    file,
    () => undefined,
    () => undefined,
  )
  const known = (): boolean => codeOf(() => keys.authenticate({ authorization: `bearer ${made.read.key}` })) === undefined
  assert.ok(known())
  write([made.predict.entry])
  keys.refresh()
  assert.not.ok(known())
  writeFileSync(file, '{')
  assert.is(
    codeOf(() => keys.refresh()),
    'ERR_FORMAT',
  )
  assert.is(
    codeOf(() => keys.authenticate({ apiKey: made.predict.key })),
    undefined,
  )
  keys.close()
  write(Object.values(made).map(({ entry }) => entry))
  let now = Date.now()
  const soon = createApiKey({ id: 'soon', roles: ['read'], expires: new Date(now + 1000).toISOString() })
  write([soon.entry])
  const timed = new ApiKeys(
    file,
    () => undefined,
    () => undefined,
    () => now,
  )
  assert.is(timed.authenticate({ apiKey: soon.key }).id, 'soon')
  now += 1001
  assert.is(
    codeOf(() => timed.authenticate({ apiKey: soon.key })),
    'ERR_UNAUTHENTICATED',
  )
  timed.close()
})

test('a key for models which no model can be opens nothing, and says so; the others of its file are as they are', () => {
  const reasons: string[] = []
  const { read: one, predict: two } = made
  const bad = { ...one.entry, models: ['*'] }
  write([bad, two.entry])
  const keys = new ApiKeys(
    file,
    (error) => assert.unreachable(String(error)),
    (reason) => reasons.push(reason),
  )
  const code = (key: string): string | undefined => codeOf(() => keys.authenticate({ apiKey: key }))
  assert.equal([code(one.key), code(two.key)], ['ERR_UNAUTHENTICATED', undefined])
  assert.equal(reasons, ['API key \'read\': models are names of models, without patterns, got ["*"]'])
  // and when it is read again, what else was changed counts
  write([bad])
  keys.refresh()
  assert.equal([code(one.key), code(two.key)], ['ERR_UNAUTHENTICATED', 'ERR_UNAUTHENTICATED'])
  write([one.entry, two.entry])
  keys.refresh()
  assert.equal([code(one.key), code(two.key)], [undefined, undefined])
  assert.is(reasons.length, 2)
  keys.close()
})

test('a server with a key that opens nothing starts, and warns of it', async () => {
  write([{ ...made.read.entry, models: ['m-*'] }])
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
  const server = await serve({ models: { m: scaling(2) }, http: { port: 0 }, auth: { apiKeys: file }, log })
  await server.close()
  assert.match(lines.join(''), /API key 'read': models are names of models, without patterns, got .*m-\*.*; it opens nothing/)
})

test('files of keys that are not as they should be stop the start', async () => {
  const good = made.predict.entry
  const wrong = [
    '',
    '[]',
    '{}',
    '{"keys":{}}',
    '{"keys":[1]}',
    '{"keys":[],"more":1}',
    ...[
      { ...good, id: 'a b' },
      { ...good, hash: 'plain' },
      { ...good, roles: [] },
      { ...good, roles: ['root'] },
      { ...good, models: [1] },
      { ...good, expires: 'soon' },
      { ...good, key: 'x' },
    ].map((entry) => JSON.stringify({ keys: [entry] })),
  ]
  for (const text of wrong) {
    writeFileSync(file, text)
    assert.is(await codeOfAsync(serve({ models: { m: scaling(2) }, http: { port: 0 }, auth: { apiKeys: file } })), 'ERR_FORMAT', text)
  }
  assert.is(await codeOfAsync(serve({ models: { m: scaling(2) }, http: { port: 0 }, auth: { apiKeys: `${file}.none` } })), 'ERR_FORMAT')
  for (const entry of [
    { id: '', roles: ['read'] },
    { id: 'a', roles: [] },
    { id: 'a', roles: ['root'] },
  ])
    assert.is(
      codeOf(() => createApiKey(entry as never)),
      'ERR_ARGUMENT',
    )
})

test.run()
