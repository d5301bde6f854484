// fit({ shards }): the bits of weights, history and the optimizer's state do not depend on the number of ranks.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type FitOptions, layers, sequential, setSeed, tensor } from '../../lib/index.js'
import { testWith } from '../skip.js'
import { FAMILIES, launch } from './launch.js'

let alone: Record<string, unknown> | undefined
/** What a process says that no launcher has started. */
function byOneProcess(): Record<string, unknown> {
  if (alone) return alone
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-alone-'))
  const { status, stderr } = spawnSync(process.execPath, [path.join(import.meta.dirname, 'programs', 'shards.js')], {
    env: { ...process.env, WEFT_SAID: folder, WEFT_THREADS: '2' },
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  alone = JSON.parse(readFileSync(path.join(folder, '0.json'), 'utf8')) as Record<string, unknown>
  rmSync(folder, { recursive: true })
  return alone
}

for (const [{ name: family, command, found, package: brought }, ranks, bucketBytes, which] of [
  [FAMILIES[0]!, 2, 4 * 2 ** 20, 'all'],
  [FAMILIES[0]!, 4, 4 * 2 ** 20, 'all'],
  [FAMILIES[1]!, 2, 300, 'some'],
] as const)
  testWith(found, brought, `${family}: ${ranks} ranks with 8 shards train to the bits of one process`, async () => {
    const { said, code, output } = await launch(command, ranks, 'shards', [String(bucketBytes), which])
    assert.is(code, 0, output)
    assert.is(said.length, ranks, output)
    const alone = byOneProcess()
    for (const one of said) {
      const names = Object.keys(one).filter((name) => name !== 'rank')
      assert.is(names.length, which === 'all' ? Object.keys(alone).length - 1 : 12)
      for (const name of names) assert.equal(one[name], alone[name], `${name} on rank ${one.rank} of ${ranks}`)
    }
  })

const x = tensor(
  Float32Array.from({ length: 40 * 4 }, (_, i) => Math.sin(i * 1.7)),
  { shape: [40, 4] },
)
const y = tensor(Int32Array.from({ length: 40 }, (_, i) => i % 3))
async function trained(options: FitOptions, stateful = false): Promise<number[]> {
  setSeed(1)
  const net = sequential([
    layers.dense({ units: 6, activation: 'tanh', inputShape: [4] }),
    ...(stateful ? [layers.reshape({ targetShape: [2, 3] }), layers.lstm({ units: 2, stateful })] : []),
    layers.dense({ units: 3, activation: 'softmax', kernelRegularizer: 'l2' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  const { history } = await net.fit(x, y, { batchSize: 10, epochs: 5, verbose: 0, validationSplit: 0.25, ...options })
  return Object.values(history).flat()
}

test('shards train as the whole batch does, up to rounding', async () => {
  const expected = await trained({})
  for (const shards of [1, 2, 16]) {
    const found = await trained({ shards })
    found.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 2e-6, `${shards} shards: ${value} instead of ${expected[i]}`))
  }
})

test('numbers of shards that make no tree, and layers that keep a batch, are refused', async () => {
  const codeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: { code?: string }) => error.code)
  // each shard is a part of the program: 2³¹ of them would be traced for ever
  for (const shards of [0, -8, 3, 12, 0.5, 2 ** 11, 2 ** 31]) assert.is(await codeOf(trained({ shards })), 'ERR_ARGUMENT', `${shards}`)
  assert.is(await codeOf(trained({ shards: 2 }, true)), 'ERR_STATE')
})

test.run()
