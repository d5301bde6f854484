// Probabilities: how well they fit what happened: log loss, Brier score, calibration. Definitions: scikit-learn 1.2.
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { CURVE, type CurveOptions, checkProbabilities, positives } from './ranking.js'
import { classesOf, columnOf, type Label, labelsOf, numbersOf, sameLength, type Targets, type WeightOption, weightsOf } from './targets.js'

export interface LogLossOptions extends WeightOption {
  /** Classes of the columns, in order. Default: those of yTrue, sorted. */
  labels?: readonly Label[]
  /** Probabilities are clipped to [eps, 1 - eps]. Default 2^-52. */
  eps?: number
  /** False: the sum over samples instead of the mean. Default true. */
  normalize?: boolean
}
const LOG_LOSS: OptionTable<LogLossOptions> = { sampleWeight: 'any', labels: 'list', eps: 'number', normalize: 'boolean' }

const inUnit = (what: string, data: Float64Array): void => {
  const bad = data.findIndex((p) => p < 0 || p > 1)
  if (bad >= 0)
    throw new WeftError('ERR_DATA', `${what}: probability ${bad} is ${data[bad]}, outside [0, 1]`, {
      hint: 'Logits? Apply sigmoid() or softmax() first',
    })
}

/**
 * -log of the probability given to the true class, on average. Probabilities are [samples, classes], or one column:
 * that of the larger of two classes.
 */
export function logLoss(yTrue: Targets, yProb: Targets, options: LogLossOptions = {}): number {
  checkCall('logLoss(yTrue, yProb, options)', arguments, LOG_LOSS)
  const truth = labelsOf('logLoss', 'yTrue', yTrue)
  const p = numbersOf('logLoss', 'yProb', yProb)
  sameLength('logLoss', truth, { length: p.rows })
  inUnit('logLoss', p.data)
  const classes = options.labels ? classesOf('logLoss', options.labels) : classesOf('logLoss', truth)
  const columns = p.columns === 1 ? 2 : p.columns
  if (classes.length !== columns)
    throw new WeftError('ERR_SHAPE', `logLoss: ${columns} probabilities for the ${classes.length} classes ${show(classes)}`, {
      hint: 'Name the class of each column: { labels: model.classes }',
    })
  if (p.columns > 1) checkProbabilities('logLoss', p)
  const weights = weightsOf('logLoss', options.sampleWeight, truth.length)
  const eps = options.eps ?? 2 ** -52
  const clip = (value: number): number => Math.min(Math.max(value, eps), 1 - eps)
  let [sum, total] = [0, 0]
  truth.forEach((label, row) => {
    const at = classes.indexOf(label)
    if (at < 0) throw new WeftError('ERR_DATA', `logLoss: yTrue has the class ${show(label)}, which is none of the labels`)
    // one column is clipped before its complement is taken
    const chosen = p.columns === 1 ? (at === 1 ? clip(p.data[row]!) : 1 - clip(p.data[row]!)) : clip(p.data[row * columns + at]!)
    let all = 1
    if (p.columns > 1) {
      all = 0
      for (let i = 0; i < columns; i++) all += clip(p.data[row * columns + i]!)
    }
    const weight = weights?.[row] ?? 1
    sum -= weight * Math.log(chosen / all)
    total += weight
  })
  return (options.normalize ?? true) ? sum / total : sum
}

function binary(what: string, yTrue: Targets, yProb: Targets, options: CurveOptions) {
  const truth = positives(what, yTrue, options.posLabel)
  const p = columnOf(what, 'yProb', yProb)
  sameLength(what, truth, p)
  inUnit(what, p)
  return { truth, p, weights: weightsOf(what, options.sampleWeight, truth.length) }
}

/** The mean of (probability of the positive class - 1 where it is, 0 where not)². Brier 1950. */
export function brierScoreLoss(yTrue: Targets, yProb: Targets, options: CurveOptions = {}): number {
  checkCall('brierScoreLoss(yTrue, yProb, options)', arguments, CURVE)
  const { truth, p, weights } = binary('brierScoreLoss', yTrue, yProb, options)
  let [sum, total] = [0, 0]
  p.forEach((value, i) => {
    const weight = weights?.[i] ?? 1
    sum += weight * (value - (truth[i] ? 1 : 0)) ** 2
    total += weight
  })
  return sum / total
}

export interface CalibrationOptions {
  /** The positive class. Default 1. */
  posLabel?: Label
  /** Default 5. */
  nBins?: number
  /** Bins of equal width, or of about equally many samples. Default 'uniform'. */
  strategy?: 'uniform' | 'quantile'
}
const CALIBRATION: OptionTable<CalibrationOptions> = { posLabel: 'any', nBins: 'integer', strategy: ['uniform', 'quantile'] }

export interface CalibrationCurve {
  /** In each bin that is not empty: the share of positive samples. */
  probTrue: number[]
  /** The mean of the predicted probabilities. */
  probPred: number[]
  /** The number of samples. */
  counts: number[]
}

/** numpy.percentile of sorted values, at q in [0, 1]: linear between neighbours. */
export function quantileOf(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1)
  const below = Math.floor(at)
  const [a, b] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!]
  const t = at - below
  // from the nearer end, as numpy does
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t
}

/** How often the positive class comes where a probability is predicted: on the diagonal for calibrated ones. */
export function calibrationCurve(yTrue: Targets, yProb: Targets, options: CalibrationOptions = {}): CalibrationCurve {
  checkCall('calibrationCurve(yTrue, yProb, options)', arguments, CALIBRATION)
  const { posLabel, strategy = 'uniform' } = options
  const { truth, p } = binary('calibrationCurve', yTrue, yProb, posLabel === undefined ? {} : { posLabel })
  const bins = integer('calibrationCurve', 'nBins', options.nBins ?? 5, 1)
  const sorted = Float64Array.from(p).sort()
  const edges = Array.from({ length: bins + 1 }, (_, i) => (strategy === 'uniform' ? i / bins : quantileOf(sorted, i / bins)))
  const found = Array.from({ length: bins }, () => ({ sum: 0, hits: 0, count: 0 }))
  p.forEach((value, i) => {
    let bin = 0
    while (bin < bins - 1 && value > edges[bin + 1]!) bin++
    const own = found[bin]!
    own.sum += value
    own.hits += truth[i] ? 1 : 0
    own.count++
  })
  const filled = found.filter(({ count }) => count > 0)
  return {
    probTrue: filled.map(({ hits, count }) => hits / count),
    probPred: filled.map(({ sum, count }) => sum / count),
    counts: filled.map(({ count }) => count),
  }
}
