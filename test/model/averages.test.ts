// Gradients of several steps in one update, moving averages of the weights, rates that are functions, early stopping
// that says so, and gelu by name.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  callbacks,
  jit,
  layers,
  loadModel,
  optimizers,
  sequential,
  type Sequential,
  type Tensor,
  tensor,
  variable,
} from '../../lib/index.js'
import { close, rejects, throws, values } from '../expect.js'
import { recorded, wave } from '../oracle/torch_values.js'

const folder = mkdtempSync(path.join(tmpdir(), 'weft-averages-'))
test.after(() => rmSync(folder, { recursive: true }))

const X = tensor(wave([12, 3]), { shape: [12, 3] })
const Y = tensor(wave([12, 1], 2), { shape: [12, 1] })
const made = (optimizer: optimizers.Optimizer): Sequential => {
  const net = sequential([layers.dense({ units: 1, kernelInitializer: 'ones', inputShape: [3] })])
  net.compile({ optimizer, loss: 'mse' })
  return net
}
const weightsOf = async (net: Sequential): Promise<number[]> => (await Promise.all(net.weights.map(values))).flat()
const STILL = { shuffle: false, verbose: 0 } as const

for (const name of ['sgd', 'adam', 'nadam', 'lamb'] as const)
  test(`${name}: the gradients of three small batches make the update of one large one`, async () => {
    const large = made(optimizers[name]({ learningRate: 0.05 }))
    const small = made(optimizers[name]({ learningRate: 0.05, gradientAccumulationSteps: 3 }))
    await large.fit(X, Y, { ...STILL, batchSize: 6, epochs: 3 })
    await small.fit(X, Y, { ...STILL, batchSize: 2, epochs: 3 })
    close(await weightsOf(small), await weightsOf(large), 2e-5)
    assert.is(small.optimizer.iterations, 6)
    // as an option of fit, for this fit alone
    const told = made(optimizers[name]({ learningRate: 0.05 }))
    await told.fit(X, Y, { ...STILL, batchSize: 2, epochs: 3, gradientAccumulationSteps: 3 })
    close(await weightsOf(told), await weightsOf(large), 2e-5)
    assert.is(told.optimizer.gradientAccumulationSteps, 1)
    await told.fit(X, Y, { ...STILL, batchSize: 6 })
    await large.fit(X, Y, { ...STILL, batchSize: 6 })
    close(await weightsOf(told), await weightsOf(large), 2e-5)
  })

test('between the updates nothing moves; what is added up is saved, and goes on', async () => {
  const net = made(optimizers.adam({ learningRate: 0.1, gradientAccumulationSteps: 2 }))
  const start = await weightsOf(net)
  await net.trainOnBatch(X, Y)
  assert.equal(await weightsOf(net), start)
  assert.is(net.optimizer.iterations, 0)
  await net.save(path.join(folder, 'half'))
  const again = await loadModel(path.join(folder, 'half'))
  assert.is(again.optimizer.gradientAccumulationSteps, 2)
  for (const one of [net, again]) await one.trainOnBatch(X, Y)
  assert.not.equal(await weightsOf(net), start)
  assert.equal(await weightsOf(again as Sequential), await weightsOf(net))
})

test('useEma: the average of the weights, which they become at the end of fit', async () => {
  const plain = made(optimizers.sgd({ learningRate: 0.1 }))
  const averaged = made(optimizers.sgd({ learningRate: 0.1, useEma: true, emaMomentum: 0.8 }))
  let expected: number[] | undefined
  for (let epoch = 0; epoch < 4; epoch++) {
    await plain.fit(X, Y, { ...STILL, batchSize: 12 })
    const now = await weightsOf(plain)
    expected = expected?.map((average, i) => 0.8 * average + 0.2 * now[i]!) ?? now
  }
  const seen: number[][] = []
  const watch = { onEpochEnd: async (): Promise<void> => void seen.push(await weightsOf(averaged)) }
  await averaged.fit(X, Y, { ...STILL, batchSize: 12, epochs: 4, callbacks: [watch] })
  close(seen.at(-1)!, await weightsOf(plain), 1e-5)
  close(await weightsOf(averaged), expected!, 1e-5)
  // saved with the optimizer
  await averaged.save(path.join(folder, 'averaged'))
  const again = await loadModel(path.join(folder, 'averaged'))
  for (const one of [averaged, again]) await one.fit(X, Y, { ...STILL, batchSize: 12 })
  assert.equal(await weightsOf(again as Sequential), await weightsOf(averaged))
})

test('emaOverwriteFrequency: the weights become their average after every so many updates', async () => {
  const w = variable([1])
  const optimizer = optimizers.sgd({ learningRate: 1, useEma: true, emaMomentum: 0.5, emaOverwriteFrequency: 2 })
  const step = jit(() => optimizer.apply([tensor([1])], [w]))
  step()
  assert.equal(await w.array(), [0]) // average 0
  step()
  assert.equal(await w.array(), [-0.5]) // -1, average -0.5
  step()
  assert.equal(await w.array(), [-1.5]) // average -1
  optimizer.overwriteByAverages()
  assert.equal(await w.array(), [-1])
})

