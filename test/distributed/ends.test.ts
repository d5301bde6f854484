// Trainings that end early, on every rank after the same step; callbacks of rank 0; streams; saving.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-ends-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const [open] = FAMILIES as [(typeof FAMILIES)[number]]

testWith(open.found, open.package, 'all ranks end after the same step, with the same weights', async () => {
  const { said, code, output } = await launch(open.command, 3, 'ends', [folder])
  assert.is(code, 0, output)
  assert.is(said.length, 3, output)
  const [zero, one, two] = said as unknown as [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]
  for (const other of [one, two])
    for (const key of Object.keys(zero)) if (key !== 'rank' && key !== 'rejects') assert.equal(other[key], zero[key], key)
  assert.ok((zero['early stopping'] as [number])[0] < 30, 'it has stopped early')
  // asked for with the step after batch 2; up to four were under way
  const stopped = (zero['stopped by a callback of rank 0'] as [number])[0]
  assert.ok(stopped >= 4 && stopped <= 8, `${stopped} steps`)
  assert.is(one['rejects'], 'AbortError')
  assert.is(zero['rejects'], undefined)
  assert.is(zero['saved'], true)
  assert.is(
    (zero['learning rate'] as [number])[0],
    Math.fround(0.01 / 4) === (zero['learning rate'] as [number])[0] ? Math.fround(0.01 / 4) : 0.01 / 4,
  )
})

for (const { name, command, found, package: needed } of FAMILIES)
  testWith(found, needed, `${name}: a worker thread that is terminated while it meets does not end the process`, async () => {
    const { said, output } = await launch(command, 1, 'ended_worker')
    assert.equal(said, [{ rank: 0, goesOn: true }], output)
  })

// which call is the last one is the same to both MPIs
for (const [{ command, found, package: needed }, ways] of [
  [FAMILIES[0]!, ['rows', 'batches', 'collective']],
  [FAMILIES[1]!, ['sharded', 'collective']],
] as const)
  for (const way of ways)
    testWith(found, needed, `a program ends well behind its last exchange; ${command}, ${way}`, async () => {
      const { code, output } = await launch(command, 2, 'last', [way])
      assert.is(code, 0, output)
    })

for (const { command, found, package: needed } of FAMILIES)
  testWith(found, needed, `an error that nothing catches is shown while other ranks work; ${command}`, async () => {
    const { code, output } = await launch(command, 2, 'uncaught')
    assert.is.not(code, 0)
    assert.match(output, /RangeError: nobody catches this/)
    assert.not.match(output, /rank 0 has done its work/)
  })

for (const [given, ranks, others] of [
  ['same', 4, [3, 2, 1]],
  ['own', 3, []],
] as const)
  testWith(open.found, open.package, `a run whose rank was killed goes on from its backup; ${given} data`, async () => {
    const start = (n: number, backup: string, what = 'goes on'): ReturnType<typeof launch> =>
      launch(open.command, n, 'resume', [path.join(folder, backup), given, what])
    const whole = await start(ranks, `broken ${given}`, 'breaks')
    assert.is.not(whole.code, 0, whole.output)
    assert.is(whole.said.length, ranks, whole.output)
    for (const n of [ranks, ...others]) {
      cpSync(path.join(folder, `broken ${given}`), path.join(folder, `${given} ${n}`), { recursive: true })
      const again = await start(n, `${given} ${n}`)
      assert.is(again.code, 0, again.output)
      assert.is(again.said.length, n, again.output)
      assert.ok((again.said[0]!['steps'] as number) < 20, `${again.said[0]!['steps']} steps of 20 were left`)
      for (const one of again.said) {
        // as many ranks: the bits of a run that was never interrupted
        if (n === ranks) assert.equal({ ...one, steps: 0 }, { ...whole.said[one.rank]!, steps: 0 })
        const apart = Math.abs((one['loss'] as number) - (whole.said[0]!['loss'] as number))
        assert.ok(apart < 1e-6, `the last loss is ${apart} away`)
        assert.is(one['accuracy'], whole.said[0]!['accuracy'])
      }
    }
  })

for (const [how, others] of [
  ['shards', [4, 1]],
  ['parts', [2, 3]],
] as const)
  testWith(open.found, open.package, `with ${how}, a backup is gone on from on ${others.join(' and ')} ranks`, async () => {
    const backup = path.join(folder, `backup with ${how}`)
    const whole = await launch(open.command, 2, 'resume', [backup, 'same', 'breaks', how])
    assert.is.not(whole.code, 0, whole.output)
    assert.is(whole.said.length, 2, whole.output)
    for (const ranks of others) {
      const copy = `${backup} for ${ranks}`
      cpSync(backup, copy, { recursive: true })
      const { said, code, output } = await launch(open.command, ranks, 'resume', [copy, 'same', 'goes on', how])
      assert.is(code, 0, output)
      for (const one of said) {
        assert.ok((one['steps'] as number) < 20, `${one['steps']} steps of 20 were left`)
        assert.ok(Math.abs((one['loss'] as number) - (whole.said[0]!['loss'] as number)) < 1e-6)
        // three ranks add in another order
        if (ranks !== 3) assert.equal({ ...one, rank: 0, steps: 0 }, { ...whole.said[0]!, steps: 0 }, `${ranks} ranks`)
      }
    }
  })

testWith(open.found, open.package, 'weftjs run: what goes to a file has no bars and no colours', () => {
  const program = path.join(folder, 'colours.mjs')
  writeFileSync(program, "console.log('the rank says', 1, process.env.TERM)")
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(import.meta.dirname, '../../lib/cli/weftjs.js'), 'run', '-n1', program],
    {
      encoding: 'utf8',
      env: {
        ...process.env,
        TERM: 'xterm-256color',
        WEFT_MPIRUN: open.command,
        OMPI_ALLOW_RUN_AS_ROOT: '1',
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      },
    },
  )
  assert.match(stdout, 'the rank says 1 dumb', stderr)
})

test.run()
