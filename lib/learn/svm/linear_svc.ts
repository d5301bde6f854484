// linearSvc: linear support vector classification without a matrix of similarities.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { checkClassWeight, type ClassWeight, classWeights } from '../class_weight.js'
import { FIT_OPTIONS, type FitOptions, register } from '../estimator.js'
import { LinearClassifier, type Planes } from '../linear/linear_classifier.js'
import { type LabelsLike, type Matrix, type MatrixLike, readLabels, readMatrix, readWeights } from '../matrix.js'
import { breathe, checkSeedOption, Random } from '../random.js'

export interface LinearSvcOptions {
  /** Weight of errors against the size of the coefficients, above 0. Default 1. */
  C?: number
  /** 'hinge' max(0, 1 - z), or its square. Default 'squaredHinge'. */
  loss?: 'hinge' | 'squaredHinge'
  /** Whether scores have an intercept. Default true. */
  fitIntercept?: boolean
  /**
   * The intercept is the coefficient of a feature of this value, and penalized as such: large values penalize less.
   * Default 1.
   */
  interceptScaling?: number
  /** Weights of classes; of more than two, each weighs only its own rows against the others. Default null: all 1. */
  classWeight?: ClassWeight
  /** The search ends where the conditions of the optimum are violated by no more. Default 1e-4. */
  tol?: number
  /** The most passes over the rows. Default 1000. */
  maxIter?: number
  /** Of the order of the rows. Default null: the seed of the process. */
  seed?: number | null
}
const OPTIONS: OptionTable<LinearSvcOptions> = {
  C: 'number',
  loss: ['hinge', 'squaredHinge'],
  fitIntercept: 'boolean',
  interceptScaling: 'number',
  classWeight: 'any',
  tol: 'number',
  maxIter: 'integer',
  seed: 'any',
}
const DEFAULTS: Required<LinearSvcOptions> = {
  C: 1,
  loss: 'squaredHinge',
  fitIntercept: true,
  interceptScaling: 1,
  classWeight: null,
  tol: 1e-4,
  maxIter: 1000,
  seed: null,
}

function check({ C, interceptScaling, tol, maxIter, classWeight, seed }: Required<LinearSvcOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `linearSvc: ${text}`, { hint })
  if (!(C > 0 && Number.isFinite(C))) throw wrong(`C must be above 0, got ${show(C)}`, 'Write C: 1')
  if (!(interceptScaling > 0))
    throw wrong(`interceptScaling must be above 0, got ${show(interceptScaling)}`, 'For no intercept write fitIntercept: false')
  if (!(tol > 0)) throw wrong(`tol must be above 0, got ${show(tol)}`, 'Write tol: 1e-4')
  if (!(maxIter >= 1)) throw wrong(`maxIter must be at least 1, got ${show(maxIter)}`, 'Write maxIter: 1000')
  checkClassWeight('linearSvc', classWeight)
  checkSeedOption('linearSvc', seed)
}

interface Fitted extends Planes {
  iterations: number
  converged: boolean
}

export class LinearSvc extends LinearClassifier<LinearSvcOptions, Fitted> {
  constructor(options: LinearSvcOptions = {}) {
    super({ kind: 'linearSvc', table: OPTIONS, defaults: DEFAULTS, check }, options)
  }

  /** Passes that were taken, the most of any class. */
  get nIter(): number {
    return this.state('nIter').iterations
  }

