// Metrics at thresholds against scikit-learn's curves, weighted and masked counts, and metrics of the user's own.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callbacks, layers, metrics, sequential, type Tensor, tensor } from '../../lib/index.js'
import { close, throws } from '../expect.js'
import { recorded } from '../oracle/torch_values.js'
import { figure } from './figure.js'

test('operating points of the curves of scikit-learn', async () => {
  const { labels, levels, ...expected } = recorded.curves
  const p = labels.map((_, i) => (i * 0.618034) % 1)
  // thresholds so close that each lies between two scores
  const numThresholds = 20_001
  const found = await Promise.all(
    levels.map(async (level) => [
      await figure(metrics.precisionAtRecall({ recall: level, numThresholds }), labels, p),
      await figure(metrics.recallAtPrecision({ precision: level, numThresholds }), labels, p),
      await figure(metrics.sensitivityAtSpecificity({ specificity: level, numThresholds }), labels, p),
    ]),
  )
  for (const [i, name] of (['precisionAtRecall', 'recallAtPrecision', 'sensitivityAtSpecificity'] as const).entries())
    close(
      found.map((row) => row[i]!),
      expected[name],
      1e-6,
    )
})

test('predictions that are no probabilities have no operating point', async () => {
  assert.ok(Number.isNaN(await figure(metrics.precisionAtRecall(), [1, 0], [2, -3])))
  throws('ERR_ARGUMENT', /recall must lie in \[0, 1\], got 1.5/, () => metrics.precisionAtRecall({ recall: 1.5 }))
  throws('ERR_ARGUMENT', /numThresholds must be an integer/, () => metrics.recallAtPrecision({ numThresholds: 0 }))
})

test('counts: weights, masks and class numbers', async () => {
  const count = metrics.falsePositives()
  count.update(tensor([[0], [0], [1]]), tensor([[0.9], [0.8], [0.7]]), { sampleWeight: [2, 3, 5] })
  count.update(tensor([[0], [0]]), tensor([[0.9], [0.8]]), { mask: tensor([true, false]) })
  assert.is(await count.result().item(), 6)
  const many = metrics.trueNegatives()
  many.update(
    tensor([2, 0]),
    tensor([
      [0.1, 0.6, 0.3],
      [0.7, 0.2, 0.1],
    ]),
  )
  assert.is(await many.result().item(), 3)
})

class Within extends metrics.Metric {
  private readonly hits = this.addState('hits')
  private readonly count = this.addState('count')

  constructor(readonly distance: number) {
    super('within', { rising: true })
  }
  override update(yTrue: Tensor, yPred: Tensor, options: metrics.UpdateOptions = {}): void {
    const near = yPred.sub(yTrue).abs().less(this.distance).cast('float32')
    const weights = this.weightsOf(near.shape, options) ?? near.onesLike()
    this.hits.assign(this.hits.add(near.mul(weights).sum()))
    this.count.assign(this.count.add(weights.broadcastTo(near.shape).sum()))
  }
  override result(): Tensor {
    return this.hits.div(this.count)
  }
}

test('a metric of the class metrics.Metric: weights, reset, epochs of fit, and callbacks that watch it', async () => {
  const own = new Within(0.5)
  own.update(tensor([[1], [2], [3]]), tensor([[1.2], [4], [3.1]]), { sampleWeight: [1, 1, 2] })
  close([await own.result().item()], [0.75], 1e-6)
  own.reset()
  own.update(tensor([[1]]), tensor([[9]]))
  assert.is(await own.result().item(), 0)
  const net = sequential([layers.dense({ units: 1, kernelInitializer: 'ones', inputShape: [1] })])
  net.compile({ optimizer: 'sgd', loss: 'mse', metrics: [new Within(0.5)] })
  const [x, y] = [tensor([[0], [1], [2], [3]]), tensor([[0.1], [1.2], [2.9], [3]])]
  const stop = callbacks.earlyStopping({ monitor: 'within', patience: 5 })
  const { history } = await net.fit(x, y, { epochs: 2, batchSize: 2, shuffle: false, verbose: 0, callbacks: [stop] })
  assert.is(history['within']![0], 0.75)
  assert.is(((await net.evaluate(x, y)) as Record<string, number>)['within'], 0.75)
})

test('a metric without a name, and with an option that there is not', () => {
  const Base = metrics.Metric as unknown as new (...args: unknown[]) => metrics.Metric
  class Own extends Base {}
  throws('ERR_ARGUMENT', /a name is a string, got undefined\. Write super\('name'\)/, () => new Own())
  throws('ERR_ARGUMENT', /unknown option 'risen'/, () => new Own('own', { risen: true }))
})

test.run()
