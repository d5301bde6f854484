// Schedules of the learning rate against their formulas: on the host, with ops, and in a traced step.
import { test } from 'uvu'
import { jit, optimizers, schedules, tensor, variable } from '../../lib/index.js'
import * as assert from 'uvu/assert'
import * as factories from '../../lib/schedules/factories.js'
import { scheduleFromJson } from '../../lib/schedules/by_name.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, codeOf, throws } from '../expect.js'

type Schedule = ReturnType<typeof schedules.cosineDecay>

const grid: { of: schedules.ScheduleName; name: string; schedule: Schedule; at: (t: number) => number }[] = [
  {
    of: 'exponentialDecay',
    name: 'exponential',
    schedule: schedules.exponentialDecay({ initialLearningRate: 0.5, decaySteps: 4, decayRate: 0.9 }),
    at: (t) => 0.5 * 0.9 ** (t / 4),
  },
  {
    of: 'exponentialDecay',
    name: 'exponential staircase',
    schedule: schedules.exponentialDecay({ initialLearningRate: 0.5, decaySteps: 4, decayRate: 0.9, staircase: true }),
    at: (t) => 0.5 * 0.9 ** Math.floor(t / 4),
  },
  {
    of: 'inverseTimeDecay',
    name: 'inverse time',
    schedule: schedules.inverseTimeDecay({ initialLearningRate: 0.5, decaySteps: 3, decayRate: 0.7 }),
    at: (t) => 0.5 / (1 + (0.7 * t) / 3),
  },
  {
    of: 'polynomialDecay',
    name: 'polynomial',
    schedule: schedules.polynomialDecay({ initialLearningRate: 0.5, decaySteps: 10, endLearningRate: 0.1, power: 2 }),
    at: (t) => 0.4 * (1 - Math.min(t, 10) / 10) ** 2 + 0.1,
  },
  {
    of: 'polynomialDecay',
    name: 'polynomial cycle',
    schedule: schedules.polynomialDecay({ initialLearningRate: 0.5, decaySteps: 5, endLearningRate: 0.1, cycle: true }),
    at: (t) => 0.4 * (1 - t / (5 * Math.max(1, Math.ceil(t / 5)))) + 0.1,
  },
  {
    of: 'cosineDecay',
    name: 'cosine',
    schedule: schedules.cosineDecay({ initialLearningRate: 0.5, decaySteps: 10, alpha: 0.2 }),
    at: (t) => 0.5 * (0.8 * 0.5 * (1 + Math.cos((Math.PI * Math.min(t, 10)) / 10)) + 0.2),
  },
  {
    of: 'cosineDecay',
    name: 'cosine with warm-up',
    schedule: schedules.cosineDecay({ initialLearningRate: 0, decaySteps: 10, warmupTarget: 0.5, warmupSteps: 4 }),
    at: (t) => (t < 4 ? (0.5 * t) / 4 : 0.25 * (1 + Math.cos((Math.PI * Math.min(t - 4, 10)) / 10))),
  },
  {
    of: 'cosineDecayRestarts',
    name: 'cosine with restarts',
    schedule: schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 2, mMul: 0.8, alpha: 0.1 }),
    at: (t) => {
      const period = t < 2 ? 0 : t < 6 ? 1 : t < 14 ? 2 : 3
      const passed = (t - [0, 2, 6, 14][period]!) / 2 ** (period + 1)
      return 0.5 * (0.9 * 0.8 ** period * 0.5 * (1 + Math.cos(Math.PI * passed)) + 0.1)
    },
  },
  {
    of: 'cosineDecayRestarts',
    name: 'cosine with restarts of one length',
    schedule: schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 5, tMul: 1 }),
    at: (t) => 0.25 * (1 + Math.cos((Math.PI * (t % 5)) / 5)),
  },
  {
    of: 'piecewiseConstantDecay',
    name: 'piecewise',
    schedule: schedules.piecewiseConstantDecay({ boundaries: [3, 7], values: [0.5, 0.2, 0.1] }),
    at: (t) => (t <= 3 ? 0.5 : t <= 7 ? 0.2 : 0.1),
  },
]
everyFactoryHasARow(
  factories,
  grid.map((row) => row.of),
  'rows of grid in test/model/schedules.test.ts',
)
for (const { of, name, schedule, at } of grid) {
  test(`schedule ${name}: on the host, with ops, and in a traced step`, async () => {
    assert.is(schedule.className, of)
    const again = scheduleFromJson(JSON.parse(JSON.stringify(schedule)) as { className: string; config: object })
    const optimizer = optimizers.sgd({ learningRate: schedule })
    const w = variable([0])
    const step = jit(() => optimizer.apply([tensor([1])], [w]))
    let sum = 0
    for (let t = 0; t < 16; t++) {
      close([schedule.at(t)], [at(t)], 1e-12)
      assert.is(again.at(t), schedule.at(t))
      close([await schedule.call(tensor(t)).item()], [at(t)], 2e-6)
      close([optimizer.learningRate], [at(t)], 1e-12)
      step()
      sum -= at(t)
    }
    close(await w.data(), [sum], 1e-5)
    assert.is(
      codeOf(() => {
        optimizer.learningRate = 1
      }),
      'ERR_STATE',
    )
  })
}

