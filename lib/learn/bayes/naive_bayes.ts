// gaussianNB and multinomialNB: Bayes' rule with features that are independent within a class.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, nested, register } from '../estimator.js'
import { softmaxRows } from '../linear/linear_classifier.js'
import { affine } from '../linalg/products.js'
import { type Label, type Labels, type LabelsLike, type Matrix, type MatrixLike, readLabels, readMatrix, readWeights } from '../matrix.js'

interface Learned {
  classes: Label[]
  priors: Float64Array
}

abstract class NaiveBayes<O extends object, S extends Learned> extends ClassifierBase<O, S> {
  protected abstract learn(x: Matrix, labels: Labels, weights: Float64Array, totals: Float64Array): S

  /** Learns from rows X [rows, features] and their classes y [rows]. Resolves with the model. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const labels = await readLabels(what, y, matrix.rows)
    const weights = (await readWeights(what, options.sampleWeight, matrix.rows)) ?? new Float64Array(matrix.rows).fill(1)
    const totals = new Float64Array(labels.classes.length)
    for (const [row, place] of labels.index.entries()) totals[place]! += weights[row]!
    const empty = totals.indexOf(0)
    if (empty >= 0)
      throw new WeftError('ERR_DATA', `${what}: all rows of the class ${show(labels.classes[empty])} have the weight 0`, {
        hint: 'Leave them out',
      })
    this.learned = this.learn(matrix, labels, weights, totals)
    return this
  }

  /** The share of each class in the training data, or what was given. */
  get classPrior(): number[] {
    return Array.from(this.state('classPrior').priors)
  }

  /** The probability of each class: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const scores = await this.rank(x, 'predictProba')
    return nested(softmaxRows(scores, this.classes.length), this.classes.length)
  }
}

export interface GaussianNBOptions {
  /** Added to all variances, as a share of the largest variance of a feature. Default 1e-9. */
  varSmoothing?: number
  /** The probability of each class before X is seen. Default null: its share in the training data. */
  priors?: readonly number[] | null
}
const GAUSSIAN: OptionTable<GaussianNBOptions> = { varSmoothing: 'number', priors: 'any' }

interface FittedGaussian extends Learned {
  /** [classes][features] */
  theta: Float64Array
  variance: Float64Array
}

export class GaussianNB extends NaiveBayes<GaussianNBOptions, FittedGaussian> {
  constructor(options: GaussianNBOptions = {}) {
    const check = ({ varSmoothing, priors }: Required<GaussianNBOptions>): void => {
      if (!(varSmoothing >= 0))
        throw new WeftError('ERR_ARGUMENT', `gaussianNB: varSmoothing must be at least 0, got ${show(varSmoothing)}`)
      if (priors === null) return
      const sum = Array.isArray(priors)
        ? priors.reduce((a: number, b: unknown) => a + (typeof b === 'number' && b >= 0 ? b : Number.NaN), 0)
        : Number.NaN
      if (!(Math.abs(sum - 1) < 1e-8))
        throw new WeftError('ERR_ARGUMENT', `gaussianNB: priors are numbers that add up to 1, got ${show(priors)}`, {
          hint: 'Write priors: [0.5, 0.5]',
        })
    }
    super({ kind: 'gaussianNB', table: GAUSSIAN, defaults: { varSmoothing: 1e-9, priors: null }, check }, options)
  }

  /** The mean of each feature in each class: [classes][features]. */
  get theta(): number[][] {
    const { theta, classes } = this.state('theta')
    return nested(theta, theta.length / classes.length)
  }
  /** The variance of each feature in each class: [classes][features]. */
  get variance(): number[][] {
    const { variance, classes } = this.state('variance')
    return nested(variance, variance.length / classes.length)
  }

