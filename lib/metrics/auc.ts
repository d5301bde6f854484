// auc: the area under the ROC or precision-recall curve, from counts at fixed thresholds as Keras does.
import { integer } from '../core/checks.js'
import { asTensor, tensor } from '../core/create.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { alignTarget, fitRank, floats } from '../losses/loss.js'
import { maximum, where } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { type Metric, type MetricOptions, ratio, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

export interface AucOptions extends MetricOptions {
  /** Default 200. */
  numThresholds?: number
  /** Default 'ROC'. */
  curve?: 'ROC' | 'PR'
}

/** Rounding may take a probability so far out of [0, 1]. */
const TOLERANCE = 1e-5
/** More would take longer than an exact AUC. */
const MOST_THRESHOLDS = 2 ** 20

class Auc extends StandardMetric {
  private readonly thresholds: Float32Array
  private readonly options: AucOptions
  private readonly curve: 'ROC' | 'PR'
  /** Predictions that are no probabilities. */
  private readonly outside: Variable
  readonly ifNan: string
  /** Weights of the positives, and of the negatives, above each threshold: [thresholds]. */
  private readonly truePositives: Variable
  private readonly falsePositives: Variable
  private readonly positives: Variable
  private readonly negatives: Variable

  constructor(options: AucOptions) {
    super('auc', options)
    const { numThresholds = 200, curve = 'ROC' } = options
    this.options = options
    integer('auc', 'numThresholds', numThresholds, 2, MOST_THRESHOLDS)
    this.ifNan =
      `${this.name}: predictions must lie in [0, 1], and some do not, so the area is NaN. ` +
      'End the model with a sigmoid or softmax, or use a loss with fromLogits: true, which tells the metric too'
    this.curve = curve
    // the ends lie outside [0, 1], so that the curve has both corners
    this.thresholds = Float32Array.from({ length: numThresholds }, (_, i) =>
      i === 0 ? -1 : i === numThresholds - 1 ? 2 : i / (numThresholds - 1),
    )
    this.truePositives = this.addState('truePositives', [numThresholds])
    this.falsePositives = this.addState('falsePositives', [numThresholds])
    this.positives = this.addState('positives', [])
    this.negatives = this.addState('negatives', [])
    this.outside = this.addState('outside', [])
  }

  protected remake(): Metric {
    return new Auc(this.options)
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const { logitsOf } = options
    const p = floats(logitsOf === 'sigmoid' ? predictions.sigmoid() : logitsOf === 'softmax' ? predictions.softmax() : predictions)
    const truth = alignTarget('auc', asTensor(yTrue), p).greater(0.5).cast('float32').reshape([-1])
    const weights = weightsFor('auc', p.shape, { ...options, mask: options.mask ?? predictions.mask })
    const each = weights && fitRank('auc', weights, p.shape).broadcastTo(p.shape).reshape([-1])
    const positive = each ? truth.mul(each) : truth
    const negative = each ? each.sub(positive) : truth.neg().add(1)
    // [samples, thresholds]
    const above = p
      .reshape([-1, 1])
      .greater(tensor(this.thresholds).reshape([1, -1]))
      .cast('float32')
    this.truePositives.assign(this.truePositives.add(positive.expandDims(0).matMul(above).squeeze(0)))
    this.falsePositives.assign(this.falsePositives.add(negative.expandDims(0).matMul(above).squeeze(0)))
    this.positives.assign(this.positives.add(positive.sum()))
    this.negatives.assign(this.negatives.add(negative.sum()))
    // a NaN is not inside either
    const inside = p
      .greaterEqual(-TOLERANCE)
      .logicalAnd(p.lessEqual(1 + TOLERANCE))
      .reshape([-1])
    const strange = inside.logicalNot().cast('float32')
    this.outside.assign(this.outside.add((each ? strange.mul(each.notEqual(0).cast('float32')) : strange).sum()))
  }

  result(): Tensor {
    return where(this.outside.greater(0), Number.NaN, this.area())
  }

  private area(): Tensor {
    const last = this.thresholds.length - 1
    const head = (t: Tensor): Tensor => t.slice([0], [last])
    const tail = (t: Tensor): Tensor => t.slice([1], [last])
    if (this.curve === 'ROC') {
      const rises = ratio(this.truePositives, this.positives)
      const runs = ratio(this.falsePositives, this.negatives)
      return head(runs)
        .sub(tail(runs))
        .mul(head(rises).add(tail(rises)))
        .mul(0.5)
        .sum()
    }
    // interpolation between thresholds: Davis and Goadrich, 2006
    const dtp = head(this.truePositives).sub(tail(this.truePositives))
    const all = this.truePositives.add(this.falsePositives)
    const slope = ratio(dtp, maximum(head(all).sub(tail(all)), 0))
    const intercept = tail(this.truePositives).sub(slope.mul(tail(all)))
    const grows = head(all).greater(0).logicalAnd(tail(all).greater(0))
    const growth = where(grows, ratio(head(all), maximum(tail(all), 0)), 1)
    const increments = ratio(slope.mul(dtp.add(intercept.mul(growth.log()))), maximum(this.positives, 0).broadcastTo(dtp.shape))
    return increments.sum()
  }
}

/**
 * Area under the curve over fixed thresholds, with trapezoids between them. Predictions are probabilities, or logits of
 * a loss that says so; where some lie outside [0, 1] the area is NaN, and training warns.
 */
export const auc: MetricFactory<AucOptions> = defineMetric<AucOptions>({
  name: 'auc',
  rising: true,
  options: { numThresholds: 'integer', curve: ['ROC', 'PR'] },
  make: (options) => new Auc(options),
})
