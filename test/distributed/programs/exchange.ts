// Trains with gradients that travel as bfloat16, with optimizers whose state lies in parts, or plainly; says losses of
// steps, hashes of weights and states, and the bytes of the state.
import { existsSync } from 'node:fs'
import path from 'node:path'
import {
  distributed,
  input,
  jit,
  layers,
  loadModel,
  type Model,
  model as functional,
  optimizers,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  variable,
  type WeftError,
} from '../../../lib/index.js'
import { CASES } from './cases.js'
import { say } from './say.js'
import { hashOf, keepingLosses } from './small_models.js'

const [how, folder] = process.argv.slice(2) as [string, string]
const inParts = how.includes('parts')
const { rank } = await distributed.init({
  heartbeatMs: 5_000,
  timeoutMs: 60_000,
  ...(how.includes('halves') && { gradientDtype: 'bfloat16' }),
  ...(inParts && { shardOptimizer: true }),
  ...(how.includes('small') && { bucketBytes: 200 }),
})
const rate = { learningRate: 0.01 }
const OPTIMIZERS: Record<string, () => optimizers.Optimizer> = {
  sgd: () => optimizers.sgd({ ...rate, momentum: 0.9 }),
  rmsprop: () => optimizers.rmsprop(rate),
  adagrad: () => optimizers.adagrad(rate),
  nadam: () => optimizers.nadam(rate),
  amsgrad: () => optimizers.adam({ ...rate, amsgrad: true }),
  lamb: () => optimizers.lamb(rate),
  clipNorm: () => optimizers.adam({ ...rate, clipNorm: 0.1 }),
  globalClipNorm: () => optimizers.adamw({ ...rate, globalClipNorm: 0.1 }),
  averaged: () => optimizers.adam({ ...rate, useEma: true, emaMomentum: 0.5, emaOverwriteFrequency: 3 }),
  accumulated: () => optimizers.adam({ ...rate, gradientAccumulationSteps: 2, useEma: true }),
}

const said: Record<string, unknown> = {}
async function train(name: string, model: Model, [x, y]: [Tensor, Tensor]): Promise<void> {
  const steps: number[] = []
  // the last batch has two rows: one of three ranks has none
  await model.fit(x, y, { batchSize: 10, epochs: 2, verbose: 0, callbacks: [keepingLosses(steps)] })
  said[name] = {
    steps,
    weights: await hashOf(model.weights),
    bytes: model.optimizer.slots.reduce((sum, { state }) => sum + 4 * state.size, 0),
    state: await hashOf(model.optimizer.getWeights()),
  }
}

// how values are cut into buckets is the same to all of them
const SOME = ['sgd', 'amsgrad', 'lamb', 'globalClipNorm', 'averaged']
for (const [name, optimizer] of Object.entries(OPTIMIZERS)) {
  if (how.includes('small') && !SOME.includes(name)) continue
  setSeed(1)
  const net = sequential([
    layers.dense({ units: 17, activation: 'relu', inputShape: [8], kernelConstraint: name === 'averaged' ? 'nonNeg' : undefined }),
    layers.dense({ units: 3, activation: 'softmax' }),
  ])
  net.compile({ optimizer: optimizer(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  await train(name, net, [CASES['dense']!.x(32), CASES['dense']!.y(32)])
  if (name !== 'averaged') continue
  // saved as wholes, and loaded as parts
  const place = path.join(folder, `model ${how}`)
  await net.save(place)
  const loaded = await loadModel(place)
  said['loaded'] = (await hashOf(loaded.optimizer.getWeights())) === (said[name] as { state: string }).state && existsSync(place)
  await train('goes on', loaded, [CASES['dense']!.x(32), CASES['dense']!.y(32)])
}
{
  // a loop of one's own gives sums
  const w = variable([[0.5], [-0.2], [1]])
  const optimizer = optimizers.adam(rate)
  const step = jit(() => optimizer.apply([distributed.allReduce(tensor([[1], [2], [3]]).mul(rank + 1))], [w]))
  step()
  step()
  said['loop'] = await w.array()
}
{
  // a rank has no element of either bias, and both calls for their norms remain
  setSeed(1)
  const x = input({ shape: [8] })
  const net = functional({ inputs: x, outputs: [layers.dense({ units: 1 }).apply(x), layers.dense({ units: 1 }).apply(x)] })
  net.compile({ optimizer: optimizers.lamb(rate), loss: ['meanSquaredError', 'meanSquaredError'] })
  const targets = tensor([1, 2, 3, 4, 5, 6], { shape: [6, 1] })
  const { history } = await net.fit(CASES['dense']!.x(6), [targets, targets.neg()], { batchSize: 3, epochs: 3, verbose: 0 })
  said['small'] = history['loss']
  const wrong = net.optimizer.getWeights().map((t) => (t.size === 8 ? tensor(new Float32Array(7), { shape: [7, 1] }) : t))
  try {
    net.optimizer.setWeights(wrong)
  } catch (error) {
    said['wrong shape'] = (error as WeftError).code
  }
}
if (inParts) {
  const net = sequential([layers.dense({ units: 3, inputShape: [8] })])
  net.compile({ optimizer: 'muon', loss: 'mse' })
  said['muon'] = await net.fit(CASES['dense']!.x(6), tensor(new Float32Array(18), { shape: [6, 3] }), { verbose: 0 }).then(
    () => 'no error',
    ({ code, message }: WeftError) => `${code} ${message}`,
  )
}
say(rank, said)
await distributed.close()
