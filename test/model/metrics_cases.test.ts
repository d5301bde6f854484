// Metrics in cases that formulas leave open: ties, equal or large targets, predictions that are no probabilities; and
// beside their losses.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { initializers, layers, losses, sequential, type Tensor, tensor } from '../../lib/index.js'
import { resolveMetric } from '../../lib/metrics/by_name.js'
import * as metrics from '../../lib/metrics/index.js'
import type { CompileOptions } from '../../lib/model/objective.js'
import type { Logs } from '../../lib/model/step.js'
import { close, generator, throws } from '../expect.js'
import { figure, weightedMean } from './figure.js'

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
  const own = resolveMetric((y: Tensor, p: Tensor) => p.sub(y).square().mean())
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

test.run()
