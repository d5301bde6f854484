// Deployment: each file in deploy/ as its own tool sees it, and two replicas behind haproxy that are exchanged and
// killed under load.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { validate } from 'dockerfile-utils'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAllDocuments } from 'yaml'
import { data } from '../../lib/index.js'
import { freePorts } from '../../lib/distributed/free_port.js'
import { usage } from '../../lib/cli/serve.js'
import { publish, serve } from '../../lib/serve/index.js'
import { codeOfAsync, rejection } from '../expect.js'
import { testWith } from '../skip.js'
import { scaling, scratch } from './models.js'

const root = path.join(import.meta.dirname, '../../..')
const file = (name: string): string => path.join(root, 'deploy', name)
const text = (name: string): string => readFileSync(file(name), 'utf8')
const { folder, remove } = scratch()
test.after(remove)
const program = path.join(root, 'dist/lib/cli/weftjs.js')

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
}
const resources = (name: string): Resource[] =>
  parseAllDocuments(text(name)).map((document) => {
    assert.equal(document.errors, [])
    return document.toJS() as Resource
  })

/** Throws where a resource is not as the schema of its kind says. */
async function validateResource(resource: Resource): Promise<void> {
  const { apiVersion, kind } = resource
  const models = (await import(`kubernetes-models/${apiVersion}/${kind}`)) as Record<string, new (json: object) => { validate(): void }>
  new models[kind]!(resource).validate()
}

test('Kubernetes: every resource is as the schema of its kind says', async () => {
  const found = resources('kubernetes.yaml')
  assert.equal(
    found.map(({ kind }) => kind),
    ['Deployment', 'Service', 'PodDisruptionBudget', 'HorizontalPodAutoscaler', 'NetworkPolicy'],
  )
  for (const resource of found) await validateResource(resource)
  for (const resource of resources('kserve.yaml').filter(({ apiVersion }) => !apiVersion.startsWith('serving.kserve.io')))
    await validateResource(resource)
  for (const change of [{ replicas: 'two' }, { selector: undefined }, { template: undefined }]) {
    const broken = structuredClone(found[0]) as Resource & { spec: object }
    Object.assign(broken.spec, change)
    assert.instance(await rejection(validateResource(broken)), Error, JSON.stringify(change))
  }
})

test('KServe: a runtime for both protocols, and a service that uses it', () => {
  const [runtime, service, scaler] = resources('kserve.yaml') as never as [
    { kind: string; spec: { protocolVersions: string[]; containers: { name: string; ports: { containerPort: number }[] }[] } },
    { kind: string; metadata: { name: string }; spec: { predictor: { model: { runtime: string; protocolVersion: string } } } },
    { spec: { scaleTargetRef: { name: string } } },
  ]
  assert.equal([runtime.kind, service.kind], ['ServingRuntime', 'InferenceService'])
  assert.equal(runtime.spec.protocolVersions, ['v2', 'grpc-v2'])
  assert.equal([runtime.spec.containers[0]!.name, runtime.spec.containers[0]!.ports[0]!.containerPort], ['kserve-container', 8080])
  assert.equal([service.spec.predictor.model.runtime, service.spec.predictor.model.protocolVersion], ['weft', 'v2'])
  assert.is(scaler.spec.scaleTargetRef.name, `${service.metadata.name}-predictor`)
})

test('the Dockerfile has no faults, and ends as nobody', () => {
  const source = text('Dockerfile')
  assert.equal(validate(source), [])
  assert.ok(validate(source.replace('EXPOSE 8080', 'EXPOSE x')).length > 0)
  assert.match(source, /^USER 1000:1000$/m)
})

test('every option in these files is one of weftjs serve', () => {
  const known = new Set(usage.match(/--[a-z-]+/g))
  for (const name of ['Dockerfile', 'kubernetes.yaml', 'kserve.yaml', 'weft.service']) {
    const given = text(name)
      .split('\n')
      .filter((line) => !line.startsWith('#') && /serve|^\s+- --/.test(line) && !/npm install/.test(line))
      // what stands before the program is for Node
      .flatMap((line) => line.replace(/node --max-semi-space-size=\d+ /, '').match(/--[a-z][a-z-]+/g) ?? [])
    assert.ok(given.length >= 5, `${name}: ${given}`)
    for (const option of given) assert.ok(known.has(option), `${name}: ${option}`)
  }
})

testWith(existsSync('/usr/bin/systemd-analyze'), 'systemd', 'the unit has no faults for systemd-analyze', () => {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file('weft.service')], { encoding: 'utf8' })
  assert.equal([status, stdout, stderr], [0, '', ''])
})

test('Grafana: every query asks for metrics that the server has', async () => {
  const statistics = await data.statistics([
    [1, 2],
    [2, 3],
  ])
  const root = path.join(folder, 'drifting')
  await scaling(2).save(path.join(root, 'm/1'), { assets: { statistics } })
  const server = await serve({ repository: root, http: { port: 0 } })
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] })
  assert.is((await fetch(`${server.address.http}/v2/models/m/infer`, { method: 'POST', body })).status, 200)
  const metrics = await (await fetch(`${server.address.http}/metrics`)).text()
  await server.close()
  const { panels } = JSON.parse(text('grafana.json')) as { panels: { id: number; title: string; targets: { expr: string }[] }[] }
  const names = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/\b(?:nv|weft)_\w+/g) ?? []))
  assert.ok(new Set(names).size >= 10)
  for (const name of names) assert.match(metrics, new RegExp(`^${name}\\{`, 'm'), name)
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length)
})

