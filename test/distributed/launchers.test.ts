// What launchers and clusters say of a rank, lists of hosts, the calls of mpirun, and the lines of ranks.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable, type Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/index.js'
import { isLoss } from '../../lib/distributed/exit_code.js'
import { hostfileOf, parseHosts, readHostfile } from '../../lib/distributed/hosts.js'
import { launchOf } from '../../lib/distributed/launcher.js'
import { linesOf, linesOfOpenMpi } from '../../lib/distributed/lines.js'
import { mpirunArguments } from '../../lib/distributed/mpirun.js'
import { needsMpi, nodesOf } from '../../lib/distributed/nodes.js'
import { codeOf } from '../expect.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-launchers-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** What each launcher sets, as its documentation or its source says, on the second host or for the last rank. */
const LAUNCHES: readonly (readonly [
  what: string,
  environment: Record<string, string>,
  launcher: string | undefined,
  place: readonly number[],
])[] = [
  ['nobody', {}, undefined, [0, 1, 0]],
  ['Open MPI', { OMPI_COMM_WORLD_RANK: '3', OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_LOCAL_RANK: '1' }, 'Open MPI', [3, 4, 1]],
  ['MPICH, Intel MPI', { PMI_RANK: '3', PMI_SIZE: '4', MPI_LOCALRANKID: '1' }, 'MPICH', [3, 4, 1]],
  [
    'torchrun',
    { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', MASTER_ADDR: 'a', MASTER_PORT: '29500', PET_NNODES: '2', PET_NPROC_PER_NODE: '2' },
    'torchrun',
    [3, 4, 1],
  ],
  [
    'srun',
    { SLURM_PROCID: '5', SLURM_NTASKS: '8', SLURM_LOCALID: '1', SLURM_STEP_NODELIST: 'n[1-2]', SLURM_JOB_ID: '7', SLURM_STEP_ID: '0' },
    'Slurm',
    [5, 8, 1],
  ],
  [
    'srun of fewer tasks than its job has',
    { SLURM_PROCID: '1', SLURM_NTASKS: '8', SLURM_STEP_NUM_TASKS: '2', SLURM_LOCALID: '1', SLURM_JOB_ID: '7', SLURM_STEP_ID: '1' },
    'Slurm',
    [1, 2, 1],
  ],
  // its shell has the number of the first task, and is no task
  ['a script of sbatch', { SLURM_PROCID: '0', SLURM_NTASKS: '8', SLURM_LOCALID: '0', SLURM_JOB_ID: '7' }, undefined, [0, 1, 0]],
  ['an Indexed Job', { JOB_COMPLETION_INDEX: '2', WEFT_NODES: '4', MASTER_ADDR: 'train-0.train' }, 'Kubernetes', [2, 4, 0]],
  ['an Indexed Job of single programs', { JOB_COMPLETION_INDEX: '2' }, undefined, [0, 1, 0]],
  ['a person', { WEFT_NODE: '1', WEFT_NODES: '2', MASTER_ADDR: 'a' }, 'Kubernetes', [1, 2, 0]],
  [
    'PyTorchJob',
    { RANK: '2', WORLD_SIZE: '3', MASTER_ADDR: 'train-master-0', MASTER_PORT: '23456', PET_NNODES: '3', PET_NODE_RANK: '2' },
    'torchrun',
    [2, 3, 0],
  ],
  [
    'TrainJob',
    { PET_NNODES: '3', PET_NODE_RANK: '2', PET_NPROC_PER_NODE: '1', PET_MASTER_ADDR: 'train-node-0-0.train' },
    'Kubeflow',
    [2, 3, 0],
  ],
  ['TrainJob of one pod', { PET_NNODES: '1', PET_NODE_RANK: '0', PET_NPROC_PER_NODE: '8' }, undefined, [0, 1, 0]],
  [
    'mpirun in a step of Slurm',
    { SLURM_PROCID: '0', SLURM_NTASKS: '8', OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' },
    'Open MPI',
    [1, 2, 0],
  ],
]
for (const [what, environment, launcher, [rank, size, localRank]] of LAUNCHES)
  test(`the rank that it is: ${what}`, () => assert.equal(launchOf(environment), { launcher, rank, size, localRank }))

test('variables that make no rank are refused, with their values', () => {
  for (const [environment, words] of [
    [{ RANK: '4', WORLD_SIZE: '4' }, /RANK=4.*WORLD_SIZE=4/],
    [{ SLURM_PROCID: '8', SLURM_NTASKS: '8', SLURM_STEP_ID: '0' }, /SLURM_PROCID=8.*SLURM_NTASKS=8/],
    [{ SLURM_PROCID: 'x', SLURM_NTASKS: '8', SLURM_STEP_ID: '0' }, /SLURM_PROCID=x/],
    [{ WEFT_NODES: '4', JOB_COMPLETION_INDEX: '4' }, /JOB_COMPLETION_INDEX=4.*WEFT_NODES=4/],
    [{ WEFT_NODES: '4' }, /WEFT_NODE or JOB_COMPLETION_INDEX is not set/],
    [{ WEFT_NODES: 'many', WEFT_NODE: '0' }, /WEFT_NODES=many/],
    [{ PET_NNODES: '1:4', PET_NODE_RANK: '0' }, /PET_NNODES=1:4: a run has a fixed number/],
    // one process would stand for all the ranks of its host
    [{ PET_NNODES: '2', PET_NODE_RANK: '0', PET_NPROC_PER_NODE: '8' }, /PET_NPROC_PER_NODE=8.*npx weftjs run/],
    [{ PET_NNODES: '2', RANK: '1', WORLD_SIZE: '16', PET_NPROC_PER_NODE: '8' }, /PET_NPROC_PER_NODE=8.*npx weftjs run/],
  ] as [Record<string, string>, RegExp][]) {
    assert.is(
      codeOf(() => launchOf(environment)),
      'ERR_DISTRIBUTED',
      JSON.stringify(environment),
    )
    assert.throws(() => launchOf(environment), words)
  }
})

test('ranks on CPUs whose launcher starts no MPI are told what does', () => {
  for (const launcher of ['torchrun', 'Kubernetes', 'Kubeflow'])
    assert.throws(() => needsMpi({ launcher, rank: 0, size: 4, localRank: 0 }), /4 ranks on CPUs.*npx weftjs run -n 4.*MPIJob/)
  for (const launcher of ['Open MPI', 'MPICH', 'Slurm', 'WEFT_RANK']) needsMpi({ launcher, rank: 0, size: 4, localRank: 0 })
  needsMpi({ launcher: 'torchrun', rank: 0, size: 1, localRank: 0 })
})

test('what weftjs run reads of several hosts', () => {
  assert.is(nodesOf({ RANK: '0', WORLD_SIZE: '2' }), undefined)
  assert.equal(nodesOf({ WEFT_NODES: '8', JOB_COMPLETION_INDEX: '7', MASTER_ADDR: 'train-0.train', MASTER_PORT: '29500' }), {
    said: 'WEFT_NODES',
    count: 8,
    index: 7,
    ranks: undefined,
    address: 'train-0.train',
    port: 29500,
  })
  const pet = { PET_NNODES: '2', PET_NODE_RANK: '1', PET_MASTER_ADDR: 'train-node-0-0.train', PET_MASTER_PORT: '29400' }
  const found = { said: 'PET_NNODES', count: 2, index: 1, address: 'train-node-0-0.train', port: 29400 }
  assert.equal(nodesOf({ ...pet, PET_NPROC_PER_NODE: '8' }), { ...found, ranks: 8 })
  assert.equal(nodesOf({ ...pet, PET_NPROC_PER_NODE: 'auto' }), { ...found, ranks: undefined })
})

test('lists of hosts, and files of both formats', () => {
  const two = [
    { name: 'a', ranks: 8 },
    { name: 'b.example', ranks: 4 },
  ]
  assert.equal(parseHosts('a:8,b.example:4'), two)
  assert.equal(parseHosts('a,b'), [
    { name: 'a', ranks: 1 },
    { name: 'b', ranks: 1 },
  ])
  assert.equal(
    parseHosts('a,b', 3).map(({ ranks }) => ranks),
    [2, 2],
  )
  for (const wrong of ['', 'a:', 'a:0', 'a:x', 'a,,b', 'a b']) assert.throws(() => parseHosts(wrong), /is no host/, wrong)
  const file = path.join(folder, 'hosts')
  for (const lines of [
    'a slots=8\n# two\n\nb.example max_slots=9 slots=4 # last',
    'a:8\nb.example:4\n',
    'a slots=8 max_slots=8\r\nb.example : 4',
  ]) {
    writeFileSync(file, lines)
    assert.equal(readHostfile(file), two, lines)
  }
  writeFileSync(file, 'a slots=8\nb slot 4\n')
  assert.throws(() => readHostfile(file), /hosts, line 2: 'b slot 4'/)
  writeFileSync(file, '# none\n')
  assert.throws(() => readHostfile(file), /names no host/)
  assert.is(hostfileOf({ OMPI_MCA_orte_default_hostfile: '/etc/mpi/hostfile' }), '/etc/mpi/hostfile')
  assert.is(hostfileOf({}), undefined)
})

test('the calls of mpirun', () => {
  const plan = { ranks: 4, hosts: parseHosts('a:2,b:2'), variables: { MASTER_ADDR: 'a' }, program: ['node', 't.mjs'] }
  const environment = { WEFT_DATA: '/d', TERM: 'dumb', HOME: '/root', NODE_OPTIONS: '--stack-size=2000', WEFT_MPIRUN: 'x', NCCL_DEBUG: '' }
  assert.is(
    mpirunArguments({ family: 'Open MPI' }, plan, environment).join(' '),
    '--bind-to none --oversubscribe --tag-output -n 4 --host a:2,b:2 -x MASTER_ADDR=a -x NODE_OPTIONS -x TERM -x WEFT_DATA node t.mjs',
  )
  // hands on its whole environment
  assert.is(
    mpirunArguments({ family: 'MPICH' }, plan, environment).join(' '),
    '-prepend-rank -n 4 -hosts a:2,b:2 -env MASTER_ADDR a node t.mjs',
  )
})

const through = (stream: Transform, chunks: readonly string[]): Promise<string> =>
  text(Readable.from(chunks.map((chunk) => Buffer.from(chunk))).pipe(stream))

test('the lines of a rank are whole, however they come', async () => {
  assert.is(await through(linesOf(2), ['a', 'b\nc\n\n', 'd']), '[2] ab\n[2] c\n\n[2] d\n')
  const bytes = Buffer.from('é\n')
  assert.is(await text(Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]).pipe(linesOf(0))), '[0] é\n')
  assert.is(await through(linesOf(0), ['1/2\r', '2/2\r\n']), '[0] 1/2\r[0] 2/2\r\n')
  const long = 'x'.repeat(70_000)
  assert.is(await through(linesOf(0), [long, 'y\n']), `[0] ${long}\n[0] y\n`)
  assert.is(await through(linesOf(0), []), '')
})

