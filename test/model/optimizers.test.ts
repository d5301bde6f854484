// Optimizers against float64 formulas over several steps, eager and traced; clipping, schedules, state and refusals.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gradients, jit, type Tensor, tensor, type Variable, variable } from '../../lib/index.js'
import * as optimizers from '../../lib/optimizers/index.js'
import type { Optimizer } from '../../lib/optimizers/index.js'
import * as schedules from '../../lib/schedules/index.js'
import { close, codeOf, generator } from '../expect.js'

/** State of one weight in the reference. */
interface Slots {
  [name: string]: number
}
type Update = (w: number, g: number, s: Slots, t: number) => number

const LR = 0.05
const get = (s: Slots, name: string, start = 0): number => s[name] ?? start

const adamUpdate =
  (amsgrad: boolean, decay = 0): Update =>
  (w, g, s, t) => {
    const shrunk = w - LR * decay * w
    s['m'] = 0.9 * get(s, 'm') + 0.1 * g
    s['v'] = 0.999 * get(s, 'v') + 0.001 * g * g
    s['vmax'] = Math.max(get(s, 'vmax'), s['v'])
    return shrunk - ((LR * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)) * (s['m'] / (Math.sqrt(amsgrad ? s['vmax'] : s['v']) + 1e-7))
  }

/** Keras 3's formulas, one weight at a time; t counts from 1. */
const cases: { name: string; make: () => Optimizer; update: Update }[] = [
  { name: 'sgd', make: () => optimizers.sgd({ learningRate: LR }), update: (w, g) => w - LR * g },
  {
    name: 'sgd with momentum',
    make: () => optimizers.sgd({ learningRate: LR, momentum: 0.8 }),
    update: (w, g, s) => w + (s['v'] = 0.8 * get(s, 'v') - LR * g),
  },
  {
    name: 'sgd with nesterov',
    make: () => optimizers.sgd({ learningRate: LR, momentum: 0.8, nesterov: true }),
    update: (w, g, s) => {
      s['v'] = 0.8 * get(s, 'v') - LR * g
      return w + 0.8 * s['v'] - LR * g
    },
  },
  {
    name: 'sgd with weight decay',
    make: () => optimizers.sgd({ learningRate: LR, weightDecay: 0.1 }),
    update: (w, g) => w - LR * 0.1 * w - LR * g,
  },
  { name: 'adam', make: () => optimizers.adam({ learningRate: LR }), update: adamUpdate(false) },
  { name: 'adam with amsgrad', make: () => optimizers.adam({ learningRate: LR, amsgrad: true }), update: adamUpdate(true) },
  { name: 'adamw', make: () => optimizers.adamw({ learningRate: LR }), update: adamUpdate(false, 0.004) },
  {
    name: 'rmsprop',
    make: () => optimizers.rmsprop({ learningRate: LR }),
    update: (w, g, s) => {
      s['v'] = 0.9 * get(s, 'v') + 0.1 * g * g
      return w - (LR * g) / Math.sqrt(s['v'] + 1e-7)
    },
  },
  {
    name: 'rmsprop, centered, with momentum',
    make: () => optimizers.rmsprop({ learningRate: LR, momentum: 0.5, centered: true }),
    update: (w, g, s) => {
      s['v'] = 0.9 * get(s, 'v') + 0.1 * g * g
      s['mean'] = 0.9 * get(s, 'mean') + 0.1 * g
      s['b'] = 0.5 * get(s, 'b') + (LR * g) / Math.sqrt(s['v'] - s['mean'] ** 2 + 1e-7)
      return w - s['b']
    },
  },
  {
    name: 'adagrad',
    make: () => optimizers.adagrad({ learningRate: LR }),
    update: (w, g, s) => w - (LR * g) / Math.sqrt((s['a'] = get(s, 'a', 0.1) + g * g) + 1e-7),
  },
  {
    name: 'adadelta',
    make: () => optimizers.adadelta({ learningRate: LR }),
    update: (w, g, s) => {
      s['a'] = 0.95 * get(s, 'a') + 0.05 * g * g
      const step = (Math.sqrt(get(s, 'u') + 1e-7) / Math.sqrt(s['a'] + 1e-7)) * g
      s['u'] = 0.95 * get(s, 'u') + 0.05 * step * step
      return w - LR * step
    },
  },
  {
    name: 'adamax',
    make: () => optimizers.adamax({ learningRate: LR }),
    update: (w, g, s, t) => {
      s['m'] = 0.9 * get(s, 'm') + 0.1 * g
      s['u'] = Math.max(0.999 * get(s, 'u'), Math.abs(g))
      return w - (LR / (1 - 0.9 ** t)) * (s['m'] / (s['u'] + 1e-7))
    },
  },
  {
    name: 'nadam',
    make: () => optimizers.nadam({ learningRate: LR }),
    update: (w, g, s, t) => {
      const u = (at: number): number => 0.9 * (1 - 0.5 * 0.96 ** at)
      s['product'] = get(s, 'product', 1) * u(t)
      s['m'] = 0.9 * get(s, 'm') + 0.1 * g
      s['v'] = 0.999 * get(s, 'v') + 0.001 * g * g
      const m = (u(t + 1) * s['m']) / (1 - s['product'] * u(t + 1)) + ((1 - u(t)) * g) / (1 - s['product'])
      return w - (LR * m) / (Math.sqrt(s['v'] / (1 - 0.999 ** t)) + 1e-7)
    },
  },
  {
    name: 'lion',
    make: () => optimizers.lion({ learningRate: LR }),
    update: (w, g, s) => {
      const next = w - LR * Math.sign(0.9 * get(s, 'm') + 0.1 * g)
      s['m'] = 0.99 * get(s, 'm') + 0.01 * g
      return next
    },
  },
]

