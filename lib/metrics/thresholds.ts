// Metrics of probabilities at many thresholds: how many of the positives, and of the negatives, lie above each.
import { asTensor, tensor } from '../core/create.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { alignTarget, fitRank, floats } from '../losses/loss.js'
import { where } from '../ops/index.js'
import { type MetricOptions, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

/** Rounding may take a probability so far out of [0, 1]. */
const TOLERANCE = 1e-5

export abstract class ThresholdMetric extends StandardMetric {
  protected readonly thresholds: Float32Array
  /** Predictions that are no probabilities. */
  private readonly outside: Variable
  readonly ifNan: string
  /** Weights of the positives, and of the negatives, above each threshold: [thresholds]. */
  protected readonly truePositives: Variable
  protected readonly falsePositives: Variable
  protected readonly positives: Variable
  protected readonly negatives: Variable

  /** @param what the figure, for the message where it is NaN */
  constructor(metricName: string, config: MetricOptions, thresholds: Float32Array, what: string) {
    super(metricName, config)
    this.ifNan =
      `${this.name}: predictions must lie in [0, 1], and some do not, so the ${what} is NaN. ` +
      'End the model with a sigmoid or softmax, or use a loss with fromLogits: true, which tells the metric too'
    this.thresholds = thresholds
    this.truePositives = this.addState('truePositives', [thresholds.length])
    this.falsePositives = this.addState('falsePositives', [thresholds.length])
    this.positives = this.addState('positives')
    this.negatives = this.addState('negatives')
    this.outside = this.addState('outside')
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const { logitsOf } = options
    const p = floats(logitsOf === 'sigmoid' ? predictions.sigmoid() : logitsOf === 'softmax' ? predictions.softmax() : predictions)
    const truth = alignTarget(this.metricName, asTensor(yTrue), p).greater(0.5).cast('float32').reshape([-1])
    const weights = weightsFor(this.metricName, p.shape, { ...options, mask: options.mask ?? predictions.mask })
    const each = weights && fitRank(this.metricName, weights, p.shape).broadcastTo(p.shape).reshape([-1])
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

  /** The figure of predictions that are all probabilities. */
  protected abstract figure(): Tensor

  result(): Tensor {
    return where(this.outside.greater(0), Number.NaN, this.figure())
  }
}