test('tags of Open MPI become ranks, and pieces of lines are put together', async () => {
  const said = '[1,0]<stdout>:part [1,1]<stdout>:line 1\n[1,0]<stdout>:of a line\nmpirun says [so]\n[1,1]<stderr>:  end'
  const lines = '[1] line 1\n[0] part of a line\nmpirun says [so]\n[1]   end\n'
  assert.is(await through(linesOfOpenMpi(4), [said]), lines)
  assert.is(await through(linesOfOpenMpi(4), [...said]), lines, 'one character at a time')
  const five = said.replaceAll('[1,', '[prterun-h-7@1,').replaceAll('>:', '>: ')
  assert.is(await through(linesOfOpenMpi(5), [five]), lines)
  assert.is(await through(linesOfOpenMpi(4), ['x [1', ',', 'y']), 'x [1,y')
})

test('a loss can be tried again, and what ranks disagree about cannot', () => {
  const error = (message: string, cause?: unknown): WeftError => new WeftError('ERR_DISTRIBUTED', message, { cause })
  for (const words of ['gatherJson: rank 1 was lost: its connection has ended', 'fit: rank 2 has ended', 'not all ranks came within 30 ms'])
    assert.ok(isLoss(error(words)), words)
  assert.ok(isLoss(new Error('my own words', { cause: error('rank 1 was lost') })))
  assert.not(isLoss(error('the ranks disagree: rank 0 asks for allReduce')))
  assert.not(isLoss(error('fit: the training has failed on rank 2: of the callback')))
  assert.not(isLoss(new Error('rank 1 was lost')))
})

test('the words of a loss are those of the native code', () => {
  const root = path.join(import.meta.dirname, '../../../native')
  const source = ['control.cc', 'meeting.cc', 'world.cc', 'control_meeting.cc']
    .flatMap((name) => ['control', 'mpi'].map((place) => path.join(root, place, name)))
    .flatMap((file) => {
      try {
        return [readFileSync(file, 'utf8')]
      } catch {
        return []
      }
    })
    .join('\n')
  for (const words of [' was lost', ' has ended', ' came within ', ' cannot reach rank 0']) assert.ok(source.includes(words), words)
})

test.run()