  protected override learn(
    { data, rows, columns }: Matrix,
    { classes, index }: Labels,
    weights: Float64Array,
    totals: Float64Array,
  ): FittedGaussian {
    const { priors, varSmoothing } = this.params
    if (priors !== null && priors.length !== classes.length)
      throw new WeftError('ERR_ARGUMENT', `gaussianNB: ${priors.length} priors for ${classes.length} classes`)
    const theta = new Float64Array(classes.length * columns)
    const variance = new Float64Array(classes.length * columns)
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < columns; c++)
        theta[index[row]! * columns + c]! += (weights[row]! * data[row * columns + c]!) / totals[index[row]!]!
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < columns; c++) {
        const at = index[row]! * columns + c
        variance[at]! += (weights[row]! * (data[row * columns + c]! - theta[at]!) ** 2) / totals[index[row]!]!
      }
    let most = 0
    for (let c = 0; c < columns; c++) {
      let [mean, square] = [0, 0]
      for (let row = 0; row < rows; row++) mean += data[row * columns + c]! / rows
      for (let row = 0; row < rows; row++) square += (data[row * columns + c]! - mean) ** 2 / rows
      most = Math.max(most, square)
    }
    // where nothing varies at all every class is a point
    const added = varSmoothing * (most > 0 ? most : 1)
    for (let i = 0; i < variance.length; i++) variance[i]! += added
    const flat = variance.indexOf(0)
    if (flat >= 0)
      throw new WeftError(
        'ERR_DATA',
        `gaussianNB: feature ${flat % columns} is constant in class ${show(classes[Math.floor(flat / columns)])}`,
        {
          hint: 'Set varSmoothing above 0',
        },
      )
    const sum = totals.reduce((a, b) => a + b, 0)
    return { classes, theta, variance, priors: priors === null ? totals.map((total) => total / sum) : Float64Array.from(priors) }
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const { classes, theta, variance, priors } = this.state(method)
    const columns = theta.length / classes.length
    const { data, rows } = await this.read(x, method, columns)
    const scores = new Float64Array(rows * classes.length)
    for (let k = 0; k < classes.length; k++) {
      let base = Math.log(priors[k]!)
      for (let c = 0; c < columns; c++) base -= 0.5 * Math.log(2 * Math.PI * variance[k * columns + c]!)
      for (let row = 0; row < rows; row++) {
        let sum = 0
        for (let c = 0; c < columns; c++) sum += (data[row * columns + c]! - theta[k * columns + c]!) ** 2 / variance[k * columns + c]!
        scores[row * classes.length + k] = base - 0.5 * sum
      }
    }
    return scores
  }
}

export interface MultinomialNBOptions {
  /** Added to all counts, at least 0. Default 1. */
  alpha?: number
  /** Whether the classes' shares in the training data count; false: all are equally likely. Default true. */
  fitPrior?: boolean
}
const MULTINOMIAL: OptionTable<MultinomialNBOptions> = { alpha: 'number', fitPrior: 'boolean' }

interface FittedMultinomial extends Learned {
  /** [classes][features] */
  logChances: Float64Array
}
/** The least that is added to counts: the logarithm of 0 is no number. */
const LEAST_ALPHA = 1e-10

export class MultinomialNB extends NaiveBayes<MultinomialNBOptions, FittedMultinomial> {
  constructor(options: MultinomialNBOptions = {}) {
    const check = ({ alpha }: Required<MultinomialNBOptions>): void => {
      if (!(alpha >= 0)) throw new WeftError('ERR_ARGUMENT', `multinomialNB: alpha must be at least 0, got ${show(alpha)}`)
    }
    super({ kind: 'multinomialNB', table: MULTINOMIAL, defaults: { alpha: 1, fitPrior: true }, check }, options)
  }

  /** The logarithm of the probability of each feature in each class: [classes][features]. */
  get featureLogProb(): number[][] {
    const { logChances, classes } = this.state('featureLogProb')
    return nested(logChances, logChances.length / classes.length)
  }

  protected override learn(
    { data, rows, columns }: Matrix,
    { classes, index }: Labels,
    weights: Float64Array,
    totals: Float64Array,
  ): FittedMultinomial {
    const counts = new Float64Array(classes.length * columns).fill(Math.max(this.params.alpha, LEAST_ALPHA))
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < columns; c++) {
        const value = data[row * columns + c]!
        if (value < 0)
          throw new WeftError('ERR_DATA', `multinomialNB.fit: X has ${value} in row ${row}, column ${c}`, {
            hint: 'Features are counts of at least 0',
          })
        counts[index[row]! * columns + c]! += weights[row]! * value
      }
    const logChances = new Float64Array(counts.length)
    for (let k = 0; k < classes.length; k++) {
      let sum = 0
      for (let c = 0; c < columns; c++) sum += counts[k * columns + c]!
      for (let c = 0; c < columns; c++) logChances[k * columns + c] = Math.log(counts[k * columns + c]!) - Math.log(sum)
    }
    const sum = totals.reduce((a, b) => a + b, 0)
    return { classes, logChances, priors: totals.map((total) => (this.params.fitPrior ? total / sum : 1 / classes.length)) }
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const { classes, logChances, priors } = this.state(method)
    const matrix = await this.read(x, method, logChances.length / classes.length)
    return affine(matrix, logChances, priors.map(Math.log))
  }
}

/** Gaussian naive Bayes: each feature of each class has a normal distribution. */
export function gaussianNB(options: GaussianNBOptions = {}): GaussianNB {
  checkCall('gaussianNB(options)', arguments, GAUSSIAN)
  return new GaussianNB(options)
}
/** Multinomial naive Bayes: features are counts, as of words in a text; tf-idf weights work too. */
export function multinomialNB(options: MultinomialNBOptions = {}): MultinomialNB {
  checkCall('multinomialNB(options)', arguments, MULTINOMIAL)
  return new MultinomialNB(options)
}
register('gaussianNB', (params: GaussianNBOptions) => new GaussianNB(params))
register('multinomialNB', (params: MultinomialNBOptions) => new MultinomialNB(params))
