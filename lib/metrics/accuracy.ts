// Accuracies: the share of samples whose class is predicted.
import { integer } from '../core/checks.js'
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { sameShape } from '../core/spec.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { shownAs } from '../core/shown.js'
import { alignTarget, meanOverLast } from '../losses/loss.js'
import { wholeNumbers } from '../ops/ids.js'
import { gatherAlong, isFinite } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { MeanMetric, type Metric, type MetricOptions, type UpdateOptions } from './metric.js'

export interface BinaryAccuracyOptions extends MetricOptions {
  /** Probabilities above it count as class 1. Default 0.5. */
  threshold?: number
}
export interface TopKOptions extends MetricOptions {
  /** Default 5. */
  k?: number
}

/**
 * Share of yPred > threshold that equal yTrue. Predictions that compile() knows to be logits are compared with the
 * threshold's logit.
 */
export const binaryAccuracy: MetricFactory<BinaryAccuracyOptions> = defineMetric<BinaryAccuracyOptions>({
  name: 'binaryAccuracy',
  rising: true,
  options: { threshold: 'number' },
  make: (options) =>
    new MeanMetric('binaryAccuracy', options, (yTrue, yPred, { logitsOf }) => {
      const y = alignTarget('binaryAccuracy', yTrue, yPred)
      const p = logitsOf === 'sigmoid' ? yPred.sigmoid() : logitsOf === 'softmax' ? yPred.softmax() : yPred
      return meanOverLast(
        p
          .greater(options.threshold ?? 0.5)
          .equal(y.greater(0.5))
          .cast('float32'),
      )
    }),
})

/** Class numbers int32 from targets that are numbers or one-hot, for predictions [..., classes]. */
function classesOf(what: string, yTrue: Tensor, yPred: Tensor): Tensor {
  const expected = yPred.shape.slice(0, -1)
  let labels = yTrue
  if (sameShape(yTrue.shape, yPred.shape)) labels = yTrue.argMax(-1)
  else if (yTrue.rank === yPred.rank && yTrue.shape.at(-1) === 1) labels = yTrue.squeeze(-1)
  if (sameShape(labels.shape, expected)) return wholeNumbers(labels)
  throw new WeftError('ERR_SHAPE', `${what}: targets of shape [${yTrue.shape}] do not fit predictions of shape [${yPred.shape}]`, {
    shapes: [yTrue.shape, yPred.shape],
    hint: `Give class numbers [${expected}] or one-hot rows [${yPred.shape}]`,
  })
}

/** Share of samples whose largest prediction is at the class of the target. */
const sameClass = (name: string): MetricFactory =>
  defineMetric({
    name,
    rising: true,
    options: {},
    make: (options) =>
      new MeanMetric(name, options, (yTrue, yPred) =>
        yPred
          .argMax(-1)
          .equal(classesOf(name, yTrue, yPred))
          .cast('float32'),
      ),
  })

/** Share of samples whose largest prediction is at the class of the one-hot target. */
export const categoricalAccuracy: MetricFactory = sameClass('categoricalAccuracy')

/** Share of samples whose largest prediction is at the class number yTrue. */
export const sparseCategoricalAccuracy: MetricFactory = sameClass('sparseCategoricalAccuracy')

/** Share of samples for whose class fewer than k others have a larger prediction. */
const amongTopK = (name: string): MetricFactory<TopKOptions> =>
  defineMetric<TopKOptions>({
    name,
    rising: true,
    options: { k: 'integer' },
    make: (options) => {
      const { k = 5 } = options
      integer(`metrics.${name}`, 'k', k, 1)
      return new MeanMetric(name, options, (yTrue, yPred) => {
        const own = gatherAlong(yPred, classesOf(name, yTrue, yPred).expandDims(-1))
        const larger = yPred.greater(own).cast('float32').sum(-1)
        return larger.less(k).logicalAnd(isFinite(own).squeeze(-1)).cast('float32')
      })
    },
  })

/**
 * Share of samples for whose class fewer than k others have a larger prediction; targets one-hot or class numbers.
 * Ties count in its favour, as in TensorFlow: of equal predictions at the border, all are among the k largest. A class
 * whose prediction is not finite is not among them.
 */
export const topKCategoricalAccuracy: MetricFactory<TopKOptions> = amongTopK('topKCategoricalAccuracy')

/** topKCategoricalAccuracy by Keras' name for targets that are class numbers. */
export const sparseTopKCategoricalAccuracy: MetricFactory<TopKOptions> = amongTopK('sparseTopKCategoricalAccuracy')

/**
 * Accuracy that is binary, sparse or categorical by the shapes of the first batch: one prediction per sample, class
 * numbers, one-hot rows.
 */
class Accuracy implements Metric {
  readonly name: string
  readonly metricName = 'accuracy'
  readonly rising = true
  readonly merge = 'sum'
  readonly config: Readonly<Record<string, unknown>>
  private chosen: Metric | undefined

  constructor(options: MetricOptions) {
    this.name = options.name ?? 'accuracy'
    this.config = { ...options }
  }
  get state(): readonly Variable[] {
    return this.chosen?.state ?? []
  }
  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const [y, p] = [asTensor(yTrue), asTensor(yPred)]
    this.chosen ??= choose(y, p)({ name: this.name })
    this.chosen.update(y, p, options)
  }
  result(): Tensor {
    if (!this.chosen) throw new WeftError('ERR_STATE', 'accuracy: update() has not been called yet')
    return this.chosen.result()
  }
  reset(): void {
    this.chosen?.reset?.()
  }
  clone(): Metric {
    return new Accuracy(this.config)
  }
}
shownAs<Accuracy>(Accuracy.prototype, ({ name }) => `Metric ${name}`, 'metric.config')

function choose(y: Tensor, p: Tensor): (options: MetricOptions) => Metric {
  if (p.shape.at(-1) === 1 || p.rank < 2) return binaryAccuracy
  return sameShape(y.shape, p.shape) ? categoricalAccuracy : sparseCategoricalAccuracy
}

/** binaryAccuracy, sparseCategoricalAccuracy or categoricalAccuracy, by the shapes of the first batch. */
export const accuracy: MetricFactory = defineMetric({
  name: 'accuracy',
  rising: true,
  options: {},
  make: (options) => new Accuracy(options),
})
