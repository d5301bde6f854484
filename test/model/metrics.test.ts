// Metrics against direct formulas, over several batches, weighted and masked.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, type Model, sequential, tensor } from '../../lib/index.js'
import { resolveMetric } from '../../lib/metrics/by_name.js'
import * as metrics from '../../lib/metrics/index.js'
import type { Metric } from '../../lib/metrics/index.js'
import { close, codeOf, generator } from '../expect.js'
import { figure, weightedMean } from './figure.js'

const random = generator(11)
const integer = (n: number): number => Math.floor(random() * n)

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
  assert.is(resolveMetric('mae').name, 'mae')
  assert.is(resolveMetric('meanSquaredError').name, 'meanSquaredError')
  close([await figure(resolveMetric('hinge'), [[1], [-1]], [[0.5], [0.25]])], [(0.5 + 1.25) / 2], 1e-6)
  const worst = resolveMetric(function worstError(y: { sub: (p: unknown) => { abs: () => never } }, p: unknown) {
    return y.sub(p).abs()
  })
  assert.is(worst.name, 'worstError')
  close([await figure(worst, [1, 2, 3, 4], [1, 3, 5, 4])], [0.75], 1e-6)
  assert.throws(() => resolveMetric('acuracy'), /accuracy/)
  assert.is(
    codeOf(() => resolveMetric(4)),
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

test('names of figures: those of every object are figures, that of the loss is taken', async () => {
  const named = (name: string): Model => {
    const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
    net.compile({ loss: 'mse', metrics: [metrics.mae({ name })] })
    return net
  }
  for (const name of ['constructor', 'toString']) {
    const { history } = await named(name).fit([[1], [2]], [1, 2], { epochs: 2, verbose: 0 })
    assert.is((history as Record<string, number[]>)[name]!.length, 2)
  }
  for (const name of ['__proto__', 'loss']) assert.throws(() => named(name), /cannot be the name of a metric/)
})

test.run()
