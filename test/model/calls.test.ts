// The promise behind fit: one native call per step, over whole epochs with shuffling, feeding, metrics and logs; and
// what fit prints.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, tensor } from '../../lib/index.js'
import { nativeCalls } from '../../lib/core/flights.js'
import { rejects } from '../expect.js'

test('at most 1.05 native calls per step', async () => {
  const net = sequential([
    layers.dense({ units: 8, activation: 'relu', inputShape: [4] }),
    layers.dropout({ rate: 0.1 }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy', 'f1'] })
  const x = tensor(
    Float32Array.from({ length: 4000 }, (_, i) => (i % 13) / 13),
    [1000, 4],
  )
  const y = tensor(
    Int32Array.from({ length: 1000 }, (_, i) => i % 3),
    [1000],
  )
  const options = { batchSize: 10, epochs: 1, verbose: 0 } as const
  await net.fit(x, y, options)
  const before = nativeCalls()
  await net.fit(x, y, { ...options, epochs: 3 })
  const perStep = (nativeCalls() - before) / 300
  assert.ok(perStep >= 1 && perStep <= 1.05, `${perStep} native calls per step`)
})

/** What a program prints where there is no terminal. */
function printed(body: string): string {
  const lib = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const script = `import { layers, sequential } from ${lib}
    const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
    net.compile({ loss: 'mse' })
    ${body}`
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return stdout
}

test('verbose: a line per epoch away from a terminal, nothing with 0, a bar with 1', () => {
  const lines = printed('await net.fit([[1], [2], [3]], [1, 2, 3], { epochs: 2, batchSize: 2, validationData: [[[1]], [1]] })')
    .trimEnd()
    .split('\n')
  assert.is(lines.length, 2)
  assert.match(lines[0]!, /^Epoch 1\/2 - 2 steps - \d+\.\ds - loss: \S+ - val_loss: \S+$/)
  assert.is(printed('await net.fit([[1]], [1], { verbose: 0 }); await net.evaluate([[1]], [1])'), '')
  assert.match(printed('await net.fit([[1]], [1], { verbose: 1 })'), /^Epoch 1\/1\n1\/1 \[=+\] \S+ loss: \S+\n$/)
  assert.match(printed('await net.evaluate([[1]], [1], { verbose: 2 })'), /^1 step - \S+ - loss: /)
})

test('a process ends by itself after fit, and with an unfinished iterator', () => {
  printed('await net.fit([[1]], [1], { verbose: 0 })')
  printed('for await (const event of net.train([[1], [2]], [1, 2], { batchSize: 1, verbose: 0 })) break')
})

test('several inputs for a model of one are refused, built or not', async () => {
  const built = sequential([layers.dense({ units: 1, inputShape: [2] })])
  const x = tensor([[1, 2]])
  for (const net of [built, sequential([layers.dense({ units: 1 })])])
    for (const several of [[x, x], { a: x }])
      await rejects('ERR_ARGUMENT', /the model has one input.*not a list or record/, net.predict(several as never))
})

test.run()