test('refusals', () => {
  const good = { initialLearningRate: 0.1, decaySteps: 5, decayRate: 0.5 }
  assert.is(
    codeOf(() => schedules.exponentialDecay({ ...good, decaySteps: 0 })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => schedules.inverseTimeDecay({ ...good, initialLearningRate: Number.NaN })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => schedules.piecewiseConstantDecay({ boundaries: [3, 2], values: [1, 2, 3] })),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => schedules.piecewiseConstantDecay({ boundaries: [3], values: [1] })),
    'ERR_ARGUMENT',
  )
  assert.throws(() => schedules.cosineDecay({ initialLearningRate: 1, decayStep: 3 } as never), /decaySteps/)
  const restarts = { initialLearningRate: 0.1, firstDecaySteps: 1 }
  throws('ERR_ARGUMENT', /tMul must be at least 1, got 0.5/, () => schedules.cosineDecayRestarts({ ...restarts, tMul: 0.5 }))
  throws('ERR_ARGUMENT', /more than 16384 periods/, () => schedules.cosineDecayRestarts({ ...restarts, tMul: 1.000001 }))
})

test('calls that are not as the options say: the message shows the call to write', () => {
  for (const [name, factory] of Object.entries(factories)) {
    const call = factory as unknown as (...args: unknown[]) => unknown
    throws('ERR_ARGUMENT', new RegExp(`Write schedules\\.${name}\\(\\{`), () => call())
    throws('ERR_ARGUMENT', new RegExp(`Write schedules\\.${name}\\(`), () => call(0.1))
    throws('ERR_ARGUMENT', new RegExp(`Write schedules\\.${name}\\(`), () => call({}, 1))
    for (const value of [null, 'x', [0.1], {}]) throws('ERR_ARGUMENT', new RegExp(name), () => call(value))
    throws('ERR_ARGUMENT', /unknown option/, () => call({ initialRate: 1 }))
  }
  throws('ERR_ARGUMENT', /boundaries is a list, got 3/, () => schedules.piecewiseConstantDecay({ boundaries: 3, values: [1] } as never))
  throws('ERR_ARGUMENT', /values must be a list of numbers/, () =>
    schedules.piecewiseConstantDecay({ boundaries: [], values: ['a'] } as never),
  )
})

test('a schedule keeps a copy of its lists', () => {
  const boundaries = [3]
  const made = schedules.piecewiseConstantDecay({ boundaries, values: [1, 2] })
  boundaries[0] = 100
  assert.is(made.at(4), 2)
  assert.equal(made.config['boundaries'], [3])
})

test.run()
