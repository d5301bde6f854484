// Every layer through layerCheck.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { checked, layerCheck, layerTable } from './check.js'
import { rows } from './rows.js'

for (const row of rows) layerCheck(row)

/** Take strings, and have no gradient: test/text/vectorization.test.ts, test/layers/lookup.test.ts. */
const OF_TEXTS = ['textVectorization', 'stringLookup', 'hashing']
/** Give integers, or take them, and have no gradient: below, and in test/layers/lookup.test.ts. */
const OF_INTEGERS = ['categoryEncoding', 'integerLookup', 'discretization']

/** Take and give images with their labels: test/layers/values_augment.test.ts. */
const OF_PAIRS = ['mixUp', 'cutMix']

test('every factory has a row, and every row passed its checks', () => {
  assert.equal([...checked.keys(), ...OF_TEXTS, ...OF_INTEGERS, ...OF_PAIRS].sort(), Object.keys(layers).sort())
  if (process.env['WEFT_PRINT_TABLES'] === '1') for (const line of layerTable()) console.log(line)
  for (const [factory, results] of checked) {
    for (const result of results) {
      assert.ok(result.gradient, `${factory}: gradient`)
      assert.ok(result.trainingStep, `${factory}: training step`)
      assert.ok(result.saveLoad, `${factory}: save and load`)
    }
  }
})

test('categoryEncoding: integers as vectors', async () => {
  const ids = tensor([
    [0, 2, 2],
    [1, 3, 0],
  ])
  const encode = (outputMode: layers.CategoryMode, x: Tensor = ids): Promise<unknown> =>
    layers.categoryEncoding({ numTokens: 4, outputMode }).apply(x).array()
  assert.equal(await encode('multiHot'), [
    [1, 0, 1, 0],
    [1, 1, 0, 1],
  ])
  assert.equal(await encode('count'), [
    [1, 0, 2, 0],
    [1, 1, 0, 1],
  ])
  assert.equal(await encode('oneHot', tensor([[2], [0]])), [
    [0, 0, 1, 0],
    [1, 0, 0, 0],
  ])
})

test.run()
