// The tables of docs/operations.md against the table of operations: every operation has a row, and no row is without
// its operation.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import '../../lib/index.js'
import '../../lib/ops/quantized.js'
import { ops } from '../../lib/core/op.js'

/** The names in the first columns of all tables; what stands in brackets is about operands. */
const names = readFileSync(path.join(import.meta.dirname, '../../../docs/operations.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\|(-| names? \|)/.test(line))
  .flatMap(
    (line) =>
      line
        .split('|')[1]!
        .replaceAll(/\(.*?\)/g, '')
        .match(/[^\s,]+/g) ?? [],
  )

test('every operation has a row', () => {
  const kernels = [...ops.values()].filter((op) => op.alias === undefined).map((op) => op.name)
  const missing = kernels.filter((name) => !names.includes(name))
  assert.equal(missing, [], `add a row to docs/operations.md for ${missing.join(', ')}`)
})

test('every row has its operation, once', () => {
  const stray = names.filter((name) => !ops.has(name))
  assert.equal(stray, [], `docs/operations.md has rows for what is no operation: ${stray.join(', ')}`)
  const twice = names.filter((name, i) => names.indexOf(name) !== i)
  assert.equal(twice, [], `docs/operations.md has more than one row for ${twice.join(', ')}`)
})

test.run()
