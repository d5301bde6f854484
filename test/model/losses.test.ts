// Losses against the formulas in float64, their reductions, weights and masks, and the targets they refuse.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { grad, type Tensor, tensor } from '../../lib/index.js'
import { resolveLoss } from '../../lib/losses/by_name.js'
import * as losses from '../../lib/losses/index.js'
import * as factories from '../../lib/losses/factories.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, codeOf, generator, throws } from '../expect.js'

type Row = number[]
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const clip = (p: number): number => Math.min(Math.max(p, 1e-7), 1 - 1e-7)
const softmax = (row: Row): Row => {
  const top = Math.max(...row)
  const exps = row.map((value) => Math.exp(value - top))
  return exps.map((value) => value / exps.reduce((a, b) => a + b, 0))
}
const unit = (row: Row): Row => {
  const length = Math.sqrt(
    Math.max(
      1e-12,
      row.reduce((sum, value) => sum + value * value, 0),
    ),
  )
  return row.map((value) => value / length)
}
const pairs = (y: Row, p: Row, each: (a: number, b: number) => number): number[] => y.map((value, i) => each(value, p[i]!))

const random = generator(7)
const rows = (n: number, k: number, make: () => number): Row[] => Array.from({ length: n }, () => Array.from({ length: k }, make))
const signed = (): number => random() * 4 - 2

/**
 * Tested below the rows or in losses_oracle.test.ts: class numbers as targets, and other names of losses with a row.
 */
