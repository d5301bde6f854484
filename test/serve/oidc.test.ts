// Tokens of an identity provider, and limits of how often credentials may ask.
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Oidc, type OidcOptions } from '../../lib/serve/auth/oidc.js'
import { Rates } from '../../lib/serve/auth/rates.js'
import { connect, createApiKey, type Server, serve } from '../../lib/serve/index.js'
import { codeOfAsync } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
const pairs = Object.fromEntries(['first', 'second', 'stranger'].map((kid) => [kid, generateKeyPairSync('rsa', { modulusLength: 2048 })]))
/** What the provider publishes, and whether it answers. */
let published = ['first']
let isDown = false
let fetched = 0
let issuer = ''
let provider: HttpServer
const AUDIENCE = 'weft'

test.before(async () => {
  provider = createServer((request, response) => {
    fetched++
    if (isDown) return void response.destroy()
    if (request.url === '/.well-known/openid-configuration')
      return void response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }))
    void Promise.all(published.map(async (kid) => ({ ...(await exportJWK(pairs[kid]!.publicKey)), kid, alg: 'RS256', use: 'sig' }))).then(
      (keys) => response.end(JSON.stringify({ keys })),
    )
  }).listen(0, '127.0.0.1')
  await once(provider, 'listening')
  issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
})
test.after(() => {
  provider.closeAllConnections()
  provider.close()
  remove()
})

const now = (): number => Math.floor(Date.now() / 1000)
interface Made {
  kid?: string | undefined
  key?: KeyObject
  header?: object
}
const sign = (claims: JWTPayload = {}, { kid = 'first', key = pairs[kid]?.privateKey, header = {} }: Made = {}): Promise<string> =>
  new SignJWT({ iss: issuer, aud: AUDIENCE, sub: 'ann', exp: now() + 60, roles: ['predict'], ...claims })
    .setProtectedHeader({ alg: 'RS256', kid, ...header })
    .sign(key!)
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const good = (): JWTPayload => ({ iss: issuer, aud: AUDIENCE, sub: 'ann', exp: now() + 60, roles: ['predict', 'read', 'admin'] })
const oidc = (options: Partial<OidcOptions> = {}, failures: unknown[] = []): Oidc =>
  new Oidc({ issuer, audience: AUDIENCE, ...options }, (error) => failures.push(error))
const ask = async (tokens: Oidc, token: string): Promise<string | undefined> =>
  codeOfAsync(Promise.resolve(tokens.authenticate({ authorization: `Bearer ${token}` })))

test('tokens that prove nothing are refused', async () => {
  const tokens = oidc()
  assert.is(await ask(tokens, await sign()), undefined)
  const pem = pairs['first']!.publicKey.export({ type: 'spki', format: 'pem' })
  const signed = (header: object, secret: string | Buffer): string => {
    const text = `${part(header)}.${part(good())}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }
  const valid = await sign(good())
  const [head, body, signature] = valid.split('.') as [string, string, string]
  const wrong: Record<string, string> = {
    'no signature': `${part({ alg: 'none' })}.${part(good())}.`,
    'no signature, with one': `${part({ alg: 'none', kid: 'first' })}.${part(good())}.${signature}`,
    'None in another case': `${part({ alg: 'NoNe', kid: 'first' })}.${part(good())}.${signature}`,
    'signed with the public key': signed({ alg: 'HS256', kid: 'first' }, pem as string),
    'an empty secret': signed({ alg: 'HS256' }, ''),
    'a stranger': await sign({}, { kid: 'stranger' }),
    'a stranger under a known name': await sign({}, { kid: 'first', key: pairs['stranger']!.privateKey }),
    'its own key in the header': await sign(
      {},
      { key: pairs['stranger']!.privateKey, header: { jwk: await exportJWK(pairs['stranger']!.publicKey) } },
    ),
    'its own address of keys': await sign({}, { key: pairs['stranger']!.privateKey, header: { jku: 'http://127.0.0.1:1/keys' } }),
    'another issuer': await sign({ iss: 'https://evil.example' }),
    'another audience': await sign({ aud: 'other' }),
    'no audience': await sign({ aud: [] }),
    'too old': await sign({ exp: now() - 60 }),
    'not yet': await sign({ nbf: now() + 120 }),
    'without an end': await sign({ exp: undefined as never }),
    'without a subject': await sign({ sub: undefined as never }),
    'something critical that is not known': await sign({}, { header: { crit: ['x'], x: 1 } }).catch(
      () => `${part({ alg: 'RS256', kid: 'first', crit: ['x'], x: 1 })}.${body}.${signature}`,
    ),
    'another text under the signature': `${head}.${part({ ...good(), sub: 'eve' })}.${signature}`,
    'a flipped bit': `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    'two parts': `${head}.${body}`,
    'four parts': `${valid}.${signature}`,
    'no JSON': `${Buffer.from('{').toString('base64url')}.${body}.${signature}`,
    'a megabyte': `${head}.${'A'.repeat(1 << 20)}.${signature}`,
    empty: '',
  }
  for (const [what, token] of Object.entries(wrong)) assert.is(await ask(tokens, token), 'ERR_UNAUTHENTICATED', what)
  tokens.close()
})