test('a rate that is a function is traced with the step, and is not saved', async () => {
  const rate = (step: Tensor): Tensor => step.add(1).reciprocal().mul(0.5)
  const w = variable([0])
  const optimizer = optimizers.sgd({ learningRate: rate })
  const step = jit(() => optimizer.apply([tensor([1])], [w]))
  for (let i = 0; i < 4; i++) step()
  close(await w.data(), [-0.5 * (1 + 1 / 2 + 1 / 3 + 1 / 4)], 1e-6)
  close([optimizer.learningRate], [0.1], 1e-7)
  assert.ok(optimizer.isScheduled)
  const warnings: string[] = []
  const keep = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', keep)
  const net = made(optimizers.sgd({ learningRate: rate }))
  await net.fit(X, Y, { ...STILL, batchSize: 12 })
  await net.save(path.join(folder, 'function'))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', keep)
  assert.ok(warnings.some((message) => /rate that is a function of yours, which is not saved/.test(message)))
  close([(await loadModel(path.join(folder, 'function'))).optimizer.learningRate], [0.25], 1e-7)
  throws('ERR_ARGUMENT', /must return a scalar Tensor, got 3/, () => optimizers.sgd({ learningRate: () => 3 as never }))
})

test('options that say nothing sensible', async () => {
  throws('ERR_ARGUMENT', /gradientAccumulationSteps must be an integer of at least 1, got 0/, () =>
    optimizers.sgd({ gradientAccumulationSteps: 0 }),
  )
  throws('ERR_ARGUMENT', /emaMomentum must lie in \[0, 1\]/, () => optimizers.sgd({ useEma: true, emaMomentum: 2 }))
  throws('ERR_ARGUMENT', /emaMomentum is of no use without useEma/, () => optimizers.sgd({ emaMomentum: 0.5 }))
  throws('ERR_ARGUMENT', /emaOverwriteFrequency must be an integer/, () => optimizers.sgd({ useEma: true, emaOverwriteFrequency: 0.5 }))
  await rejects('ERR_ARGUMENT', /gradientAccumulationSteps/, made(optimizers.sgd()).fit(X, Y, { gradientAccumulationSteps: 0 }))
  throws('ERR_ARGUMENT', /verbose is true or false, got 'yes'/, () => callbacks.earlyStopping({ verbose: 'yes' as never }))
})

test('earlyStopping({ verbose: true }) says when it stops, and which weights it puts back', async () => {
  const lines: string[] = []
  const { log } = console
  console.log = (line: string): void => void lines.push(line)
  try {
    const net = made(optimizers.sgd({ learningRate: 0 }))
    const stop = callbacks.earlyStopping({ monitor: 'loss', patience: 2, restoreBestWeights: true, verbose: true })
    await net.fit(X, Y, { ...STILL, epochs: 10, callbacks: [stop] })
    const quiet = callbacks.earlyStopping({ monitor: 'loss', patience: 1 })
    await net.fit(X, Y, { ...STILL, epochs: 10, callbacks: [quiet] })
  } finally {
    console.log = log
  }
  assert.equal(lines, ['Epoch 3: training is stopped early', 'The weights are those of epoch 1, the best one'])
})

test('muon leaves embeddings to adam', async () => {
  const optimizer = optimizers.muon({ weightDecay: 0, learningRate: 0.5 })
  const [table, kernel] = ['embedding/embeddings', 'dense/kernel'].map((name) =>
    variable(
      [
        [1, 2],
        [3, 4],
      ],
      { name },
    ),
  )
  optimizer.apply(
    [
      tensor([
        [1, 1],
        [1, 1],
      ]),
      tensor([
        [1, 1],
        [1, 1],
      ]),
    ],
    [table!, kernel!],
  )
  close(await values(table!), [0.95, 1.95, 2.95, 3.95], 1e-5)
  assert.not.equal(
    (await values(kernel!)).map((v) => v.toFixed(2)),
    ['0.95', '1.95', '2.95', '3.95'],
  )
})

test("gelu's approximation by name: as PyTorch computes it, in a layer, saved", async () => {
  const layer = layers.activation({ activation: 'geluTanh' })
  close(await layer.apply(tensor(wave([12]).map((v) => 3 * v)).reshape([1, 12])).data(), recorded.gelu, 2e-6)
  const net = sequential([layers.dense({ units: 2, activation: 'geluTanh', inputShape: [3] })])
  await net.save(path.join(folder, 'gelu'))
  const again = await loadModel(path.join(folder, 'gelu'))
  assert.equal(await (await again.predict(X)).data(), await (await net.predict(X)).data())
})

test.run()
