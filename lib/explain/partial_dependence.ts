// partialDependence: how the mean prediction changes with one feature, or with two.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { MatrixLike } from '../learn/matrix.js'
import { readMatrix } from '../learn/matrix.js'
import { quantileOf } from '../learn/metrics/probability.js'
import { type AnyPredictor, predictorOf } from '../learn/report/predictor.js'

export interface PartialDependenceOptions {
  /** The feature, or two, by number. Default 0. */
  features?: number | readonly [number] | readonly [number, number]
  /** Points along each feature; fewer where it has fewer different values. Default 100 for one, 20 for two features. */
  gridResolution?: number
  /** Shares of the values between which the points lie. Default [0.05, 0.95]. */
  percentiles?: readonly [number, number]
  /** The output to look at. Default: 1 of two probabilities, else 0. */
  target?: number
  /** The prediction of each row too. Default false. */
  individual?: boolean
}
const OPTIONS: OptionTable<PartialDependenceOptions> = {
  features: 'any',
  gridResolution: 'integer',
  percentiles: 'list',
  target: 'integer',
  individual: 'boolean',
}

export interface PartialDependence {
  /** Points along each feature. */
  values: number[][]
  /** The mean prediction at each point; of two features row-major, the second varying first. */
  average: number[]
  /** [rows][points], where asked for. */
  individual: number[][] | undefined
}

/**
 * The mean prediction over the rows of x when a feature is set to a value (Friedman 2001). Features that go together in
 * the data are set apart: points may lie where no data are.
 */
export async function partialDependence(
  model: AnyPredictor,
  x: MatrixLike,
  options: PartialDependenceOptions = {},
): Promise<PartialDependence> {
  const what = 'partialDependence'
  checkCall(`${what}(model, x, options)`, arguments, OPTIONS)
  const predictor = predictorOf(what, model)
  const { data, rows, columns } = await readMatrix(what, x)
  const { features: given = 0, percentiles = [0.05, 0.95] } = options
  const features = typeof given === 'number' ? [given] : [...given]
  if (features.length < 1 || features.length > 2 || new Set(features).size !== features.length)
    throw new WeftError('ERR_ARGUMENT', `${what}: features is one or two numbers of features, got ${show(given)}`)
  for (const feature of features) integer(what, 'features', feature, 0, columns - 1)
  const [low, high] = percentiles
  if (percentiles.length !== 2 || !(low >= 0 && low < high && high <= 1))
    throw new WeftError('ERR_ARGUMENT', `${what}: percentiles are two shares in order, got ${show(percentiles)}`)
  const resolution = integer(what, 'gridResolution', options.gridResolution ?? (features.length === 1 ? 100 : 20), 2)
  const values = features.map((feature) =>
    pointsOf(
      what,
      feature,
      Float64Array.from({ length: rows }, (_, row) => data[row * columns + feature]!),
      resolution,
      low,
      high,
    ),
  )
  const points = values.length === 1 ? values[0]!.map((a) => [a]) : values[0]!.flatMap((a) => values[1]!.map((b) => [a, b]))
  const average: number[] = []
  const individual: number[][] | undefined = options.individual ? Array.from({ length: rows }, () => []) : undefined
  for (const point of points) {
    const set = data.slice()
    for (let row = 0; row < rows; row++) features.forEach((feature, i) => (set[row * columns + feature] = point[i]!))
    const found = await predictor.predictRows(set, columns)
    const target = options.target ?? (found.columns === 2 && predictor.output === 'probability' ? 1 : 0)
    integer(what, 'target', target, 0, found.columns - 1)
    let sum = 0
    for (let row = 0; row < rows; row++) {
      const value = found.data[row * found.columns + target]!
      sum += value
      individual?.[row]?.push(value)
    }
    average.push(sum / rows)
  }
  return { values, average, individual }
}

/** The different values where they are few, else points at even distances between two quantiles. */
function pointsOf(what: string, feature: number, column: Float64Array, resolution: number, low: number, high: number): number[] {
  const sorted = column.sort()
  const distinct = [...new Set(sorted)]
  if (distinct.length < resolution) return distinct
  const [from, to] = [quantileOf(sorted, low), quantileOf(sorted, high)]
  if (from === to)
    throw new WeftError('ERR_DATA', `${what}: feature ${feature} is ${from} at both percentiles`, { hint: 'Write { percentiles: [0, 1] }' })
  return Array.from({ length: resolution }, (_, i) => from + ((to - from) * i) / (resolution - 1))
}
