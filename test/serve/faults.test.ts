// Faults: of models, clients, files, certificates, logs and signals. Each is met as documented, and the server goes on.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { devices, WeftError } from '../../lib/index.js'
import { open } from '../../lib/serve/auth/principal.js'
import { connect, serve } from '../../lib/serve/index.js'
import { Metrics } from '../../lib/serve/metrics.js'
import { limitsOf } from '../../lib/serve/protocol/limits.js'
import { Repository } from '../../lib/serve/repository/repository.js'
import { restApp } from '../../lib/serve/rest/app.js'
import { routes } from '../../lib/serve/rest/routes.js'
import { Service } from '../../lib/serve/service.js'
import { Soundness } from '../../lib/serve/soundness.js'
import { codeOfAsync, until } from '../expect.js'
import { testWith } from '../skip.js'
import { Authority, hasOpenssl } from './certificates.js'
import { StillClock } from './clock.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] })

/** Starts a server in a process of its own; its first address. */
async function start(args: readonly string[], settings: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess; url: string }> {
  const env = { ...process.env, ...settings }
  const child = spawn(process.execPath, [program, 'serve', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], env })
  let text = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (/^ready .*\n/m.test(text)) break
  }
  return { child, url: text.match(/http:\/\/[\d.:]+/)![0] }
}

test('a model whose batches fail: 500, unready and ready again; others go on', async () => {
  const repository = await Repository.open(undefined, { batching: {}, load: {} })
  await repository.add('good', scaling(2))
  await repository.add('bad', scaling(2))
  const service = new Service(repository, 'none', limitsOf('test'))
  const app = restApp({ service, routes: routes(service, () => new Metrics().text()), authenticator: open, log: pino({ level: 'silent' }) })
  const executor = (repository.resolve('bad') as unknown as { executor: { run: (batch: unknown) => Promise<unknown> } }).executor
  const run = executor.run.bind(executor)
  const infer = async (model: string): Promise<[number, string]> => {
    const reply = await app.inject({ method: 'POST', url: `/v2/models/${model}/infer`, payload: BODY })
    return [reply.statusCode, reply.body]
  }
  const ready = async (url: string): Promise<number> => (await app.inject({ method: 'GET', url })).statusCode
  for (const fault of [new WeftError('ERR_CUDA', 'an illegal address at 0x7f00'), new Error('secret /path')]) {
    executor.run = () => Promise.reject(fault)
    for (let i = 0; i < 3; i++) {
      const [status, body] = await infer('bad')
      assert.is(status, 500)
      assert.not.match(body, /0x7f00|secret|path/)
    }
    assert.is(await ready('/v2/models/bad/ready'), 503)
    assert.is(await ready('/v2/health/ready'), 200, 'another model works')
    assert.is((await infer('good'))[0], 200)
    executor.run = run
    await until(async () => (await ready('/v2/models/bad/ready')) === 200, 'it finds out by itself')
    assert.is((await infer('bad'))[0], 200)
  }
  await app.close()
  await repository.close()
})

test('soundness: three failures in a row, not of requests; probes until one succeeds', async () => {
  const clock = new StillClock()
  let probes = 0
  let broken = true
  const sound = new Soundness(async () => {
    probes++
    if (broken) throw new WeftError('ERR_DEVICE', 'gone')
  }, clock)
  const fail = (code: 'ERR_DEVICE' | 'ERR_DATA') =>
    codeOfAsync(Promise.resolve(sound.watch(() => Promise.reject(new WeftError(code, 'x')))))
  for (let i = 0; i < 10; i++) await fail('ERR_DATA')
  await fail('ERR_DEVICE')
  await fail('ERR_DEVICE')
  await sound.watch(() => Promise.resolve(1))
  await fail('ERR_DEVICE')
  await fail('ERR_DEVICE')
  assert.equal([sound.isSound, probes, clock.armed], [true, 0, 0])
  await fail('ERR_DEVICE')
  assert.equal([sound.isSound, clock.armed], [false, 1])
  await clock.advance(1000)
  await clock.advance(1000)
  assert.equal([sound.isSound, probes], [false, 2])
  broken = false
  await clock.advance(1000)
  assert.equal([sound.isSound, probes, clock.armed], [true, 3, 0])
  sound.close()
})

