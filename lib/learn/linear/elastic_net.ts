// lasso and elasticNet: least squares with a penalty on the absolute values of the coefficients, by coordinate descent.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { register } from '../estimator.js'
import { centered, interceptOf } from '../linalg/centered.js'
import { columnsOf } from '../linalg/qr.js'
import type { Matrix } from '../matrix.js'
import { type Line, LinearModel } from './linear_model.js'
import { checkAlpha } from './ridge.js'

export interface LassoOptions {
  /** Strength of the penalty, at least 0. Default 1. */
  alpha?: number
  /** Whether the line may miss the origin; the intercept is not penalized. Default true. */
  fitIntercept?: boolean
  /** Whether coefficients must not be negative. Default false. */
  positive?: boolean
  /** The most passes over the features. Default 10,000. */
  maxIter?: number
  /** The search ends where the duality gap is at most tol · Σ(y - ȳ)². Default 1e-10. */
  tol?: number
}
export interface ElasticNetOptions extends LassoOptions {
  /** Share of the absolute values in the penalty, from 0 to 1; the rest is of squares. Default 0.5. */
  l1Ratio?: number
}
const LASSO: OptionTable<LassoOptions> = {
  alpha: 'number',
  fitIntercept: 'boolean',
  positive: 'boolean',
  maxIter: 'integer',
  tol: 'number',
}
const ELASTIC: OptionTable<ElasticNetOptions> = { ...LASSO, l1Ratio: 'number' }
const DEFAULTS: Required<LassoOptions> = { alpha: 1, fitIntercept: true, positive: false, maxIter: 10_000, tol: 1e-10 }

function check(what: string, { alpha, maxIter, tol, l1Ratio = 1 }: LassoOptions & { l1Ratio?: number }): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  checkAlpha(what, alpha!)
  if (!(maxIter! >= 1)) throw wrong(`maxIter must be at least 1, got ${show(maxIter)}`, 'Write maxIter: 10000')
  if (!(tol! > 0)) throw wrong(`tol must be above 0, got ${show(tol)}`, 'Write tol: 1e-10')
  if (!(l1Ratio >= 0 && l1Ratio <= 1)) throw wrong(`l1Ratio must lie between 0 and 1, got ${show(l1Ratio)}`, 'Write l1Ratio: 0.5')
}

interface Fitted extends Line {
  iterations: number
  converged: boolean
  gap: number
}

abstract class Sparse<O extends LassoOptions> extends LinearModel<O, Fitted> {
  protected abstract readonly share: number

  /** Passes over the features that were taken. */
  get nIter(): number {
    return this.state('nIter').iterations
  }
  /** The duality gap that was reached, for the objective of scikit-learn (divided by the number of rows). */
  get dualGap(): number {
    return this.state('dualGap').gap
  }

  protected override solve(x: Matrix, y: Float64Array, given: Float64Array | undefined): Fitted {
    const { alpha, fitIntercept, positive, maxIter, tol } = this.params as Required<LassoOptions>
    const { rows, columns } = x
    // the loss is a mean: weights count relative to each other
    const total = given?.reduce((sum, weight) => sum + weight, 0)
    const weights = given?.map((weight) => (weight * rows) / total!)
    const moved = centered(x, y, fitIntercept, weights)
    const [absolute, square] = [alpha * this.share * rows, alpha * (1 - this.share) * rows]
    const { data } = columnsOf(moved.data, rows, columns)
    const found = descend(data, moved.y, { rows, columns, absolute, square, positive, maxIter, tol })
    if (!found.converged)
      this.warn(
        'WEFT_CONVERGENCE',
        `not converged after ${maxIter} passes, the duality gap is ${found.gap.toPrecision(3)}. Scale the features, or raise maxIter or alpha`,
      )
    return { ...found, gap: found.gap / rows, intercept: fitIntercept ? interceptOf(found.coef, moved) : 0 }
  }
}

interface Penalty {
  rows: number
  columns: number
  /** Weight of Σ|w| and of ½Σw². */
  absolute: number
  square: number
  positive: boolean
  maxIter: number
  tol: number
}

/**
 * min ½|y - X·w|² + absolute·Σ|w| + ½square·Σw², one coefficient after the other (Friedman, Hastie and Tibshirani,
 * 2010).
 * @param data X, column after column
 */
