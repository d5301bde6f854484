// Loss: what a loss function is, how targets are aligned with predictions, and how losses of samples are weighted and
// reduced.
import { asTensor } from '../core/create.js'
import { unknownName, WeftError } from '../core/error.js'
import { isFloat, sameShape, type Shape } from '../core/spec.js'
import { show } from '../core/options.js'
import { settingsText, shownAs } from '../core/shown.js'
import { sharing } from '../core/share.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import '../ops/index.js'
import { seeingToMasks } from '../ops/masks.js'

export interface LossCallOptions {
  /** Weights of the samples [n], or of every loss that is reduced. */
  sampleWeight?: TensorLike | undefined
  /**
   * True where a value counts: [n] or the shape of the losses before reduction. Default: the mask of the predictions.
   */
  mask?: Tensor | undefined
}

/**
 * 'mean': the mean over all elements (weights: Σw·l / n; with a mask, over the valid ones). 'none': one loss per
 * sample.
 */
export type Reduction = 'mean' | 'sum' | 'none'

export interface Loss {
  (yTrue: TensorLike, yPred: TensorLike, options?: LossCallOptions): Tensor
  /** The string that names it, as compile() takes it. */
  readonly lossName: string
  readonly config: Readonly<Record<string, unknown>>
  /** Whether name and config make it again: false for a user's own function. */
  readonly saved: boolean
  /** Losses from probabilities: the activation they undo, and the same loss from what that activation was given. */
  readonly logits?: { readonly activation: 'softmax' | 'sigmoid'; readonly given: boolean; readonly loss: () => Loss }
}

/** A loss may be a plain function of targets and predictions, which returns a scalar or one loss per sample. */
export type LossFunction = (yTrue: Tensor, yPred: Tensor, options?: LossCallOptions) => Tensor

/** Keras' spelling of the default. */
const SAME_AS_MEAN = 'sumOverBatchSize'

export interface LossDefinition {
  name: string
  config: Record<string, unknown>
  reduction: Reduction | typeof SAME_AS_MEAN | undefined
  /**
   * Losses per sample, before weights: targets and predictions are floats of one shape unless `raw`. `steps` is the
   * mask [batch, time], of losses that read it.
   */
  each: (yTrue: Tensor, yPred: Tensor, steps?: Tensor) => Tensor
  /** The loss makes one value of all steps of a sample: it reads their mask itself. */
  readsSteps?: boolean
  /** Targets are class numbers: the loss looks at them itself. */
  raw?: boolean
  /** The activation whose inputs the loss can take instead of its results; see Loss.logits. */
  logits?: Loss['logits']
  /** Values left out of the loss, in addition to those that the caller masks. */
  valid?: (yTrue: Tensor, yPred: Tensor) => Tensor | undefined
}

/** @internal Makes the callable that users hold. */
export function defineLoss(definition: LossDefinition): Loss {
  const { name, config, each, raw = false, valid, readsSteps = false } = definition
  const reduction = definition.reduction === undefined || definition.reduction === SAME_AS_MEAN ? 'mean' : definition.reduction
  const compute = (yTrue: TensorLike, yPred: TensorLike, options: LossCallOptions): Tensor => {
    const predictions = floats(asTensor(yPred))
    let targets = asTensor(yTrue)
    if (!raw) targets = floats(alignTarget(name, targets, predictions), predictions)
    const told = options.mask ?? predictions.mask
    const steps = readsSteps && told && told.rank > 1 ? told : undefined
    const given = steps ? undefined : told
    const own = valid?.(targets, predictions)
    const mask = own && given ? own.logicalAnd(fitRank(name, given, own.shape)) : (own ?? given)
    return reduceLoss(name, each(targets, predictions, steps), { ...options, mask }, reduction)
  }
  const call = (yTrue: TensorLike, yPred: TensorLike, options: LossCallOptions = {}): Tensor => {
    checkCallOptions(name, options)
    return seeingToMasks(() => compute(yTrue, yPred, options))
  }
  const loss = Object.assign(call, {
    lossName: name,
    config,
    saved: true,
    ...(definition.logits ? { logits: definition.logits } : {}),
  }) as Loss
  shownAs(loss, () => `Loss ${name}${settingsText(config)}`)
  return loss
}

/** What a loss or metric may be told beside its values; the last two by the model, to metrics. */
const CALL_OPTIONS: readonly string[] = ['sampleWeight', 'mask', 'logitsOf', 'logits']

/**
 * @internal Throws ERR_ARGUMENT unless what a loss or metric is told beside its values is an object with a Tensor for a
 * mask.
 */
