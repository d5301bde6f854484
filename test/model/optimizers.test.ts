// Optimizers: kernels against the formulas of their rules over several steps, eager and traced; clipping, schedules,
// state and refusals.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { constraints, gradients, jit, type Tensor, tensor, type Variable, variable, withDevice } from '../../lib/index.js'
import { setConstraint } from '../../lib/layers/weight_options.js'
import { optimizer } from '../../lib/optimizers/factory.js'
import * as factories from '../../lib/optimizers/factories.js'
import { optimizerFromJson, resolveOptimizer } from '../../lib/optimizers/by_name.js'
import { clipByGlobalNorm } from '../../lib/optimizers/clip.js'
import * as optimizers from '../../lib/optimizers/index.js'
import type { Optimizer } from '../../lib/optimizers/index.js'
import * as schedules from '../../lib/schedules/index.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, codeOf, generator, throws } from '../expect.js'
import { recorded } from '../oracle/torch_values.js'

const RATE = 0.05
const byName = { ...factories }
type Name = keyof typeof byName

type AnyOptions = optimizers.AdamOptions & optimizers.SgdOptions & optimizers.RmspropOptions & optimizers.AdafactorOptions
/**
 * Every optimizer, with the options that change its formula, and the weights w, b after all steps as computed
 * elsewhere: STEPS updates by the gradients of lossOf, from START, at RATE rounded to float32. An optimizer without a
 * kernel must have these, as nothing else holds its formula to account.
 */
const rows: readonly (readonly [name: Name, options: AnyOptions, weights?: readonly number[]])[] = [
  ['sgd', {}, [0.802299324, 0.37865502, 1.4236443, 0.720394759, 0.915271139, 0.604598649, -1.24086391, -1.24485015]],
  ['sgd', { momentum: 0.8 }],
  ['sgd', { momentum: 0.8, nesterov: true }],
  ['sgd', { weightDecay: 0.1 }],
  ['adam', {}, [0.86163903, -0.607617751, 1.91234835, 0.587913405, 1.11245356, 0.186465263, 0.914714574, -1.05692676]],
  ['adam', { amsgrad: true }],
  ['adamw', {}],
  ['rmsprop', {}],
  ['rmsprop', { momentum: 0.5, centered: true }],
  ['adagrad', {}],
  ['adadelta', { learningRate: 20 }],
  ['adamax', {}],
  ['nadam', {}, [0.717002816, -0.743790641, 2.05146796, 0.445096918, 1.01566544, 0.0467442544, 1.05557308, -0.908734962]],
  ['lamb', {}, [0.951256562, -0.498729389, 1.80601806, 0.6883975, 1.11853453, 0.292121563, 0.863458976, -1.10172316]],
  ['lion', {}],
  ['adafactor', {}, recorded.optimizers.adafactor],
  ['adafactor', { relativeStep: false, clipThreshold: 0.5 }, recorded.optimizers.adafactorPlain],
  ['muon', {}, recorded.optimizers.muon],
  ['muon', { nesterov: false, weightDecay: 0 }, recorded.optimizers.muonPlain],
]
everyFactoryHasARow(
  factories,
  rows.map(([name]) => name),
  'rows in test/model/optimizers.test.ts',
)

/** The factory of the same rule without its kernel. */
function byFormula(name: Name): (options: object) => Optimizer {
  const { kernel: _, ...rule } = byName[name].rule
  return optimizer<optimizers.OptimizerOptions>(rule as never)
}

/** Loss Σ(w - 1)² + Σ(b + 2)⁴ / 4, whose gradients change from step to step. */
const START = {
  w: [
    [0.3, -1.2, 2.5],
    [0.01, 0.7, -0.4],
  ],
  b: [1.5, -0.5],
}
const lossOf = (w: Tensor, b: Tensor): Tensor => w.sub(1).square().sum().add(b.add(2).pow(4).sum().mul(0.25))

/** The weights after so many steps. */
async function trained(optimizer: Optimizer, steps: number, dtype: 'float32' | 'float64' = 'float32'): Promise<number[]> {
  const [w, b] = [variable(tensor(START.w, { dtype })), variable(tensor(START.b, { dtype }))]
  const step = jit(() => optimizer.apply(gradients(lossOf(w, b), [w, b]), [w, b]))
  for (let t = 0; t < steps; t++) step()
  assert.is(optimizer.iterations, steps)
  return [...(await w.data()), ...(await b.data())].map(Number)
}