const ELSEWHERE = ['sparseCategoricalCrossentropy', 'ctc', 'mse', 'mae', 'mape', 'msle']
/** Loss of one row, by name, for targets and predictions that suit it. */
const cases: { name: losses.LossName; options?: object; y: Row[]; p: Row[]; each: (y: Row, p: Row) => number }[] = [
  { name: 'meanSquaredError', y: rows(5, 3, signed), p: rows(5, 3, signed), each: (y, p) => mean(pairs(y, p, (a, b) => (a - b) ** 2)) },
  { name: 'meanAbsoluteError', y: rows(5, 3, signed), p: rows(5, 3, signed), each: (y, p) => mean(pairs(y, p, (a, b) => Math.abs(a - b))) },
  {
    name: 'huber',
    options: { delta: 0.7 },
    y: rows(6, 2, signed),
    p: rows(6, 2, signed),
    each: (y, p) => mean(pairs(y, p, (a, b) => (Math.abs(a - b) <= 0.7 ? 0.5 * (a - b) ** 2 : 0.7 * Math.abs(a - b) - 0.245))),
  },
  {
    name: 'logCosh',
    y: rows(5, 3, signed),
    p: rows(5, 3, signed),
    each: (y, p) => mean(pairs(y, p, (a, b) => Math.log(Math.cosh(b - a)))),
  },
  {
    name: 'poisson',
    y: rows(5, 3, random),
    p: rows(5, 3, random),
    each: (y, p) => mean(pairs(y, p, (a, b) => b - a * Math.log(b + 1e-7))),
  },
  {
    name: 'klDivergence',
    y: rows(4, 3, signed).map(softmax),
    p: rows(4, 3, signed).map(softmax),
    each: (y, p) => pairs(y, p, (a, b) => a * Math.log(a / b)).reduce((s, v) => s + v, 0),
  },
  {
    name: 'cosineSimilarity',
    y: rows(4, 3, signed),
    p: rows(4, 3, signed),
    each: (y, p) => -pairs(unit(y), unit(p), (a, b) => a * b).reduce((s, v) => s + v, 0),
  },
  {
    name: 'hinge',
    y: rows(5, 3, () => (random() < 0.5 ? -1 : 1)),
    p: rows(5, 3, signed),
    each: (y, p) => mean(pairs(y, p, (a, b) => Math.max(0, 1 - a * b))),
  },
  {
    name: 'squaredHinge',
    y: rows(5, 3, () => (random() < 0.5 ? -1 : 1)),
    p: rows(5, 3, signed),
    each: (y, p) => mean(pairs(y, p, (a, b) => Math.max(0, 1 - a * b) ** 2)),
  },
  {
    name: 'categoricalHinge',
    y: [
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ],
    p: rows(3, 3, signed),
    each: (y, p) =>
      Math.max(0, Math.max(...pairs(y, p, (a, b) => (1 - a) * b)) - pairs(y, p, (a, b) => a * b).reduce((s, v) => s + v, 0) + 1),
  },
  {
    name: 'meanAbsolutePercentageError',
    y: rows(5, 3, () => random() + 0.5),
    p: rows(5, 3, signed),
    each: (y, p) => mean(pairs(y, p, (a, b) => (100 * Math.abs(a - b)) / a)),
  },
  {
    name: 'meanSquaredLogarithmicError',
    y: rows(5, 3, () => random() * 4),
    p: rows(5, 3, () => random() * 4),
    each: (y, p) => mean(pairs(y, p, (a, b) => (Math.log1p(a) - Math.log1p(b)) ** 2)),
  },
  {
    name: 'dice',
    y: rows(4, 5, () => (random() < 0.5 ? 0 : 1)),
    p: rows(4, 5, random),
    each: (y, p) => 1 - (2 * pairs(y, p, (a, b) => a * b).reduce((s, v) => s + v, 0)) / (5 * mean(y) + 5 * mean(p) + 1e-7),
  },
  {
    name: 'binaryFocalCrossentropy',
    options: { applyClassBalancing: true, alpha: 0.3, gamma: 1.5 },
    y: rows(6, 2, () => (random() < 0.5 ? 0 : 1)),
    p: rows(6, 2, () => 0.1 + 0.8 * random()),
    each: (y, p) => mean(pairs(y, p, (a, b) => (a ? 0.3 * (1 - b) ** 1.5 * -Math.log(b) : 0.7 * b ** 1.5 * -Math.log(1 - b)))),
  },
  {
    name: 'binaryFocalCrossentropy',
    options: { fromLogits: true, labelSmoothing: 0.2 },
    y: rows(6, 2, () => (random() < 0.5 ? 0 : 1)),
    p: rows(6, 2, signed),
    each: (y, p) =>
      mean(
        pairs(y, p, (a, b) => {
          const [target, q] = [a * 0.8 + 0.1, 1 / (1 + Math.exp(-b))]
          return (1 - target * q - (1 - target) * (1 - q)) ** 2 * -(target * Math.log(q) + (1 - target) * Math.log(1 - q))
        }),
      ),
  },
  {
    name: 'categoricalFocalCrossentropy',
    options: { alpha: [0.2, 0.5, 0.7], labelSmoothing: 0.1 },
    y: [
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ],
    p: rows(3, 3, () => random() + 0.1),
    each: (y, p) => {
      const sum = p.reduce((a, b) => a + b, 0)
      return y.reduce((s, a, i) => s - [0.2, 0.5, 0.7][i]! * (a * 0.9 + 0.1 / 3) * (1 - p[i]! / sum) ** 2 * Math.log(p[i]! / sum), 0)
    },
  },
  {
    name: 'categoricalFocalCrossentropy',
    options: { fromLogits: true, gamma: 0 },
    y: [
      [0.2, 0.8, 0],
      [0, 0, 1],
    ],
    p: rows(2, 3, signed),
    each: (y, p) => -0.25 * pairs(y, softmax(p), (a, b) => a * Math.log(b)).reduce((s, v) => s + v, 0),
  },
  {
    name: 'binaryCrossentropy',
    y: rows(6, 2, () => (random() < 0.5 ? 0 : 1)),
    p: rows(6, 2, random),
    each: (y, p) => mean(pairs(y, p, (a, b) => -(a * Math.log(clip(b)) + (1 - a) * Math.log(1 - clip(b))))),
  },
  {
    name: 'binaryCrossentropy',
    options: { fromLogits: true, labelSmoothing: 0.2 },
    y: rows(6, 2, () => (random() < 0.5 ? 0 : 1)),
    p: rows(6, 2, signed),
    each: (y, p) =>
      mean(
        pairs(y, p, (a, b) => {
          const target = a * 0.8 + 0.1
          return -(target * Math.log(1 / (1 + Math.exp(-b))) + (1 - target) * Math.log(1 / (1 + Math.exp(b))))
        }),
      ),
  },
  {
    name: 'categoricalCrossentropy',
    options: { labelSmoothing: 0.1 },
    y: [
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ],
    p: rows(3, 3, () => random() + 0.1),
    each: (y, p) => {
      const sum = p.reduce((a, b) => a + b, 0)
      return -pairs(y, p, (a, b) => (a * 0.9 + 0.1 / 3) * Math.log(clip(b / sum))).reduce((s, v) => s + v, 0)
    },
  },
  {
    name: 'categoricalCrossentropy',
    options: { fromLogits: true },
    y: [
      [0.2, 0.8, 0],
      [0, 0, 1],
    ],
    p: rows(2, 3, signed),
    each: (y, p) => -pairs(y, softmax(p), (a, b) => a * Math.log(b)).reduce((s, v) => s + v, 0),
  },
]

