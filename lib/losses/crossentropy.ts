// Cross-entropies: from probabilities, or from the logits that a softmax or sigmoid would be given. Formulas and
// defaults: Keras 3.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'
import { softmaxCrossEntropy, sparseSoftmaxCrossEntropy } from '../ops/index.js'
import { wholeNumbers } from '../ops/ids.js'
import { defineLoss, type Loss, meanOverLast } from './loss.js'
import { LOSS_OPTIONS, type LossOptions } from './regression.js'

export interface CrossentropyOptions extends LossOptions {
  /** Predictions are logits, not probabilities. Default false. */
  fromLogits?: boolean
}
export interface SmoothedCrossentropyOptions extends CrossentropyOptions {
  /** Share of every target that is spread evenly over the classes. Default 0. */
  labelSmoothing?: number
}
export interface CategoricalCrossentropyOptions extends SmoothedCrossentropyOptions {
  /** The axis of the classes. Default -1. */
  axis?: number
}
export interface SparseCategoricalCrossentropyOptions extends CrossentropyOptions {
  /** Class number that does not count. */
  ignoreClass?: number
  /** The axis of the classes. Default -1. */
  axis?: number
}
export const BINARY_OPTIONS: OptionTable<SmoothedCrossentropyOptions> = { labelSmoothing: 'number', fromLogits: 'boolean', ...LOSS_OPTIONS }
export const CATEGORICAL_OPTIONS: OptionTable<CategoricalCrossentropyOptions> = { ...BINARY_OPTIONS, axis: 'integer' }
const SPARSE_OPTIONS: OptionTable<SparseCategoricalCrossentropyOptions> = {
  ignoreClass: 'integer',
  fromLogits: 'boolean',
  axis: 'integer',
  ...LOSS_OPTIONS,
}

const EPSILON = 1e-7

export function smoothing(name: string, share: number): number {
  if (!(share >= 0 && share <= 1)) throw new WeftError('ERR_ARGUMENT', `${name}: labelSmoothing must lie in [0, 1], got ${show(share)}`)
  return share
}

/** Moves the classes to the last axis. */
export function classesLast(t: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + t.rank : axis
  if (at === t.rank - 1) return t
  const order = Array.from({ length: t.rank }, (_, i) => i).filter((i) => i !== at)
  return t.transpose([...order, at])
}

function warnOfOneClass(name: string): void {
  warnOnce(
    'WEFT_ONE_CLASS',
    `${name}: the predictions have one class, whose probability is always 1, so nothing is learned. ` +
      "For two classes and one output use loss 'binaryCrossentropy' and activation 'sigmoid'",
    name,
  )
}

/**
 * Mean over the last axis of -(yTrue·log(yPred) + (1 - yTrue)·log(1 - yPred)); probabilities are clipped to [1e-7, 1 -
 * 1e-7].
 */
export function binaryCrossentropy(options: SmoothedCrossentropyOptions = {}): Loss {
  checkCall('losses.binaryCrossentropy(options)', arguments, BINARY_OPTIONS)
  const { fromLogits = false } = options
  const share = smoothing('binaryCrossentropy', options.labelSmoothing ?? 0)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const target = share === 0 ? y : y.mul(1 - share).add(0.5 * share)
    const other = target.neg().add(1)
    // -log(sigmoid(p)) is softplus(-p): both terms keep their precision where one of them is next to nothing, and so do
    // their slopes
    if (fromLogits) return meanOverLast(target.mul(p.neg().softplus()).add(other.mul(p.softplus())))
    const clipped = p.clip(EPSILON, 1 - EPSILON)
    return meanOverLast(target.mul(clipped.log()).add(other.mul(clipped.neg().log1p())).neg())
  }
  return defineLoss({
    name: 'binaryCrossentropy',
    config: { ...options },
    reduction: options.reduction,
    each,
    logits: { activation: 'sigmoid', given: fromLogits, loss: () => binaryCrossentropy({ ...options, fromLogits: true }) },
  })
}

