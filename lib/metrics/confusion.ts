// precision, recall, f1 and meanIoU: ratios of the counts of true positives, predicted positives and actual positives.
import { isInteger } from '../core/checks.js'
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { sameShape } from '../core/spec.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { alignTarget, fitRank } from '../losses/loss.js'
import { wholeNumbers } from '../ops/ids.js'
import { oneHot } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { type Metric, type MetricOptions, ratio, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

export type Average = 'micro' | 'macro' | 'weighted'

export interface ConfusionOptions extends MetricOptions {
  /**
   * Probabilities above it count as positive. Default 0.5; for several classes f1 and averages by class take the
   * largest prediction instead.
   */
  threshold?: number
  /** The one class that counts. */
  classId?: number
  /**
   * Over classes: 'micro' adds their counts, 'macro' averages their ratios, 'weighted' does so by how often they occur.
   */
  average?: Average
}

type Figure = (truePositives: Tensor, predicted: Tensor, actual: Tensor) => Tensor

class ConfusionMetric extends StandardMetric {
  private readonly options: Omit<ConfusionOptions, 'average'> & { average: Average | 'each' }
  private readonly figure: Figure

  constructor(metricName: string, options: ConfusionOptions, average: Average | 'each', figure: Figure) {
    super(metricName, options)
    this.options = { ...options, average: options.average ?? average }
    this.figure = figure
  }

  protected remake(): Metric {
    return new ConfusionMetric(this.metricName, this.config, this.options.average, this.figure)
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const { threshold, classId, average } = this.options
    const predictions = asTensor(yPred)
    const classes = predictions.rank < 2 ? 1 : predictions.shape.at(-1)!
    if (classId !== undefined && !isInteger(classId, 0, classes - 1)) {
      throw new WeftError('ERR_ARGUMENT', `${this.name}: classId ${classId} is not one of the ${classes} classes`)
    }
    const { logitsOf } = options
    const p = logitsOf === 'sigmoid' ? predictions.sigmoid() : logitsOf === 'softmax' ? predictions.softmax() : predictions
    const largest = classes > 1 && threshold === undefined && average !== 'micro'
    const positive = largest ? oneHot(p.argMax(-1), classes).greater(0.5) : p.greater(threshold ?? 0.5)
    // [samples, classes]
    const guess = positive.cast('float32').reshape([-1, classes])
    const truth = targetsOf(this.name, asTensor(yTrue), predictions, classes).reshape([-1, classes])
    const lead = predictions.rank < 2 ? predictions.shape : predictions.shape.slice(0, -1)
    const weights = weightsFor(this.name, lead, { ...options, mask: options.mask ?? predictions.mask })
    const rows = weights && fitRank(this.name, weights, lead).broadcastTo(lead).reshape([-1, 1])
    const counted = (t: Tensor): Tensor => (rows ? t.mul(rows) : t).sum(0)
    this.take('truePositives', counted(guess.mul(truth)))
    this.take('predicted', counted(guess))
    this.take('actual', counted(truth))
  }

  private take(name: string, counts: Tensor): void {
    const state = this.stateOf(name, counts.shape)
    state.assign(state.add(counts))
  }

  result(): Tensor {
    if (this.state.length === 0) throw new WeftError('ERR_STATE', `${this.name}: update() has not been called yet`)
    const { average, classId } = this.options
    const [truePositives, predicted, actual] = this.state as readonly [Variable, Variable, Variable]
    if (classId !== undefined) {
      const one = (t: Tensor): Tensor => t.slice([classId], [1]).squeeze(0)
      return this.figure(one(truePositives), one(predicted), one(actual))
    }
    if (average === 'each') return this.figure(truePositives, predicted, actual)
    if (average === 'micro') return this.figure(truePositives.sum(), predicted.sum(), actual.sum())
    const each = this.figure(truePositives, predicted, actual)
    return average === 'macro' ? each.mean() : ratio(each.mul(actual).sum(), actual.sum())
  }
}

/** Targets as 0 and 1 in the predictions' shape; class numbers become one-hot rows. */
export function targetsOf(what: string, yTrue: Tensor, yPred: Tensor, classes: number): Tensor {
  const lead = yPred.shape.slice(0, -1)
  const numbers = classes > 1 && (sameShape(yTrue.shape, lead) || sameShape(yTrue.shape, [...lead, 1]))
  if (numbers) return oneHot(wholeNumbers(yTrue.reshape(lead)), classes)
  return alignTarget(what, yTrue, yPred).greater(0.5).cast('float32')
}

const confusion = (name: string, average: Average, figure: Figure): MetricFactory<ConfusionOptions> =>
  defineMetric<ConfusionOptions>({
    name,
    rising: true,
    options: { threshold: 'number', classId: 'integer', average: ['micro', 'macro', 'weighted'] },
    make: (options) => new ConfusionMetric(name, options, average, figure),
  })

/**
 * True positives / predicted positives. Several classes: over all of them together, as Keras ('micro'), unless
 * `average` or `classId` says otherwise.
 */
export const precision: MetricFactory<ConfusionOptions> = confusion('precision', 'micro', (truePositives, predicted) =>
  ratio(truePositives, predicted),
)

/** True positives / actual positives. */
export const recall: MetricFactory<ConfusionOptions> = confusion('recall', 'micro', (truePositives, _, actual) =>
  ratio(truePositives, actual),
)

/** Harmonic mean of precision and recall; several classes: the mean of theirs ('macro'). */
export const f1: MetricFactory<ConfusionOptions> = confusion('f1', 'macro', (truePositives, predicted, actual) =>
  ratio(truePositives.mul(2), predicted.add(actual)),
)

export interface MeanIoUOptions extends MetricOptions {
  /**
   * How many classes there are, for predictions that are class numbers, as in Keras. Default: the last axis of the
   * predictions has a value per class, of which the largest counts.
   */
  numClasses?: number
}

class MeanIoU extends ConfusionMetric {
  private readonly numClasses: number | undefined

  constructor(options: MeanIoUOptions) {
    super('meanIoU', options, 'each', (truePositives, predicted, actual) => ratio(truePositives, predicted.add(actual).sub(truePositives)))
    this.numClasses = options.numClasses
  }

  protected override remake(): Metric {
    return new MeanIoU(this.config)
  }

  override update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const { numClasses } = this
    if (numClasses !== undefined) {
      const labels = alignTarget(this.name, asTensor(yTrue), predictions)
      const rows = oneHot(wholeNumbers(predictions), numClasses)
      super.update(labels, rows, { sampleWeight: options.sampleWeight, mask: options.mask ?? predictions.mask })
      return
    }
    if (predictions.rank < 2 || predictions.shape.at(-1)! < 2) {
      throw new WeftError('ERR_SHAPE', `${this.name}: predictions of shape [${predictions.shape}] have no axis of classes`, {
        shapes: [predictions.shape],
        hint: 'Write metrics.meanIoU({ numClasses: 2 }) for predictions that are class numbers',
      })
    }
    super.update(yTrue, predictions, options)
  }

  /** The mean over the classes that occur, in targets or predictions. */
  override result(): Tensor {
    const each = super.result()
    const [truePositives, predicted, actual] = this.state as readonly [Variable, Variable, Variable]
    return ratio(each.sum(), predicted.add(actual).sub(truePositives).greater(0).cast('float32').sum())
  }
}

/**
 * Intersection / union of the places where a class is predicted and where it is true; the mean over classes that occur.
 */
export const meanIoU: MetricFactory<MeanIoUOptions> = defineMetric<MeanIoUOptions>({
  name: 'meanIoU',
  rising: true,
  options: { numClasses: 'integer' },
  make: (options) => {
    const { numClasses = 2 } = options
    if (numClasses < 2)
      throw new WeftError('ERR_ARGUMENT', `metrics.meanIoU: numClasses must be an integer of at least 2, got ${numClasses}`)
    return new MeanIoU(options)
  },
})