everyFactoryHasARow(factories, [...cases.map(({ name }) => name), ...ELSEWHERE], 'rows of cases in test/model/losses.test.ts')
for (const { name, options = {}, y, p, each } of cases) {
  const title = `${name} ${JSON.stringify(options)}`
  const expected = y.map((row, i) => each(row, p[i]!))
  const make = (more: object = {}): losses.Loss =>
    (losses as unknown as Record<string, (o: object) => losses.Loss>)[name]!({ ...options, ...more })
  test(`${title}: one per sample, their mean and their sum`, async () => {
    close(await make({ reduction: 'none' })(tensor(y), tensor(p)).data(), expected, 2e-5)
    close([await make()(tensor(y), tensor(p)).item()], [mean(expected)], 2e-5)
    close([await make({ reduction: 'sum' })(tensor(y), tensor(p)).item()], [expected.reduce((a, b) => a + b, 0)], 2e-5)
    assert.is(make().lossName, name)
  })
  test(`${title}: weights Σw·l / n, mask over the valid ones, gradient`, async () => {
    const weights = expected.map((_, i) => i * 0.5)
    close([await make()(tensor(y), tensor(p), { sampleWeight: weights }).item()], [mean(expected.map((l, i) => l * weights[i]!))], 2e-5)
    const mask = expected.map((_, i) => i !== 1)
    const kept = expected.filter((_, i) => i !== 1)
    close([await make()(tensor(y), tensor(p), { mask: tensor(mask) }).item()], [mean(kept)], 2e-5)
    const g = await grad((predictions: Tensor) => make()(y, predictions))(tensor(p)).data()
    assert.ok(g.every(Number.isFinite as (value: unknown) => boolean))
    const h = 1e-4
    const moved = p.map((row, i) => row.map((value, j) => (i === 0 && j === 0 ? value + h : value)))
    const back = p.map((row, i) => row.map((value, j) => (i === 0 && j === 0 ? value - h : value)))
    const slope = (mean(y.map((row, i) => each(row, moved[i]!))) - mean(y.map((row, i) => each(row, back[i]!)))) / (2 * h)
    close([Number(g[0])], [slope], 1e-3)
  })
}

test('sparseCategoricalCrossentropy: from logits, from probabilities, ignoreClass', async () => {
  const logits = rows(4, 3, signed)
  const y = [2, 0, 1, 1]
  const expected = y.map((label, i) => -Math.log(softmax(logits[i]!)[label]!))
  const fromLogits = losses.sparseCategoricalCrossentropy({ fromLogits: true, reduction: 'none' })
  close(await fromLogits(y, tensor(logits)).data(), expected, 1e-5)
  close(
    await fromLogits(
      y.map((label) => [label]),
      tensor(logits),
    ).data(),
    expected,
    1e-5,
  )
  close(
    await losses
      .sparseCategoricalCrossentropy({ reduction: 'none' })(y, tensor(logits.map(softmax)))
      .data(),
    expected,
    1e-5,
  )
  const ignoring = losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: -1 })
  close([await ignoring([2, -1, 1, -1], tensor(logits)).item()], [(expected[0]! + expected[2]!) / 2], 1e-5)
})

