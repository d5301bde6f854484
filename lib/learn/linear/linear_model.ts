// The base of the linear regressors: ŷ = X·coef + intercept.
import { checkOptions } from '../../core/options.js'
import { FIT_OPTIONS, type FitOptions, Regressor } from '../estimator.js'
import { affine } from '../linalg/products.js'
import { type LabelsLike, type Matrix, type MatrixLike, readMatrix, readTargets, readWeights } from '../matrix.js'

/** What a linear model learns. */
export interface Line {
  coef: Float64Array
  intercept: number
}

export abstract class LinearModel<O extends object, S extends Line> extends Regressor<O, S> {
  /** The coefficients of checked data. */
  protected abstract solve(x: Matrix, y: Float64Array, weights: Float64Array | undefined): S | Promise<S>

  /** The coefficient of each feature. */
  get coef(): number[] {
    return Array.from(this.state('coef').coef)
  }
  /** What is predicted where all features are 0; 0 with fitIntercept: false. */
  get intercept(): number {
    return this.state('intercept').intercept
  }

  /**
   * Learns from rows X [rows, features] and their numbers y [rows]. Resolves with the model.
   * @param options sampleWeight: a weight for each row
   */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const targets = await readTargets(what, y, matrix.rows)
    const weights = await readWeights(what, options.sampleWeight, matrix.rows)
    this.learned = await this.solve(matrix, targets, weights)
    return this
  }

  /** X·coef + intercept for each row. */
  async predict(x: MatrixLike): Promise<number[]> {
    const { coef, intercept } = this.state('predict')
    const matrix = await readMatrix(`${this.kind}.predict`, x, { columns: coef.length })
    return Array.from(await affine(matrix, coef, [intercept]))
  }
}
