// Labels: class numbers as one-hot rows.
import { asTensor } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import { oneHot } from '../ops/index.js'
import type { Tensor, TensorLike } from '../core/tensor.js'

/**
 * One-hot rows float32 [..., classes] of class numbers [...] or [..., 1].
 * @param numClasses default: the largest number + 1, which is found on the host
 */
export function toCategorical(y: TensorLike, numClasses?: number): Tensor {
  checkCall('toCategorical(y, numClasses)', arguments)
  const given = asTensor(y)
  const labels = given.rank > 1 && given.shape.at(-1) === 1 ? given.squeeze(-1) : given
  const classes = numClasses ?? Number((labels.size === 0 ? undefined : labels.cast('int32').max().dataSync()[0]) ?? -1) + 1
  if (!Number.isInteger(classes) || classes < 1) {
    throw new WeftError('ERR_ARGUMENT', `toCategorical: numClasses must be a positive integer, got ${String(numClasses ?? classes)}`)
  }
  return oneHot(labels.cast('int32'), classes)
}