test('extremes stay finite', async () => {
  close(
    [
      await losses
        .binaryCrossentropy()([[1]], tensor([[0]]))
        .item(),
    ],
    [-Math.log(1e-7)],
    1e-4,
  )
  close(
    [
      await losses
        .binaryCrossentropy({ fromLogits: true })([[1]], tensor([[-1e4]]))
        .item(),
    ],
    [1e4],
    1e-6,
  )
  close(
    [
      await losses
        .sparseCategoricalCrossentropy({ fromLogits: true })([1], tensor([[1e4, -1e4]]))
        .item(),
    ],
    [2e4],
    1e-6,
  )
})

test('hinge takes targets of 0 and 1 as -1 and 1', async () => {
  close(
    [
      await losses
        .hinge()([[0, 1]], tensor([[0.5, 0.5]]))
        .item(),
    ],
    [(1.5 + 0.5) / 2],
    1e-6,
  )
})

test('targets [n] meet predictions [n, 1]; nothing else is aligned', async () => {
  close(
    [
      await losses
        .meanSquaredError()([1, 2], tensor([[1], [4]]))
        .item(),
    ],
    [2],
    1e-6,
  )
  close(
    [
      await losses
        .meanSquaredError()([[1], [2]], tensor([1, 4]))
        .item(),
    ],
    [2],
    1e-6,
  )
  assert.is(
    codeOf(() => losses.meanSquaredError()([1, 2, 3], tensor([[1], [4]]))),
    'ERR_SHAPE',
  )
  assert.is(
    codeOf(() => losses.meanSquaredError()([[1, 2]], tensor([[1], [4]]))),
    'ERR_SHAPE',
  )
})

test('one-hot targets and class numbers: the message names the right loss', () => {
  const p = tensor([
    [0.1, 0.9],
    [0.6, 0.4],
  ])
  assert.throws(
    () =>
      losses.sparseCategoricalCrossentropy()(
        [
          [0, 1],
          [1, 0],
        ],
        p,
      ),
    /'categoricalCrossentropy'/,
  )
  assert.throws(() => losses.categoricalCrossentropy()([1, 0], p), /'sparseCategoricalCrossentropy', or toCategorical\(y, 2\)/)
  assert.is(
    codeOf(() => losses.categoricalCrossentropy()([1, 0], p)),
    'ERR_SHAPE',
  )
})

test('calls that are not as the options say: the message shows the call to write', () => {
  throws('ERR_ARGUMENT', /Write losses\.huber\(\{ delta: 2 \}\)/, () => losses.huber(2 as never))
  for (const [name, factory] of Object.entries(factories)) {
    const call = factory as unknown as (...args: unknown[]) => unknown
    throws('ERR_ARGUMENT', /takes at most 1, got 2.*Write losses/, () => call({}, 3))
    for (const value of [null, 2, 'mean', [0.1], tensor(1)])
      throws('ERR_ARGUMENT', /options are an object.*Write losses/, () => call(value))
    throws('ERR_ARGUMENT', /Did you mean 'reduction'/, () => call({ reductoin: 'sum' }))
    throws('ERR_ARGUMENT', /reduction is one of 'mean'/, () => call({ reduction: name }))
  }
  throws('ERR_ARGUMENT', /delta must be a positive number/, () => losses.huber({ delta: 0 }))
})

test('unknown options, reductions and names', () => {
  assert.throws(() => losses.huber({ dleta: 1 } as never), /delta/)
  assert.is(
    codeOf(() => losses.meanSquaredError({ reduction: 'average' as never })),
    'ERR_ARGUMENT',
  )
  assert.throws(() => resolveLoss('meanSquareError'), /meanSquaredError/)
  assert.is(
    codeOf(() => resolveLoss(3)),
    'ERR_ARGUMENT',
  )
})

test.run()
