// tf.losses: weighted losses of labels and predictions as one scalar. tf.metrics: one value per row.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { asTensor } from '../core/create.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { sum } from './ops.js'

/** How losses become one: not at all, the mean by weights, the sum, the sum over the number of weights but 0. */
export const Reduction = { NONE: 0, MEAN: 1, SUM: 2, SUM_BY_NONZERO_WEIGHTS: 3 } as const
export type ReductionKind = (typeof Reduction)[keyof typeof Reduction]

/** Losses times weights, reduced. */
export function computeWeightedLoss(
  losses: TensorLike,
  weights?: TensorLike,
  reduction: ReductionKind = Reduction.SUM_BY_NONZERO_WEIGHTS,
): Tensor {
  const each = asTensor(losses)
  const weighted = weights === undefined ? each : ops.mul(each, weights)
  switch (reduction) {
    case Reduction.NONE:
      return weighted
    case Reduction.SUM:
      return ops.sum(weighted)
    case Reduction.MEAN: {
      if (weights === undefined) return ops.mean(weighted)
      const spread = ops.broadcastTo(asTensor(weights), [...each.shape])
      return ops.div(ops.sum(weighted), ops.sum(spread))
    }
    case Reduction.SUM_BY_NONZERO_WEIGHTS: {
      if (weights === undefined) return ops.div(ops.sum(weighted), each.size)
      const spread = ops.broadcastTo(asTensor(weights), [...each.shape])
      return ops.div(ops.sum(weighted), ops.sum(ops.notEqual(spread, 0).cast('float32')))
    }
    default:
      throw new WeftError('ERR_ARGUMENT', `losses: reduction must be one of Reduction, got ${show(reduction)}`)
  }
}
export type Weighted = (labels: TensorLike, predictions: TensorLike, weights?: TensorLike, reduction?: ReductionKind) => Tensor
const weighted =
  (each: (labels: Tensor, predictions: Tensor) => Tensor): Weighted =>
  (labels, predictions, weights, reduction) =>
    computeWeightedLoss(each(asTensor(labels), asTensor(predictions)), weights, reduction)

export const absoluteDifference: Weighted = weighted((y, p) => ops.abs(ops.sub(y, p)))
export const meanSquaredError: Weighted = weighted((y, p) => ops.squaredDifference(y, p))
export const hingeLoss: Weighted = weighted((y, p) => ops.relu(ops.sub(1, ops.mul(ops.sub(ops.mul(y, 2), 1), p))))
export const cosineDistance = (
  labels: TensorLike,
  predictions: TensorLike,
  axis: number,
  weights?: TensorLike,
  reduction?: ReductionKind,
): Tensor => computeWeightedLoss(ops.sub(1, sum(ops.mul(labels, predictions), axis, true)), weights, reduction)
/** A loss with a setting between weights and reduction. */
export type WeightedWith = (
  labels: TensorLike,
  predictions: TensorLike,
  weights?: TensorLike,
  setting?: number,
  reduction?: ReductionKind,
) => Tensor
const weightedWith =
  (usual: number, each: (labels: Tensor, predictions: Tensor, setting: number) => Tensor): WeightedWith =>
  (labels, predictions, weights, setting = usual, reduction) =>
    computeWeightedLoss(each(asTensor(labels), asTensor(predictions), setting), weights, reduction)

/** The setting is delta. */
export const huberLoss: WeightedWith = weightedWith(1, (y, p, delta) => {
  const error = ops.abs(ops.sub(p, y))
  const quadratic = ops.minimum(error, delta)
  return ops.add(ops.mul(ops.square(quadratic), 0.5), ops.mul(ops.sub(error, quadratic), delta))
})
/** The setting is epsilon. */
export const logLoss: WeightedWith = weightedWith(1e-7, (y, p, epsilon) => {
  const yes = ops.mul(y, ops.log(ops.add(p, epsilon)))
  const no = ops.mul(ops.sub(1, y), ops.log(ops.add(ops.sub(1, p), epsilon)))
  return ops.neg(ops.add(yes, no))
})
/** The setting is the smoothing of labels. */
export const sigmoidCrossEntropy: WeightedWith = weightedWith(0, (labels, x, smoothing) => {
  const y = smoothing > 0 ? ops.add(ops.mul(labels, 1 - smoothing), 0.5 * smoothing) : labels
  return ops.add(ops.sub(ops.relu(x), ops.mul(x, y)), ops.softplus(ops.neg(ops.abs(x))))
})
/** The setting is the smoothing of labels. */
export const softmaxCrossEntropy: WeightedWith = weightedWith(0, (labels, logits, smoothing) => {
  const given = labels.cast('float32')
  const y = smoothing > 0 ? ops.add(ops.mul(given, 1 - smoothing), smoothing / given.shape.at(-1)!) : given
  return ops.neg(sum(ops.mul(y, ops.logSoftmax(logits, -1)), -1))
})
