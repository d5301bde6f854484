// Figures of several ranks are those of one process: metrics of every kind, dropout inside attention, and what
// callbacks of rank 0 compute.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { alone, FAMILIES, launch, numbersIn, sameBits } from './launch.js'

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-figures-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const CALLBACKS = ['early stopping', 'plateau', 'scheduler', 'checkpoint', 'saved', 'log', 'logged']
const NAMES = ['metrics 8', 'metrics 3', 'attention', 'callback', 'afterwards', ...CALLBACKS]

for (const [{ name: family, command, found, package: brought }, ranks] of [
  [FAMILIES[0]!, 4],
  [FAMILIES[1]!, 2],
] as const)
  testWith(found, brought, `${family}: figures of ${ranks} ranks`, async () => {
    const place = path.join(folder, 'model')
    const expected = alone('figures', [place])
    const { said, code, output } = await launch(command, ranks, 'figures', [place])
    assert.is(code, 0, output)
    assert.is(said.length, ranks, output)
    sameBits(said, ['size', 'one saves', 'alone'])
    assert.ok((expected['early stopping'] as { figures: [{ loss: number[] }] }).figures[0].loss.length < 6, 'it stops early')
    for (const name of NAMES) {
      const [one, many] = [numbersIn(expected[name], 'figures'), numbersIn(said[0]![name], 'figures')]
      assert.is(many.length, one.length, name)
      assert.ok(one.length > 3, name)
      one.forEach((value, i) => {
        const apart = Math.abs(many[i]! - value) / Math.max(Math.abs(value), 1e-3)
        // r2 of targets that lie close together far from zero: errors of predictions count several times
        assert.ok(apart < 1e-5, `${name}: figure ${i} is ${many[i]} instead of ${value}`)
      })
    }
    for (const refused of said[0]!['refused'] as string[]) assert.match(refused, /ERR_STATE .*rank 0 alone.*everyRank/)
    // in distributed.alone() each rank trains as one process does
    for (const one of said) assert.equal(one['alone'], expected['alone'])
    assert.match(said[0]!['one saves'] as string, /ERR_DISTRIBUTED save: rank 1 calls fit/)
    assert.match(said[1]!['one saves'] as string, /ERR_DISTRIBUTED fit: rank 0 calls save/)
  })

test.run()
