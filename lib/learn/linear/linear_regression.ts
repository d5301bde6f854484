// linearRegression: ordinary least squares.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { register } from '../estimator.js'
import { centered, interceptOf } from '../linalg/centered.js'
import { leastSquares } from '../linalg/least_squares.js'
import type { Matrix } from '../matrix.js'
import { type Line, LinearModel } from './linear_model.js'

export interface LinearRegressionOptions {
  /** Whether the line may miss the origin. Default true. */
  fitIntercept?: boolean
}
const OPTIONS: OptionTable<LinearRegressionOptions> = { fitIntercept: 'boolean' }

interface Fitted extends Line {
  rank: number
  /** Undefined for more features than MOST_SINGULAR. */
  singular: Float64Array | undefined
}
/** Singular values of more features take longer than the fit. */
const MOST_SINGULAR = 100

/** Ordinary least squares. Where columns depend on each other, the shortest of all best coefficients. */
export class LinearRegression extends LinearModel<LinearRegressionOptions, Fitted> {
  constructor(options: LinearRegressionOptions = {}) {
    super({ kind: 'linearRegression', table: OPTIONS, defaults: { fitIntercept: true } }, options)
  }

  /** How many features are independent of each other (around their means). */
  get rank(): number {
    return this.state('rank').rank
  }
  /** The singular values of the centered X, in descending order. ERR_STATE after a fit on more than 100 features. */
  get singular(): number[] {
    const { singular, coef } = this.state('singular')
    if (singular === undefined)
      throw new WeftError(
        'ERR_STATE',
        `linearRegression: singular values are kept for up to ${MOST_SINGULAR} features, X had ${coef.length}`,
        {
          hint: 'Use pca().fit(X).singularValues',
        },
      )
    return Array.from(singular)
  }

  protected override solve(x: Matrix, y: Float64Array, weights: Float64Array | undefined): Fitted {
    const moved = centered(x, y, this.params.fitIntercept, weights)
    const { solution, rank, singular } = leastSquares(moved.data, x.rows, x.columns, moved.y)
    const kept = Math.min(x.rows, x.columns) <= MOST_SINGULAR ? singular() : undefined
    return { coef: solution, intercept: this.params.fitIntercept ? interceptOf(solution, moved) : 0, rank, singular: kept }
  }
}

/**
 * Ordinary least squares, y ≈ X·coef + intercept: min Σ w (y - ŷ)². The solution of minimal norm where X has not full
 * rank, by a pivoted QR decomposition in float64.
 */
export function linearRegression(options: LinearRegressionOptions = {}): LinearRegression {
  checkCall('linearRegression(options)', arguments, OPTIONS)
  return new LinearRegression(options)
}
register('linearRegression', (params: LinearRegressionOptions) => new LinearRegression(params))
