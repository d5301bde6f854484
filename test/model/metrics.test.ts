// Metrics against direct formulas, over several batches, weighted and masked.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { initializers, layers, losses, sequential, type Tensor, tensor } from '../../lib/index.js'
import type { CompileOptions } from '../../lib/model/objective.js'
import type { Logs } from '../../lib/model/step.js'
import * as metrics from '../../lib/metrics/index.js'
import * as factories from '../../lib/metrics/factories.js'
import { type Metric, type MetricName, risingByName, type UpdateOptions } from '../../lib/metrics/index.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, codeOf, generator, throws } from '../expect.js'

const random = generator(11)
const integer = (n: number): number => Math.floor(random() * n)

/** The figure after batches of three rows. */
async function figure(
  metric: Metric,
  y: readonly unknown[],
  p: readonly unknown[],
  weights?: readonly number[],
  options: UpdateOptions = {},
): Promise<number> {
  for (let at = 0; at < y.length; at += 3) {
    const sampleWeight = weights?.slice(at, at + 3)
    metric.update(tensor(y.slice(at, at + 3) as number[]), tensor(p.slice(at, at + 3) as number[]), {
      ...options,
      ...(sampleWeight ? { sampleWeight } : {}),
    })
  }
  return metric.result().item()
}
const weightedMean = (values: readonly number[], weights: readonly number[]): number =>
  values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / weights.reduce((a, b) => a + b, 0)

const N = 20
const weights = Array.from({ length: N }, () => random() * 2)
const ones = weights.map(() => 1)
const labels = Array.from({ length: N }, () => integer(3))
const scores = labels.map(() => [random(), random(), random()])
const oneHot = labels.map((label) => [0, 1, 2].map((c) => Number(c === label)))
const argMax = (row: readonly number[]): number => row.indexOf(Math.max(...row))
const hits = labels.map((label, i) => Number(argMax(scores[i]!) === label))
const binary = Array.from({ length: N }, () => integer(2))
const chances = binary.map((label) => Math.min(1, Math.max(0, 0.35 * label + random() * 0.65)))

