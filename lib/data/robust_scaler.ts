// robustScaler: features on one scale by median and quantiles, which outliers do not move.
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { columnsOf, type Line } from './scaler_lines.js'
import { Scaler } from './scalers.js'

export interface RobustScalerOptions {
  /** Percentiles whose distance becomes 1. Default [25, 75]. */
  quantileRange?: readonly [number, number]
  /** The median becomes 0. Default true. */
  withCentering?: boolean
  /** Divides by the distance of the percentiles. Default true. */
  withScaling?: boolean
}
const OPTIONS: OptionTable<RobustScalerOptions> = { quantileRange: 'list', withCentering: 'boolean', withScaling: 'boolean' }

/** Linear between neighbours, as numpy.percentile. */
function percentile(sorted: Float64Array, percent: number): number {
  const at = (percent / 100) * (sorted.length - 1)
  const below = Math.floor(at)
  const [a, b] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!]
  return a + (b - a) * (at - below)
}

/**
 * (x - median) / (percentile 75 - percentile 25) of each feature; where these are equal the feature is centered alone.
 */
export class RobustScaler extends Scaler {
  protected override readonly what = 'robustScaler'
  private params: Required<RobustScalerOptions> = { quantileRange: [25, 75], withCentering: true, withScaling: true }

  constructor(options: RobustScalerOptions = {}) {
    super()
    this.setParams(options)
  }

  override getParams(): Required<RobustScalerOptions> {
    return { ...this.params }
  }
  override setParams(options: RobustScalerOptions): this {
    checkOptions('data.robustScaler', options, OPTIONS)
    const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
    const params = { ...this.params, ...Object.fromEntries(given) }
    const [low, high] = params.quantileRange
    if (params.quantileRange.length !== 2 || !(low >= 0 && low < high && high <= 100))
      throw new WeftError('ERR_ARGUMENT', `robustScaler: quantileRange is two percentages in order, got ${show(params.quantileRange)}`)
    this.params = params
    return this
  }
  override clone(): this {
    return new RobustScaler(this.params) as this
  }

  protected override lineOf(values: Float64Array): Line {
    const { quantileRange, withCentering, withScaling } = this.params
    const sorted = Float64Array.from(values).sort()
    const [low, high] = quantileRange.map((percent) => percentile(sorted, percent)) as [number, number]
    const even = high - low <= 2 * Number.EPSILON * Math.max(Math.abs(low), Math.abs(high))
    return { center: withCentering ? percentile(sorted, 50) : 0, factor: withScaling && !even ? 1 / (high - low) : 1, origin: 0 }
  }

  toJSON(): object {
    return { className: 'RobustScaler', ...this.params, ...columnsOf(this.lines ?? []) }
  }
  static fromJSON(json: unknown): RobustScaler {
    const { quantileRange, withCentering, withScaling } = (json ?? {}) as RobustScalerOptions
    return new RobustScaler({ quantileRange, withCentering, withScaling } as RobustScalerOptions).adopt(json)
  }
}

/** Features of median 0 and interquartile range 1. `fromJSON` makes a saved one again. */
export const robustScaler: { (options?: RobustScalerOptions): RobustScaler; fromJSON: (json: unknown) => RobustScaler } = Object.assign(
  function (options: RobustScalerOptions = {}) {
    checkCall('data.robustScaler(options)', arguments)
    return new RobustScaler(options)
  },
  { fromJSON: (json: unknown) => RobustScaler.fromJSON(json) },
)