const STEPS = 12
for (const [name, own, weights] of rows) {
  const options = { learningRate: RATE, ...own }
  const title = `${name} ${JSON.stringify(own)}`
  const make = (): Optimizer => (byName[name] as (options: object) => Optimizer)(options)
  const precise = (): Promise<number[]> => withDevice('cpu', () => trained(byFormula(name)(options), STEPS, 'float64'))
  test(`${title}: ${STEPS} steps of the kernel, and of the formula in float32, against the formula in float64`, async () => {
    const expected = await precise()
    assert.ok(weights || byName[name].rule.kernel, `${name} has no kernel: give the row of test/model/optimizers.test.ts its weights`)
    // the learning rate and what nadam keeps are float32 beside float64 too
    if (weights) close(expected, weights, byName[name].rule.shared ? 1e-6 : 1e-7)
    close(await trained(make(), STEPS), expected, 2e-5)
    close(await trained(byFormula(name)(options), STEPS), expected, 2e-5)
    assert.ok(
      expected.some((value, i) => Math.abs(value - [...START.w.flat(), ...START.b][i]!) > 0.01),
      'the weights have moved',
    )
  })
  test(`${title}: eager steps, frozen variables, state out and in, with and without its kernel`, async () => {
    const random = generator(5)
    const list = Array.from({ length: 4 }, () => Array.from({ length: 5 }, () => random() - 0.5))
    const run = async (optimizer: Optimizer, w: Variable, frozen: Variable, gs: number[][]): Promise<number[]> => {
      for (const g of gs) optimizer.apply([tensor(g), tensor([9])], [w, frozen])
      return Array.from((await w.data()) as Float32Array)
    }
    const results: number[][] = []
    for (const factory of [make, () => byFormula(name)(options)]) {
      const optimizer = factory()
      const w = variable([1, 2, 3, 4, 5])
      const frozen = variable([7], { trainable: false })
      await run(optimizer, w, frozen, list.slice(0, 2))
      const middle = (await w.data()) as Float32Array
      const state = optimizer.getWeights()
      const whole = await run(optimizer, w, frozen, list.slice(2))
      assert.equal(await frozen.array(), [7])
      const again = factory()
      const resumed = variable(middle)
      again.build([resumed])
      again.setWeights(state)
      assert.is(again.iterations, 2)
      assert.equal(await run(again, resumed, frozen, list.slice(2)), whole)
      results.push(whole)
    }
    close(results[0]!, results[1]!, 2e-5)
  })
}

test('a rule that looks at whole parameters, with decay, clipping, a schedule and a constraint', async () => {
  // steps of one length for every parameter: the gradient divided by its norm
  const normalized = optimizer<optimizers.OptimizerOptions & { scale?: number }>({
    name: 'normalized',
    defaults: { learningRate: 1, scale: 2 },
    slots: ['norm'],
    update: (w, g, _, rate, t, { scale }) => {
      const norm = g.square().sum().sqrt()
      return { w: w.sub(rate.mul(scale).mul(t).mul(g).div(norm)), norm: norm.broadcastTo(w.shape) }
    },
  })
  const made = normalized({
    learningRate: schedules.piecewiseConstantDecay({ boundaries: [0], values: [0.5, 0.25] }),
    weightDecay: 0.2,
    clipValue: 4,
  })
  const w = variable([1, 1])
  setConstraint(w, constraints.nonNeg())
  const step = jit((g: Tensor) => made.apply([g], [w]))
  step(tensor([3, 40]))
  // w·(1 - 0.5·0.2) - 0.5·2·1·[3, 4] / 5
  close(await w.data(), [0.9 - 0.6, 0.9 - 0.8], 1e-6)
  step(tensor([3, 4]))
  // w·(1 - 0.25·0.2) - 0.25·2·2·[3, 4] / 5, and not below 0
  close(await w.data(), [0, 0], 1e-6)
  assert.equal(
    made.slots.map(({ name }) => name),
    ['norm'],
  )
  close(await made.slots[0]!.state.data(), [5, 5], 1e-6)
  throws('ERR_ARGUMENT', /scale is a number/, () => normalized({ scale: 'x' as never }))
})

test('rmsprop, centered: a gradient that never changes leaves finite weights', async () => {
  const made = optimizers.rmsprop({ centered: true, rho: 0.5 })
  const w = variable([0, 0, 0])
  const step = jit(() => made.apply([tensor([1008.22, 1000, 3.3])], [w]))
  for (let t = 0; t < 400; t++) step()
  const found = Array.from((await w.data()) as Float32Array)
  assert.ok(found.every(Number.isFinite), String(found))
})

