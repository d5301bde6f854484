// The operators that importOnnx computes, and the page that lists them.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { operatorCount, operatorTable, withTable } from '../../lib/onnx/import/operator_docs.js'
import { FAMILIES } from '../../lib/onnx/import/table.js'

test('docs/onnx-import.md lists the operators', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/onnx-import.md'), 'utf8')
  assert.is(page, withTable(page, operatorTable()), 'run node scripts/onnx-operators.mjs')
})

test('there are at least 150 operators, each in one family', () => {
  const names = FAMILIES.flatMap(({ domain, operators }) => Object.keys(operators).map((name) => `${domain}:${name}`))
  assert.is(new Set(names).size, names.length)
  assert.ok(operatorCount >= 150, String(operatorCount))
})

test.run()