export function checkCallOptions(name: string, options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new WeftError('ERR_ARGUMENT', `${name}: options are an object, got ${show(options)}`, {
      hint: 'Write { sampleWeight, mask }',
    })
  const unknown = Object.keys(options).find((key) => !CALL_OPTIONS.includes(key))
  if (unknown !== undefined) throw new WeftError('ERR_ARGUMENT', `${name}: ${unknownName('option', unknown, CALL_OPTIONS).message}`)
  const { mask } = options as LossCallOptions
  if (mask !== undefined && !(mask instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `${name}: mask is a Tensor, got ${show(mask)}`)
}

/** The tensor as floats; integers and bools take the dtype of `like`, else float32. */
export function floats(t: Tensor, like?: Tensor): Tensor {
  if (like && t.dtype !== like.dtype) return t.cast(like.dtype)
  return isFloat(t.dtype) ? t : t.cast('float32')
}

/** The mean over the last axis; values [n] are one per sample already. */
export const meanOverLast = (t: Tensor): Tensor => (t.rank < 2 ? t : t.mean(-1))

/**
 * Targets in the shape of the predictions. Targets [n] are reshaped for predictions [n, 1], and the reverse. Any other
 * difference of shape throws: nothing broadcasts.
 */
export function alignTarget(what: string, yTrue: Tensor, yPred: Tensor): Tensor {
  if (sameShape(yTrue.shape, yPred.shape)) return yTrue
  if (yTrue.rank === yPred.rank - 1 && yPred.shape.at(-1) === 1 && sameShape(yTrue.shape, yPred.shape.slice(0, -1)))
    return yTrue.expandDims(-1)
  if (yTrue.rank === yPred.rank + 1 && yTrue.shape.at(-1) === 1 && sameShape(yPred.shape, yTrue.shape.slice(0, -1)))
    return yTrue.squeeze(-1)
  const classNumbers =
    yPred.rank >= 2 && (sameShape(yTrue.shape, yPred.shape.slice(0, -1)) || sameShape(yTrue.shape, [...yPred.shape.slice(0, -1), 1]))
  const classes = yPred.shape.at(-1)
  throw new WeftError('ERR_SHAPE', `${what}: targets of shape [${yTrue.shape}] do not fit predictions of shape [${yPred.shape}]`, {
    shapes: [yTrue.shape, yPred.shape],
    hint:
      classNumbers && what.startsWith('categorical')
        ? `The targets look like class numbers: use 'sparseC${what.slice(1)}', or toCategorical(y, ${classes})`
        : 'Targets need the shape of the predictions; only a last axis of 1 may be missing',
  })
}

/**
 * Targets for a user's own function: aligned with the predictions as above. Class numbers are left alone if the
 * predictions have an axis of classes.
 */
export function alignOwn(what: string, yTrue: Tensor, yPred: Tensor): Tensor {
  const lead = yPred.shape.slice(0, -1)
  const classes = yPred.rank > 0 && yPred.shape.at(-1)! > 1
  return classes && (sameShape(yTrue.shape, lead) || sameShape(yTrue.shape, [...lead, 1])) ? yTrue : alignTarget(what, yTrue, yPred)
}

/** Adds axes of 1 at the end of weights or masks [n] or [n, t], so that they broadcast to values of `shape`. */
export function fitRank(what: string, t: Tensor, shape: Shape): Tensor {
  let fitted = t
  if (fitted.rank > shape.length && fitted.shape.slice(shape.length).every((extent) => extent === 1))
    fitted = fitted.reshape(fitted.shape.slice(0, shape.length))
  const lead = shape.slice(0, fitted.rank)
  if (fitted.rank > shape.length || !fitted.shape.every((extent, i) => extent === lead[i] || extent === 1)) {
    throw new WeftError('ERR_SHAPE', `${what}: weights or mask of shape [${t.shape}] do not fit losses of shape [${shape}]`, {
      shapes: [t.shape, shape],
    })
  }
  return fitted.rank === shape.length ? fitted : fitted.reshape([...fitted.shape, ...new Array<number>(shape.length - fitted.rank).fill(1)])
}

/** Weights and reduces losses of any shape. */
function reduceLoss(what: string, losses: Tensor, options: LossCallOptions, reduction: Reduction): Tensor {
  const { sampleWeight, mask } = options
  let weighted = losses
  if (sampleWeight !== undefined) weighted = weighted.mul(fitRank(what, floats(asTensor(sampleWeight), losses), losses.shape))
  const counted = mask && fitRank(what, mask, losses.shape).cast(losses.dtype)
  if (counted) weighted = weighted.mul(counted)
  if (reduction === 'none') return weighted
  // a share of a batch counts as much as it has of the rows, see lib/core/share.ts: other sums are brought to that
  const share = sharing()
  const scale = share && share.weight > 0 ? 1 / share.weight : 1
  if (reduction === 'sum') return weighted.sum().mul(scale)
  if (!counted) return weighted.mean()
  // a mask [n, 1] of losses [n, t] counts once for every value that it covers
  const valid = counted.sum().mul(losses.size / Math.max(counted.size, 1))
  if (share === undefined) return weighted.sum().div(valid.maximum(1))
  const all = share.sum(valid.cast('float32').mul(share.weight > 0 ? 1 : 0))
  return weighted.sum().div(all.maximum(1)).mul(scale)
}
