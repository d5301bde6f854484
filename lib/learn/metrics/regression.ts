// Regression: how far predictions are from targets. Definitions: scikit-learn 1.2.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { warnOnce } from '../../core/warnings.js'
import { rSquared } from '../r_squared.js'
import { numbersOf, sameLength, type Targets, type WeightOption, weightsOf } from './targets.js'

export interface RegressionOptions extends WeightOption {
  /** Several targets: their mean ('uniformAverage', the default), or one figure of each ('rawValues'). */
  multioutput?: 'uniformAverage' | 'rawValues'
}
const OPTIONS: OptionTable<RegressionOptions> = { sampleWeight: 'any', multioutput: ['uniformAverage', 'rawValues'] }

/** The targets and predictions of one output. */
interface Pairs {
  readonly truth: Float64Array
  readonly predicted: Float64Array
  readonly weights: Float64Array | undefined
}

function eachOutput(
  what: string,
  yTrue: Targets,
  yPred: Targets,
  sampleWeight: Targets | undefined,
  figure: (pairs: Pairs) => number,
): number[] {
  const truth = numbersOf(what, 'yTrue', yTrue)
  const predicted = numbersOf(what, 'yPred', yPred)
  sameLength(what, { length: truth.rows }, { length: predicted.rows })
  if (truth.columns !== predicted.columns)
    throw new WeftError('ERR_SHAPE', `${what}: yTrue has ${truth.columns} outputs, yPred has ${predicted.columns}`)
  const weights = weightsOf(what, sampleWeight, truth.rows)
  const { rows, columns } = truth
  const column = (data: Float64Array, at: number): Float64Array =>
    columns === 1 ? data : Float64Array.from({ length: rows }, (_, row) => data[row * columns + at]!)
  return Array.from({ length: columns }, (_, at) =>
    figure({ truth: column(truth.data, at), predicted: column(predicted.data, at), weights }),
  )
}

function meanOver(pairs: Pairs, valueOf: (truth: number, predicted: number) => number): number {
  let [sum, total] = [0, 0]
  pairs.truth.forEach((value, i) => {
    const weight = pairs.weights?.[i] ?? 1
    sum += weight * valueOf(value, pairs.predicted[i]!)
    total += weight
  })
  return sum / total
}

type RegressionMetric = {
  (yTrue: Targets, yPred: Targets, options: RegressionOptions & { multioutput: 'rawValues' }): number[]
  (yTrue: Targets, yPred: Targets, options?: RegressionOptions & { multioutput?: 'uniformAverage' }): number
}

const metric = (name: string, figure: (pairs: Pairs) => number): RegressionMetric =>
  function (yTrue: Targets, yPred: Targets, options: RegressionOptions = {}) {
    checkCall(`${name}(yTrue, yPred, options)`, arguments, OPTIONS)
    const each = eachOutput(name, yTrue, yPred, options.sampleWeight, figure)
    return options.multioutput === 'rawValues' ? each : each.reduce((sum, value) => sum + value, 0) / each.length
  } as RegressionMetric

const squared = (pairs: Pairs): number => meanOver(pairs, (a, b) => (a - b) ** 2)

/** The mean of (target - prediction)². */
export const meanSquaredError: RegressionMetric = metric('meanSquaredError', squared)
/** The root of the mean squared error, in units of the target; of several outputs the mean of their roots. */
export const rootMeanSquaredError: RegressionMetric = metric('rootMeanSquaredError', (pairs) => Math.sqrt(squared(pairs)))
/** The mean of |target - prediction|. */
export const meanAbsoluteError: RegressionMetric = metric('meanAbsoluteError', (pairs) => meanOver(pairs, (a, b) => Math.abs(a - b)))
/** The mean of |target - prediction| / |target|, as a share; a target of 0 counts as 2^-52. */
export const meanAbsolutePercentageError: RegressionMetric = metric('meanAbsolutePercentageError', (pairs) =>
  meanOver(pairs, (a, b) => Math.abs(a - b) / Math.max(Math.abs(a), 2 ** -52)),
)

/** 1 - left / all, where nothing varies: 1 for nothing left, else 0. */
const explained = (left: number, all: number): number => (all !== 0 ? 1 - left / all : left === 0 ? 1 : 0)

/**
 * 1 - Σ(target - prediction)² / Σ(target - mean)²: the share of the variance that is explained; 0 for the mean as
 * prediction, negative for worse ones. NaN with a warning for a single sample.
 */
export const r2Score: RegressionMetric = metric('r2Score', (pairs) => {
  if (pairs.truth.length < 2) {
    warnOnce('WEFT_UNDEFINED_METRIC', 'r2Score: R² is not defined for fewer than two samples', 'r2Score')
    return Number.NaN
  }
  return rSquared(pairs.truth, pairs.predicted, pairs.weights)
})

/** The share of the variance that is explained when a constant error counts for nothing. */
export const explainedVarianceScore: RegressionMetric = metric('explainedVarianceScore', (pairs) => {
  const mean = meanOver(pairs, (a) => a)
  const offset = meanOver(pairs, (a, b) => a - b)
  return explained(
    meanOver(pairs, (a, b) => (a - b - offset) ** 2),
    meanOver(pairs, (a) => (a - mean) ** 2),
  )
})

/** The median of |target - prediction|, which outliers do not move. */
export function medianAbsoluteError(yTrue: Targets, yPred: Targets): number {
  checkCall('medianAbsoluteError(yTrue, yPred)', arguments)
  const each = eachOutput('medianAbsoluteError', yTrue, yPred, undefined, ({ truth, predicted }) => {
    const errors = truth.map((value, i) => Math.abs(value - predicted[i]!)).sort()
    const half = errors.length >> 1
    return errors.length % 2 === 1 ? errors[half]! : (errors[half - 1]! + errors[half]!) / 2
  })
  return each.reduce((sum, value) => sum + value, 0) / each.length
}

/** The largest |target - prediction|. */
export function maxError(yTrue: Targets, yPred: Targets): number {
  checkCall('maxError(yTrue, yPred)', arguments)
  return Math.max(
    ...eachOutput('maxError', yTrue, yPred, undefined, ({ truth, predicted }) =>
      truth.reduce((most, value, i) => Math.max(most, Math.abs(value - predicted[i]!)), 0),
    ),
  )
}
