// Losses of real-valued targets, and those of margins and distributions. Formulas and defaults: Keras 3.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { maximum, where } from '../ops/index.js'
import { defineLoss, type Loss, meanOverLast, type Reduction } from './loss.js'

export interface LossOptions {
  /** Default 'mean'. */
  reduction?: Reduction | 'sumOverBatchSize'
}
export const LOSS_OPTIONS: OptionTable<LossOptions> = { reduction: ['mean', 'sum', 'none', 'sumOverBatchSize'] }

const EPSILON = 1e-7

function simple(name: string, each: (yTrue: Tensor, yPred: Tensor) => Tensor): (options?: LossOptions) => Loss {
  return function (options = {}) {
    checkCall(`losses.${name}(options)`, arguments, LOSS_OPTIONS)
    return defineLoss({ name, config: { ...options }, reduction: options.reduction, each })
  }
}

/** Mean over the last axis of (yTrue - yPred)². */
export const meanSquaredError: (options?: LossOptions) => Loss = simple('meanSquaredError', (y, p) => meanOverLast(p.squaredDifference(y)))

/** Mean over the last axis of |yTrue - yPred|. */
export const meanAbsoluteError: (options?: LossOptions) => Loss = simple('meanAbsoluteError', (y, p) => meanOverLast(p.sub(y).abs()))

/**
 * Mean over the last axis of 100·|yTrue - yPred| / max(|yTrue|, 1e-7). Targets near 0 make it large without a bound:
 * scale the targets, or use meanSquaredLogarithmicError.
 */
export const meanAbsolutePercentageError: (options?: LossOptions) => Loss = simple('meanAbsolutePercentageError', (y, p) =>
  meanOverLast(p.sub(y).abs().div(maximum(y.abs(), EPSILON)).mul(100)),
)

/** Mean over the last axis of (log(1 + yTrue) - log(1 + yPred))², both at least 1e-7. */
export const meanSquaredLogarithmicError: (options?: LossOptions) => Loss = simple('meanSquaredLogarithmicError', (y, p) =>
  meanOverLast(maximum(p, EPSILON).log1p().squaredDifference(maximum(y, EPSILON).log1p())),
)

/** How far each product of target and prediction is from 1, and 0 beyond. */
function margin(y: Tensor, p: Tensor): Tensor {
  const binary = y.equal(0).logicalOr(y.equal(1)).all()
  const signs = where(binary, y.mul(2).sub(1), y)
  return maximum(signs.mul(p).neg().add(1), 0)
}

/** Mean over the last axis of max(1 - yTrue·yPred, 0); targets are -1 and 1; targets 0 and 1 become -1 and 1. */
export const hinge: (options?: LossOptions) => Loss = simple('hinge', (y, p) => meanOverLast(margin(y, p)))

/** Mean over the last axis of max(1 - yTrue·yPred, 0)²; targets are -1 and 1; targets 0 and 1 become -1 and 1. */
export const squaredHinge: (options?: LossOptions) => Loss = simple('squaredHinge', (y, p) => meanOverLast(margin(y, p).square()))

/**
 * max(0, 1 + the largest prediction of the other classes - the prediction of the class): max((1 - yTrue)·yPred) and
 * Σ yTrue·yPred over the last axis. Targets are one-hot.
 */
export const categoricalHinge: (options?: LossOptions) => Loss = simple('categoricalHinge', (y, p) =>
  maximum(y.neg().add(1).mul(p).max(-1).sub(y.mul(p).sum(-1)).add(1), 0),
)

/** Σ over the last axis of yTrue·log(yTrue / yPred), both clipped to [1e-7, 1]. */
export const klDivergence: (options?: LossOptions) => Loss = simple('klDivergence', (y, p) => {
  const target = y.clip(EPSILON, 1)
  return target.mul(target.div(p.clip(EPSILON, 1)).log()).sum(-1)
})

/** Mean over the last axis of yPred - yTrue·log(yPred + 1e-7). */
export const poisson: (options?: LossOptions) => Loss = simple('poisson', (y, p) => meanOverLast(p.sub(y.mul(p.add(EPSILON).log()))))

/** Mean over the last axis of log(cosh(yPred - yTrue)). */
export const logCosh: (options?: LossOptions) => Loss = simple('logCosh', (y, p) => {
  const error = p.sub(y)
  // -½·log(1 - tanh²) keeps its precision next to 0, where the other form is a difference of nearly equal numbers
  const small = error.clip(-1, 1).tanh().square().neg().log1p().mul(-0.5)
  const large = error.add(error.mul(-2).softplus()).sub(Math.LN2)
  return meanOverLast(where(error.abs().less(1), small, large))
})

export interface HuberOptions extends LossOptions {
  /** Where the loss goes from squared to linear. Default 1. */
  delta?: number
}
const HUBER_OPTIONS: OptionTable<HuberOptions> = { delta: 'number', ...LOSS_OPTIONS }

/** Mean over the last axis of ½e² where |e| ≤ delta, else delta·|e| - ½delta², with e = yTrue - yPred. */
export function huber(options: HuberOptions = {}): Loss {
  checkCall('losses.huber(options)', arguments, HUBER_OPTIONS)
  const { delta = 1 } = options
  if (!(delta > 0)) throw new WeftError('ERR_ARGUMENT', `losses.huber: delta must be a positive number, got ${show(delta)}`)
  const each = (y: Tensor, p: Tensor): Tensor => {
    const size = p.sub(y).abs()
    return meanOverLast(where(size.lessEqual(delta), size.square().mul(0.5), size.mul(delta).sub(0.5 * delta * delta)))
  }
  return defineLoss({ name: 'huber', config: { ...options }, reduction: options.reduction, each })
}

export interface CosineSimilarityOptions extends LossOptions {
  /** The axis the vectors lie along. Default -1. */
  axis?: number
}
const COSINE_OPTIONS: OptionTable<CosineSimilarityOptions> = { axis: 'integer', ...LOSS_OPTIONS }

/** -cos of the angle between yTrue and yPred: -1 for the same direction. */
export function cosineSimilarity(options: CosineSimilarityOptions = {}): Loss {
  checkCall('losses.cosineSimilarity(options)', arguments, COSINE_OPTIONS)
  const { axis = -1 } = options
  const each = (y: Tensor, p: Tensor): Tensor => normalize(y, axis).mul(normalize(p, axis)).sum(axis).neg()
  return defineLoss({ name: 'cosineSimilarity', config: { ...options }, reduction: options.reduction, each })
}

/** Vectors of length 1; those near 0 stay near 0. */
export const normalize = (t: Tensor, axis: number): Tensor => t.mul(maximum(t.square().sum(axis, { keepDims: true }), 1e-12).rsqrt())
