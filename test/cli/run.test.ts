// weftjs run on GPUs, which are emulated here: it starts the ranks itself, on one host or as one of several.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'

const program = path.join(import.meta.dirname, '../../lib/cli/weftjs.js')
const emulated = path.join(import.meta.dirname, '../../../build/cuda-on-cpu/libweft_cuda.so')
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-gpu-ranks-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
/** Says what it was given, and ends as it is told. */
const script = path.join(folder, 'rank.mjs')
writeFileSync(
  script,
  `import { existsSync, writeFileSync } from 'node:fs'
  const names = ['RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'WEFT_THREADS']
  const [what, argument] = process.argv.slice(2)
  if (what === 'waits') process.on('SIGTERM', () => (console.error('I was told'), process.exit(0)))
  console.log(names.map((name) => process.env[name]).join(' '), process.env.MASTER_PORT > 0, process.env.WEFT_JOB_ID?.length ?? 0)
  if (process.env.RANK === '1') {
    if (what === 'fails') process.exit(Number(argument))
    if (what === 'fails once' && !existsSync(argument)) writeFileSync(argument, ''), process.exit(75)
  }
  if (what === 'waits' || what === 'fails') setTimeout(() => undefined, 60_000)`,
)
const hasEmulated = existsSync(emulated)
const need = 'the emulated CUDA library (build/cuda-on-cpu)'
const environment = (more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WEFT_|OMPI_|PET_|MASTER_)/.test(name))),
  WEFT_CUDA_LIBRARY: emulated,
  WEFT_EMULATED_DEVICES: '2',
  WEFT_DEVICE: 'cuda',
  ...more,
})
function run(args: readonly string[], more: NodeJS.ProcessEnv = {}): { code: number | null; lines: string[]; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'run', ...args], { encoding: 'utf8', env: environment(more) })
  return { code: status, lines: stdout.trim().split('\n').sort(), err: stderr }
}
const share = (ranks: number): number => Math.max(1, Math.floor(os.availableParallelism() / ranks))

testWith(hasEmulated, need, 'one rank for each GPU, which meet at a free port and have a share of the cores', () => {
  const { code, lines, err } = run([script])
  assert.is(code, 0, err)
  assert.equal(lines, [`[0] 0 0 2 2 127.0.0.1 ${share(2)} true 36`, `[1] 1 1 2 2 127.0.0.1 ${share(2)} true 36`])
  assert.is(err, '', 'no mpirun')
  const own = run(['-n', '1', '--engine', 'nccl', script], { WEFT_THREADS: '3' })
  assert.match(own.lines[0]!, /^\[0\] 0 0 1 1 127\.0\.0\.1 3 /)
  assert.match(
    run(['-n', '1', script], { WEFT_DEVICE: '', WEFT_MPIRUN: '/none' }).err,
    /mpirun/,
    'emulated GPUs that nobody names are not taken',
  )
})

testWith(hasEmulated, need, 'more ranks than GPUs are refused', () => {
  const { code, err } = run(['-n', '3', script])
  assert.is(code, 2)
  assert.match(err, /3 ranks need as many GPUs, and this host has 2/)
  const cpu = run(['--engine', 'nccl', script], { WEFT_DEVICE: 'cpu' })
  assert.is(cpu.code, 2)
  assert.match(cpu.err, /between GPUs, and WEFT_DEVICE=cpu/)
})

for (const [what, variables, lines] of [
  [
    'an Indexed Job',
    { WEFT_NODES: '3', JOB_COMPLETION_INDEX: '2', MASTER_ADDR: 'train-0.train', MASTER_PORT: '29500' },
    [`[4] 4 0 6 2 train-0.train ${share(2)} true 0`, `[5] 5 1 6 2 train-0.train ${share(2)} true 0`],
  ],
  [
    'a TrainJob',
    { PET_NNODES: '2', PET_NPROC_PER_NODE: '1', PET_NODE_RANK: '1', PET_MASTER_ADDR: 'train-node-0-0.train', PET_MASTER_PORT: '29400' },
    [`[1] 1 0 2 1 train-node-0-0.train ${share(1)} true 0`],
  ],
  [
    'a PyTorchJob, whose pods have the variables of a rank',
    { PET_NNODES: '2', PET_NPROC_PER_NODE: '2', PET_NODE_RANK: '1', RANK: '1', WORLD_SIZE: '4', MASTER_ADDR: 'm', MASTER_PORT: '23456' },
    [`[2] 2 0 4 2 m ${share(2)} true 0`, `[3] 3 1 4 2 m ${share(2)} true 0`],
  ],
] as [string, NodeJS.ProcessEnv, string[]][])
  testWith(hasEmulated, need, `the ranks of one host of ${what}`, () => {
    const found = run([script], variables)
    assert.is(found.code, 0, found.err)
    assert.equal(found.lines, lines)
  })

testWith(hasEmulated, need, 'the first host of several must be named', () => {
  const { code, err } = run([script], { WEFT_NODES: '2', WEFT_NODE: '1' })
  assert.is(code, 2)
  assert.match(err, /MASTER_ADDR is not set/)
})

testWith(hasEmulated, need, 'the failure of one rank ends all, with its code; another start may succeed', () => {
  assert.is(run([script, 'fails', '7']).code, 7)
  const { code, err } = run(['--restarts', '2', script, 'fails once', path.join(folder, 'once')])
  assert.is(code, 0, err)
  assert.match(err, /a rank was lost; start 2 of 3/)
})

testWith(hasEmulated, need, 'signals pass on to every rank, and nothing is started again', async () => {
  const child: ChildProcess = spawn(process.execPath, [program, 'run', '--restarts', '2', script, 'waits'], {
    env: environment({}),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const begun = new Promise<void>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (/\[0\] 0/.test(output) && /\[1\] 1/.test(output)) resolve()
      })
  })
  await begun
  child.kill('SIGTERM')
  const [code] = (await once(child, 'close')) as [number]
  assert.is(code, 143)
  assert.match(output, /\[0\] I was told/)
  assert.match(output, /\[1\] I was told/)
  assert.not.match(output, /start 2/)
})

test.run()
