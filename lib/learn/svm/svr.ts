// svr: support vector regression.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { FIT_OPTIONS, type FitOptions, nested, register, Regressor } from '../estimator.js'
import { type LabelsLike, type MatrixLike, readMatrix, readTargets, readWeights } from '../matrix.js'
import { gramRows, kernelFor } from './kernels.js'
import { similarities } from './machines.js'
import { checkSquare, checkSvm, SVM_DEFAULTS, SVM_TABLE, type SvmOptions } from './options.js'
import { solve } from './smo.js'

export interface SvrOptions extends SvmOptions {
  /** Errors up to this size cost nothing. At least 0, in units of y. Default 0.1. */
  epsilon?: number
}
const OPTIONS: OptionTable<SvrOptions> = { ...SVM_TABLE, epsilon: 'number' }

interface Fitted {
  columns: number
  gamma: number
  support: Int32Array
  vectors: Float64Array
  dual: Float64Array
  intercept: number
  objective: number
  converged: boolean
}

export class Svr extends Regressor<SvrOptions, Fitted> {
  constructor(options: SvrOptions = {}) {
    const check = (params: Required<SvrOptions>): void => {
      checkSvm('svr', params)
      if (!(params.epsilon >= 0))
        throw new WeftError('ERR_ARGUMENT', `svr: epsilon must be at least 0, got ${show(params.epsilon)}`, { hint: 'Write epsilon: 0.1' })
    }
    super({ kind: 'svr', table: OPTIONS, defaults: { ...SVM_DEFAULTS, epsilon: 0.1 }, check }, options)
  }

  /** The rows of X that are support vectors. */
  get support(): number[] {
    return Array.from(this.state('support').support)
  }
  /** [count][features]; empty where similarities are precomputed. */
  get supportVectors(): number[][] {
    const { vectors, columns } = this.state('supportVectors')
    return nested(vectors, columns)
  }
  /** The coefficient of each support vector. */
  get dualCoef(): number[] {
    return Array.from(this.state('dualCoef').dual)
  }
  get intercept(): number {
    return this.state('intercept').intercept
  }
  /** The gamma that was used. */
  get gamma(): number {
    return this.state('gamma').gamma
  }
  /** The minimum of the dual problem. */
  get objective(): number {
    return this.state('objective').objective
  }

  /** Learns from rows X [rows, features] and their numbers y [rows]. Warns where maxIter was reached. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'svr.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const { rows: count, columns, data } = matrix
    const targets = await readTargets(what, y, count)
    const weights = await readWeights(what, options.sampleWeight, count)
    const { C, epsilon, tol, maxIter, cacheSize } = this.params
    const kernel = kernelFor(this.params, matrix)
    checkSquare(what, kernel, matrix)
    const gram = await gramRows(kernel, matrix, cacheSize)
    // variable i pulls row i up, variable count + i pulls it down
    const kept = new Array<Float64Array | Float32Array | undefined>(count)
    const row = (i: number): Float64Array | Float32Array => {
      const place = i % count
      const known = kept[place]
      if (known !== undefined) return known
      const own = gram.row(place)
      const twice = own instanceof Float32Array ? new Float32Array(2 * count) : new Float64Array(2 * count)
      twice.set(own)
      twice.set(own, count)
      kept[place] = twice
      return twice
    }
    const twice = <T>(make: (place: number, up: boolean) => T): T[] =>
      Array.from({ length: 2 * count }, (_, i) => make(i % count, i < count))
    const found = solve(
      {
        signs: Int8Array.from(twice((_, up) => (up ? 1 : -1))),
        linear: Float64Array.from(twice((place, up) => epsilon + (up ? -targets[place]! : targets[place]!))),
        bounds: Float64Array.from(twice((place) => C * (weights?.[place] ?? 1))),
        diagonal: Float64Array.from(twice((place) => gram.row(place)[place]!)),
        row,
      },
      tol,
      maxIter,
    )
    const coef = Float64Array.from({ length: count }, (_, i) => found.coef[i]! + found.coef[count + i]!)
    const support = Int32Array.from(coef.keys()).filter((i) => coef[i] !== 0)
    const vectors = new Float64Array(kernel.name === 'precomputed' ? 0 : support.length * columns)
    if (vectors.length > 0)
      for (const [s, place] of support.entries()) vectors.set(data.subarray(place * columns, (place + 1) * columns), s * columns)
    this.learned = {
      columns,
      gamma: kernel.gamma,
      support,
      vectors,
      dual: Float64Array.from(support, (place) => coef[place]!),
      intercept: -found.rho,
      objective: found.objective,
      converged: found.converged,
    }
    if (!found.converged)
      this.warn('WEFT_CONVERGENCE', `not converged after ${maxIter} steps. Scale the features with standardScaler(), or raise maxIter`)
    return this
  }

  /** A number for each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const fitted = this.state('predict')
    const { support, dual, intercept, gamma, columns } = fitted
    const matrix = await readMatrix('svr.predict', x, { columns })
    if (support.length === 0) return new Array<number>(matrix.rows).fill(intercept)
    const similar = await similarities({ ...kernelFor(this.params, matrix), gamma }, matrix, fitted)
    return Array.from({ length: matrix.rows }, (_, r) => {
      let sum = intercept
      for (let s = 0; s < dual.length; s++) sum += dual[s]! * similar[r * dual.length + s]!
      return sum
    })
  }
}

/**
 * Support vector regression (Drucker et al., 1997): errors up to `epsilon` cost nothing, larger ones C times their
 * excess. Solved as svc is, with the same kernels.
 */
export function svr(options: SvrOptions = {}): Svr {
  checkCall('svr(options)', arguments, OPTIONS)
  return new Svr(options)
}
register('svr', (params: SvrOptions) => new Svr(params))