test('a device that fails for good: not live once it has failed for long, however few or many batches that were', async () => {
  const clock = new StillClock()
  const sound = new Soundness(() => Promise.reject(new WeftError('ERR_CUDA', 'gone')), clock)
  const fail = (code: 'ERR_CUDA' | 'ERR_STATE') => codeOfAsync(Promise.resolve(sound.watch(() => Promise.reject(new WeftError(code, 'x')))))
  for (let i = 0; i < 100; i++) await fail('ERR_CUDA')
  assert.equal([sound.isSound, sound.isLost], [false, false])
  await fail('ERR_STATE')
  for (let second = 0; second < 5; second++) await clock.advance(1000)
  assert.equal([sound.isSound, sound.isLost], [false, false], 'since the first probe, 4 s before')
  await clock.advance(1000)
  assert.ok(sound.isLost)
  await sound.watch(() => Promise.resolve(1))
  assert.equal([sound.isSound, sound.isLost], [true, false])
  sound.close()

  const repository = await Repository.open(undefined, { batching: {}, load: {} })
  await repository.add('m', scaling(2))
  const service = new Service(repository, 'none', limitsOf('test'))
  const app = restApp({ service, routes: routes(service, () => new Metrics().text()), authenticator: open, log: pino({ level: 'silent' }) })
  const live = async (): Promise<[number, string]> => {
    const { statusCode, body } = await app.inject({ method: 'GET', url: '/v2/health/live' })
    return [statusCode, body]
  }
  assert.equal(await live(), [200, '{"live":true}'])
  const model = repository.resolve('m')
  Object.defineProperty(model, 'isLost', { value: true, configurable: true })
  assert.equal(await live(), [503, '{"live":false}'])
  Reflect.deleteProperty(model, 'isLost')
  assert.equal(await live(), [200, '{"live":true}'])
  await app.close()
  await repository.close()
})

test('weftjs serve ends with 1 once its device fails for good', async () => {
  const lib = (file: string): string => new URL(`../../lib/${file}`, import.meta.url).href
  const failing = path.join(folder, 'failing.mjs')
  writeFileSync(
    failing,
    `import { WeftError } from '${lib('core/error.js')}'
     import { Executor } from '${lib('serve/executor.js')}'
     const { run } = Executor.prototype
     let runs = 0
     Executor.prototype.run = function (batch) {
       return ++runs > 30 ? Promise.reject(new WeftError('ERR_CUDA', 'gone')) : run.call(this, batch)
     }`,
  )
  const models = path.join(folder, 'failing')
  await scaling(2).save(path.join(models, 'm', '1'))
  const { child, url } = await start([models, '--http', '0', '--log', 'silent'], { NODE_OPTIONS: `--import=${failing}` })
  const ended = once(child, 'exit')
  const infer = async (): Promise<number> => (await fetch(`${url}/v2/models/m/infer`, { method: 'POST', body: BODY })).status
  while ((await infer()) === 200);
  for (let i = 0; i < 2; i++) assert.is(await infer(), 500)
  assert.is((await fetch(`${url}/v2/health/live`)).status, 200, 'it may be an accident')
  assert.equal(await ended, [1, null])
})

const emulated = devices().some((device) => device.kind === 'cuda' && device.emulated)
testWith(emulated, 'the emulated CUDA device', 'a device that fails for good ends weftjs serve with 1', async () => {
  const models = path.join(folder, 'lost')
  await scaling(2).save(path.join(models, 'm', '1'))
  const { child, url } = await start([models, '--http', '0', '--log', 'silent'], { WEFT_DEVICE: 'cuda', WEFT_EMULATED_FAILURE: '300' })
  const ended = once(child, 'exit')
  const infer = async (): Promise<number> => (await fetch(`${url}/v2/models/m/infer`, { method: 'POST', body: BODY })).status
  while ((await infer()) === 200);
  for (let i = 0; i < 2; i++) assert.is(await infer(), 500)
  assert.equal(await ended, [1, null])
})

