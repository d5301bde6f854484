// weftjs info: the summary of a saved model, from a process that knows nothing but the folder.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential } from '../../lib/index.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
const scratch = mkdtempSync(path.join(tmpdir(), 'weft-info-'))
test.after(() => rmSync(scratch, { recursive: true }))

const info = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [program, 'info', ...args], { encoding: 'utf8' })

test('prints the layers and parameters of a saved model', async () => {
  const folder = path.join(scratch, 'digits')
  const net = sequential([
    layers.dense({ units: 5, activation: 'relu', inputShape: [3], name: 'first' }),
    layers.dense({ units: 2, name: 'second' }),
  ])
  await net.save(folder, { assets: { names: ['ham', 'spam'] } })
  const text = info(folder)
  assert.is(text.status, 0, text.stderr)
  for (const part of [/first/, /second/, /\b32\b/, /^Assets: names$/m]) assert.match(text.stdout, part)
  const report = JSON.parse(info(folder, '--json').stdout) as {
    layers: string[]
    parameters: number
    weights: { shape: number[]; dtype: string }[]
  }
  assert.equal(report.layers, ['first', 'second'])
  assert.is(report.parameters, net.countParams())
  assert.equal(
    report.weights.map(({ shape, dtype }) => [shape, dtype]),
    [
      [[3, 5], 'float32'],
      [[5], 'float32'],
      [[5, 2], 'float32'],
      [[2], 'float32'],
    ],
  )
})

test('a folder without a model: exit code 1; wrong usage: 2', () => {
  const missing = info(path.join(scratch, 'none'))
  assert.is(missing.status, 1)
  assert.match(missing.stderr, /none/)
  assert.is(info().status, 2)
  assert.is(info('a', 'b').status, 2)
})

test.run()