for (const [title, w] of [
  ['unweighted', undefined],
  ['weighted', weights],
] as const) {
  const used = w ?? ones
  test(`accuracies, ${title}`, async () => {
    close([await figure(metrics.sparseCategoricalAccuracy(), labels, scores, w)], [weightedMean(hits, used)], 1e-6)
    close([await figure(metrics.categoricalAccuracy(), oneHot, scores, w)], [weightedMean(hits, used)], 1e-6)
    const top = labels.map((label, i) => Number(scores[i]!.filter((score) => score > scores[i]![label]!).length < 2))
    close([await figure(metrics.topKCategoricalAccuracy({ k: 2 }), oneHot, scores, w)], [weightedMean(top, used)], 1e-6)
    close([await figure(metrics.topKCategoricalAccuracy({ k: 2 }), labels, scores, w)], [weightedMean(top, used)], 1e-6)
    const right = binary.map((label, i) => Number(chances[i]! > 0.5 === (label === 1)))
    close(
      [
        await figure(
          metrics.binaryAccuracy(),
          binary,
          chances.map((p) => [p]),
          w,
        ),
      ],
      [weightedMean(right, used)],
      1e-6,
    )
  })
  test(`accuracy takes the kind that the shapes say, ${title}`, async () => {
    close([await figure(metrics.accuracy(), labels, scores, w)], [weightedMean(hits, used)], 1e-6)
    close(
      [
        await figure(
          metrics.accuracy(),
          labels.map((label) => [label]),
          scores,
          w,
        ),
      ],
      [weightedMean(hits, used)],
      1e-6,
    )
    close([await figure(metrics.accuracy(), oneHot, scores, w)], [weightedMean(hits, used)], 1e-6)
    const logits = chances.map((p) => [Math.log(p / (1 - p))])
    const right = binary.map((label, i) => Number(chances[i]! > 0.5 === (label === 1)))
    close([await figure(metrics.accuracy(), binary, logits, w, { logitsOf: 'sigmoid' })], [weightedMean(right, used)], 1e-6)
  })
  test(`mse, mae, rmse and r2, ${title}`, async () => {
    const y = Array.from({ length: N }, () => random() * 3)
    const p = y.map((value) => value + random() - 0.4)
    const squares = y.map((value, i) => (value - p[i]!) ** 2)
    close(
      [
        await figure(
          metrics.mse(),
          y,
          p.map((v) => [v]),
          w,
        ),
      ],
      [weightedMean(squares, used)],
      1e-5,
    )
    close(
      [
        await figure(
          metrics.mae(),
          y,
          p.map((v) => [v]),
          w,
        ),
      ],
      [weightedMean(squares.map(Math.sqrt), used)],
      1e-5,
    )
    close(
      [
        await figure(
          metrics.rmse(),
          y,
          p.map((v) => [v]),
          w,
        ),
      ],
      [Math.sqrt(weightedMean(squares, used))],
      1e-5,
    )
    const center = weightedMean(y, used)
    const spread = weightedMean(
      y.map((value) => (value - center) ** 2),
      used,
    )
    close(
      [
        await figure(
          metrics.r2(),
          y,
          p.map((v) => [v]),
          w,
        ),
      ],
      [1 - weightedMean(squares, used) / spread],
      1e-4,
    )
  })
  test(`precision, recall and f1 of two classes, ${title}`, async () => {
    const sum = (keep: (i: number) => boolean): number => used.reduce((total, weight, i) => total + (keep(i) ? weight : 0), 0)
    const tp = sum((i) => chances[i]! > 0.5 && binary[i] === 1)
    const predicted = sum((i) => chances[i]! > 0.5)
    const actual = sum((i) => binary[i] === 1)
    const p = chances.map((chance) => [chance])
    close([await figure(metrics.precision(), binary, p, w)], [tp / predicted], 1e-5)
    close([await figure(metrics.recall(), binary, p, w)], [tp / actual], 1e-5)
    close([await figure(metrics.f1(), binary, p, w)], [(2 * tp) / (predicted + actual)], 1e-5)
  })
  test(`precision, recall and f1 of three classes, ${title}`, async () => {
    const count = (keep: (i: number) => boolean): number => used.reduce((total, weight, i) => total + (keep(i) ? weight : 0), 0)
    const each = [0, 1, 2].map((c) => ({
      tp: count((i) => argMax(scores[i]!) === c && labels[i] === c),
      predicted: count((i) => argMax(scores[i]!) === c),
      actual: count((i) => labels[i] === c),
    }))
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length
    const f1s = each.map(({ tp, predicted, actual }) => (2 * tp) / (predicted + actual))
    close([await figure(metrics.f1(), labels, scores, w)], [mean(f1s)], 1e-5)
    const total = each.reduce((sum, { actual }) => sum + actual, 0)
    close(
      [await figure(metrics.f1({ average: 'weighted' }), oneHot, scores, w)],
      [f1s.reduce((sum, f, c) => sum + f * each[c]!.actual, 0) / total],
      1e-5,
    )
    close([await figure(metrics.recall({ average: 'macro' }), labels, scores, w)], [mean(each.map(({ tp, actual }) => tp / actual))], 1e-5)
    // Keras' default: every score above 0.5 counts
    const positives =
      count((i) => scores[i]!.filter((s) => s > 0.5).length > 0) * 0 +
      scores.reduce((s, row, i) => s + used[i]! * row.filter((v) => v > 0.5).length, 0)
    const rights = count((i) => scores[i]![labels[i]!]! > 0.5)
    close([await figure(metrics.precision(), labels, scores, w)], [rights / positives], 1e-5)
    const one = count((i) => scores[i]![1]! > 0.5)
    close(
      [await figure(metrics.precision({ classId: 1 }), labels, scores, w)],
      [count((i) => scores[i]![1]! > 0.5 && labels[i] === 1) / one],
      1e-5,
    )
  })
  test(`auc: the trapezoids of 200 thresholds, near the exact area, ${title}`, async () => {
    const thresholds = Array.from({ length: 200 }, (_, i) => (i === 0 ? -1e-7 : i === 199 ? 1 + 1e-7 : i / 199))
    const above = (label: number): number[] =>
      thresholds.map((t) =>
        used.reduce((s, weight, i) => s + (binary[i] === label && Math.fround(chances[i]!) > Math.fround(t) ? weight : 0), 0),
      )
    const [positive, negative] = [above(1), above(0)]
    let area = 0
    for (let i = 0; i < 199; i++)
      area += ((negative[i]! - negative[i + 1]!) / negative[0]!) * ((positive[i]! + positive[i + 1]!) / 2 / positive[0]!)
    close([await figure(metrics.auc(), binary, chances, w)], [area], 1e-5)
    let pr = 0
    for (let i = 0; i < 199; i++) {
      const dtp = positive[i]! - positive[i + 1]!
      const [p, q] = [positive[i]! + negative[i]!, positive[i + 1]! + negative[i + 1]!]
      const slope = p > q ? dtp / (p - q) : 0
      const intercept = positive[i + 1]! - slope * q
      const ratio = p > 0 && q > 0 ? p / q : 1
      pr += (slope * (dtp + intercept * Math.log(ratio))) / positive[0]!
    }
    close([await figure(metrics.auc({ curve: 'PR' }), binary, chances, w)], [pr], 1e-4)
  })
}

