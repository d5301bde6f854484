// sgdClassifier and sgdRegressor: linear models of many losses by stochastic gradient descent.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, checkOptions, show } from '../../core/options.js'
import { checkClassWeight, type ClassWeight, classWeights } from '../class_weight.js'
import { FIT_OPTIONS, type FitOptions, nested, register } from '../estimator.js'
import { type LabelsLike, type Matrix, type MatrixLike, readLabels, readMatrix, readWeights } from '../matrix.js'
import { Random } from '../random.js'
import { LinearClassifier, type Planes, sigmoid } from './linear_classifier.js'
import { type Line, LinearModel } from './linear_model.js'
import { checkSgd, descend, type PointLoss, SGD_DEFAULTS, SGD_TABLE, type SgdOptions } from './sgd.js'

export interface SgdClassifierOptions extends SgdOptions {
  /**
   * Of the score times ±1: 'hinge' (a linear support vector machine), 'squaredHinge', 'perceptron', 'logLoss' (logistic
   * regression), 'modifiedHuber' (smooth, with probabilities). Default 'hinge'.
   */
  loss?: 'hinge' | 'squaredHinge' | 'perceptron' | 'logLoss' | 'modifiedHuber'
  /** Weights of classes; of more than two, each weighs only its own rows against the others. Default null: all 1. */
  classWeight?: ClassWeight
}
export interface SgdRegressorOptions extends SgdOptions {
  /**
   * 'squaredError' ½(y - ŷ)², 'huber' (linear beyond epsilon), 'epsilonInsensitive' max(0, |y - ŷ| - epsilon). Default
   * 'squaredError'.
   */
  loss?: 'squaredError' | 'huber' | 'epsilonInsensitive'
  /** Of 'huber' and 'epsilonInsensitive', in units of y. Default 0.1. */
  epsilon?: number
}
const CLASS_LOSSES: Record<Required<SgdClassifierOptions>['loss'], PointLoss> = {
  hinge: { value: (s, y) => Math.max(0, 1 - s * y), slope: (s, y) => (s * y <= 1 ? -y : 0) },
  squaredHinge: { value: (s, y) => Math.max(0, 1 - s * y) ** 2, slope: (s, y) => -2 * y * Math.max(0, 1 - s * y) },
  perceptron: { value: (s, y) => Math.max(0, -s * y), slope: (s, y) => (s * y <= 0 ? -y : 0) },
  logLoss: { value: (s, y) => Math.max(0, -s * y) + Math.log1p(Math.exp(-Math.abs(s))), slope: (s, y) => -y * sigmoid(-s * y) },
  modifiedHuber: {
    value: (s, y) => (s * y >= -1 ? Math.max(0, 1 - s * y) ** 2 : -4 * s * y),
    slope: (s, y) => (s * y >= -1 ? -2 * y * Math.max(0, 1 - s * y) : -4 * y),
  },
}
const numberLoss = (loss: Required<SgdRegressorOptions>['loss'], epsilon: number): PointLoss => {
  if (loss === 'squaredError') return { value: (s, y) => 0.5 * (s - y) ** 2, slope: (s, y) => s - y }
  if (loss === 'huber')
    return {
      value: (s, y) => (Math.abs(s - y) <= epsilon ? 0.5 * (s - y) ** 2 : epsilon * Math.abs(s - y) - 0.5 * epsilon * epsilon),
      slope: (s, y) => Math.max(-epsilon, Math.min(epsilon, s - y)),
    }
  return { value: (s, y) => Math.max(0, Math.abs(s - y) - epsilon), slope: (s, y) => (Math.abs(s - y) > epsilon ? Math.sign(s - y) : 0) }
}

const CLASSIFIER: OptionTable<SgdClassifierOptions> = { ...SGD_TABLE, loss: Object.keys(CLASS_LOSSES), classWeight: 'any' }
const REGRESSOR: OptionTable<SgdRegressorOptions> = {
  ...SGD_TABLE,
  loss: ['squaredError', 'huber', 'epsilonInsensitive'],
  epsilon: 'number',
}
const unfinished = (maxIter: number): string =>
  `not converged after ${maxIter} passes. Scale the features with standardScaler(), lower eta0, or raise maxIter`

interface FittedPlanes extends Planes {
  iterations: number
}

export class SgdClassifier extends LinearClassifier<SgdClassifierOptions, FittedPlanes> {
  constructor(options: SgdClassifierOptions = {}) {
    const check = (params: Required<SgdClassifierOptions>): void => {
      checkSgd('sgdClassifier', params)
      checkClassWeight('sgdClassifier', params.classWeight)
    }
    super({ kind: 'sgdClassifier', table: CLASSIFIER, defaults: { ...SGD_DEFAULTS, loss: 'hinge', classWeight: null }, check }, options)
  }
  /** Passes that were taken, the most of any class. */
  get nIter(): number {
    return this.state('nIter').iterations
  }

