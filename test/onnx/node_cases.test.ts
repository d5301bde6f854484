// ONNX's own cases of operators and small networks: all that importOnnx claims to compute give what they must.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WeftError } from '../../lib/core/error.js'
import { testWith } from '../skip.js'
import { caseOf, casesIn, hasOnnxTestData } from './cases.js'

/** Cases that no implementation can give: their results are random numbers, or were made with another attribute. */
const IMPOSSIBLE: ReadonlyMap<string, string> = new Map([
  ...['bernoulli', 'bernoulli_double', 'bernoulli_seed'].flatMap((name): [string, string][] => [
    [`test_${name}`, 'random numbers of numpy'],
    [`test_${name}_expanded`, 'random numbers of numpy'],
  ]),
  ...['', '_default', '_default_mask', '_mask'].map((name): [string, string] => [
    `test_training_dropout${name}`,
    'random numbers of numpy',
  ]),
  ['test_adam_multiple', 'computed with epsilon 0.01, which the node does not have'],
])

/**
 * Folders of the suite, each with the number of cases that are claimed at least: fewer would mean that operators got
 * lost.
 */
const FOLDERS: readonly (readonly [string, number])[] = [
  ['node', 909],
  ['simple', 15],
  ['pytorch-converted', 82],
  ['pytorch-operator', 31],
]

for (const [folder, least] of FOLDERS) {
  testWith(hasOnnxTestData, 'libonnx-testdata', `all claimed cases of '${folder}' pass`, async () => {
    const names = casesIn(folder)
    const unclaimed: string[] = []
    const failed: string[] = []
    let claimed = 0
    let eager = 0
    for (const name of names) {
      try {
        const found = await caseOf(folder, name)
        if (IMPOSSIBLE.has(name)) {
          unclaimed.push(name)
          continue
        }
        claimed++
        const result = await found.run()
        if (result.eager) eager++
        if (result.difference !== undefined) failed.push(`${name}: ${result.difference}`)
      } catch (error) {
        if (error instanceof WeftError && error.code === 'ERR_FORMAT') unclaimed.push(name)
        else failed.push(`${name}: ${(error as Error).message}`)
      }
    }
    const passed = claimed - failed.length
    console.log(
      `${folder}: ${names.length} cases, ${claimed} claimed, ${passed} pass (${eager} node by node); not claimed: ${unclaimed.join(' ')}`,
    )
    assert.equal(failed, [])
    assert.ok(claimed >= least, `${claimed} claimed`)
  })
}

testWith(hasOnnxTestData, 'libonnx-testdata', 'cases that are left out are cases of the suite', () => {
  const names = new Set(casesIn('node'))
  assert.equal(
    [...IMPOSSIBLE.keys()].filter((name) => !names.has(name)),
    [],
  )
})

test.run()
