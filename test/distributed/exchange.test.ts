// Gradients that travel as bfloat16, and optimizers whose state lies in parts on the ranks, against the plain exchange.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { FAMILIES, launch, type Started } from './launch.js'

interface Said {
  readonly steps: number[]
  readonly weights: string
  readonly bytes: number
  readonly state: string
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-exchange-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const [open] = FAMILIES as [(typeof FAMILIES)[number]]

/** What all ranks said, who hold equal bits. */
async function trained(how: string, ranks: number): Promise<Started['said'][number]> {
  const { said, code, output } = await launch(open.command, ranks, 'exchange', [how, folder])
  assert.is(code, 0, output)
  assert.is(said.length, ranks, output)
  for (const one of said) assert.equal({ ...one, rank: 0 }, said[0], `${how} on rank ${one.rank}`)
  return said[0]!
}
const isTraining = (value: unknown): value is Said => Array.isArray((value as Partial<Said> | null)?.steps)
const apart = (found: Said, expected: Said): number =>
  Math.max(...expected.steps.map((loss, i) => Math.abs(found.steps[i]! - loss) / Math.abs(loss)))

/** Sums of squares over parts, and over wholes, are rounded in another order. */
const BY_NORMS = ['lamb', 'clipNorm', 'globalClipNorm']

testWith(open.found, open.package, 'state in parts, and rounded gradients: as the plain exchange', async () => {
  const ranks = 3
  const plain = await trained('plain', ranks)
  const inParts = await trained('parts', ranks)
  for (const [name, expected] of Object.entries(plain)) {
    if (!isTraining(expected)) continue
    const found = inParts[name] as Said
    assert.ok(apart(found, expected) < 1e-6, `${name}: losses of steps differ by ${apart(found, expected)}`)
    if (!BY_NORMS.includes(name)) assert.is(found.weights, expected.weights, `${name}: weights`)
    if (!BY_NORMS.includes(name)) assert.is(found.state, expected.state, `${name}: state, gathered`)
    // each of the weights is cut by itself: [8, 17], [17], [17, 3] and [3]
    const [whole, part] = [136 + 17 + 51 + 3, 46 + 6 + 17 + 1]
    assert.is(found.bytes, (expected.bytes / whole) * part, `${name}: bytes`)
  }
  for (const said of [plain, inParts]) assert.is(said['loaded'], true, 'a saved model has the whole state')
  assert.equal(inParts['loop'], plain['loop'], "a loop of one's own")
  // 7 elements and 8 make parts of the same length
  for (const said of [plain, inParts]) assert.is(said['wrong shape'], 'ERR_SHAPE')
  const [small, smallInParts] = [plain['small'] as number[], inParts['small'] as number[]]
  small.forEach((loss, i) => assert.ok(Math.abs(smallInParts[i]! - loss) < 1e-6 * loss, `weights of fewer elements than ranks: ${loss}`))
  assert.match(inParts['muon'] as string, /ERR_ARGUMENT muon: its updates need whole matrices/)

  const halves = await trained('halves', ranks)
  for (const [name, expected] of Object.entries(plain)) {
    if (!isTraining(expected)) continue
    const found = halves[name] as Said
    assert.is.not(found.weights, expected.weights, `${name}: something was rounded`)
    assert.ok(apart(found, expected) < 5e-3, `${name}: losses of steps differ by ${apart(found, expected)}`)
    assert.is(found.bytes, expected.bytes)
  }
  // in many vectors instead of one
  const [partsInMany, halvesInMany] = [await trained('parts small', ranks), await trained('halves small', ranks)]
  for (const [name, found] of Object.entries(halvesInMany)) assert.equal(found, halves[name], name)
  assert.is(Object.values(halvesInMany).filter(isTraining).length, 6)
  for (const [name, expected] of Object.entries(plain))
    if (isTraining(expected) && isTraining(partsInMany[name] ?? null))
      assert.ok(apart(partsInMany[name] as Said, expected) < 1e-6, `${name} in small buckets`)
})

test.run()
