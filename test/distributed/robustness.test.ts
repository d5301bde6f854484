// What ranks have to stand: one of them is lost, or ends, in any phase; they ask for different things; nothing of an
// engine is there before init().
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, GOES_ON, inPairs, launch } from './launch.js'

interface Said {
  readonly rank: number
  readonly code?: string
  readonly message?: string
  readonly ms?: number
}

const RANKS = 3
const [open, mpich] = FAMILIES as [(typeof FAMILIES)[number], (typeof FAMILIES)[number]]
const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-phases-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** Whether a process that a test has started, with this text among its arguments, is still there. */
function isLeft(text: string): boolean {
  return readdirSync('/proc').some((id) => {
    try {
      return /^\d+$/.test(id) && readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(text)
    } catch {
      return false // it has ended meanwhile
    }
  })
}

// bench/ranks-fuzz.mjs goes through all of them; what fit meets is in faults.test.ts
const PHASES = [
  [open, 'stop', 'rendezvous', -1, /not all ranks came within 3000 ms/],
  [open, 'kill', 'load', -1, /rank 2 was lost/],
  [open, 'kill', 'step', 0, /rank 0 was lost/],
  [open, 'kill', 'save', -1, /rank 2 was lost/],
  [open, 'exit', 'collective', -1, /rank 2 has ended/],
  [mpich, 'stop', 'epoch end', 0, /rank 0 was lost: it has given no sign of life for 4000 ms/],
] as const
const fileOf = ([{ name }, what, phase]: (typeof PHASES)[number]): string =>
  path.join(folder, `${name} ${what} ${phase}`.replaceAll(' ', '-'))
const met = inPairs(
  PHASES.map((row) => {
    const [{ command, found }, what, phase, victim] = row
    const environment = what === 'stop' ? {} : GOES_ON
    return found ? () => launch(command, RANKS, 'phases', [what, phase, String(victim), fileOf(row)], environment) : undefined
  }),
)
PHASES.forEach((row, place) => {
  const [{ name, found, package: brought }, what, phase, victim, words] = row
  testWith(found, brought, `${name}: ${what} of rank ${victim} in the phase '${phase}' is an error on the others`, async () => {
    const { said, code, output } = await met(place)
    if (what === 'stop') assert.is.not(code, 0, output)
    assert.not.match(output, /Segmentation|terminate called|Assertion/)
    const others = (said as readonly Said[]).filter(({ rank }) => rank !== (victim + RANKS) % RANKS)
    // where they meet, mpirun ends the rest as soon as the first has given up
    assert.ok(others.length >= (phase === 'rendezvous' ? 1 : RANKS - 1), output)
    for (const one of others) {
      assert.is(one.code, 'ERR_DISTRIBUTED', JSON.stringify(one))
      assert.match(one.message!, words)
      assert.ok(one.ms! < 60_000, `after ${one.ms} ms, while the timeout is 120,000`)
    }
    assert.not.ok(isLeft(fileOf(row)), 'a rank is still there')
  })
})

// Open MPI reads large values out of the sender's memory, and ends a process that asks for less
const UNEQUAL = ['allGather', 'sendRecv'] as const
const ofUnequal = inPairs(UNEQUAL.map((op) => () => launch(open.command, 2, 'unequal', [op])))
UNEQUAL.forEach((op, place) => {
  testWith(open.found, open.package, `${open.name}: ${op} of 32 MB on one rank and 32 bytes on the other is an error on both`, async () => {
    const { said, output } = await ofUnequal(place)
    assert.is(said.length, 2, output)
    for (const one of said as readonly Said[]) {
      assert.is(one.code, 'ERR_DISTRIBUTED', JSON.stringify(one))
      assert.match(one.message!, /the ranks disagree: rank \d asks for/)
    }
  })
})

// an order, a peer of sendRecv, a dtype; an extent
for (const [family, seeds] of [
  [open, [3, 9, 12]],
  [mpich, [8]],
] as const)
  testWith(family.found, family.package, `${family.name}: ranks that ask for different things all know, whatever it is`, async () => {
    const differing = inPairs(seeds.map((seed) => () => launch(family.command, 2, 'mismatch', [String(seed)])))
    for (const [place, seed] of seeds.entries()) {
      const { said, output } = await differing(place)
      assert.is(said.length, 2, `seed ${seed}: ${output}`)
      for (const one of said as readonly Said[]) {
        assert.is(one.code, 'ERR_DISTRIBUTED', `seed ${seed}: ${JSON.stringify(one)}`)
        assert.match(one.message!, /the ranks disagree: rank/)
      }
    }
  })

/** What a process says that prints how many threads it has, and which of its libraries belong to an engine. */
const LOOK = `
const { readdirSync, readFileSync } = await import('node:fs')
const look = () => ({
  threads: readdirSync('/proc/self/task').length,
  libraries: [...new Set(readFileSync('/proc/self/maps', 'utf8').match(/[^/\\n]*(?:mpi|nccl)[^/\\n]*\\.so[^\\n]*/g) ?? [])].length,
})
`

testWith(open.found, open.package, 'before init() no engine is opened and no thread of it runs; alone, not afterwards either', () => {
  const index = JSON.stringify(path.join(import.meta.dirname, '../../lib/index.js'))
  const program = `${LOOK}
    const { distributed, tensor } = await import(${index})
    await tensor([1, 2]).sum().data()
    const before = look()
    const { size } = await distributed.init()
    await tensor([1, 2]).sum().data()
    console.log(JSON.stringify({ size, before, after: look() }))`
  const node = [process.execPath, '--input-type=module', '-e', program]
  const environment = { ...process.env, WEFT_THREADS: '1', OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
  const said = (command: string, args: string[]): { size: number; before: Look; after: Look } => {
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: environment })
    return JSON.parse(/\{.*\}/.exec(stdout)?.[0] ?? `"${stderr}"`) as ReturnType<typeof said>
  }
  const alone = said(node[0]!, node.slice(1))
  assert.is(alone.size, 1)
  assert.equal(alone.after, alone.before)
  assert.is(alone.before.libraries, 0)
  const two = said(open.command, ['--bind-to', 'none', '--oversubscribe', '-n', '2', ...node])
  assert.is(two.size, 2)
  assert.equal(two.before, alone.before)
  assert.ok(two.after.libraries > 0 && two.after.threads > two.before.threads, JSON.stringify(two))
})

interface Look {
  readonly threads: number
  readonly libraries: number
}

test.run()
