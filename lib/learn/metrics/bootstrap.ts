// bootstrapInterval: how sure a metric is, from samples drawn again with replacement (Efron 1979).
import { integer } from '../../core/checks.js'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { warnOnce } from '../../core/warnings.js'
import { Tensor } from '../../core/tensor.js'
import { RandomState } from '../selection/random.js'
import { numbersOf, type Targets } from './targets.js'
import { quantileOf } from './probability.js'

export interface BootstrapOptions {
  /** How often samples are drawn again. Default 1000. */
  resamples?: number
  /** Probability that the interval is to cover. Default 0.95. */
  confidence?: number
  /** 0 to 2^32 - 1. Default: a new one, reproducible by setSeed(). */
  seed?: number
}
const OPTIONS: OptionTable<BootstrapOptions> = { resamples: 'integer', confidence: 'number', seed: 'integer' }

export interface Interval {
  /** The metric of all samples. */
  value: number
  low: number
  high: number
  /** Deviation of the metric over the resamples. */
  standardError: number
  confidence: number
  /** Resamples that the metric could be computed of: fewer where a draw missed a class that it needs. */
  resamples: number
}

/** A metric of true and predicted values, as rocAucScore and rootMeanSquaredError are. */
export type MetricFunction = (yTrue: never, yPred: never) => number

/**
 * The percentile interval of a metric: samples are drawn with replacement, the metric computed of each draw.
 * Predictions may be one value or several for each sample. Draws that the metric refuses as ERR_DATA are left out, with
 * a warning.
 */
export function bootstrapInterval(yTrue: Targets, yPred: Targets, metric: MetricFunction, options: BootstrapOptions = {}): Interval {
  const what = 'bootstrapInterval'
  checkCall(`${what}(yTrue, yPred, metric, options)`, arguments, OPTIONS)
  if (typeof metric !== 'function')
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a metric, got ${show(metric)}`, {
      hint: `Write ${what}(yTrue, yPred, accuracyScore)`,
    })
  const { confidence = 0.95 } = options
  if (!(confidence > 0 && confidence < 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: confidence is between 0 and 1, got ${confidence}`, { hint: 'Write { confidence: 0.95 }' })
  const resamples = integer(what, 'resamples', options.resamples ?? 1000, 2)
  const random = new RandomState(what, options.seed)
  const [truth, predicted] = [listOf(what, 'yTrue', yTrue), listOf(what, 'yPred', yPred)]
  const n = truth.length
  if (n !== predicted.length) throw new WeftError('ERR_SHAPE', `${what}: yTrue has ${n} samples, yPred has ${predicted.length}`)
  const compute = metric as (yTrue: unknown, yPred: unknown) => number
  const value = compute(truth, predicted)
  const drawn: number[] = []
  for (let i = 0; i < resamples; i++) {
    const rows = Array.from({ length: n }, () => random.integer(n - 1))
    try {
      const found = compute(
        rows.map((row) => truth[row]),
        rows.map((row) => predicted[row]),
      )
      if (Number.isFinite(found)) drawn.push(found)
    } catch (error) {
      if (!(error instanceof WeftError && error.code === 'ERR_DATA')) throw error
    }
  }
  if (drawn.length < 2) throw new WeftError('ERR_DATA', `${what}: the metric could be computed of ${drawn.length} of ${resamples} draws`)
  if (drawn.length < resamples)
    warnOnce('WEFT_UNDEFINED_METRIC', `${what}: the metric was undefined for ${resamples - drawn.length} of ${resamples} draws`, what)
  const sorted = Float64Array.from(drawn).sort()
  const mean = sorted.reduce((sum, one) => sum + one, 0) / sorted.length
  const variance = sorted.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (sorted.length - 1)
  const tail = (1 - confidence) / 2
  return {
    value,
    low: quantileOf(sorted, tail),
    high: quantileOf(sorted, 1 - tail),
    standardError: Math.sqrt(variance),
    confidence,
    resamples: sorted.length,
  }
}

/** One item for each sample: a class, a number or a row of numbers. */
function listOf(what: string, name: string, values: unknown): readonly unknown[] {
  if (Array.isArray(values)) return values
  if (!(values instanceof Tensor) && !ArrayBuffer.isView(values)) numbersOf(what, name, values)
  const { data, rows, columns } = numbersOf(what, name, values)
  return Array.from({ length: rows }, (_, row) => (columns === 1 ? data[row]! : [...data.subarray(row * columns, (row + 1) * columns)]))
}
