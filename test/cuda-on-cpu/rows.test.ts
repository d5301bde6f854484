// Completeness: kernels that cut long rows or columns into chunks have rows that are long enough for it.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { attentions } from './rows/attention_rows.js'
import { wide } from './rows/wide_rows.js'

const kernels = fileURLToPath(new URL('../../../cuda/kernels', import.meta.url))

/** The operations whose CUDA kernels use what divides rows and columns among threads and blocks, and their files. */
const divided = readdirSync(kernels, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.cu'))
  .flatMap((file) => {
    const text = readFileSync(path.join(kernels, file), 'utf8')
    if (!/#include "(row_piece|columns|softmax_rows)\.cuh"/.test(text)) return []
    return [...text.matchAll(/^KERNEL\(cuda, (\w+)\)/gm)].map(([, operation]) => ({ operation: operation!, file }))
  })

test('each operation that divides rows or columns is among the long rows', () => {
  const called = new Set<string>()
  const { load } = native
  native.load = (spec, device) => {
    for (const { op } of spec.calls) called.add(op)
    return load(spec, device)
  }
  try {
    // which operations are called depends on none of the shapes
    for (const { value } of wide([16, 16], 'float32')) value.dispose()
    for (const result of attentions('float32')) result.dispose()
  } finally {
    native.load = load
  }
  assert.ok(divided.length > 15, 'kernels are looked for in the wrong place')
  const without = divided.filter(({ operation }) => !called.has(operation))
  assert.equal(
    without.map(
      ({ operation, file }) => `${operation} (cuda/kernels/${file}) has no long rows: add it to test/cuda-on-cpu/rows/wide_rows.ts`,
    ),
    [],
  )
})

test.run()