test('while it drains, it says that it is not ready, and answers', async () => {
  const server = await serve({ models: { m: scaling(2) }, http: { port: 0 } })
  const url = server.address.http!
  const status = async (route: string, body?: string): Promise<number> =>
    (await fetch(`${url}${route}`, body === undefined ? {} : { method: 'POST', body })).status
  assert.is(await codeOfAsync(server.close({ drainMs: -1 })), 'ERR_ARGUMENT')
  assert.is(await status('/v2/health/ready'), 200)
  const closed = server.close({ drainMs: 600 })
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] })
  assert.equal(
    [await status('/v2/health/ready'), await status('/v2/health/live'), await status('/v2/models/m/infer', body)],
    [503, 200, 200],
  )
  await closed
  assert.ok(await codeOfAsync(fetch(url)))
})

const readOnly = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'mount', '-o', 'remount,bind,ro', '/']).status === 0
testWith(readOnly, 'mounts without being root', 'it needs no file system that can be written to', async () => {
  await publish(scaling(3), path.join(folder, 'ro'), { name: 'm' })
  const shell = `mount -o remount,bind,ro / && ! touch '${folder}/x' 2>/dev/null && exec '${process.execPath}' '${program}' serve '${folder}/ro' --http 0 --control watch`
  const child = spawn('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', shell], { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await ready(child)
  assert.is(await factor(url), 3)
  await end(child, 'SIGTERM')
})

async function ready(child: ChildProcess): Promise<string> {
  let output = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    output += String(chunk)
    const found = /^ready in \d+ ms: (\S+)/m.exec(output)
    if (found) return found[1]!
  }
  throw new Error(`it did not start: ${output}`)
}
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit')
  child.kill(signal)
  const [code] = (await exit) as [number | null]
  assert.is(code, signal === 'SIGTERM' ? 0 : null)
}

const agent = new http.Agent({ keepAlive: true })
test.after(() => agent.destroy())
const BODY = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 0] }] }))
/** What the model multiplies by; rejects unless the answer is whole and good. Nothing is asked twice here. */
function factor(url: string, told?: (replica: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}/v2/models/m/infer`,
      { method: 'POST', agent, headers: { 'content-length': BODY.length } },
      (reply) => {
        let body = ''
        told?.(String(reply.headers['x-replica']))
        reply.on('data', (chunk) => {
          body += String(chunk)
        })
        reply.on('error', reject)
        reply.on('end', () => {
          if (reply.statusCode !== 200 || !reply.complete) reject(new Error(`${reply.statusCode} ${body}`))
          else resolve((JSON.parse(body) as { outputs: [{ data: number[] }] }).outputs[0].data[0]!)
        })
      },
    )
    request.on('error', reject)
    request.end(BODY)
  })
}

const hasHaproxy = existsSync('/usr/sbin/haproxy')
testWith(
  hasHaproxy,
  'haproxy',
  'two replicas behind haproxy: exchanged one after the other, and one killed, under load; no request is lost',
  async () => {
    const models = path.join(folder, 'models')
    await publish(scaling(2), models, { name: 'm' })
    const front = await freePorts(3)
    const [a, b] = [front + 1, front + 2]
    const env = { ...process.env, WEFT_HTTP: `127.0.0.1:${front}`, WEFT_A: `127.0.0.1:${a}`, WEFT_B: `127.0.0.1:${b}` }
    const checked = spawnSync('haproxy', ['-c', '-f', file('haproxy.cfg')], { env, encoding: 'utf8' })
    assert.is(checked.status, 0, checked.stderr)
    assert.not.match(checked.stderr, /WARNING|ALERT/)
    const replica = async (port: number): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [program, 'serve', models, '--http', `${port}`, '--drain-ms', '1500'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await ready(child)
      return child
    }
    const replicas = await Promise.all([replica(a), replica(b)])
    const haproxy = spawn('haproxy', ['-db', '-f', file('haproxy.cfg')], { env, stdio: 'ignore' })
    const url = `http://127.0.0.1:${front}`
    for (;;) {
      if ((await factor(url).catch(() => 0)) === 2) break
      await pause(50)
    }
    const answers: number[] = []
    const failures: string[] = []
    let done = false
    let seen = new Set<string>()
    /** A rolling update goes on once the new replica is asked. */
    const asked = async (name: string): Promise<void> => {
      seen = new Set()
      for (let i = 0; !seen.has(name); i++) {
        assert.ok(i < 1200, `replica ${name} is not asked`)
        await pause(50)
      }
    }
    const client = async (): Promise<void> => {
      while (!done)
        await factor(url, (replica) => seen.add(replica)).then(
          (found) => answers.push(found),
          (error: unknown) => failures.push(String(error)),
        )
    }
    const clients = Array.from({ length: 8 }, client)
    try {
      await pause(500)
      await publish(scaling(3), models, { name: 'm' })
      for (const [i, port] of [a, b].entries()) {
        await end(replicas[i]!, 'SIGTERM')
        replicas[i] = await replica(port)
        await asked(i === 0 ? 'a' : 'b')
      }
      const before = answers.length
      assert.is(await factor(url), 3)
      await end(replicas[0]!, 'SIGKILL')
      await pause(1000)
      assert.ok(answers.length > before, 'the other one goes on')
      replicas[0] = await replica(a)
      await asked('a')
    } finally {
      done = true
      await Promise.all(clients)
      await end(haproxy, 'SIGKILL')
    }
    assert.equal(failures, [])
    assert.ok(answers.length > 500, `${answers.length}`)
    assert.equal([...new Set(answers)].sort(), [2, 3])
    assert.is(answers.lastIndexOf(2) < answers.length - 100, true, 'nobody answers with the old version in the end')
    for (const child of replicas) await end(child, 'SIGTERM')
  },
)

test.run()
