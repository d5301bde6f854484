// Where ranks meet that no MPI brings together, from the variables of their launchers; and that strangers do not.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { launchOf } from '../../lib/distributed/launcher.js'
import { meetingOf } from '../../lib/distributed/rendezvous.js'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'
import { built, CUDA, launchOnGpus, NEED, TWIN } from './launch_gpus.js'

const meeting = (environment: NodeJS.ProcessEnv): ReturnType<typeof meetingOf> => meetingOf(launchOf(environment), environment)
const placeOf = (environment: NodeJS.ProcessEnv): [string, number] => [meeting(environment).address, meeting(environment).port]
const torch = { RANK: '1', WORLD_SIZE: '2', LOCAL_RANK: '1', MASTER_ADDR: 'a', MASTER_PORT: '3000' }
const mpirun = { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_LOCAL_SIZE: '2', PMIX_NAMESPACE: '77' }
const slurm = { SLURM_PROCID: '1', SLURM_NTASKS: '2', SLURM_LOCALID: '0', SLURM_JOB_ID: '8', SLURM_STEP_ID: '0' }

test('host and port of rank 0, of each launcher', () => {
  assert.equal(placeOf(torch), ['a', 3000])
  // the agent's own store is at the port
  assert.equal(placeOf({ ...torch, TORCHELASTIC_USE_AGENT_STORE: 'True' }), ['a', 3001])
  assert.equal(placeOf({ ...torch, MASTER_PORT: undefined }), ['a', 29_500])
  const [address, port] = placeOf(mpirun)
  assert.is(address, '127.0.0.1')
  assert.ok(port >= 20_000 && port < 30_000)
  assert.equal(placeOf({ ...mpirun, OMPI_COMM_WORLD_RANK: '0' }), [address, port])
  assert.not.equal(placeOf({ ...mpirun, PMIX_NAMESPACE: '78' }), [address, port])
  for (const [hosts, first] of [
    ['n[03-05,9],m1', 'n03'],
    ['n7', 'n7'],
    ['a1,b2', 'a1'],
    ['r[1,3]-ib', 'r1-ib'],
  ] as const)
    assert.is(placeOf({ ...slurm, SLURM_STEP_NODELIST: hosts })[0], first)
  assert.equal(placeOf({ ...slurm, SLURM_STEP_NODELIST: 'n7', MASTER_PORT: '4000' }), ['n7', 4000])
})

test('what is missing or no port is an error', () => {
  for (const environment of [
    { ...torch, MASTER_ADDR: undefined },
    { ...torch, MASTER_PORT: 'x' },
    { ...torch, MASTER_PORT: '0' },
    { ...torch, MASTER_PORT: '65535' },
    { ...mpirun, OMPI_COMM_WORLD_LOCAL_SIZE: '1' },
    slurm,
  ])
    assert.throws(
      () => meeting(environment),
      (error: { code: string }) => error.code === 'ERR_DISTRIBUTED',
    )
})

test('a run is known by its name, its size and the secret', () => {
  const jobs = [
    torch,
    { ...torch, WEFT_SECRET: 'a' },
    { ...torch, WEFT_SECRET: 'b' },
    { ...torch, WEFT_JOB_ID: '1' },
    { ...torch, TORCHELASTIC_RESTART_COUNT: '1' },
    { ...torch, WORLD_SIZE: '3' },
  ].map((environment) => meeting(environment).job)
  assert.is(new Set(jobs).size, jobs.length)
  assert.ok(jobs.every((job) => /^[0-9a-f]{32}$/.test(job)))
  assert.is(meeting({ ...torch, RANK: '0' }).job, jobs[0])
})

testWith(built, NEED, 'a port that is taken is said to be', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { said } = await launchOnGpus(2, 'meet', ['1500'], { MASTER_PORT: String(port) })
  server.close()
  assert.match(said[0]!['message'] as string, new RegExp(`rank 0 cannot listen at port ${port}: Address already in use`))
})

testWith(built, NEED, 'a stranger is refused, and told why; two processes cannot be one rank', async () => {
  const stranger = await launchOnGpus(2, 'meet', ['4000', '2'], (rank) => ({ WEFT_SECRET: `of ${rank}` }))
  assert.match(
    stranger.said[1]!['message'] as string,
    /rank 0 has refused this process: it belongs to another run, or has another WEFT_SECRET/,
  )
  assert.match(stranger.said[0]!['message'] as string, /1 of 1 other ranks did not come; the last process that was refused: it belongs to/)
  const twice = await launchOnGpus(3, 'meet', ['4000', '3'], (rank) => ({ RANK: String(Math.min(rank, 1)), WEFT_SAYS: String(rank) }))
  assert.ok(
    twice.said.some(({ message }) => /another process is rank 1 already/.test(message as string)),
    JSON.stringify(twice.said),
  )
})

for (const { name, command, found, package: brought } of FAMILIES)
  testWith(built && found, `${NEED} and ${brought}`, `${name}: ranks that its mpirun starts meet on GPUs without its library`, async () => {
    const environment = { WEFT_CUDA_LIBRARY: CUDA, WEFT_NCCL_LIBRARY: TWIN, WEFT_DEVICE: 'cuda' }
    const { said, output } = await launch(command, 2, 'meet', ['60000'], environment)
    assert.equal(
      said,
      [0, 1].map((rank) => ({ rank, size: 2, engine: 'nccl', mpi: false, ranks: [0, 1] })),
      output,
    )
  })

test.run()
