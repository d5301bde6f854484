// Deployment of trainings: each file in deploy/training as its own tool or schema sees it, and as the code reads it.
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Ajv } from 'ajv'
import { validate } from 'dockerfile-utils'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAllDocuments } from 'yaml'
import { usage } from '../../lib/cli/run.js'
import { hostfileOf, readHostfile } from '../../lib/distributed/hosts.js'
import { nodesOf } from '../../lib/distributed/nodes.js'
import { rejection } from '../expect.js'
import { testWith } from '../skip.js'
import { SPECS } from './kubeflow.js'

const root = path.join(import.meta.dirname, '../../..')
const folder = path.join(root, 'deploy/training')
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8')
const manifests = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

interface Container {
  readonly name: string
  readonly command?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly { readonly containerPort: number }[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
  readonly resources?: { readonly limits?: Readonly<Record<string, number>> }
}
interface Template {
  readonly metadata?: { readonly labels: Readonly<Record<string, string>> }
  readonly spec: {
    readonly subdomain?: string
    readonly containers: readonly Container[]
    readonly volumes: readonly { readonly name: string; readonly persistentVolumeClaim?: { readonly claimName: string } }[]
  }
}
interface Replicas {
  readonly replicas: number
  readonly template: Template
}
interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has a spec of its own
  readonly spec: any
}

const resources = (name: string): Resource[] =>
  parseAllDocuments(read(name)).map((document) => {
    assert.equal(document.errors, [], name)
    return document.toJS() as Resource
  })
const resource = (name: string, kind: string): Resource => resources(name).find((one) => one.kind === kind)!

/** The pods that a resource of Kubeflow describes, as pods, and its jobs as jobs. */
function parts({ kind, spec }: Resource): Resource[] {
  const pod = (name: string, { metadata, spec }: Template): Resource => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec,
  })
  const specs = (spec.mpiReplicaSpecs ?? spec.pytorchReplicaSpecs ?? {}) as Record<string, Replicas>
  if (kind !== 'TrainingRuntime') return Object.entries(specs).map(([name, { template }]) => pod(name.toLowerCase(), template))
  return (spec.template.spec.replicatedJobs as { name: string; template: { spec: object } }[]).map(({ name, template }) => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: template.spec,
  }))
}

const ajv = new Ajv({ strict: false })
/** Throws where a resource is not as the schema of its kind says. */
async function check(one: Resource): Promise<void> {
  const { apiVersion, kind, spec } = one
  const schema = SPECS[`${apiVersion} ${kind}`]
  if (schema === undefined) {
    const models = (await import(`kubernetes-models/${apiVersion}/${kind}`)) as Record<string, new (json: object) => { validate(): void }>
    new models[kind]!(one).validate()
    return
  }
  if (!ajv.validate(schema, spec)) throw new Error(ajv.errorsText())
  for (const part of parts(one)) await check(part)
}

test('every resource is as the schema of its kind says', async () => {
  const kinds = new Set<string>()
  for (const name of manifests)
    for (const one of resources(name)) {
      kinds.add(one.kind)
      await check(one)
    }
  assert.equal([...kinds].sort(), [
    'Job',
    'MPIJob',
    'NetworkPolicy',
    'PersistentVolumeClaim',
    'PyTorchJob',
    'Service',
    'TrainJob',
    'TrainingRuntime',
  ])
})

test('a resource that is not as its schema says is refused', async () => {
  const broken = async (name: string, kind: string, change: (spec: Resource['spec']) => void): Promise<void> => {
    const one = structuredClone(resource(name, kind))
    change(one.spec)
    assert.instance(await rejection(check(one)), Error, `${kind}: ${change}`)
  }
  await broken('job.yaml', 'Job', (spec) => (spec.completions = 'four'))
  await broken('mpijob.yaml', 'MPIJob', (spec) => (spec.slots = 2))
  await broken('mpijob.yaml', 'MPIJob', (spec) => (spec.mpiReplicaSpecs.Worker.template.spec.containers = 'worker'))
  await broken('pytorchjob.yaml', 'PyTorchJob', (spec) => (spec.nprocPerNode = 8))
  await broken('trainjob.yaml', 'TrainJob', (spec) => (spec.runtimeRef.kind = 'Runtime'))
  await broken('trainjob.yaml', 'TrainingRuntime', (spec) => delete spec.template.spec.replicatedJobs[0].template.spec.template)
})