/** Every metric as it is made by its name alone. */
const rows: readonly { name: MetricName; options?: object; y: unknown[]; p: unknown[]; figure: number; rising: boolean }[] = [
  ...(['accuracy', 'sparseCategoricalAccuracy'] as const).map((name) => ({
    name,
    y: [0, 1, 2, 1],
    p: [
      [0.7, 0.2, 0.1],
      [0.1, 0.8, 0.1],
      [0.5, 0.3, 0.2],
      [0.2, 0.3, 0.5],
    ],
    figure: 0.5,
    rising: true,
  })),
  {
    name: 'categoricalAccuracy',
    y: [
      [0, 1],
      [1, 0],
      [1, 0],
    ],
    p: [
      [0.2, 0.8],
      [0.7, 0.3],
      [0.1, 0.9],
    ],
    figure: 2 / 3,
    rising: true,
  },
  {
    name: 'topKCategoricalAccuracy',
    y: [6, 0],
    p: [
      [7, 6, 5, 4, 3, 2, 1],
      [2, 1, 3, 4, 5, 6, 1],
    ],
    figure: 0.5,
    rising: true,
  },
  {
    name: 'topKCategoricalAccuracy',
    options: { k: 1 },
    y: [1, 0],
    p: [
      [1, 2],
      [1, 2],
    ],
    figure: 0.5,
    rising: true,
  },
  { name: 'binaryAccuracy', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 0.75, rising: true },
  { name: 'binaryAccuracy', options: { threshold: 0.65 }, y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 1, rising: true },
  { name: 'precision', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 2 / 3, rising: true },
  { name: 'recall', y: [1, 0, 1, 1], p: [0.9, 0.6, 0.7, 0.2], figure: 2 / 3, rising: true },
  { name: 'f1', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 0.8, rising: true },
  { name: 'auc', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.4, 0.2], figure: 0.75, rising: true },
  { name: 'mse', y: [1, 2, 3], p: [1, 2, 5], figure: 4 / 3, rising: false },
  { name: 'mae', y: [1, 2, 3], p: [1, 2, 5], figure: 2 / 3, rising: false },
  { name: 'rmse', y: [1, 2, 3], p: [1, 2, 5], figure: Math.sqrt(4 / 3), rising: false },
  { name: 'r2', y: [1, 2, 3], p: [1, 2, 5], figure: -1, rising: true },
  {
    name: 'perplexity',
    y: [0, 1],
    p: [
      [0.5, 0.5],
      [0.25, 0.75],
    ],
    figure: Math.exp((Math.log(2) + Math.log(4 / 3)) / 2),
    rising: false,
  },
]
everyFactoryHasARow(
  factories,
  rows.map(({ name }) => name),
  'rows in test/model/metrics.test.ts',
)
for (const { name, options = {}, y, p, figure: expected, rising } of rows) {
  test(`${name} ${JSON.stringify(options)}: the figure, a clone, a reset, and again from its name and config`, async () => {
    const metric = metrics.resolveMetric(name, options)
    close([await figure(metric, y, p)], [expected], 1e-6)
    const [clone, saved] = [metric.clone!(), JSON.parse(JSON.stringify(metric.config)) as object]
    close([await figure(clone, y, p)], [expected], 1e-6)
    close([await figure(metrics.resolveMetric(metric.metricName, saved), y, p)], [expected], 1e-6)
    metric.reset!()
    close([await figure(metric, y, p)], [expected], 1e-6)
    for (const one of [metric, clone, factories[name]]) assert.is(one.rising, rising)
    assert.is(risingByName(`val_out_${name}`), rising)
    assert.is(metrics.resolveMetric(name, { ...options, name: 'own' }).name, 'own')
  })
}

