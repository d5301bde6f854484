// logisticRegression: classes by linear scores and their probabilities.
import { checkOptions, checkCall, type OptionTable, show } from '../../core/options.js'
import { WeftError } from '../../core/error.js'
import { checkClassWeight, type ClassWeight, rowWeights } from '../class_weight.js'
import { FIT_OPTIONS, type FitOptions, nested, register } from '../estimator.js'
import { columnMeans } from '../linalg/centered.js'
import { type Label, type LabelsLike, type Matrix, type MatrixLike, readLabels, readMatrix, readWeights } from '../matrix.js'
import { minimize } from './lbfgs.js'
import { LinearClassifier, type Planes, sigmoid, softmaxRows } from './linear_classifier.js'
import { LogisticLoss, RowBlocks } from './logistic_loss.js'

export interface LogisticRegressionOptions {
  /**
   * What is added to the loss: 'l2' ½|coef|², 'l1' Σ|coef|, 'elasticNet' a mixture, null nothing (the maximum of the
   * likelihood). Default 'l2'.
   */
  penalty?: 'l2' | 'l1' | 'elasticNet' | null
  /** Weight of the loss against the penalty, above 0: small values mean small coefficients. Default 1. */
  C?: number
  /** Share of 'l1' in 'elasticNet', from 0 to 1. Default 0.5. */
  l1Ratio?: number
  /** Whether scores have an intercept; it is not penalized. Default true. */
  fitIntercept?: boolean
  /** Weights of classes. Default null: all 1. */
  classWeight?: ClassWeight
  /**
   * 'multinomial': one softmax; 'ovr': each class against the others; 'auto': sigmoid for two classes, else softmax.
   */
  multiClass?: 'auto' | 'ovr' | 'multinomial'
  /** The most steps of L-BFGS. Default 100. */
  maxIter?: number
  /** The search ends where no entry of the scaled gradient is larger. Default 1e-4. */
  tol?: number
  /** Whether fit() begins at what was learned before, of as many features and the same classes. Default false. */
  warmStart?: boolean
}
const OPTIONS: OptionTable<LogisticRegressionOptions> = {
  penalty: 'any',
  C: 'number',
  l1Ratio: 'number',
  fitIntercept: 'boolean',
  classWeight: 'any',
  multiClass: ['auto', 'ovr', 'multinomial'],
  maxIter: 'integer',
  tol: 'number',
  warmStart: 'boolean',
}
const DEFAULTS: Required<LogisticRegressionOptions> = {
  penalty: 'l2',
  C: 1,
  l1Ratio: 0.5,
  fitIntercept: true,
  classWeight: null,
  multiClass: 'auto',
  maxIter: 100,
  tol: 1e-4,
  warmStart: false,
}

function check({ penalty, C, l1Ratio, classWeight, maxIter, tol }: Required<LogisticRegressionOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `logisticRegression: ${text}`, { hint })
  if (![null, 'l2', 'l1', 'elasticNet'].includes(penalty))
    throw wrong(`penalty is ${show(penalty)}`, "Use 'l2', 'l1', 'elasticNet' or null")
  if (!(C > 0 && Number.isFinite(C))) throw wrong(`C must be above 0, got ${show(C)}`, 'For no penalty write penalty: null')
  if (!(l1Ratio >= 0 && l1Ratio <= 1)) throw wrong(`l1Ratio must lie between 0 and 1, got ${show(l1Ratio)}`, 'Write l1Ratio: 0.5')
  if (!(maxIter >= 1)) throw wrong(`maxIter must be at least 1, got ${show(maxIter)}`, 'Write maxIter: 100')
  if (!(tol > 0)) throw wrong(`tol must be above 0, got ${show(tol)}`, 'Write tol: 1e-4')
  checkClassWeight('logisticRegression', classWeight)
}

interface Fitted extends Planes {
  iterations: number
  converged: boolean
  softmax: boolean
}

/** From this number of values on X is float32 on the device: the gradients of so many rows are exact enough. */
const SINGLE = 4e6

export class LogisticRegression extends LinearClassifier<LogisticRegressionOptions, Fitted> {
  constructor(options: LogisticRegressionOptions = {}) {
    super({ kind: 'logisticRegression', table: OPTIONS, defaults: DEFAULTS, check }, options)
  }

