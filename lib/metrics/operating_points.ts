// Operating points: the best of one figure over the thresholds at which another one is high enough, as Keras.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { where } from '../ops/index.js'
import { defineMetric, type MetricFactory } from './factory.js'
import { type Metric, type MetricOptions, ratio } from './metric.js'
import { ThresholdMetric } from './thresholds.js'

interface PointOptions extends MetricOptions {
  /** Thresholds at equal distances from 0 to 1; 1: the threshold 0.5 alone. Default 200. */
  numThresholds?: number
}
export interface PrecisionAtRecallOptions extends PointOptions {
  /** The least recall, in [0, 1]. Default 0.5. */
  recall?: number
}
export interface RecallAtPrecisionOptions extends PointOptions {
  /** The least precision, in [0, 1]. Default 0.5. */
  precision?: number
}
export interface SensitivityAtSpecificityOptions extends PointOptions {
  /** The least specificity, in [0, 1]. Default 0.5. */
  specificity?: number
}
export interface SpecificityAtSensitivityOptions extends PointOptions {
  /** The least sensitivity, in [0, 1]. Default 0.5. */
  sensitivity?: number
}

/** What there is at each threshold: [thresholds]; and in all. */
interface Counts {
  readonly truePositives: Tensor
  readonly falsePositives: Tensor
  readonly positives: Tensor
  readonly negatives: Tensor
}
type Figure = (counts: Counts) => Tensor

const precisionOf: Figure = ({ truePositives, falsePositives }) => ratio(truePositives, truePositives.add(falsePositives))
const recallOf: Figure = ({ truePositives, positives }) => ratio(truePositives, positives)
const specificityOf: Figure = ({ falsePositives, negatives }) => ratio(negatives.sub(falsePositives), negatives)

/** More would take longer than all thresholds that there are. */
const MOST_THRESHOLDS = 2 ** 20

class OperatingPoint extends ThresholdMetric {
  private readonly best: Figure
  private readonly enough: Figure
  private readonly level: number

  constructor(name: string, options: PointOptions, level: number, best: Figure, enough: Figure) {
    const { numThresholds: count = 200 } = options
    integer(`metrics.${name}`, 'numThresholds', count, 1, MOST_THRESHOLDS)
    super(name, options, count === 1 ? Float32Array.of(0.5) : Float32Array.from({ length: count }, (_, i) => i / (count - 1)), 'figure')
    this.best = best
    this.enough = enough
    this.level = level
  }

  protected remake(): Metric {
    return new OperatingPoint(this.metricName, this.config, this.level, this.best, this.enough)
  }

  protected figure(): Tensor {
    const { truePositives, falsePositives, positives, negatives } = this
    const counts = { truePositives, falsePositives, positives, negatives }
    return where(this.enough(counts).greaterEqual(Math.fround(this.level)), this.best(counts), 0).max()
  }
}

const point = <O extends PointOptions>(name: string, constrained: string & keyof O, best: Figure, enough: Figure): MetricFactory<O> =>
  defineMetric<O>({
    name,
    rising: true,
    options: { [constrained]: 'number', numThresholds: 'integer' } as never,
    make: (options) => {
      const level: unknown = options[constrained] ?? 0.5
      if (typeof level !== 'number' || !(level >= 0 && level <= 1))
        throw new WeftError('ERR_ARGUMENT', `metrics.${name}: ${constrained} must lie in [0, 1], got ${show(level)}`)
      return new OperatingPoint(name, options, level, best, enough)
    },
  })

/**
 * The largest precision among the thresholds at which the recall is at least `recall`; 0 where there is none. A
 * prediction above the threshold counts as positive. Predictions are probabilities, or logits of a loss that says so.
 */
export const precisionAtRecall: MetricFactory<PrecisionAtRecallOptions> = point<PrecisionAtRecallOptions>(
  'precisionAtRecall',
  'recall',
  precisionOf,
  recallOf,
)

/** The largest recall among the thresholds at which the precision is at least `precision`; 0 where there is none. */
export const recallAtPrecision: MetricFactory<RecallAtPrecisionOptions> = point<RecallAtPrecisionOptions>(
  'recallAtPrecision',
  'precision',
  recallOf,
  precisionOf,
)

/** The largest share of the positives found, at thresholds that leave at least `specificity` of the negatives out. */
export const sensitivityAtSpecificity: MetricFactory<SensitivityAtSpecificityOptions> = point<SensitivityAtSpecificityOptions>(
  'sensitivityAtSpecificity',
  'specificity',
  recallOf,
  specificityOf,
)

/** The largest share of the negatives left out, at thresholds that find at least `sensitivity` of the positives. */
export const specificityAtSensitivity: MetricFactory<SpecificityAtSensitivityOptions> = point<SpecificityAtSensitivityOptions>(
  'specificityAtSensitivity',
  'sensitivity',
  specificityOf,
  recallOf,
)