test('calls that are not as the options say: the message shows the call to write', () => {
  throws('ERR_ARGUMENT', /Write metrics\.auc\(\{ numThresholds: 200 \}\)/, () => metrics.auc(200 as never))
  throws('ERR_ARGUMENT', /Write metrics\.topKCategoricalAccuracy\(\{ k: 3 \}\)/, () => metrics.topKCategoricalAccuracy(3 as never))
  for (const [name, factory] of Object.entries(factories)) {
    const call = factory as unknown as (...args: unknown[]) => unknown
    throws('ERR_ARGUMENT', /takes at most 1, got 2/, () => call({}, 3))
    for (const value of [null, 2, 'mean', [0.1], tensor(1)])
      throws('ERR_ARGUMENT', new RegExp(`Write metrics\\.${name}\\(\\{`), () => call(value))
    throws('ERR_ARGUMENT', /unknown option/, () => call({ treshold: 1 }))
    throws('ERR_ARGUMENT', /name is a string, got 3/, () => call({ name: 3 }))
  }
  throws('ERR_ARGUMENT', /average is one of/, () => metrics.f1({ average: 'mean' as never }))
  throws('ERR_ARGUMENT', /curve is one of/, () => metrics.auc({ curve: 'roc' as never }))
  throws('ERR_ARGUMENT', /threshold is a number/, () => metrics.precision({ threshold: '0.5' as never }))
  throws('ERR_ARGUMENT', /k must be an integer of at least 1/, () => metrics.topKCategoricalAccuracy({ k: 0 }))
  throws('ERR_ARGUMENT', /'__proto__' cannot be the name/, () => metrics.resolveMetric('mae', { name: '__proto__' }))
  throws('ERR_ARGUMENT', /unknown metric '__proto__'/, () => metrics.resolveMetric('__proto__'))
  throws('ERR_ARGUMENT', /unknown metric 'constructor'/, () => metrics.resolveMetric('constructor'))
})

test('topKCategoricalAccuracy: ties at the border count, values that are not finite do not', async () => {
  const top = (k: number, y: number[], p: number[][]): Promise<number> => figure(metrics.topKCategoricalAccuracy({ k }), y, p)
  const tied = [0.1, 0.3, 0.3, 0.3]
  assert.is(await top(1, [3], [tied]), 1)
  assert.is(await top(2, [1], [tied]), 1)
  assert.is(await top(3, [0], [tied]), 0)
  assert.is(await top(4, [0], [tied]), 1)
  assert.is(await top(2, [0], [[Number.NaN, 1, 2]]), 0)
  assert.is(await top(1, [1], [[0, Number.POSITIVE_INFINITY]]), 0)
})

/** R² in float64 of what float32 holds. */
function r2Of(y: readonly number[], p: readonly number[], w: readonly number[] = y.map(() => 1)): number {
  const [targets, predictions] = [y.map(Math.fround), p.map(Math.fround)]
  const center = weightedMean(targets, w)
  const sum = (values: readonly number[]): number => values.reduce((a, value, i) => a + value * w[i]!, 0)
  return 1 - sum(targets.map((value, i) => (value - predictions[i]!) ** 2)) / sum(targets.map((value) => (value - center) ** 2))
}
for (const center of [0, 10_000, 100_000, -311_030, 3e6])
  test(`r2 of targets ${center} ± 5, unweighted and weighted`, async () => {
    const draw = generator(3)
    const y = Array.from({ length: 300 }, () => center + 10 * draw() - 5)
    const p = y.map((value) => value + 4 * draw() - 2)
    const w = y.map(() => draw())
    close([await figure(metrics.r2(), y, p)], [r2Of(y, p)], 1e-5)
    close([await figure(metrics.r2(), y, p, w)], [r2Of(y, p, w.map(Math.fround))], 1e-5)
    // the first batch far away from the rest
    close([await figure(metrics.r2(), [0, 1, 2, ...y], [0, 1, 2, ...p])], [r2Of([0, 1, 2, ...y], [0, 1, 2, ...p])], 1e-5)
  })