  /** Learns from rows X [rows, features] and their classes y [rows]. Warns where maxIter was reached. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'linearSvc.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const labels = await readLabels(what, y, matrix.rows)
    const given = await readWeights(what, options.sampleWeight, matrix.rows)
    const ofClass = classWeights(what, this.params.classWeight, labels)
    const { fitIntercept, interceptScaling, maxIter, seed } = this.params
    const count = labels.classes.length
    const { rows, columns } = matrix
    const width = columns + (fitIntercept ? 1 : 0)
    const data = new Float64Array(rows * width).fill(interceptScaling)
    for (let row = 0; row < rows; row++) data.set(matrix.data.subarray(row * columns, (row + 1) * columns), row * width)
    const targets = count === 2 ? [1] : labels.classes.keys()
    const [coef, intercept] = [[] as number[], [] as number[]]
    let [iterations, converged] = [0, true]
    for (const own of targets) {
      await breathe()
      const signs = Int8Array.from(labels.index, (place) => (place === own ? 1 : -1))
      // as in LIBLINEAR: of more than two classes only the one that is told from the others has its weight
      const weights = Float64Array.from(
        labels.index,
        (place, row) => (count === 2 || place === own ? ofClass[place]! : 1) * (given?.[row] ?? 1),
      )
      const found = this.descend({ data, rows, columns: width }, signs, weights, new Random(seed))
      coef.push(...found.plane.subarray(0, columns))
      intercept.push(fitIntercept ? found.plane[columns]! * interceptScaling : 0)
      iterations = Math.max(iterations, found.iterations)
      converged &&= found.converged
    }
    this.learned = {
      classes: labels.classes,
      coef: Float64Array.from(coef),
      intercept: Float64Array.from(intercept),
      iterations,
      converged,
    }
    if (!converged)
      this.warn('WEFT_CONVERGENCE', `not converged after ${maxIter} passes. Scale the features with standardScaler(), or raise maxIter`)
    return this
  }

  /** Dual coordinate descent with shrinking (Hsieh et al., 2008). */
  private descend(
    { data, rows, columns }: Matrix,
    signs: Int8Array,
    weights: Float64Array,
    random: Random,
  ): { plane: Float64Array; iterations: number; converged: boolean } {
    const { C, loss, tol, maxIter } = this.params
    const hinge = loss === 'hinge'
    const plane = new Float64Array(columns)
    const alpha = new Float64Array(rows)
    // the bound of each variable, and what its own square adds to its curvature
    const bound = weights.map((weight) => (hinge || weight === 0 ? C * weight : Number.POSITIVE_INFINITY))
    const own = weights.map((weight) => (hinge || weight === 0 ? 0 : 1 / (2 * C * weight)))
    const curvature = own.slice()
    for (let row = 0; row < rows; row++) for (let i = row * columns; i < (row + 1) * columns; i++) curvature[row]! += data[i]! ** 2
    const order = Int32Array.from(alpha.keys())
    let active = rows
    let [above, below] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let iteration = 1; iteration <= maxIter; iteration++) {
      let [most, least] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      random.shuffle(order.subarray(0, active))
      for (let s = 0; s < active; s++) {
        const row = order[s]!
        const at = row * columns
        let score = 0
        for (let k = 0; k < columns; k++) score += plane[k]! * data[at + k]!
        const slope = signs[row]! * score - 1 + own[row]! * alpha[row]!
        let projected = slope
        if (alpha[row] === 0) {
          if (slope > above || bound[row] === 0) {
            order[s--] = order[--active]!
            order[active] = row
            continue
          }
          projected = Math.min(0, slope)
        } else if (alpha[row] === bound[row]) {
          if (slope < below) {
            order[s--] = order[--active]!
            order[active] = row
            continue
          }
          projected = Math.max(0, slope)
        }
        most = Math.max(most, projected)
        least = Math.min(least, projected)
        if (Math.abs(projected) <= 1e-12 || curvature[row] === 0) continue
        const before = alpha[row]!
        alpha[row] = Math.min(Math.max(before - slope / curvature[row]!, 0), bound[row]!)
        const change = signs[row]! * (alpha[row]! - before)
        for (let k = 0; k < columns; k++) plane[k]! += change * data[at + k]!
      }
      if (active === 0 || most - least <= tol) {
        if (active === rows) return { plane, iterations: iteration, converged: true }
        // rows that were left out are looked at once more
        active = rows
        ;[above, below] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
        continue
      }
      above = most <= 0 ? Number.POSITIVE_INFINITY : most
      below = least >= 0 ? Number.NEGATIVE_INFINITY : least
    }
    return { plane, iterations: maxIter, converged: false }
  }
}

/**
 * A linear support vector machine, each class against the others: min ½|coef|² + C · Σ w · loss, by dual coordinate
 * descent as in LIBLINEAR. As there, the intercept is penalized (see interceptScaling).
 */
export function linearSvc(options: LinearSvcOptions = {}): LinearSvc {
  checkCall('linearSvc(options)', arguments, OPTIONS)
  return new LinearSvc(options)
}
register('linearSvc', (params: LinearSvcOptions) => new LinearSvc(params))