test('roles and models of the claims; keys that change; a provider that is down lets nobody in', async () => {
  const failures: unknown[] = []
  const tokens = oidc({ rolesClaim: 'realm.groups', roles: { ml: ['predict'], ops: ['admin', 'read'] } }, failures)
  const principal = await tokens.authenticate({
    authorization: `Bearer ${await sign({ realm: { groups: ['ml', 'other', 'constructor'] }, models: ['a'] })}`,
  })
  const allowed = (roles: ('predict' | 'read' | 'admin')[], model?: string): boolean => {
    try {
      principal.demand(roles, model, false)
      return true
    } catch {
      return false
    }
  }
  assert.equal([allowed(['predict'], 'a'), allowed(['predict'], 'b'), allowed(['admin']), allowed(['read'])], [true, false, false, false])
  published = ['second']
  const rotated = oidc()
  assert.is(await ask(rotated, await sign({}, { kid: 'second' })), undefined)
  const before = fetched
  for (let i = 0; i < 20; i++) await ask(rotated, await sign({ jti: `${i}` }, { kid: 'first' }))
  assert.ok(fetched - before <= 2, 'names of keys that nobody knows do not make the server ask each time')
  isDown = true
  const lost = oidc({}, failures)
  assert.is(await ask(lost, await sign({}, { kid: 'second' })), 'ERR_UNAVAILABLE')
  assert.is(failures.length, 1)
  assert.is(await ask(rotated, await sign({ jti: 'x' }, { kid: 'second' })), undefined, 'keys that were fetched are known')
  isDown = false
  assert.is(await ask(lost, await sign({}, { kid: 'second' })), undefined, 'it is asked again')
  published = ['first']
})

test('REST and gRPC take keys and tokens; addresses that are not safe are refused at the start', async () => {
  const made = createApiKey({ id: 'web', roles: ['predict'] })
  const file = path.join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [made.entry] }))
  const server = await serve({
    models: { m: scaling(2) },
    http: { port: 0 },
    grpc: { port: 0 },
    auth: { apiKeys: file, oidc: { issuer, audience: AUDIENCE } },
  })
  for (const url of [server.address.http!, server.address.grpc!]) {
    for (const apiKey of [made.key, await sign()]) {
      const client = await connect(url, { apiKey })
      assert.equal(await (await client.infer('m', { inputs: { x: [[1, 2]] } })).outputs['y']!.array(), [[2, 4]])
      assert.is(await codeOfAsync(client.index()), 'ERR_FORBIDDEN')
      client.close()
    }
    for (const apiKey of [await sign({ exp: now() - 100 }), 'weft_x', undefined])
      assert.is(await codeOfAsync(connect(url, apiKey === undefined ? {} : { apiKey })), 'ERR_UNAUTHENTICATED')
  }
  await server.close()
  for (const wrong of [
    { issuer: 'http://example.com', audience: 'a' },
    { issuer: 'file:///etc', audience: 'a' },
    { issuer },
    { issuer, audience: 'a', jwks: 'http://10.0.0.1/keys' },
    { issuer, audience: 'a', roles: { x: ['root'] } },
  ])
    assert.is(
      await codeOfAsync(serve({ models: { m: scaling(2) }, http: { port: 0 }, auth: { oidc: wrong as never } })),
      'ERR_ARGUMENT',
      JSON.stringify(wrong),
    )
})

test('a bucket fills evenly, and there are not more buckets than there may be', () => {
  let time = 0
  const rates = new Rates({ now: () => time })
  const rate = { requestsPerSecond: 10, burst: 3 }
  const takes = (count: number): boolean[] => Array.from({ length: count }, () => rates.take('a', rate))
  assert.equal(takes(4), [true, true, true, false])
  time += 100
  assert.equal(takes(2), [true, false])
  time += 10_000
  assert.equal(takes(4), [true, true, true, false])
  assert.ok(rates.take('b', rate))
  for (let i = 0; i < 25_000; i++) rates.take(`x${i}`, rate)
  assert.ok(rates.size <= 10_000)
})

test('a limit for all keys, one of their own, and for wrong credentials', async () => {
  const [slow, fast, none] = [
    createApiKey({ id: 'slow', roles: ['predict'], rate: { requestsPerSecond: 0.01, burst: 2 } }),
    createApiKey({ id: 'fast', roles: ['predict'], rate: { requestsPerSecond: 1000 } }),
    createApiKey({ id: 'none', roles: ['predict'] }),
  ]
  const file = path.join(folder, 'rates.json')
  writeFileSync(file, JSON.stringify({ keys: [slow, fast, none].map(({ entry }) => entry) }))
  const server: Server = await serve({
    models: { m: scaling(2) },
    http: { port: 0 },
    grpc: { port: 0 },
    auth: { apiKeys: file },
    rate: { requestsPerSecond: 0.01, burst: 5 },
  })
  const { http, grpc } = server.address
  const count = async (apiKey: string, url: string, times: number): Promise<number> => {
    const client = await connect(url, { apiKey, retries: 0 })
    const codes = []
    for (let i = 0; i < times; i++) codes.push(await codeOfAsync(client.infer('m', { inputs: { x: [[1, 2]] } })))
    client.close()
    assert.ok(
      codes.every((code) => code === undefined || code === 'ERR_OVERLOADED'),
      codes.join(),
    )
    return codes.filter((code) => code === undefined).length
  }
  assert.is(await count(slow.key, http!, 4), 2)
  assert.is(await count(slow.key, grpc!, 2), 0, 'REST and gRPC count together')
  assert.is(await count(none.key, grpc!, 8), 5)
  assert.is(await count(fast.key, http!, 20), 20)
  const statuses: number[] = []
  for (let i = 0; i < 40; i++) statuses.push((await fetch(`${http}/v2`, { headers: { authorization: `Bearer wrong${i}` } })).status)
  assert.equal([statuses[0], statuses[19], statuses.at(-1)], [401, 401, 429])
  assert.is(await count(fast.key, http!, 1), 1, 'who has the right credentials is let in from there as well')
  await server.close()
  assert.is(await codeOfAsync(serve({ models: { m: scaling(2) }, rate: { requestsPerSecond: 0 } })), 'ERR_ARGUMENT')
})

test.run()