function descend(
  data: Float64Array,
  y: Float64Array,
  { rows, columns, absolute, square, positive, maxIter, tol }: Penalty,
): Omit<Fitted, 'intercept'> {
  const coef = new Float64Array(columns)
  const residual = y.slice()
  const lengths = Float64Array.from({ length: columns }, (_, column) => dot(data, column * rows, data, column * rows, rows))
  const goal = tol * dot(y, 0, y, 0, rows)
  let gap = Number.POSITIVE_INFINITY
  for (let iteration = 1; iteration <= maxIter; iteration++) {
    let [largest, change] = [0, 0]
    for (let column = 0; column < columns; column++) {
      const length = lengths[column]!
      if (length === 0) continue
      const at = column * rows
      const before = coef[column]!
      const slope = dot(data, at, residual, 0, rows) + length * before
      const shrunk = positive && slope < 0 ? 0 : Math.sign(slope) * Math.max(Math.abs(slope) - absolute, 0)
      const now = (coef[column] = shrunk / (length + square))
      if (now !== before) for (let row = 0; row < rows; row++) residual[row]! += (before - now) * data[at + row]!
      largest = Math.max(largest, Math.abs(now))
      change = Math.max(change, Math.abs(now - before))
    }
    if (change > 1e-6 * largest && iteration < maxIter && iteration % 50 !== 0) continue
    gap = gapOf(data, y, residual, coef, { rows, columns, absolute, square, positive })
    if (gap <= goal || change === 0) return { coef, iterations: iteration, converged: true, gap }
  }
  return { coef, iterations: maxIter, converged: false, gap }
}

/** How far the objective can be above its minimum, by the scaled residual as a dual point. */
function gapOf(
  data: Float64Array,
  y: Float64Array,
  residual: Float64Array,
  coef: Float64Array,
  { rows, columns, absolute, square, positive }: Pick<Penalty, 'rows' | 'columns' | 'absolute' | 'square' | 'positive'>,
): number {
  let [most, sizes, squares] = [0, 0, 0]
  for (let column = 0; column < columns; column++) {
    const slope = dot(data, column * rows, residual, 0, rows) - square * coef[column]!
    most = Math.max(most, positive ? slope : Math.abs(slope))
    sizes += Math.abs(coef[column]!)
    squares += coef[column]! ** 2
  }
  const own = dot(residual, 0, residual, 0, rows)
  const scale = most > absolute ? absolute / most : 1
  return (
    (own * (1 + scale * scale)) / 2 + absolute * sizes - scale * dot(residual, 0, y, 0, rows) + (square / 2) * (1 + scale * scale) * squares
  )
}

function dot(a: Float64Array, from: number, b: Float64Array, at: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += a[from + i]! * b[at + i]!
  return sum
}

export class Lasso extends Sparse<LassoOptions> {
  protected override readonly share = 1
  constructor(options: LassoOptions = {}) {
    super({ kind: 'lasso', table: LASSO, defaults: DEFAULTS, check: (params) => check('lasso', params) }, options)
  }
}

export class ElasticNet extends Sparse<ElasticNetOptions> {
  protected override get share(): number {
    return this.params.l1Ratio
  }
  constructor(options: ElasticNetOptions = {}) {
    super(
      { kind: 'elasticNet', table: ELASTIC, defaults: { ...DEFAULTS, l1Ratio: 0.5 }, check: (params) => check('elasticNet', params) },
      options,
    )
  }
}

/** The lasso (Tibshirani, 1996): min Σ w (y - ŷ)² / (2 · rows) + alpha · Σ|coef|. Many coefficients become 0. */
export function lasso(options: LassoOptions = {}): Lasso {
  checkCall('lasso(options)', arguments, LASSO)
  return new Lasso(options)
}
/**
 * The elastic net (Zou and Hastie, 2005): min Σ w (y - ŷ)² / (2 · rows) + alpha · l1Ratio · Σ|coef|
 * + ½ alpha · (1 - l1Ratio) · Σcoef².
 */
export function elasticNet(options: ElasticNetOptions = {}): ElasticNet {
  checkCall('elasticNet(options)', arguments, ELASTIC)
  return new ElasticNet(options)
}
register('lasso', (params: LassoOptions) => new Lasso(params))
register('elasticNet', (params: ElasticNetOptions) => new ElasticNet(params))