test('a pod of the Indexed Job knows its place, and where the ranks meet', () => {
  const job = resource('job.yaml', 'Job')
  const service = resource('job.yaml', 'Service')
  const { completions, parallelism, template } = job.spec as { completions: number; parallelism: number; template: Template }
  const [container] = template.spec.containers as [Container]
  const environment = Object.fromEntries(container.env!.map(({ name, value }) => [name, value]))
  const port = container.ports![0]!.containerPort
  for (const index of [0, completions - 1])
    assert.equal(nodesOf({ ...environment, JOB_COMPLETION_INDEX: String(index) }), {
      said: 'WEFT_NODES',
      count: completions,
      index,
      ranks: undefined,
      address: `${job.metadata.name}-0.${service.metadata.name}`,
      port,
    })
  assert.is(parallelism, completions, 'all of them at once')
  assert.is(template.spec.subdomain, service.metadata.name)
  assert.is(service.spec.selector['job-name'], job.metadata.name)
  assert.is(service.spec.ports[0].port, port)
  assert.equal(job.spec.podFailurePolicy.rules[1].onExitCodes, { containerName: container.name, operator: 'In', values: [2] })
})

test('the host file of an MPIJob gives its ranks', () => {
  const { spec } = resource('mpijob.yaml', 'MPIJob')
  const { Launcher, Worker } = spec.mpiReplicaSpecs as { Launcher: Replicas; Worker: Replicas }
  // as the operator writes it for Open MPI
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'weft-mpijob-')), 'hostfile')
  const names = Array.from({ length: Worker.replicas }, (_, i) => `train-worker-${i}.train.default.svc`)
  writeFileSync(file, names.map((name) => `${name} slots=${spec.slotsPerWorker}\n`).join(''))
  const found = hostfileOf({ OMPI_MCA_orte_default_hostfile: file })!
  assert.equal(
    readHostfile(found),
    names.map((name) => ({ name, ranks: spec.slotsPerWorker })),
  )
  rmSync(path.dirname(file), { recursive: true })
  const [launcher] = Launcher.template.spec.containers as [Container]
  const [worker] = Worker.template.spec.containers as [Container]
  const threads = Number(launcher.env!.find(({ name }) => name === 'WEFT_THREADS')!.value)
  assert.is(threads * spec.slotsPerWorker, Number(worker.resources!.limits!['cpu']), 'the threads of a worker are its cores')
  assert.is(worker.ports![0]!.containerPort, Number(/^Port (\d+)$/m.exec(read('sshd_config'))![1]))
  assert.match(read('Dockerfile'), new RegExp(`Port ${worker.ports![0]!.containerPort}\\\\n`))
  assert.ok(read('sshd_config').includes(`HostKey ${spec.sshAuthMountPath}/id_rsa`))
  assert.ok(read('sshd_config').includes(`AuthorizedKeysFile ${spec.sshAuthMountPath}/authorized_keys`))
  assert.match(read('Dockerfile'), new RegExp(`sshd_config ${worker.command!.at(-1)}$`, 'm'))
})

test('pods of Kubeflow have as many GPUs as ranks', () => {
  const { spec } = resource('pytorchjob.yaml', 'PyTorchJob')
  for (const { template } of Object.values(spec.pytorchReplicaSpecs as Record<string, Replicas>)) {
    const [container] = template.spec.containers as [Container]
    assert.is(container.name, 'pytorch', 'the name that the operator looks for')
    assert.is(container.resources!.limits!['nvidia.com/gpu'], Number(spec.nprocPerNode))
  }
  const runtime = resource('trainjob.yaml', 'TrainingRuntime')
  const { trainer, runtimeRef } = resource('trainjob.yaml', 'TrainJob').spec
  assert.is(runtimeRef.name, runtime.metadata.name)
  assert.is(trainer.resourcesPerNode.limits['nvidia.com/gpu'], trainer.numProcPerNode)
  const [{ name, template }] = runtime.spec.template.spec.replicatedJobs
  assert.is(template.metadata.labels['trainer.kubeflow.org/trainjob-ancestor-step'], 'trainer')
  assert.equal([name, template.spec.template.spec.containers[0].name], ['node', 'node'], 'the names that the trainer looks for')
})