test('r2 of equal targets: 1 where predictions are right, else 0, as scikit-learn', async () => {
  for (const value of [0, 0.1, 12345.678]) {
    const y = new Array<number>(7).fill(value)
    assert.is(await figure(metrics.r2(), y, y), 1)
    assert.is(
      await figure(
        metrics.r2(),
        y,
        y.map((v, i) => v + i),
      ),
      0,
    )
  }
  // one output of two is constant
  const y = [
    [1, 5],
    [2, 5],
    [3, 5],
  ]
  assert.is(
    await figure(metrics.r2(), y, [
      [1, 5],
      [2, 5],
      [3, 6],
    ]),
    0.5,
  )
  const masked = metrics.r2()
  masked.update(tensor([1, 2, 3, 90]), tensor([1, 2, 3, 0]), { mask: tensor([true, true, true, false]) })
  assert.is(await masked.result().item(), 1)
  const none = metrics.r2()
  none.update(tensor([7, 8]), tensor([1, 2]), { mask: tensor([false, false]) })
  none.update(tensor([1, 2, 3]), tensor([1, 2, 5]))
  close([await none.result().item()], [-1], 1e-6)
})

test('auc of predictions that are no probabilities is NaN', async () => {
  const [y, logits] = [
    [1, 0, 1, 0],
    [3, -2, 0.4, -0.1],
  ]
  assert.ok(Number.isNaN(await figure(metrics.auc(), y, logits)))
  assert.is(await figure(metrics.auc(), y, logits, undefined, { logitsOf: 'sigmoid' }), 1)
  assert.ok(Number.isNaN(await figure(metrics.auc({ curve: 'PR' }), y, [0.1, Number.NaN, 0.2, 0.3])))
  // rounding is no fault, and what does not count may be anything
  assert.is(await figure(metrics.auc(), [1, 0], [1 + 1e-6, -1e-6]), 1)
  assert.is(await figure(metrics.auc(), [1, 0, 1], [0.9, 0.1, 8], [1, 1, 0]), 1)
})

test('own metrics: targets are aligned', async () => {
  const own = metrics.resolveMetric((y: Tensor, p: Tensor) => p.sub(y).square().mean())
  assert.is(await figure(own, [1, 2, 3], [[1], [2], [3]]), 0)
  throws('ERR_SHAPE', /do not fit/, () => own.update(tensor([1, 2]), tensor([[1], [2], [3]])))
})

/** Evaluates a layer with large weights on random data; gives the figures and the warnings. */
async function fitted(activation: 'softmax' | 'sigmoid' | 'linear', units: number, compile: CompileOptions): Promise<[Logs, string]> {
  const draw = generator(9)
  const warnings: string[] = []
  const keep = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', keep)
  const net = sequential([
    layers.dense({ units, activation, kernelInitializer: initializers.randomNormal({ stddev: 60, seed: 1 }), inputShape: [3] }),
  ])
  net.compile({ optimizer: 'sgd', ...compile })
  const x = Array.from({ length: 40 }, () => [draw(), draw() - 0.5, draw()])
  const y = x.map((_, i) => (i * 7) % Math.max(units, 2))
  const logs = await net.evaluate(x, y)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', keep)
  return [logs, warnings.join('; ')]
}