test('clipValue, clipNorm, globalClipNorm and clipByGlobalNorm', async () => {
  const update = async (options: object): Promise<number[]> => {
    const [a, b] = [variable([0, 0]), variable([0])]
    optimizers.sgd({ learningRate: 1, ...options }).apply([tensor([3, 4]), tensor([12])], [a, b])
    return [...(await a.data()), ...(await b.data())].map(Number)
  }
  close(await update({ clipValue: 3.5 }), [-3, -3.5, -3.5], 1e-6)
  close(await update({ clipNorm: 1 }), [-0.6, -0.8, -1], 1e-6)
  close(await update({ clipNorm: 100 }), [-3, -4, -12], 1e-6)
  close(await update({ globalClipNorm: 6.5 }), [-1.5, -2, -6], 1e-6)
  const { gradients: clipped, norm } = clipByGlobalNorm([tensor([3, 4]), tensor([12])], 26)
  close([await norm.item()], [13], 1e-6)
  close(await clipped[0]!.data(), [3, 4], 1e-6)
  assert.is(
    codeOf(() => optimizers.sgd({ clipNorm: 1, clipValue: 1 })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizers.sgd({ clipNorm: -1 })),
    'ERR_ARGUMENT',
  )
})

test('the learning rate changes without a retrace', async () => {
  const optimizer = optimizers.sgd({ learningRate: 1 })
  const w = variable([0])
  const step = jit(() => optimizer.apply([tensor([1])], [w]))
  step()
  optimizer.learningRate = 0.25
  step()
  close(await w.data(), [-1.25], 0)
  assert.is(step.programs, 1)
  assert.is(optimizer.learningRate, 0.25)
})

test('saved configs make the same optimizer again', () => {
  const optimizer = optimizers.adamw({
    learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 5 }),
    clipNorm: 2,
    beta1: 0.8,
  })
  const json = JSON.parse(JSON.stringify({ className: optimizer.name, config: optimizer.config }))
  const again = optimizerFromJson(json)
  assert.equal(again.config, optimizer.config)
  assert.is(again.learningRate, 0.1)
  assert.is(
    codeOf(() => optimizerFromJson({ className: 'adamm', config: {} })),
    'ERR_FORMAT',
  )
})

test('calls that are not as the options say: the message shows the call to write', () => {
  throws('ERR_ARGUMENT', /Write optimizers\.adam\(\{ learningRate: 0\.01 \}\)/, () => optimizers.adam(0.01 as never))
  const schedule = schedules.cosineDecay({ initialLearningRate: 1, decaySteps: 3 })
  throws('ERR_ARGUMENT', /Write optimizers\.sgd\(\{ learningRate: schedules\.cosineDecay/, () => optimizers.sgd(schedule as never))
  throws('ERR_ARGUMENT', /learningRate must be a number.*'fast'/, () => optimizers.adam({ learningRate: 'fast' as never }))
  for (const [name, factory] of Object.entries(factories)) {
    const call = factory as unknown as (...args: unknown[]) => unknown
    throws('ERR_ARGUMENT', new RegExp(`Write optimizers\\.${name}\\(`), () => call({}, 3))
    throws('ERR_ARGUMENT', new RegExp(`Write optimizers\\.${name}\\(\\{ learningRate`), () => call(3))
    for (const value of [null, 'fast', [0.1], tensor(1)]) throws('ERR_ARGUMENT', /options are an object/, () => call(value))
    throws('ERR_ARGUMENT', /'learningRate'/, () => call({ learningrate: 1 }))
    throws('ERR_ARGUMENT', /clipNorm is a number, got '1'/, () => call({ clipNorm: '1' }))
  }
})

test('refusals: rates, options, names, gradients that do not fit', () => {
  assert.is(
    codeOf(() => optimizers.adam({ learningRate: Number.NaN })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizers.adam({ learningRate: -1 })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizers.adam({ beta1: 1 })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizers.adam({ weightDecay: -1 })),
    'ERR_ARGUMENT',
  )
  assert.throws(() => optimizers.adam({ learningrate: 1 } as never), /learningRate/)
  assert.throws(() => resolveOptimizer('adm'), /adam/)
  const optimizer = optimizers.adam()
  assert.is(
    codeOf(() => {
      optimizer.learningRate = Number.NaN
    }),
    'ERR_ARGUMENT',
  )
  const w = variable([1, 2])
  assert.is(
    codeOf(() => optimizer.apply([tensor([1])], [w])),
    'ERR_SHAPE',
  )
  assert.is(
    codeOf(() => optimizer.apply([], [w])),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizer.apply([tensor([1, 2]), tensor([1, 2])], [w, w])),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => optimizer.apply([tensor([1, 2])], [tensor([1, 2]) as Variable])),
    'ERR_ARGUMENT',
  )
})

test.run()
