// histGradientBoostingClassifier and histGradientBoostingRegressor.
import { checkCall, checkOptions, type OptionTable } from '../../core/options.js'
import { checkClassWeight, type ClassWeight, rowWeights } from '../class_weight.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, nested, register, Regressor } from '../estimator.js'
import { bothSides, sigmoid, softmaxRows } from '../linear/linear_classifier.js'
import { type Label, type LabelsLike, type MatrixLike, readLabels, readMatrix, readTargets, readWeights } from '../matrix.js'
import { boost, type Boosted, boostedScores } from './boost.js'
import type { BoostedTree } from './grower.js'
import { binaryLogLoss, softmaxLogLoss, squaredError } from './losses.js'
import { BOOSTING_DEFAULTS, BOOSTING_TABLE, checkBoosting, type HistGradientBoostingOptions } from './options.js'

export interface HistGradientBoostingClassifierOptions extends HistGradientBoostingOptions {
  /** Weights of classes. Default null: all 1. */
  classWeight?: ClassWeight
}
const CLASSIFIER: OptionTable<HistGradientBoostingClassifierOptions> = { ...BOOSTING_TABLE, classWeight: 'any' }

export class HistGradientBoostingClassifier extends ClassifierBase<HistGradientBoostingClassifierOptions, Boosted & { classes: Label[] }> {
  constructor(options: HistGradientBoostingClassifierOptions = {}) {
    const kind = 'histGradientBoostingClassifier'
    const check = (params: Required<HistGradientBoostingClassifierOptions>): void => {
      checkBoosting(kind, params)
      checkClassWeight(kind, params.classWeight)
    }
    super({ kind, table: CLASSIFIER, defaults: { ...BOOSTING_DEFAULTS, classWeight: null }, check }, options)
  }

  /** Steps that were taken. */
  get nIter(): number {
    const { trees, outputs } = this.state('nIter')
    return trees.length / outputs
  }
  /** Of more than two classes one tree for each in every step, as flat arrays of nodes. */
  get trees(): readonly BoostedTree[] {
    return this.state('trees').trees
  }
  /** The scores before the first tree: one, or one for each of more than two classes. */
  get baseline(): number[] {
    return Array.from(this.state('baseline').baseline)
  }
  /** With early stopping: minus the loss on the held-out rows, before the first step and after each. */
  get validationScores(): number[] {
    return Array.from(this.state('validationScores').validationScores)
  }

  /** Learns from rows X [rows, features], where NaN stands for missing values, and their classes y [rows]. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x, { missing: true })
    const labels = await readLabels(what, y, matrix.rows)
    const weights = rowWeights(what, this.params.classWeight, labels, await readWeights(what, options.sampleWeight, matrix.rows))
    const loss = labels.classes.length === 2 ? binaryLogLoss : softmaxLogLoss(labels.classes.length)
    const found = await boost(matrix, Float64Array.from(labels.index), weights, loss, this.params, labels.index)
    this.learned = { ...found, classes: labels.classes }
    return this
  }

  private async scores(x: MatrixLike, method: string): Promise<Float64Array> {
    const fitted = this.state(method)
    return boostedScores(fitted, await readMatrix(`${this.kind}.${method}`, x, { columns: fitted.columns, missing: true }))
  }
  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const scores = await this.scores(x, method)
    return this.state(method).outputs === 1 ? bothSides(scores) : scores
  }

  /** Two classes: the score of the second, for each row. More: [rows][classes]. */
  async decisionFunction(x: MatrixLike): Promise<number[] | number[][]> {
    const scores = await this.scores(x, 'decisionFunction')
    const { outputs } = this.state('decisionFunction')
    return outputs === 1 ? Array.from(scores) : nested(scores, outputs)
  }
  /** The probability of each class: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const scores = await this.scores(x, 'predictProba')
    const { outputs } = this.state('predictProba')
    return outputs === 1 ? Array.from(scores, (z) => [sigmoid(-z), sigmoid(z)]) : nested(softmaxRows(scores, outputs), outputs)
  }
}

export class HistGradientBoostingRegressor extends Regressor<HistGradientBoostingOptions, Boosted> {
  constructor(options: HistGradientBoostingOptions = {}) {
    const kind = 'histGradientBoostingRegressor'
    super({ kind, table: BOOSTING_TABLE, defaults: BOOSTING_DEFAULTS, check: (params) => checkBoosting(kind, params) }, options)
  }

  /** Steps that were taken. */
  get nIter(): number {
    return this.state('nIter').trees.length
  }
  /** The trees, as flat arrays of nodes. */
  get trees(): readonly BoostedTree[] {
    return this.state('trees').trees
  }
  /** What is predicted before the first tree. */
  get baseline(): number[] {
    return Array.from(this.state('baseline').baseline)
  }
  /** With early stopping: minus the loss on the held-out rows, before the first step and after each. */
  get validationScores(): number[] {
    return Array.from(this.state('validationScores').validationScores)
  }

  /** Learns from rows X [rows, features], where NaN stands for missing values, and their numbers y [rows]. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x, { missing: true })
    const targets = await readTargets(what, y, matrix.rows)
    const weights = (await readWeights(what, options.sampleWeight, matrix.rows)) ?? new Float64Array(matrix.rows).fill(1)
    this.learned = await boost(matrix, targets, weights, squaredError, this.params, undefined)
    return this
  }

  /** A number for each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const fitted = this.state('predict')
    return Array.from(boostedScores(fitted, await readMatrix(`${this.kind}.predict`, x, { columns: fitted.columns, missing: true })))
  }
}

/**
 * Gradient boosting of trees on features in bins, with log loss. Missing values (NaN) need no filling in: each split
 * learns to which side they go.
 */
export function histGradientBoostingClassifier(options: HistGradientBoostingClassifierOptions = {}): HistGradientBoostingClassifier {
  checkCall('histGradientBoostingClassifier(options)', arguments, CLASSIFIER)
  return new HistGradientBoostingClassifier(options)
}
/** Gradient boosting of trees on features in bins, with the squared error. Missing values (NaN) need no filling in. */
export function histGradientBoostingRegressor(options: HistGradientBoostingOptions = {}): HistGradientBoostingRegressor {
  checkCall('histGradientBoostingRegressor(options)', arguments, BOOSTING_TABLE)
  return new HistGradientBoostingRegressor(options)
}
register('histGradientBoostingClassifier', (params: HistGradientBoostingClassifierOptions) => new HistGradientBoostingClassifier(params))
register('histGradientBoostingRegressor', (params: HistGradientBoostingOptions) => new HistGradientBoostingRegressor(params))
