// Metrics of real-valued targets: mse, mae, rmse, r2.
import { asTensor } from '../core/apply.js'
import { checkOptions, WeftError } from '../core/error.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { alignTarget, floats, meanOverLast } from '../losses/loss.js'
import { MeanMetric, type Metric, type MetricOptions, ratio, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

const pair = (what: string, yTrue: Tensor, yPred: Tensor): [Tensor, Tensor] => {
  const p = floats(yPred)
  return [floats(alignTarget(what, yTrue, p), p), p]
}

const error = (name: string, each: (y: Tensor, p: Tensor) => Tensor, finish?: (mean: Tensor) => Tensor) => {
  return (options: MetricOptions = {}): Metric => {
    checkOptions(`metrics.${name}`, options, ['name'])
    return new MeanMetric(name, options, (yTrue, yPred) => each(...pair(name, yTrue, yPred)), finish)
  }
}

const squared = (y: Tensor, p: Tensor): Tensor => meanOverLast(p.squaredDifference(y))

/** Mean of (yTrue - yPred)². */
export const mse: (options?: MetricOptions) => Metric = error('mse', squared)
/** Mean of |yTrue - yPred|. */
export const mae: (options?: MetricOptions) => Metric = error('mae', (y, p) => meanOverLast(p.sub(y).abs()))
/** Root of the mean of (yTrue - yPred)². */
export const rmse: (options?: MetricOptions) => Metric = error('rmse', squared, (mean) => mean.sqrt())

/** 1 - Σ(yTrue - yPred)² / Σ(yTrue - mean)², the mean over outputs. */
class R2 extends StandardMetric {
  constructor(options: MetricOptions) {
    checkOptions('metrics.r2', options, ['name'])
    super('r2', options, () => new R2(options))
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const [y, p] = pair('r2', asTensor(yTrue), predictions)
    const outputs = p.rank < 2 ? 1 : p.shape.at(-1)!
    // [samples, outputs]
    const rows = (t: Tensor): Tensor => t.reshape([-1, outputs])
    const weights = weightsFor('r2', p.shape, { ...options, mask: options.mask ?? predictions.mask })
    const w = weights && rows(weights.broadcastTo(p.shape))
    const counted = (t: Tensor): Tensor => (w ? t.mul(w) : t).sum(0)
    const sums: [string, Tensor][] = [
      ['sum', counted(rows(y))],
      ['squares', counted(rows(y).square())],
      ['residual', counted(rows(p.squaredDifference(y)))],
      ['count', counted(rows(y.mul(0).add(1)))],
    ]
    for (const [name, sum] of sums) {
      const state = this.stateOf(name, [outputs])
      state.assign(state.add(sum))
    }
  }

  result(): Tensor {
    const [sum, squares, residual, count] = this.state as readonly Tensor[]
    if (!sum || !squares || !residual || !count) throw new WeftError('ERR_STATE', 'r2: update() has not been called yet')
    const spread = squares.sub(ratio(sum.square(), count))
    return residual.div(spread).neg().add(1).mean()
  }
}

/** Coefficient of determination R². */
export const r2 = (options: MetricOptions = {}): Metric => new R2(options)