test('a metric has the value of the loss of its name, saturated activations included', async () => {
  const sparse = 'sparseCategoricalCrossentropy'
  for (const loss of [sparse, losses.sparseCategoricalCrossentropy({ fromLogits: true })] as losses.LossLike[]) {
    const [logs] = await fitted('softmax', 3, {
      loss,
      metrics: [sparse, losses.sparseCategoricalCrossentropy({ fromLogits: true }), 'perplexity'],
    })
    assert.ok(logs['loss']! > 17, String(logs['loss']))
    close([logs[sparse]!, Math.log(logs['perplexity']!)], [logs['loss']!, logs['loss']!], 1e-4)
  }
  for (const activation of ['sigmoid', 'linear'] as const) {
    const loss = activation === 'sigmoid' ? 'binaryCrossentropy' : losses.binaryCrossentropy({ fromLogits: true })
    const [logs] = await fitted(activation, 1, { loss, metrics: ['binaryCrossentropy', loss] })
    assert.ok(logs['loss']! > 9, String(logs['loss']))
    close([logs['binaryCrossentropy']!], [logs['loss']!], 1e-4)
  }
})

test('auc beside an own loss on logits: NaN, and a warning that says why', async () => {
  const own = (y: Tensor, p: Tensor): Tensor => losses.binaryCrossentropy({ fromLogits: true, reduction: 'none' })(y, p)
  const [logs, warning] = await fitted('linear', 1, { loss: own, metrics: ['auc'] })
  assert.ok(Number.isNaN(logs['auc']))
  assert.match(warning, /auc: predictions must lie in \[0, 1\].*fromLogits: true/)
})

test('softmax of one unit: a warning that names the right loss', async () => {
  const [, warning] = await fitted('softmax', 1, { loss: 'mse' })
  assert.match(warning, /softmax over one unit.*'sigmoid' and loss 'binaryCrossentropy'/)
})

test('masked values do not count', async () => {
  const metric = metrics.mae()
  metric.update(tensor([1, 2, 3]), tensor([1, 5, 4]), { mask: tensor([true, false, true]) })
  close([await metric.result().item()], [0.5], 1e-6)
})

test('clone has a state of its own, reset goes back to zero', async () => {
  for (const make of [metrics.accuracy, metrics.f1, metrics.auc, metrics.r2] as (() => Metric)[]) {
    const metric = make()
    metric.update(tensor([1, 0]), tensor([0.9, 0.7]))
    const before = await metric.result().item()
    const other = metric.clone!()
    other.update(tensor([1, 0]), tensor([0.1, 0.7]))
    assert.is(await metric.result().item(), before)
    metric.reset!()
    metric.update(tensor([1, 0]), tensor([0.1, 0.7]))
    assert.is(await metric.result().item(), await other.result().item())
  }
})

test('names, losses and functions as metrics', async () => {
  assert.is(metrics.resolveMetric('mae').name, 'mae')
  assert.is(metrics.resolveMetric('meanSquaredError').name, 'meanSquaredError')
  close([await figure(metrics.resolveMetric('hinge'), [[1], [-1]], [[0.5], [0.25]])], [(0.5 + 1.25) / 2], 1e-6)
  const worst = metrics.resolveMetric(function worstError(y: { sub: (p: unknown) => { abs: () => never } }, p: unknown) {
    return y.sub(p).abs()
  })
  assert.is(worst.name, 'worstError')
  close([await figure(worst, [1, 2, 3, 4], [1, 3, 5, 4])], [0.75], 1e-6)
  assert.throws(() => metrics.resolveMetric('acuracy'), /accuracy/)
  assert.is(
    codeOf(() => metrics.resolveMetric(4)),
    'ERR_ARGUMENT',
  )
})

test('shapes that do not fit throw', () => {
  assert.is(
    codeOf(() => metrics.mae().update(tensor([1, 2, 3]), tensor([[1, 2, 3]]))),
    'ERR_SHAPE',
  )
  assert.is(
    codeOf(() => metrics.sparseCategoricalAccuracy().update(tensor([1, 2]), tensor([[1, 2, 3]]))),
    'ERR_SHAPE',
  )
  assert.is(
    codeOf(() => metrics.precision({ classId: 3 }).update(tensor([1]), tensor([[1, 2, 3]]))),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => metrics.auc({ numThresholds: 1 })),
    'ERR_ARGUMENT',
  )
})

test.run()