  /** Learns from rows X [rows, features] and their classes y [rows], each class against the others. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'sgdClassifier.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const { classes, index } = await readLabels(what, y, matrix.rows)
    const given = await readWeights(what, options.sampleWeight, matrix.rows)
    const ofClass = classWeights(what, this.params.classWeight, { classes, index })
    const count = classes.length
    const random = new Random(this.params.seed)
    const found = []
    for (const own of count === 2 ? [1] : classes.keys()) {
      const targets = Float64Array.from(index, (place) => (place === own ? 1 : -1))
      const weights = Float64Array.from(index, (place, row) => (count === 2 || place === own ? ofClass[place]! : 1) * (given?.[row] ?? 1))
      found.push(await descend(what, matrix, targets, weights, CLASS_LOSSES[this.params.loss], this.params, random))
    }
    this.learned = {
      classes,
      coef: Float64Array.from(found.flatMap(({ coef }) => Array.from(coef))),
      intercept: Float64Array.from(found, ({ intercept }) => intercept),
      iterations: Math.max(...found.map(({ iterations }) => iterations)),
    }
    if (found.some(({ converged }) => !converged)) this.warn('WEFT_CONVERGENCE', unfinished(this.learned.iterations))
    return this
  }

  /** The probability of each class: [rows][classes]. ERR_STATE unless the loss is 'logLoss' or 'modifiedHuber'. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const { loss } = this.params
    if (loss !== 'logLoss' && loss !== 'modifiedHuber')
      throw new WeftError('ERR_STATE', `sgdClassifier: the loss ${show(loss)} has no probabilities`, {
        hint: "Write loss: 'logLoss', and fit() again",
      })
    const chance = (z: number): number => (loss === 'logLoss' ? sigmoid(z) : (Math.max(-1, Math.min(1, z)) + 1) / 2)
    const scores = await this.scores(x, 'predictProba')
    const count = this.classes.length
    if (count === 2) return Array.from(scores, (z) => [1 - chance(z), chance(z)])
    return nested(scores.map(chance), count).map((row) => {
      const sum = row.reduce((a, b) => a + b, 0)
      return row.map((share) => (sum > 0 ? share / sum : 1 / count))
    })
  }
}

interface FittedLine extends Line {
  iterations: number
}

export class SgdRegressor extends LinearModel<SgdRegressorOptions, FittedLine> {
  constructor(options: SgdRegressorOptions = {}) {
    const check = (params: Required<SgdRegressorOptions>): void => {
      checkSgd('sgdRegressor', params)
      if (!(params.epsilon >= 0))
        throw new WeftError('ERR_ARGUMENT', `sgdRegressor: epsilon must be at least 0, got ${show(params.epsilon)}`, {
          hint: 'Write epsilon: 0.1',
        })
    }
    super(
      {
        kind: 'sgdRegressor',
        table: REGRESSOR,
        defaults: { ...SGD_DEFAULTS, learningRate: 'invScaling', loss: 'squaredError', epsilon: 0.1 },
        check,
      },
      options,
    )
  }
  /** Passes that were taken. */
  get nIter(): number {
    return this.state('nIter').iterations
  }

  protected override async solve(x: Matrix, y: Float64Array, weights: Float64Array | undefined): Promise<FittedLine> {
    const { loss, epsilon, seed } = this.params
    const found = await descend(
      'sgdRegressor.fit',
      x,
      y,
      weights ?? new Float64Array(x.rows).fill(1),
      numberLoss(loss, epsilon),
      this.params,
      new Random(seed),
    )
    if (!found.converged) this.warn('WEFT_CONVERGENCE', unfinished(found.iterations))
    return { coef: found.coef, intercept: found.intercept, iterations: found.iterations }
  }
}

/**
 * Linear classification by stochastic gradient descent: many rows, one pass after the other. Scale the features first.
 */
export function sgdClassifier(options: SgdClassifierOptions = {}): SgdClassifier {
  checkCall('sgdClassifier(options)', arguments, CLASSIFIER)
  return new SgdClassifier(options)
}
/**
 * Linear regression by stochastic gradient descent; learningRate is 'invScaling' by default. Scale the features first.
 */
export function sgdRegressor(options: SgdRegressorOptions = {}): SgdRegressor {
  checkCall('sgdRegressor(options)', arguments, REGRESSOR)
  return new SgdRegressor(options)
}
register('sgdClassifier', (params: SgdClassifierOptions) => new SgdClassifier(params))
register('sgdRegressor', (params: SgdRegressorOptions) => new SgdRegressor(params))
