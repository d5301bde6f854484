// The same program on emulated GPUs under every launcher: those that are installed here start it themselves, the
// variables of the others are set as they set them.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { freePorts } from '../../lib/distributed/free_port.js'
import { testWith } from '../skip.js'
import { FAMILIES } from './launch.js'
import { built, CUDA, NEED, TWIN } from './launch_gpus.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-launchers-gpus-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const weftjs = path.join(import.meta.dirname, '../../lib/cli/weftjs.js')
const peers = path.join(import.meta.dirname, 'programs/peers.js')
const node = process.execPath

type Start = readonly [command: string, args: readonly string[], variables?: NodeJS.ProcessEnv]

/** Starts all of them at once; resolves with the ranks that have met and summed, once all have ended with 0. */
async function ranksOf(starts: readonly Start[]): Promise<number[]> {
  const said = mkdtempSync(path.join(folder, 'said-'))
  const own = Object.entries(process.env).filter(([name]) => !/^(WEFT_|OMPI_|PMI|SLURM_|PET_|MASTER_|RANK$|WORLD_SIZE$)/.test(name))
  const ends = starts.map(
    ([command, args, variables]) =>
      new Promise<void>((resolve, reject) => {
        let output = ''
        const child = spawn(command, args, {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: {
            ...Object.fromEntries(own),
            OMPI_ALLOW_RUN_AS_ROOT: '1',
            OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
            WEFT_CUDA_LIBRARY: CUDA,
            WEFT_NCCL_LIBRARY: TWIN,
            WEFT_EMULATED_DEVICES: '2',
            WEFT_DEVICE: 'cuda',
            WEFT_THREADS: '1',
            WEFT_SAID: said,
            ...variables,
          },
        })
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
        child.on('error', reject)
        child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${output}`))))
      }),
  )
  await Promise.all(ends)
  return readdirSync(said)
    .map((name) => (JSON.parse(readFileSync(path.join(said, name), 'utf8')) as { rank: number }).rank)
    .sort()
}

/** Two hosts, each of which is this one. */
const hosts = (start: (index: string, port: string) => Start): Promise<readonly Start[]> =>
  freePorts(1).then((port) => ['0', '1'].map((index) => start(index, String(port))))

const [{ command, found, package: brought }] = FAMILIES as [(typeof FAMILIES)[number]]
testWith(built && found, built ? brought : NEED, 'mpirun, whose library is not opened', async () =>
  assert.equal(
    await ranksOf([[command, ['--bind-to', 'none', '--oversubscribe', '-n', '2', node, peers], { WEFT_MPI_LIBRARY: '/nowhere' }]]),
    [0, 1],
  ),
)

const torchrun = existsSync('/usr/bin/torchrun')
testWith(built && torchrun, built ? 'python3-torch' : NEED, 'torchrun, whose own store has the port', async () => {
  // its store has the port, and the ranks meet at the next one
  // Debian's reads the streams to redirect with Python 3.11 only where one of them is named
  const own = ['-r', '1', '-t', '1', '--log_dir', path.join(folder, 'log'), '--master_port', String(await freePorts(2))]
  assert.equal(await ranksOf([['torchrun', ['--nproc_per_node', '2', ...own, '--no_python', node, peers]]]), [0, 1])
})

testWith(built, NEED, 'srun', async () => {
  const job = { SLURM_JOB_ID: String(process.pid), SLURM_STEP_ID: '0', SLURM_NTASKS: '2', SLURM_STEP_NODELIST: 'localhost' }
  assert.equal(
    await ranksOf(['0', '1'].map((rank) => [node, [peers], { ...job, SLURM_PROCID: rank, SLURM_LOCALID: rank }] as const)),
    [0, 1],
  )
})

testWith(built, NEED, 'the pods of an Indexed Job', async () => {
  const starts = await hosts((index, port) => [
    node,
    [weftjs, 'run', '-n', '1', peers],
    { WEFT_NODES: '2', JOB_COMPLETION_INDEX: index, MASTER_ADDR: 'localhost', MASTER_PORT: port, WEFT_SECRET: 'of this run' },
  ])
  assert.equal(await ranksOf(starts), [0, 1])
})

testWith(built, NEED, 'the pods of a TrainJob, with two ranks in each', async () => {
  const pet = { PET_NNODES: '2', PET_NPROC_PER_NODE: '2', PET_MASTER_ADDR: 'localhost' }
  const starts = await hosts((index, port) => [node, [weftjs, 'run', peers], { ...pet, PET_NODE_RANK: index, PET_MASTER_PORT: port }])
  assert.equal(await ranksOf(starts), [0, 1, 2, 3])
})

testWith(built, NEED, 'the pods of a PyTorchJob, with the program itself in each', async () => {
  const starts = await hosts((index, port) => [
    node,
    [peers],
    { RANK: index, WORLD_SIZE: '2', MASTER_ADDR: 'localhost', MASTER_PORT: port, PET_NNODES: '2', PET_NODE_RANK: index },
  ])
  assert.equal(await ranksOf(starts), [0, 1])
})

test.run()
