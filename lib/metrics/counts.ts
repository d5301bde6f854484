// truePositives, falsePositives, trueNegatives, falseNegatives: how many predictions are right or wrong in which way.
import { asTensor } from '../core/create.js'
import type { TensorLike, Variable } from '../core/tensor.js'
import { fitRank } from '../losses/loss.js'
import { targetsOf } from './confusion.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { type Metric, type MetricOptions, StandardMetric, type UpdateOptions, weightsFor } from './metric.js'

export interface CountOptions extends MetricOptions {
  /** Probabilities above it count as positive. Default 0.5. */
  threshold?: number
}

class Count extends StandardMetric {
  private readonly threshold: number
  private readonly guess: boolean
  private readonly truth: boolean
  private readonly count: Variable

  constructor(name: string, options: CountOptions, guess: boolean, truth: boolean) {
    super(name, options)
    this.threshold = options.threshold ?? 0.5
    this.guess = guess
    this.truth = truth
    this.count = this.addState('count')
  }

  protected remake(): Metric {
    return new Count(this.metricName, this.config, this.guess, this.truth)
  }

  update(yTrue: TensorLike, yPred: TensorLike, options: UpdateOptions = {}): void {
    const predictions = asTensor(yPred)
    const { logitsOf } = options
    const p = logitsOf === 'sigmoid' ? predictions.sigmoid() : logitsOf === 'softmax' ? predictions.softmax() : predictions
    const classes = p.rank < 2 ? 1 : p.shape.at(-1)!
    const positive = targetsOf(this.name, asTensor(yTrue), p, classes).greater(0.5).reshape(p.shape)
    const hits = p.greater(this.threshold).equal(this.guess).logicalAnd(positive.equal(this.truth)).cast('float32')
    const weights = weightsFor(this.name, p.shape, { ...options, mask: options.mask ?? predictions.mask })
    this.count.assign(this.count.add((weights ? hits.mul(fitRank(this.name, weights, p.shape)) : hits).sum()))
  }

  result(): Variable {
    return this.count
  }
}

const counted = (name: string, guess: boolean, truth: boolean): MetricFactory<CountOptions> =>
  defineMetric<CountOptions>({
    name,
    rising: guess === truth,
    options: { threshold: 'number' },
    make: (options) => new Count(name, options, guess, truth),
  })

/** How many positives are predicted to be positive, or the sum of their weights. Of several classes: of all of them. */
export const truePositives: MetricFactory<CountOptions> = counted('truePositives', true, true)
/** How many negatives are predicted to be positive, or the sum of their weights. */
export const falsePositives: MetricFactory<CountOptions> = counted('falsePositives', true, false)
/** How many negatives are predicted to be negative, or the sum of their weights. */
export const trueNegatives: MetricFactory<CountOptions> = counted('trueNegatives', false, false)
/** How many positives are predicted to be negative, or the sum of their weights. */
export const falseNegatives: MetricFactory<CountOptions> = counted('falseNegatives', false, true)
