// What the ranks are told when one of them is lost, differs, or meets bad data. Nobody hangs.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, GOES_ON, launch } from './launch.js'

interface Said {
  readonly rank: number
  readonly code?: string
  readonly message?: string
  readonly unchanged?: boolean
  readonly ms?: number
}

const RANKS = 3
const [open] = FAMILIES as [(typeof FAMILIES)[number]]

for (const { name: family, command, found, package: brought } of FAMILIES)
  for (const [what, words] of [
    ['killed', /rank 2 was lost/],
    ['stopped', /rank 2 was lost: it has given no sign of life for 4000 ms/],
    ['exits', /rank 2 has ended/],
    // the others end without an error, too
    ['caught', /rank 2 has ended/],
  ] as const)
    testWith(found, brought, `${family}: when a rank is ${what}, the others reject with its number`, async () => {
      // this mpirun kills all ranks as soon as one was killed
      const cut = family === 'MPICH' && what === 'killed'
      const { said, code, output } = await launch(command, RANKS, 'faults', [what], what === 'stopped' ? {} : GOES_ON)
      if (cut || what === 'stopped') assert.is.not(code, 0, output)
      if (cut) return
      for (const rank of [0, 1]) {
        const one = said.find((each) => each.rank === rank) as Said | undefined
        assert.ok(one, `rank ${rank} says nothing: ${output}`)
        assert.is(one.code, 'ERR_DISTRIBUTED', JSON.stringify(one))
        assert.match(one.message!, words)
        assert.ok(one.ms! < 60_000, `after ${one.ms} ms, while the timeout is 120,000`)
      }
    })

for (const [what, words] of [
  ['shape', /asks for allReduce of float32\[3\], sum/],
  ['dtype', /int32\[2\]/],
  ['order', /broadcast of float32\[1\], root 0/],
  ['model', /weights is .*\[2,4\].* on rank 0 and .*\[2,5\].* on rank 2/],
  ['rows', /of a batch of 6 rows/],
  ['rate', /optimizer is .*0\.01.* on rank 0 and .*0\.1.* on rank 2/],
] as const)
  testWith(open.found, open.package, `ranks that differ in ${what} fail, with both values`, async () => {
    const { said, output } = await launch(open.command, RANKS, 'faults', [what])
    assert.is(said.length, RANKS, output)
    for (const one of said as readonly Said[]) assert.is(one.code, 'ERR_DISTRIBUTED', JSON.stringify(one))
    assert.match((said as readonly Said[]).map((one) => one.message).join('\n'), words)
  })

testWith(open.found, open.package, 'ranks with other versions of the package are told both', async () => {
  const { said, output } = await launch(open.command, 2, 'unlike')
  assert.is(said.length, 2, output)
  for (const one of said as readonly Said[]) {
    assert.is(one.code, 'ERR_DISTRIBUTED')
    assert.match(one.message!, /the ranks are not alike: version is '\d+\.\d+\.\d+' on rank 0 and '9\.9\.9' on rank 1/)
  }
})

testWith(open.found, open.package, 'a bad label on one rank fails the step on all, and no weight has changed', async () => {
  const { said, output } = await launch(open.command, RANKS, 'faults', ['label'])
  assert.is(said.length, RANKS, output)
  for (const one of said as readonly Said[]) {
    assert.is(one.code, 'ERR_DATA', JSON.stringify(one))
    // the rank that has met it names the operation, the others that rank
    assert.match(one.message!, one.rank === RANKS - 1 ? /sparseSoftmaxCrossEntropy.*9/ : /rank 2 has met a bad value, 9/)
    assert.is(one.unchanged, true, `weights of rank ${one.rank}`)
  }
})

testWith(
  FAMILIES.every((family) => family.found),
  'openmpi-bin and mpich',
  'the wrong MPI is refused',
  async () => {
    const { said, code, output } = await launch('mpirun.openmpi', 2, 'faults', ['shape'], { WEFT_MPI_LIBRARY: 'libmpich.so.12' })
    assert.is.not(code, 0)
    assert.is(said.length, 0)
    assert.match(output, /the launcher started 2 ranks, but MPICH.* knows 1: it is another MPI than the launcher's/)
  },
)

testWith(FAMILIES[1]!.found, FAMILIES[1]!.package, 'ranks of an srun that tells MPI nothing learn how to call it', () => {
  const slurm = { SLURM_PROCID: '0', SLURM_NTASKS: '2', SLURM_JOB_ID: '1', SLURM_STEP_ID: '0' }
  const program = path.join(import.meta.dirname, 'programs', 'start.js')
  const { stderr } = spawnSync(process.execPath, [program], {
    env: { ...process.env, ...slurm, WEFT_MPI_LIBRARY: 'libmpich.so.12' },
    encoding: 'utf8',
  })
  assert.match(stderr, /the launcher started 2 ranks, but MPICH.* knows 1: srun tells it of the others where .* srun --mpi=pmix/)
})

testWith(open.found, open.package, 'a library that is not there is named, with what to install', async () => {
  const { output } = await launch(open.command, 2, 'faults', ['shape'], { WEFT_MPI_LIBRARY: '/nowhere/libmpi.so' })
  assert.match(output, /nowhere\/libmpi\.so.*apt-get install openmpi-bin/)
})

test.run()