test('clients that go away in the middle of a body, or while they wait', async () => {
  const server = await serve({ models: { m: scaling(2) }, http: { port: 0 }, batching: { maxBatchSize: 2, maxDelayMs: 3_600_000 } })
  const { port } = new URL(server.address.http!)
  const send = (text: string, arrived = (): Promise<unknown> => pause(30)): Promise<void> =>
    new Promise((resolve) => {
      const socket = connectSocket(Number(port), '127.0.0.1', () => {
        socket.write(text)
        void arrived().then(() => socket.destroy())
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
    })
  const head = (length: number): string => `POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`
  const metrics = async (): Promise<string> => (await fetch(`${server.address.http}/metrics`)).text()
  await Promise.all([
    send(`${head(5000)}{"inputs"`),
    send(`${head(BODY.length)}${BODY}`, () =>
      until(async () => /^nv_inference_pending_request_count\{.*\} 1$/m.test(await metrics()), 'the request waits'),
    ),
    send('POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"in'),
  ])
  const failures = async (): Promise<number> => {
    const reply = await fetch(`${server.address.http}/v2/models/m/stats`)
    const { model_stats: stats } = (await reply.json()) as { model_stats: { inference_stats: { fail: { count: number } } }[] }
    return stats[0]!.inference_stats.fail.count
  }
  // the one that waited is taken out of the queue
  await until(async () => (await failures()) === 1, 'it is counted')
  const client = await connect(server.address.http!)
  assert.equal(
    await (
      await client.infer('m', {
        inputs: {
          x: [
            [1, 2],
            [3, 4],
          ],
        },
      })
    ).outputs['y']!.array(),
    [
      [2, 4],
      [6, 8],
    ],
  )
  client.close()
  await server.close()
})

test('a truncated or half-written version, and two loads at once, leave what is served', async () => {
  const root = path.join(folder, 'broken')
  mkdirSync(root)
  await scaling(2).save(path.join(root, 'm', '1'))
  const repository = await Repository.open(root, { batching: {}, load: {} })
  await repository.load('m')
  await scaling(3).save(path.join(root, 'm', '2'))
  const weights = path.join(root, 'm', '2', 'weights.safetensors')
  truncateSync(weights, lstatSync(weights).size - 4)
  assert.is(await codeOfAsync(repository.load('m')), 'ERR_FORMAT')
  mkdirSync(path.join(root, 'm', '3'))
  writeFileSync(path.join(root, 'm', '3', 'model.json'), '{"format":')
  assert.is(await codeOfAsync(repository.load('m')), 'ERR_FORMAT')
  assert.is(repository.resolve('m').version, '1')
  await scaling(5).save(path.join(root, 'm', '4'))
  await Promise.all([repository.load('m'), repository.load('m'), repository.load('m')])
  assert.equal(
    repository.ready('m').map(({ version }) => version),
    ['4'],
  )
  await repository.close()
})

test('serving writes nothing to the repository', async () => {
  const root = path.join(folder, 'readonly')
  mkdirSync(root)
  await scaling(2).save(path.join(root, 'm', '1'))
  const look = (): string[] =>
    (readdirSync(root, { recursive: true }) as string[]).map((name) => `${name} ${lstatSync(path.join(root, name)).mtimeMs}`).sort()
  const before = look()
  const server = await serve({ repository: root, http: { port: 0 }, control: 'explicit', insecure: true })
  const client = await connect(server.address.http!)
  await client.infer('m', { inputs: { x: [[1, 2]] } })
  await client.unload('m')
  await client.load('m')
  client.close()
  await server.close()
  assert.equal(look(), before)
})

testWith(hasOpenssl, 'openssl', 'a server with an expired certificate is not trusted', async () => {
  const authority = new Authority(folder, 'expiring')
  const server = await serve({
    models: { m: scaling(2) },
    http: { port: 0 },
    grpc: { port: 0 },
    tls: authority.issue('late', { expired: true }),
  })
  for (const url of [server.address.http!, server.address.grpc!])
    assert.match(
      String(await codeOfAsync(connect(url, { ca: authority.cert, retries: 0, timeoutMs: 1500 }))),
      /^ERR_(UNAVAILABLE|TIMEOUT)$/,
    )
  await server.close()
})

test('who reads the log goes away, and the server goes on', async () => {
  await scaling(2).save(path.join(folder, 'models/m/1'))
  const { child, url } = await start(['models', '--http', '0', '--log', 'info'])
  child.stdout!.destroy()
  for (let i = 0; i < 20; i++) {
    assert.is((await fetch(`${url}/v2/models/m/infer`, { method: 'POST', body: BODY })).status, 200)
    await pause(5)
  }
  const end = once(child, 'exit')
  child.kill('SIGTERM')
  assert.equal((await end)[0], 0)
})

test('SIGTERM under load: what was accepted is answered', async () => {
  await scaling(2).save(path.join(folder, 'models/m/1'))
  const { child, url } = await start(['models', '--http', '0', '--max-delay-ms', '3'])
  let stopped = false
  let answered = 0
  const faults: string[] = []
  const { port } = new URL(url)
  /** One request on a connection of its own: refused as a whole, or answered as a whole. */
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      let text = ''
      let connected = false
      const socket = connectSocket(Number(port), '127.0.0.1', () => {
        connected = true
        socket.write(
          `POST /v2/models/m/infer HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
        )
      })
      socket.on('data', (data: Buffer) => (text += data.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => {
        if (/^HTTP\/1.1 200 [\s\S]*"data":\[2,4\]/.test(text)) answered++
        else if (!/^HTTP\/1.1 503 /.test(text) && (text !== '' || (connected && !stopped))) faults.push(`${stopped}: ${text}`)
        resolve()
      })
    })
  const worker = async (): Promise<void> => {
    while (child.exitCode === null) await one()
  }
  const workers = Array.from({ length: 16 }, worker)
  while (answered <= 50) await pause(20)
  const end = once(child, 'exit')
  stopped = true
  child.kill('SIGTERM')
  assert.equal((await end)[0], 0)
  await Promise.all(workers)
  assert.equal(faults, [])
})

test.run()
