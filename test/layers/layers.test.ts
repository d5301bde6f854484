// Every layer through layerCheck.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as layers from '../../lib/layers/index.js'
import { checked, layerCheck, layerTable } from './check.js'
import { rows } from './rows.js'

for (const row of rows) layerCheck(row)

/** Takes strings, and has no gradient: test/text/vectorization.test.ts. */
const OF_TEXTS = 'textVectorization'

test('every factory has a row, and every row passed its checks', () => {
  assert.equal([...checked.keys(), OF_TEXTS].sort(), Object.keys(layers).sort())
  if (process.env['WEFT_PRINT_TABLES'] === '1') for (const line of layerTable()) console.log(line)
  for (const [factory, results] of checked) {
    for (const result of results) {
      assert.ok(result.gradient, `${factory}: gradient`)
      assert.ok(result.trainingStep, `${factory}: training step`)
      assert.ok(result.saveLoad, `${factory}: save and load`)
    }
  }
})

test.run()