/**
 * -Σ over the classes of yTrue·log(yPred), targets one-hot or distributions; probabilities are divided by their sum,
 * then clipped.
 */
export function categoricalCrossentropy(options: CategoricalCrossentropyOptions = {}): Loss {
  checkCall('losses.categoricalCrossentropy(options)', arguments, CATEGORICAL_OPTIONS)
  const { fromLogits = false, axis = -1 } = options
  const share = smoothing('categoricalCrossentropy', options.labelSmoothing ?? 0)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const predictions = classesLast(p, axis)
    let target = classesLast(y, axis)
    const classes = predictions.shape.at(-1)!
    if (classes === 1) warnOfOneClass('categoricalCrossentropy')
    if (share > 0) target = target.mul(1 - share).add(share / classes)
    if (fromLogits) return softmaxCrossEntropy(predictions, target)
    const normalized = predictions.div(predictions.sum(-1, { keepDims: true })).clip(EPSILON, 1 - EPSILON)
    return target.mul(normalized.log()).sum(-1).neg()
  }
  return defineLoss({
    name: 'categoricalCrossentropy',
    config: { ...options },
    reduction: options.reduction,
    each,
    logits: { activation: 'softmax', given: fromLogits, loss: () => categoricalCrossentropy({ ...options, fromLogits: true }) },
  })
}

/**
 * -log of the probability of class yTrue. Targets are class numbers [n] or [n, 1], predictions are [n, classes]. A
 * number that is no class is a fault (ERR_DATA).
 */
export function sparseCategoricalCrossentropy(options: SparseCategoricalCrossentropyOptions = {}): Loss {
  checkCall('losses.sparseCategoricalCrossentropy(options)', arguments, SPARSE_OPTIONS)
  const { fromLogits = false, ignoreClass, axis = -1 } = options
  const ignored = (y: Tensor, p: Tensor): Tensor | undefined =>
    ignoreClass === undefined ? undefined : classNumbers(y, classesLast(p, axis)).notEqual(ignoreClass)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const predictions = classesLast(p, axis)
    if (predictions.shape.at(-1) === 1) warnOfOneClass('sparseCategoricalCrossentropy')
    let labels = classNumbers(y, predictions)
    if (ignoreClass !== undefined) labels = labels.mul(labels.notEqual(ignoreClass).cast('int32'))
    return sparseSoftmaxCrossEntropy(fromLogits ? predictions : predictions.clip(EPSILON, 1 - EPSILON).log(), labels)
  }
  return defineLoss({
    name: 'sparseCategoricalCrossentropy',
    config: { ...options },
    reduction: options.reduction,
    each,
    raw: true,
    valid: ignored,
    logits: { activation: 'softmax', given: fromLogits, loss: () => sparseCategoricalCrossentropy({ ...options, fromLogits: true }) },
  })
}

/** Class numbers as int32 of the predictions' shape without the classes. */
function classNumbers(y: Tensor, predictions: Tensor): Tensor {
  const expected = predictions.shape.slice(0, -1)
  let labels = y
  if (labels.rank === expected.length + 1 && labels.shape.at(-1) === 1) labels = labels.squeeze(-1)
  if (!sameShape(labels.shape, expected)) {
    const oneHot = sameShape(y.shape, predictions.shape)
    throw new WeftError(
      'ERR_SHAPE',
      `sparseCategoricalCrossentropy: targets of shape [${y.shape}] do not fit predictions of shape [${predictions.shape}]; class numbers of shape [${expected}] are expected`,
      {
        shapes: [y.shape, predictions.shape],
        hint: oneHot
          ? "The targets look one-hot: use 'categoricalCrossentropy', or y.argMax(-1)"
          : 'One integer per sample, from 0 to the number of classes - 1',
      },
    )
  }
  return wholeNumbers(labels)
}
