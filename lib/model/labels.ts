// Labels: class numbers as one-hot rows.
import { integer } from '../core/checks.js'
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall } from '../core/options.js'
import { wholeNumbers } from '../ops/ids.js'
import { oneHot } from '../ops/index.js'
import type { Tensor, TensorLike } from '../core/tensor.js'

/** Classes that are found from the labels: more are a mistake in the data rather than classes. */
const MOST_FOUND = 2 ** 24

/**
 * One-hot rows float32 [..., classes] of class numbers [...] or [..., 1].
 * @param numClasses default: the largest number + 1, which is found on the host
 */
export function toCategorical(y: TensorLike, numClasses?: number): Tensor {
  checkCall('toCategorical(y, numClasses)', arguments)
  const given = asTensor(y)
  const labels = given.rank > 1 && given.shape.at(-1) === 1 ? given.squeeze(-1) : given
  const classes = numClasses ?? Number((labels.size === 0 ? undefined : wholeNumbers(labels).max().dataSync()[0]) ?? -1) + 1
  integer('toCategorical', 'numClasses', classes, 1)
  if (numClasses === undefined && classes > MOST_FOUND)
    throw new WeftError('ERR_DATA', `toCategorical: the largest label makes ${classes} classes`, { hint: 'Give numClasses if it is right' })
  checkLabels(labels, classes)
  return oneHot(wholeNumbers(labels), classes)
}

/**
 * Throws ERR_DATA for a label that is no class; values that a function being traced computes are not there to be looked
 * at.
 */
function checkLabels(labels: Tensor, classes: number): void {
  if (labels.recording !== undefined) return
  const values = labels.dataSync()
  for (let i = 0; i < values.length; i++) {
    const label = Number(values[i])
    if (Number.isInteger(label) && label >= 0 && label < classes) continue
    throw new WeftError('ERR_DATA', `toCategorical: label ${i} is ${label}, which is none of the ${classes} classes 0 to ${classes - 1}`, {
      hint: label === classes ? 'Labels start at 0: subtract 1 from labels that start at 1' : 'numClasses is the largest label + 1',
    })
  }
}
