// Training on several ranks is that of one process with the same batches, up to rounding; ranks hold equal bits.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'

interface Said {
  steps: number[]
  figures: number[]
  weights: string
}

/** What two ranks said, of each family. */
const onTwo: unknown[] = []
let alone: Record<string, Said> | undefined
function byOneProcess(): Record<string, Said> {
  if (alone) return alone
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-alone-'))
  const { status, stderr } = spawnSync(process.execPath, [path.join(import.meta.dirname, 'programs', 'training.js')], {
    env: { ...process.env, WEFT_SAID: folder },
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  alone = JSON.parse(readFileSync(path.join(folder, '0.json'), 'utf8')) as Record<string, Said>
  rmSync(folder, { recursive: true })
  return alone
}

const farthest = (found: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(found[i]! - value) / Math.max(Math.abs(value), 1e-3)))

for (const [{ name: family, command, found, package: brought }, ranks] of [
  [FAMILIES[0]!, 2],
  [FAMILIES[0]!, 4],
  [FAMILIES[1]!, 2],
] as const)
  testWith(found, brought, `${family}: ${ranks} ranks train as one process does`, async () => {
    const { said, code, output } = await launch(command, ranks, 'training')
    assert.is(code, 0, output)
    assert.is(said.length, ranks, output)
    if (ranks === 2) onTwo.push(said)
    for (const [name, expected] of Object.entries(byOneProcess())) {
      if (name === 'rank') continue
      const all = said.map((one) => one[name] as Said)
      for (const one of all) {
        assert.is(one.weights, all[0]!.weights, `${name}: weights of the ranks`)
        assert.equal(one.figures, all[0]!.figures, `${name}: figures of the ranks`)
      }
      assert.is(expected.steps.length, 50, `${name}: steps`)
      assert.is(all[0]!.steps.length, 50, `${name}: steps`)
      const apart = farthest(all[0]!.steps, expected.steps)
      assert.ok(apart < 1e-6, `${name}: losses of steps differ by ${apart}`)
      assert.ok(farthest(all[0]!.figures, expected.figures) < 2e-6, `${name}: figures ${all[0]!.figures} instead of ${expected.figures}`)
    }
  })

// a sum of two has one order
testWith(
  FAMILIES.every((family) => family.found),
  'openmpi-bin and mpich',
  'two runs on two ranks have the same bits',
  () => {
    assert.is(onTwo.length, 2)
    assert.equal(onTwo[0], onTwo[1])
  },
)

testWith(
  FAMILIES[0]!.found,
  'openmpi-bin',
  'gradients that travel in small buckets, during the backward pass, give the same bits',
  async () => {
    const { said, code, output } = await launch('mpirun.openmpi', 2, 'training', ['200'])
    assert.is(code, 0, output)
    assert.equal(said, onTwo[0])
  },
)

test.run()