/** w and b of loss Σ(w - 1)² + Σ(b + 2)⁴ / 4, whose gradients change from step to step. */
const start = {
  w: [
    [0.3, -1.2, 2.5],
    [0.01, 0.7, -0.4],
  ],
  b: [1.5, -0.5],
}
const slope = { w: (w: number) => 2 * (w - 1), b: (b: number) => (b + 2) ** 3 }
const lossOf = (w: Tensor, b: Tensor): Tensor => w.sub(1).square().sum().add(b.add(2).pow(4).sum().mul(0.25))

const STEPS = 12
for (const { name, make, update } of cases) {
  test(`${name}: ${STEPS} steps against float64`, async () => {
    const optimizer = make()
    const w = variable(start.w, { name: 'w' })
    const b = variable(start.b, { name: 'b' })
    const step = jit(() => {
      optimizer.apply(gradients(lossOf(w, b), [w, b]), [w, b])
    })
    const reference = { w: start.w.flat(), b: [...start.b] }
    const slots = { w: start.w.flat().map((): Slots => ({})), b: start.b.map((): Slots => ({})) }
    for (let t = 1; t <= STEPS; t++) {
      step()
      reference.w = reference.w.map((value, i) => update(value, slope.w(value), slots.w[i]!, t))
      reference.b = reference.b.map((value, i) => update(value, slope.b(value), slots.b[i]!, t))
    }
    close(await w.data(), reference.w, 2e-5)
    close(await b.data(), reference.b, 2e-5)
    assert.is(optimizer.iterations, STEPS)
  })
  test(`${name}: eager steps do the same, frozen variables stay, state goes out and in`, async () => {
    const random = generator(5)
    const list = Array.from({ length: 4 }, () => Array.from({ length: 5 }, () => random() - 0.5))
    const run = async (optimizer: Optimizer, w: Variable, frozen: Variable, gs: number[][]): Promise<number[]> => {
      for (const g of gs) optimizer.apply([tensor(g), tensor([9])], [w, frozen])
      return Array.from((await w.data()) as Float32Array)
    }
    const optimizer = make()
    const w = variable([1, 2, 3, 4, 5])
    const frozen = variable([7], { trainable: false })
    await run(optimizer, w, frozen, list.slice(0, 2))
    const middle = (await w.data()) as Float32Array
    const state = optimizer.getWeights()
    const whole = await run(optimizer, w, frozen, list.slice(2))
    let reference = [1, 2, 3, 4, 5]
    const slots = reference.map((): Slots => ({}))
    list.forEach((g, t) => {
      reference = reference.map((value, i) => update(value, g[i]!, slots[i]!, t + 1))
    })
    close(whole, reference, 2e-5)
    assert.equal(await frozen.array(), [7])
    const again = make()
    const resumed = variable(middle)
    again.build([resumed])
    again.setWeights(state)
    assert.is(again.iterations, 2)
    assert.equal(await run(again, resumed, frozen, list.slice(2)), whole)
  })
}

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
  const { gradients: clipped, norm } = optimizers.clipByGlobalNorm([tensor([3, 4]), tensor([12])], 26)
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
  const again = optimizers.optimizerFromJson(json)
  assert.equal(again.config, optimizer.config)
  assert.is(again.learningRate, 0.1)
  assert.is(
    codeOf(() => optimizers.optimizerFromJson({ className: 'adamm', config: {} })),
    'ERR_FORMAT',
  )
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
  assert.throws(() => optimizers.resolveOptimizer('adm'), /adam/)
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