  /** Steps that were taken; with 'ovr' the most of any class. */
  get nIter(): number {
    return this.state('nIter').iterations
  }
  /** Whether the search ended at a minimum, not at maxIter. */
  get converged(): boolean {
    return this.state('converged').converged
  }

  /**
   * Learns from rows X [rows, features] and their classes y [rows]. Resolves with the model. Warns where maxIter was
   * reached, and where without a penalty the classes are separated perfectly: coefficients would grow for ever.
   */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'logisticRegression.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x)
    const labels = await readLabels(what, y, matrix.rows)
    const given = await readWeights(what, options.sampleWeight, matrix.rows)
    const weights = rowWeights(what, this.params.classWeight, labels, given)
    const { multiClass, fitIntercept } = this.params
    const count = labels.classes.length
    const means = fitIntercept ? columnMeans(matrix) : new Float64Array(matrix.columns)
    const blocks = blocksOf(matrix, means)
    const softmax = count > 2 ? multiClass !== 'ovr' : multiClass === 'multinomial'
    try {
      const targets = softmax || count === 2 ? [labels.index] : labels.classes.map((_, k) => labels.index.map((own) => (own === k ? 1 : 0)))
      const outputs = softmax ? count : 1
      const before = this.start(what, labels.classes, matrix.columns, targets.length * outputs)
      const parts = []
      for (const [p, target] of targets.entries()) {
        const size = outputs * matrix.columns
        const start = before && {
          coef: before.coef.subarray(p * size, (p + 1) * size),
          intercept: before.intercept.subarray(p * outputs, (p + 1) * outputs),
        }
        parts.push(await this.search(blocks, matrix, means, target, weights, outputs, start))
      }
      const coef = join(parts.map((part) => part.coef))
      const intercept = join(parts.map((part) => part.intercept))
      const [iterations, converged] = [Math.max(...parts.map((part) => part.iterations)), parts.every((part) => part.converged)]
      this.learned = { classes: labels.classes, coef, intercept, iterations, converged, softmax }
    } finally {
      blocks.dispose()
    }
    const { penalty, maxIter } = this.params
    if (penalty === null && (await this.score(x, y as LabelsLike)) === 1)
      this.warn(
        'WEFT_SEPARATION',
        "the classes are separated perfectly, so without a penalty no coefficients are the best: larger ones always are better. Use penalty: 'l2'",
      )
    else if (!this.learned.converged)
      this.warn('WEFT_CONVERGENCE', `not converged after ${maxIter} steps. Scale the features with standardScaler(), or raise maxIter`)
    return this
  }

  /** What a warm start begins at. */
  private start(what: string, classes: readonly Label[], columns: number, outputs: number): Planes | undefined {
    if (!this.params.warmStart || this.learned === undefined) return undefined
    const { coef, classes: known } = this.learned
    if (coef.length === outputs * columns && classes.length === known.length && classes.every((label, k) => label === known[k]))
      return this.learned
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: warmStart on ${columns} features and the classes ${classes.join(', ')}, which are not those before`,
      {
        hint: 'Write warmStart: false, or fit a new model',
      },
    )
  }

  /** The best planes for one target, on centered data. */
  private async search(
    blocks: RowBlocks,
    matrix: Matrix,
    means: Float64Array,
    target: Int32Array,
    weights: Float64Array,
    outputs: number,
    start: Pick<Planes, 'coef' | 'intercept'> | undefined,
  ): Promise<{ coef: Float64Array; intercept: Float64Array; iterations: number; converged: boolean }> {
    const { penalty, C, l1Ratio, fitIntercept, maxIter, tol } = this.params
    const { columns } = matrix
    const share = penalty === 'l1' ? 1 : penalty === 'elasticNet' ? l1Ratio : 0
    const square = penalty === null ? 0 : 1 - share
    const { scales, biasScale } = scalesOf(matrix, means, weights, C, square, outputs)
    const loss = new LogisticLoss(blocks, target, weights, outputs)
    const size = outputs * columns
    const planesAt = (point: Float64Array): { coef: Float64Array; bias: Float64Array } => ({
      coef: Float64Array.from({ length: size }, (_, i) => point[i]! * scales[i % columns]!),
      bias: Float64Array.from({ length: outputs }, (_, k) => (fitIntercept ? point[size + k]! * biasScale : 0)),
    })
    const first = new Float64Array(size + (fitIntercept ? outputs : 0))
    if (start !== undefined) {
      for (let i = 0; i < size; i++) first[i] = start.coef[i]! / scales[i % columns]!
      for (let k = 0; fitIntercept && k < outputs; k++) {
        let centered = start.intercept[k]!
        for (let c = 0; c < columns; c++) centered += start.coef[k * columns + c]! * means[c]!
        first[size + k] = centered / biasScale
      }
    }
    const found = await minimize(
      async (point, gradient) => {
        const { coef, bias } = planesAt(point)
        const at = await loss.at(coef, bias)
        let value = C * at.value
        for (let i = 0; i < size; i++) {
          value += (square / 2) * coef[i]! ** 2
          gradient[i] = (C * at.coef[i]! + square * coef[i]!) * scales[i % columns]!
        }
        if (fitIntercept) for (let k = 0; k < outputs; k++) gradient[size + k] = C * at.intercept[k]! * biasScale
        return value
      },
      first,
      {
        maxIterations: maxIter,
        tolerance: tol,
        absolute:
          share === 0
            ? undefined
            : Float64Array.from({ length: size + (fitIntercept ? outputs : 0) }, (_, i) => (i < size ? share * scales[i % columns]! : 0)),
      },
    ).finally(() => loss.dispose())
    const { coef, bias } = planesAt(found.point)
    // back from centered data
    for (let k = 0; k < outputs; k++)
      for (let column = 0; column < columns; column++) bias[k]! -= coef[k * columns + column]! * means[column]!
    // a softmax does not see what all scores have in common
    const common = outputs > 1 ? bias.reduce((sum, value) => sum + value / outputs, 0) : 0
    for (let k = 0; k < outputs; k++) bias[k]! -= common
    return { coef, intercept: bias, iterations: found.iterations, converged: found.converged }
  }

  /** The probability of each class: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const { softmax, classes } = this.state('predictProba')
    const scores = await this.scores(x, 'predictProba')
    if (softmax) return nested(softmaxRows(scores, classes.length), classes.length)
    if (classes.length === 2) return Array.from(scores, (z) => [sigmoid(-z), sigmoid(z)])
    return nested(scores, classes.length).map((row) => {
      const chances = row.map(sigmoid)
      const sum = chances.reduce((a, b) => a + b)
      return chances.map((chance) => (sum > 0 ? chance / sum : 1 / chances.length))
    })
  }
}

function blocksOf({ data, rows, columns }: Matrix, means: Float64Array): RowBlocks {
  const moved = data.length > SINGLE ? new Float32Array(data.length) : new Float64Array(data.length)
  for (let row = 0, i = 0; row < rows; row++) for (let column = 0; column < columns; column++, i++) moved[i] = data[i]! - means[column]!
  return new RowBlocks(moved, rows, columns)
}

/** Units of the coefficients in which the loss is about equally curved in all directions. */
function scalesOf(
  { data, rows, columns }: Matrix,
  means: Float64Array,
  weights: Float64Array,
  C: number,
  square: number,
  outputs: number,
): { scales: Float64Array; biasScale: number } {
  const spread = new Float64Array(columns)
  let total = 0
  for (let row = 0, i = 0; row < rows; row++) {
    total += weights[row]!
    for (let column = 0; column < columns; column++, i++) spread[column]! += weights[row]! * (data[i]! - means[column]!) ** 2
  }
  const curvature = outputs === 1 ? 0.25 : (outputs - 1) / outputs ** 2
  return {
    scales: spread.map((sum) => 1 / Math.sqrt(C * curvature * sum + square || 1)),
    biasScale: 1 / Math.sqrt(C * curvature * total),
  }
}

const join = (parts: readonly Float64Array[]): Float64Array => Float64Array.from(parts.flatMap((part) => [...part]))

/**
 * Logistic regression: min C · Σ w · log loss + penalty, by L-BFGS on centered and scaled coordinates (which change no
 * minimum). The log loss is penalized by default, as in scikit-learn; `penalty: null` gives the maximum of the
 * likelihood.
 */
export function logisticRegression(options: LogisticRegressionOptions = {}): LogisticRegression {
  checkCall('logisticRegression(options)', arguments, OPTIONS)
  return new LogisticRegression(options)
}
register('logisticRegression', (params: LogisticRegressionOptions) => new LogisticRegression(params))
