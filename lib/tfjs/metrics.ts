// tf.metrics: functions of targets and predictions, one value per row.
import { asTensor } from '../core/create.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import * as weft from '../losses/index.js'
import * as ops from '../ops/index.js'
import { mean, sum } from './ops.js'

export type Metric = (yTrue: TensorLike, yPred: TensorLike) => Tensor
const perRow = (loss: (options: { reduction: 'none' }) => (y: TensorLike, p: TensorLike) => Tensor): Metric => loss({ reduction: 'none' })
export const meanAbsolutePercentageError: Metric = (y, p) =>
  mean(ops.mul(ops.abs(ops.div(ops.sub(y, p), ops.clip(ops.abs(asTensor(y)), 1e-7, Number.MAX_VALUE))), 100), -1)

export const binaryAccuracy: Metric = (y, p) => mean(ops.equal(y, ops.greater(p, 0.5).cast('float32')).cast('float32'), -1)
export const categoricalAccuracy: Metric = (y, p) => ops.equal(ops.argMax(y, -1), ops.argMax(p, -1)).cast('float32')
export const sparseCategoricalAccuracy: Metric = (y, p) =>
  ops.equal(ops.reshape(asTensor(y), [-1]).cast('int32'), ops.argMax(p, -1)).cast('float32')
export const binaryCrossentropy: Metric = perRow(weft.binaryCrossentropy)
export const categoricalCrossentropy: Metric = perRow(weft.categoricalCrossentropy)
export const cosineProximity: Metric = perRow(weft.cosineSimilarity)
export const meanAbsoluteError: Metric = perRow(weft.meanAbsoluteError)
export const meanSquaredError: Metric = perRow(weft.meanSquaredError)
export const MSE: Metric = perRow(weft.meanSquaredError)
export const mse: Metric = perRow(weft.meanSquaredError)
export const MAPE: Metric = meanAbsolutePercentageError
export const mape: Metric = meanAbsolutePercentageError
export const r2Score: Metric = (y, p) => {
  const residual = sum(ops.squaredDifference(y, p))
  const total = sum(ops.squaredDifference(y, mean(y)))
  return ops.sub(1, ops.div(residual, total))
}
