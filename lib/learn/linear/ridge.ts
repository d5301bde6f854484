// ridge: least squares with a penalty on the squares of the coefficients.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { register } from '../estimator.js'
import { centered, interceptOf } from '../linalg/centered.js'
import { leastSquares } from '../linalg/least_squares.js'
import type { Matrix } from '../matrix.js'
import { type Line, LinearModel } from './linear_model.js'

export interface RidgeOptions {
  /** Strength of the penalty, at least 0. Default 1. */
  alpha?: number
  /** Whether the line may miss the origin; the intercept is not penalized. Default true. */
  fitIntercept?: boolean
}
const OPTIONS: OptionTable<RidgeOptions> = { alpha: 'number', fitIntercept: 'boolean' }

export class Ridge extends LinearModel<RidgeOptions, Line> {
  constructor(options: RidgeOptions = {}) {
    super(
      { kind: 'ridge', table: OPTIONS, defaults: { alpha: 1, fitIntercept: true }, check: ({ alpha }) => checkAlpha('ridge', alpha) },
      options,
    )
  }

  protected override solve(x: Matrix, y: Float64Array, weights: Float64Array | undefined): Line {
    const { alpha, fitIntercept } = this.params
    const moved = centered(x, y, fitIntercept, weights)
    const { rows, columns } = x
    // |X·w - y|² + α|w|² is one least-squares problem: below X stands √α times the identity
    const data = new Float64Array((rows + columns) * columns)
    data.set(moved.data)
    for (let column = 0; column < columns; column++) data[(rows + column) * columns + column] = Math.sqrt(alpha)
    const targets = new Float64Array(rows + columns)
    targets.set(moved.y)
    const { solution } = leastSquares(data, rows + columns, columns, targets)
    return { coef: solution, intercept: fitIntercept ? interceptOf(solution, moved) : 0 }
  }
}

/** Throws ERR_ARGUMENT unless the strength of a penalty is a finite number of at least 0. */
export function checkAlpha(what: string, alpha: number): void {
  if (!(alpha >= 0 && Number.isFinite(alpha)))
    throw new WeftError('ERR_ARGUMENT', `${what}: alpha must be a number of at least 0, got ${show(alpha)}`, {
      hint: `Write ${what}({ alpha: 1 })`,
    })
}

/**
 * Ridge regression (Hoerl and Kennard, 1970): min Σ w (y - ŷ)² + alpha · |coef|². Solved as one least-squares problem
 * by QR in float64. alpha 0 gives linearRegression's result.
 */
export function ridge(options: RidgeOptions = {}): Ridge {
  checkCall('ridge(options)', arguments, OPTIONS)
  return new Ridge(options)
}
register('ridge', (params: RidgeOptions) => new Ridge(params))
