// weftjs run on CPUs: exit codes, restarts, signals, hosts. No process is left, whatever ends the command.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../expect.js'
import { testWith } from '../skip.js'
import { FAMILIES } from './launch.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-run-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const weftjs = path.join(import.meta.dirname, '../../lib/cli/weftjs.js')
const peers = path.join(import.meta.dirname, 'programs/peers.js')
const [open] = FAMILIES as [(typeof FAMILIES)[number]]

interface Said {
  readonly rank: number
  readonly pid: number
  readonly host: string
  readonly threads: string
  readonly setting?: string
}
/** What ranks have said in the folder. */
const saidIn = (place: string): Said[] =>
  readdirSync(place)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(place, name), 'utf8')) as Said)
const saying = (): string => mkdtempSync(path.join(folder, 'said-'))

/** The environment of a launcher, without what is set for one around this test. */
const environment = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WEFT_|OMPI_|PMI|SLURM_|PET_|RANK$|WORLD_SIZE$)/.test(name))),
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  WEFT_MPIRUN: open.command,
  WEFT_DEVICE: 'cpu',
  WEFT_SAID: folder,
  ...more,
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}
function run(args: readonly string[], more: NodeJS.ProcessEnv = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [weftjs, 'run', ...args], { encoding: 'utf8', env: environment(more) })
  return { code: status, out: stdout, err: stderr }
}

test('what makes no sense is wrong use, and nothing is started', () => {
  const hosts = path.join(folder, 'hosts')
  writeFileSync(hosts, 'a slots=2\nb two\n')
  for (const [args, words, more] of [
    [[], /takes the program/],
    [['-n', '2', path.join(folder, 'none.mjs')], /there is no file .*none\.mjs/],
    [['-n', '2', '--'], /takes the program/],
    [['-n', '0', peers], /-n is a whole number of at least 1, got '0'/],
    [['-n2', '--restarts', 'x', peers], /--restarts is a whole number/],
    [['-n2', '--engine', 'gloo', peers], /--engine is mpi or nccl, got 'gloo'/],
    [['--host', 'a', peers], /'--host'/],
    [['--hosts', 'a:2', '--hostfile', hosts, peers], /give one of them/],
    [['--hosts', 'a:two', peers], /'a:two' is no host/],
    [['--hostfile', hosts, peers], /hosts, line 2: 'b two' is no host/],
    [['-n', '5', '--hosts', 'a:2,b:2', peers], /5 ranks, and the hosts take 4/],
    [[peers], /-n is missing/],
    [['--engine', 'nccl', peers], /this host has no GPU/],
    [['-n2', '--engine', 'mpi', peers], /between CPUs, and WEFT_DEVICE=cuda:1/, { WEFT_DEVICE: 'cuda:1' }],
    [[peers], /ranks compute on CPUs.*MPIJob/, { WEFT_NODES: '2', JOB_COMPLETION_INDEX: '0' }],
    [[peers], /WEFT_NODES=2.*not set/, { WEFT_NODES: '2' }],
    [['--hosts', 'a:2,b:2', peers], /leave --hosts out/, { WEFT_NODES: '2', WEFT_NODE: '0' }],
  ] as [string[], RegExp, NodeJS.ProcessEnv?][]) {
    const { code, out, err } = run(args, more)
    assert.is(code, 2, `${args}: ${out}${err}`)
    assert.match(err, words)
    assert.match(err, /^Usage: weftjs run/m)
  }
})

test('without an mpirun it says what to install, and that GPUs need none', () => {
  const { code, err } = run(['-n', '2', peers], { WEFT_MPIRUN: '', PATH: folder })
  assert.is(code, 1, err)
  assert.match(err, /no mpirun was found.*apt-get install openmpi-bin.*--engine nccl/)
})

for (const { name, command, found, package: brought } of FAMILIES)
  testWith(found, brought, `${name}: the ranks are started, with their share of the cores, and their lines are told apart`, () => {
    const place = saying()
    const { code, out, err } = run(['-n', '2', '--', peers], { WEFT_MPIRUN: command, WEFT_SAID: place })
    assert.is(code, 0, err)
    assert.equal(out.trim().split('\n').sort(), ['[0] one line of rank 0', '[1] one line of rank 1'])
    assert.match(err, new RegExp(`^${name} \\d+.*: ${command.replace('.', '\\.')} .*-n 2`))
    const share = String(Math.max(1, Math.floor(os.availableParallelism() / 2)))
    assert.equal(
      saidIn(place).map(({ rank, threads }) => [rank, threads]),
      [
        [0, share],
        [1, share],
      ],
    )
  })

