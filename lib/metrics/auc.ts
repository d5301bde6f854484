// auc: the area under the ROC or precision-recall curve, from counts at fixed thresholds as Keras does.
import { asTensor, tensor } from '../core/apply.js'
import { checkOptions, unknownName, WeftError } from '../core/error.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { alignTarget, fitRank, floats } from '../losses/loss.js'
import { maximum, where } from '../ops/index.js'
import { type Metric, type MetricOptions, ratio, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

export interface AucOptions extends MetricOptions {
  /** Default 200. */
  numThresholds?: number
  /** Default 'ROC'. */
  curve?: 'ROC' | 'PR'
}

const CURVES = ['ROC', 'PR']

class Auc extends StandardMetric {
  private readonly thresholds: Float32Array
  private readonly curve: 'ROC' | 'PR'
  /** Weights of the positives, and of the negatives, above each threshold: [thresholds]. */
  private readonly truePositives: Variable
  private readonly falsePositives: Variable
  private readonly positives: Variable
  private readonly negatives: Variable

  constructor(options: AucOptions) {
    checkOptions('metrics.auc', options, ['name', 'numThresholds', 'curve'])
    super('auc', options, () => new Auc(options))
    const { numThresholds = 200, curve = 'ROC' } = options
    if (!Number.isInteger(numThresholds) || numThresholds < 2)
      throw new WeftError('ERR_ARGUMENT', `auc: numThresholds must be an integer of at least 2, got ${numThresholds}`)
    if (!CURVES.includes(curve)) throw unknownName('curve', curve, CURVES)
    this.curve = curve
    // the ends lie outside [0, 1], so that the curve has both corners
    this.thresholds = Float32Array.from({ length: numThresholds }, (_, i) =>
      i === 0 ? -1e-7 : i === numThresholds - 1 ? 1 + 1e-6 : i / (numThresholds - 1),
    )
    this.truePositives = this.addState('truePositives', [numThresholds])
    this.falsePositives = this.addState('falsePositives', [numThresholds])
    this.positives = this.addState('positives', [])
    this.negatives = this.addState('negatives', [])
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
  }

  result(): Tensor {
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

/** Area under the curve over fixed thresholds; the exact area is in weftjs/learn. */
export const auc = (options: AucOptions = {}): Metric => new Auc(options)
