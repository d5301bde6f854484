// Metrics of real-valued targets: mse, mae, rmse, r2.
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { alignTarget, floats, meanOverLast } from '../losses/loss.js'
import { where } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { MeanMetric, type Merge, type Metric, type MetricOptions, ratio, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

const pair = (what: string, yTrue: Tensor, yPred: Tensor): [Tensor, Tensor] => {
  const p = floats(yPred)
  return [floats(alignTarget(what, yTrue, p), p), p]
}

const error = (name: string, each: (y: Tensor, p: Tensor) => Tensor, finish?: (mean: Tensor) => Tensor): MetricFactory =>
  defineMetric({
    name,
    rising: false,
    options: {},
    make: (options) => new MeanMetric(name, options, (yTrue, yPred) => each(...pair(name, yTrue, yPred)), finish),
  })

const squared = (y: Tensor, p: Tensor): Tensor => meanOverLast(p.squaredDifference(y))

/** Mean of (yTrue - yPred)². */
export const mse: MetricFactory = error('mse', squared)
/** Mean of |yTrue - yPred|. */
export const mae: MetricFactory = error('mae', (y, p) => meanOverLast(p.sub(y).abs()))
/** Root of the mean of (yTrue - yPred)². */
export const rmse: MetricFactory = error('rmse', squared, (mean) => mean.sqrt())

/**
 * count, origin, mean, deviations and residual of two sets of rows as those of both; means are counted from origins.
 */
function mergedMoments([n, origin, mean, deviations, residual]: readonly Tensor[], more: readonly Tensor[]): Tensor[] {
  const [m, otherOrigin, otherMean, otherDeviations, otherResidual] = more as [Tensor, Tensor, Tensor, Tensor, Tensor]
  const start = where(n!.equal(0), otherOrigin, origin!)
  const count = n!.add(m)
  const own = where(n!.equal(0), 0, mean!)
  const apart = where(m.equal(0), 0, otherOrigin.sub(start).add(otherMean)).sub(where(m.equal(0), 0, own))
  const share = ratio(m, count)
  const between = apart.square().mul(n!).mul(share)
  return [count, start, own.add(apart.mul(share)), deviations!.add(otherDeviations).add(between), residual!.add(otherResidual)]
}

/**
 * 1 - Σ(yTrue - yPred)² / Σ(yTrue - mean)², the mean over outputs. No sums of squares are subtracted: each batch has
 * its own mean and sum of squared deviations, which are merged (Chan, Golub and LeVeque, 1979). Targets are counted
 * from one of the first batch, so that large targets that lie close together keep their digits, and equal ones deviate
 * by exactly 0.
 */
class R2 extends StandardMetric {
  override readonly merge: Merge = mergedMoments

  constructor(options: MetricOptions) {
    super('r2', options)
  }

  protected remake(): Metric {
    return new R2(this.config)
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const [y, p] = pair('r2', asTensor(yTrue), predictions)
    if (p.size === 0) return
    const outputs = p.rank < 2 ? 1 : p.shape.at(-1)!
    // [samples, outputs]
    const rows = (t: Tensor): Tensor => t.reshape([-1, outputs])
    const weights = weightsFor('r2', p.shape, { ...options, mask: options.mask ?? predictions.mask })
    const w = weights && rows(weights.broadcastTo(p.shape))
    const sum = (t: Tensor): Tensor => (w ? t.mul(w) : t).sum(0)
    const state = (name: string): Variable => this.stateOf(name, [outputs])
    const [count, origin, mean, deviations, residual] = ['count', 'origin', 'mean', 'deviations', 'residual'].map(state) as [
      Variable,
      Variable,
      Variable,
      Variable,
      Variable,
    ]

    const added = sum(rows(y.mul(0).add(1)))
    const largest = (w ? where(w.equal(0), Number.NEGATIVE_INFINITY, rows(y)) : rows(y)).max(0)
    const start = where(count.notEqual(0), origin, where(added.equal(0), 0, largest))
    const shifted = rows(y).sub(start)
    const roughly = ratio(sum(shifted), added)
    // the second pass takes out what rounding left in the first mean
    const around = shifted.sub(roughly)
    const left = ratio(sum(around), added)
    const [ownMean, ownDeviations] = [roughly.add(left), sum(around.sub(left).square())]

    const total = count.add(added)
    const apart = ownMean.sub(mean)
    const share = ratio(added, total)
    deviations.assign(deviations.add(ownDeviations).add(apart.square().mul(count).mul(share)))
    mean.assign(mean.add(apart.mul(share)))
    residual.assign(residual.add(sum(rows(p.squaredDifference(y)))))
    origin.assign(start)
    count.assign(total)
  }

  result(): Tensor {
    const [, , , deviations, residual] = this.state as readonly Tensor[]
    if (!deviations || !residual) throw new WeftError('ERR_STATE', 'r2: update() has not been called yet')
    const score = ratio(residual, deviations).neg().add(1)
    // targets that are all equal: 1 where every prediction is right, else 0, as in scikit-learn
    return where(deviations.equal(0), residual.equal(0).cast('float32'), score).mean()
  }
}

/**
 * Coefficient of determination R², the mean over outputs. Targets that are all equal: 1 where every prediction is
 * right, else 0.
 */
export const r2: MetricFactory = defineMetric({ name: 'r2', rising: true, options: {}, make: (options) => new R2(options) })
