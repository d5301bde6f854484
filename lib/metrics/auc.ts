// auc: the area under the ROC or precision-recall curve, from counts at fixed thresholds as Keras does.
import { integer } from '../core/checks.js'
import type { Tensor } from '../core/tensor.js'
import { maximum, where } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { type Metric, type MetricOptions, ratio } from './metric.js'
import { ThresholdMetric } from './thresholds.js'

export interface AucOptions extends MetricOptions {
  /** Default 200. */
  numThresholds?: number
  /** Default 'ROC'. */
  curve?: 'ROC' | 'PR'
}

/** More would take longer than an exact AUC. */
const MOST_THRESHOLDS = 2 ** 20

class Auc extends ThresholdMetric {
  private readonly options: AucOptions
  private readonly curve: 'ROC' | 'PR'

  constructor(options: AucOptions) {
    const { numThresholds = 200, curve = 'ROC' } = options
    integer('auc', 'numThresholds', numThresholds, 2, MOST_THRESHOLDS)
    // the ends lie outside [0, 1], so that the curve has both corners
    const inner = (i: number): number => i / (numThresholds - 1)
    const thresholds = Float32Array.from({ length: numThresholds }, (_, i) => (i === 0 ? -1 : i === numThresholds - 1 ? 2 : inner(i)))
    super('auc', options, thresholds, 'area')
    this.options = options
    this.curve = curve
  }

  protected remake(): Metric {
    return new Auc(this.options)
  }

  protected figure(): Tensor {
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