testWith(open.found, open.package, 'a rank that lost another one, and catches nothing, ends with 75', () => {
  const { code, err } = run(['-n', '2', peers, 'leaves'])
  assert.match(err, /\[0\] .*ERR_DISTRIBUTED/)
  assert.is(code, 75, err)
})

testWith(open.found, open.package, 'a run whose rank was killed is started again, and its code is that of the last start', () => {
  const { code, err } = run(['-n', '2', '--restarts', '3', peers, 'is killed once', path.join(folder, 'killed')])
  assert.is(code, 0, err)
  assert.match(err, /start 2 of 4/)
  assert.not.match(err, /start 3 of 4/)
})

testWith(open.found, open.package, 'wrong use is not tried again; other failures are, as often as was said', () => {
  const starts = ({ err }: Ended): number => err.match(/^Open MPI/gm)!.length
  for (const [given, count] of [
    [2, 1],
    [3, 2],
  ] as const) {
    const ended = run(['-n', '1', '--restarts', '1', peers, 'ends at once', String(given)])
    assert.is(ended.code, given, ended.err)
    assert.is(starts(ended), count, ended.err)
  }
})

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // not one that has ended, and waits to be asked how
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Starts ranks that hang; resolves when they have met. */
async function hanging(command: string): Promise<{ child: ChildProcess; ranks: readonly Said[] }> {
  const place = saying()
  const child = spawn(process.execPath, [weftjs, 'run', '-n', '2', '--restarts', '2', peers, 'hangs'], {
    env: environment({ WEFT_MPIRUN: command, WEFT_SAID: place }),
    stdio: 'ignore',
  })
  await until(() => saidIn(place).length === 2, 'the ranks meet')
  return { child, ranks: saidIn(place) }
}

const guarded = spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0
for (const { name, command, found, package: brought } of FAMILIES)
  for (const signal of command === open.command ? (['SIGTERM', 'SIGINT', 'SIGKILL'] as const) : (['SIGINT', 'SIGKILL'] as const))
    testWith(
      found && (guarded || signal !== 'SIGKILL'),
      found ? 'setpriv' : brought,
      `${name}: no rank is left where the command gets ${signal}`,
      async () => {
        const { child, ranks } = await hanging(command)
        const ended = once(child, 'exit')
        child.kill(signal)
        assert.equal(await ended, signal === 'SIGKILL' ? [null, signal] : [128 + os.constants.signals[signal], null])
        await until(() => !ranks.some(({ pid }) => alive(pid)), 'no rank is left')
      },
    )

const isRoot = process.getuid?.() === 0
const namespaces =
  isRoot &&
  spawnSync('unshare', ['--mount', '--net', '--uts', '--pid', '--fork', 'ip', 'link', 'add', 'br0', 'type', 'bridge']).status === 0
const twoHosts = path.join(import.meta.dirname, '../../../test/distributed/two_hosts.sh')
for (const { name, command, found, package: brought } of FAMILIES)
  testWith(found && namespaces, found ? 'network namespaces, as root' : brought, `${name}: a run over two hosts`, () => {
    const place = saying()
    const file = path.join(folder, 'two')
    writeFileSync(file, 'a slots=1\nb slots=2\n')
    const { status, stdout, stderr } = spawnSync('sh', [twoHosts, process.execPath, weftjs, 'run', '--hostfile', file, peers], {
      encoding: 'utf8',
      env: environment({ WEFT_MPIRUN: command, WEFT_SAID: place, WEFT_TEST_SETTING: 'handed on' }),
    })
    assert.is(status, 0, stdout + stderr)
    const cores = os.availableParallelism()
    assert.equal(
      saidIn(place).map(({ rank, host, threads, setting }) => [rank, host, threads, setting]),
      [
        [0, 'a', String(cores), 'handed on'],
        [1, 'b', String(Math.max(1, Math.floor(cores / 2))), 'handed on'],
        [2, 'b', String(Math.max(1, Math.floor(cores / 2))), 'handed on'],
      ],
      stderr,
    )
  })

test('ranks on CPUs that torchrun has started say who can start them', () => {
  const variables = { RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '0', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' }
  const { status, stderr } = spawnSync(process.execPath, [peers], { encoding: 'utf8', env: environment(variables) })
  assert.is(status, 1)
  assert.match(stderr, /torchrun .*has started 2 ranks on CPUs.*npx weftjs run -n 2.*MPIJob/)
})

test.run()