/** What the code reads from the environment. */
const sources = ['lib', 'native'].flatMap((place) =>
  readdirSync(path.join(root, place), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|cc)$/.test(file))
    .map((file) => readFileSync(path.join(root, place, file), 'utf8')),
)
/** All containers, wherever they stand; the trainer of a TrainJob is one too. */
function containersIn(value: unknown): Container[] {
  if (typeof value !== 'object' || value === null) return []
  const { containers = [], trainer } = value as { containers?: Container[]; trainer?: Container }
  return [...containers, ...(trainer ? [trainer] : []), ...Object.values(value).flatMap(containersIn)]
}

test('every variable is one that the code reads, and every option one that the command has', () => {
  const options = new Set(usage.match(/-{1,2}[a-z]+/g))
  for (const name of ['job.yaml', 'mpijob.yaml', 'trainjob.yaml', 'pytorchjob.yaml']) {
    const containers = containersIn(resources(name))
    const commands = containers.flatMap(({ command }) => (command?.[0]?.endsWith('/weftjs') ? [command] : []))
    assert.ok(commands.length > 0, name)
    for (const [, what, ...rest] of commands) {
      assert.is(what, 'run')
      // the program is told where its backup lies: ranks of an MPIJob have no variables of their pods
      assert.equal(rest.splice(-2), ['train.mjs', '--backup=/backup'])
      for (const option of rest.filter((word) => word.startsWith('-'))) assert.ok(options.has(option), `${name}: ${option}`)
    }
    const variables = new Set(containers.flatMap(({ env }) => env ?? []).map((one) => one.name))
    assert.ok(variables.size > 0, name)
    for (const variable of variables) {
      // a secret is read where the ranks meet
      const read = sources.some((text) => new RegExp(`['"]${variable}['"]`).test(text))
      assert.ok(read || variable === 'WEFT_SECRET', `${name}: nothing reads ${variable}`)
    }
  }
})

test('every rank finds the backup', () => {
  const [claim] = resources('volume.yaml') as [Resource]
  assert.equal(claim.spec.accessModes, ['ReadWriteMany'])
  for (const name of ['job.yaml', 'mpijob.yaml', 'trainjob.yaml', 'pytorchjob.yaml']) {
    const text = read(name)
    assert.match(text, new RegExp(`claimName: ${claim.metadata.name}\\b`), name)
    assert.match(text, /mountPath: \/backup\b/, name)
  }
  const page = readFileSync(path.join(root, 'docs/distributed-kubernetes.md'), 'utf8')
  assert.ok(page.includes('dir: values.backup'), 'the program takes the option that the manifests give')
})

test('the Dockerfile has no faults, and both of its images end as nobody', () => {
  const source = read('Dockerfile')
  assert.equal(validate(source), [])
  assert.ok(validate(source.replace('EXPOSE 2222', 'EXPOSE x')).length > 0)
  const images = source.split(/^FROM /m).slice(2)
  assert.equal(
    images.map((image) => /AS (\w+)$/m.exec(image)![1]),
    ['gpu', 'cpu'],
  )
  for (const image of images) {
    assert.match(image, /^USER 1000:1000$/m)
    assert.match(image, /"node_modules\/\.bin\/weftjs", "run"/)
  }
})

testWith(existsSync('/usr/sbin/sshd'), 'openssh-server', "the workers' sshd takes its configuration without being root", () => {
  const place = mkdtempSync(path.join(os.tmpdir(), 'weft-sshd-'))
  const key = path.join(place, 'id_rsa')
  spawnSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', key])
  const file = path.join(place, 'config')
  writeFileSync(file, read('sshd_config').replaceAll('/home/node/.ssh', place))
  // root would need a folder that the system makes when the service starts
  const user = process.getuid!() === 0 ? { uid: 65534, gid: 65534 } : {}
  if (user.uid !== undefined) for (const one of [place, key, file]) chownSync(one, user.uid, user.gid)
  const { status, stderr } = spawnSync('/usr/sbin/sshd', ['-t', '-f', file], { encoding: 'utf8', ...user })
  rmSync(place, { recursive: true })
  assert.is(status, 0, stderr)
})

test.run()
