// Focal cross-entropies: samples that are right already count less (Lin et al. 2017). Formulas and defaults: Keras 3.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { logSoftmax } from '../ops/index.js'
import {
  BINARY_OPTIONS,
  CATEGORICAL_OPTIONS,
  type CategoricalCrossentropyOptions,
  classesLast,
  type SmoothedCrossentropyOptions,
  smoothing,
} from './crossentropy.js'
import { defineLoss, type Loss, meanOverLast } from './loss.js'

interface FocalOptions {
  /** How fast samples that are right lose their weight: the factor is (1 - probability)^gamma. Default 2. */
  gamma?: number
}
export interface BinaryFocalCrossentropyOptions extends SmoothedCrossentropyOptions, FocalOptions {
  /** Weights class 1 by alpha and class 0 by 1 - alpha. Default false. */
  applyClassBalancing?: boolean
  /** Default 0.25. */
  alpha?: number
}
export interface CategoricalFocalCrossentropyOptions extends CategoricalCrossentropyOptions, FocalOptions {
  /** A factor of the loss, or one for each class. Default 0.25. */
  alpha?: number | readonly number[]
}
const BINARY: OptionTable<BinaryFocalCrossentropyOptions> = {
  gamma: 'number',
  alpha: 'number',
  applyClassBalancing: 'boolean',
  ...BINARY_OPTIONS,
}
const CATEGORICAL: OptionTable<CategoricalFocalCrossentropyOptions> = { gamma: 'number', alpha: 'any', ...CATEGORICAL_OPTIONS }

const EPSILON = 1e-7

function exponent(name: string, gamma: number): number {
  if (!(gamma >= 0 && Number.isFinite(gamma)))
    throw new WeftError('ERR_ARGUMENT', `losses.${name}: gamma must be a number of at least 0, got ${show(gamma)}`)
  return gamma
}

/** The least number whose root has a slope that is still a number beside a large loss. */
const LEAST = 1e-12

/** x^gamma for x in [0, 1]. A root is infinitely steep at 0, and is cut off before. */
function raised(x: Tensor, gamma: number): Tensor {
  if (gamma === 1) return x
  return gamma === 2 ? x.square() : gamma < 1 ? x.clip(LEAST, 1).pow(gamma) : x.pow(gamma)
}

/**
 * Mean over the last axis of -w·(yTrue·(1 - p)^gamma·log(p) + (1 - yTrue)·p^gamma·log(1 - p)), with p = yPred; for
 * targets between 0 and 1 the factor is (1 - yTrue·p - (1 - yTrue)·(1 - p))^gamma. w is 1, or with applyClassBalancing
 * yTrue·alpha + (1 - yTrue)·(1 - alpha). Probabilities are clipped to [1e-7, 1 - 1e-7]. Lin et al., 2017.
 */
export function binaryFocalCrossentropy(options: BinaryFocalCrossentropyOptions = {}): Loss {
  checkCall('losses.binaryFocalCrossentropy(options)', arguments, BINARY)
  const { fromLogits = false, applyClassBalancing = false, alpha = 0.25 } = options
  const gamma = exponent('binaryFocalCrossentropy', options.gamma ?? 2)
  const share = smoothing('binaryFocalCrossentropy', options.labelSmoothing ?? 0)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const target = share === 0 ? y : y.mul(1 - share).add(0.5 * share)
    const other = target.neg().add(1)
    const probability = fromLogits ? p.sigmoid() : p.clip(EPSILON, 1 - EPSILON)
    const rest = fromLogits ? p.neg().sigmoid() : probability.neg().add(1)
    // -log(sigmoid(p)) is softplus(-p), which keeps its digits
    const cross = fromLogits
      ? target.mul(p.neg().softplus()).add(other.mul(p.softplus()))
      : target.mul(probability.log()).add(other.mul(probability.neg().log1p())).neg()
    const wrong = target.mul(rest).add(other.mul(probability))
    const focal = gamma === 0 ? cross : cross.mul(raised(wrong, gamma))
    return meanOverLast(applyClassBalancing ? focal.mul(target.mul(alpha).add(other.mul(1 - alpha))) : focal)
  }
  return defineLoss({
    name: 'binaryFocalCrossentropy',
    config: { ...options },
    reduction: options.reduction,
    each,
    logits: { activation: 'sigmoid', given: fromLogits, loss: () => binaryFocalCrossentropy({ ...options, fromLogits: true }) },
  })
}

/**
 * -Σ over the classes of alpha·(1 - p)^gamma·yTrue·log(p), targets one-hot or distributions. p is yPred divided by its
 * sum over the classes and clipped to [1e-7, 1 - 1e-7], or the softmax of logits. Lin et al., 2017.
 */
export function categoricalFocalCrossentropy(options: CategoricalFocalCrossentropyOptions = {}): Loss {
  checkCall('losses.categoricalFocalCrossentropy(options)', arguments, CATEGORICAL)
  const name = 'categoricalFocalCrossentropy'
  const { fromLogits = false, axis = -1, alpha = 0.25 } = options
  const gamma = exponent(name, options.gamma ?? 2)
  const share = smoothing(name, options.labelSmoothing ?? 0)
  if (![alpha].flat().every((weight) => typeof weight === 'number' && Number.isFinite(weight)))
    throw new WeftError('ERR_ARGUMENT', `losses.${name}: alpha is a number or a list of them, got ${show(alpha)}`)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const predictions = classesLast(p, axis)
    const classes = predictions.shape.at(-1)!
    if (typeof alpha !== 'number' && alpha.length !== classes)
      throw new WeftError('ERR_ARGUMENT', `losses.${name}: alpha has ${alpha.length} weights, and there are ${classes} classes`)
    let target = classesLast(y, axis)
    if (share > 0) target = target.mul(1 - share).add(share / classes)
    const logs = fromLogits
      ? logSoftmax(predictions)
      : predictions
          .div(predictions.sum(-1, { keepDims: true }))
          .clip(EPSILON, 1 - EPSILON)
          .log()
    const cross = target.mul(logs).neg()
    const focal = gamma === 0 ? cross : cross.mul(raised(logs.expm1().neg(), gamma))
    return focal.mul(typeof alpha === 'number' ? alpha : [...alpha]).sum(-1)
  }
  return defineLoss({
    name,
    config: { ...options },
    reduction: options.reduction,
    each,
    logits: { activation: 'softmax', given: fromLogits, loss: () => categoricalFocalCrossentropy({ ...options, fromLogits: true }) },
  })
}
