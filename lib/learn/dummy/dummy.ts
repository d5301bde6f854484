// dummyClassifier and dummyRegressor: what a model without features reaches, to compare others with.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, register, Regressor } from '../estimator.js'
import { type Label, type LabelsLike, type MatrixLike, readLabels, readMatrix, readTargets, readWeights } from '../matrix.js'
import { checkSeedOption, Random } from '../random.js'

export interface DummyClassifierOptions {
  /**
   * 'prior' and 'mostFrequent': always the commonest class ('prior' with the classes' shares as probabilities);
   * 'stratified': a random class by the shares; 'uniform': any class; 'constant': the class `constant`. Default
   * 'prior'.
   */
  strategy?: 'prior' | 'mostFrequent' | 'stratified' | 'uniform' | 'constant'
  /** The class of 'constant'. */
  constant?: Label | null
  /** Of 'stratified' and 'uniform'. Default null: the seed of the process. */
  seed?: number | null
}
const CLASSIFIER: OptionTable<DummyClassifierOptions> = {
  strategy: ['prior', 'mostFrequent', 'stratified', 'uniform', 'constant'],
  constant: 'any',
  seed: 'any',
}

interface Shares {
  classes: Label[]
  shares: Float64Array
}

export class DummyClassifier extends ClassifierBase<DummyClassifierOptions, Shares> {
  constructor(options: DummyClassifierOptions = {}) {
    const check = ({ seed }: Required<DummyClassifierOptions>): void => checkSeedOption('dummyClassifier', seed)
    super({ kind: 'dummyClassifier', table: CLASSIFIER, defaults: { strategy: 'prior', constant: null, seed: null }, check }, options)
  }

  /** The share of each class in the training data. */
  get classPrior(): number[] {
    return Array.from(this.state('classPrior').shares)
  }

  /** Learns how common the classes y [rows] are; of X only the number of rows counts. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'dummyClassifier.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const { rows } = await readMatrix(what, x, { missing: true })
    const { classes, index } = await readLabels(what, y, rows, 1)
    const weights = await readWeights(what, options.sampleWeight, rows)
    const { strategy, constant } = this.params
    if (strategy === 'constant' && !classes.includes(constant as Label))
      throw new WeftError('ERR_ARGUMENT', `${what}: constant is ${show(constant)}, y has the classes ${show(classes)}`, {
        hint: `Write dummyClassifier({ strategy: 'constant', constant: ${show(classes[0])} })`,
      })
    const shares = new Float64Array(classes.length)
    let total = 0
    for (let row = 0; row < rows; row++) {
      shares[index[row]!]! += weights?.[row] ?? 1
      total += weights?.[row] ?? 1
    }
    this.learned = { classes, shares: shares.map((share) => share / total) }
    return this
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const { classes, shares } = this.state(method)
    const { rows } = await readMatrix(`${this.kind}.${method}`, x, { missing: true })
    const { strategy, constant, seed } = this.params
    const count = classes.length
    if (strategy === 'prior') return Float64Array.from({ length: rows * count }, (_, i) => shares[i % count]!)
    const scores = new Float64Array(rows * count)
    const random = strategy === 'stratified' || (strategy === 'uniform' && method === 'predict') ? new Random(seed) : undefined
    if (strategy === 'uniform' && random === undefined) return scores.fill(1 / count)
    for (let row = 0; row < rows; row++) scores[row * count + this.pick(classes, shares, constant, random)] = 1
    return scores
  }

  private pick(classes: Label[], shares: Float64Array, constant: Label | null, random: Random | undefined): number {
    const { strategy } = this.params
    if (strategy === 'constant') return classes.indexOf(constant as Label)
    if (strategy === 'mostFrequent') return shares.indexOf(Math.max(...shares))
    if (strategy === 'uniform') return random!.integer(classes.length)
    let left = random!.uniform()
    for (let k = 0; k < shares.length - 1; k++) {
      left -= shares[k]!
      if (left < 0) return k
    }
    return shares.length - 1
  }

  /** The probability of each class: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const count = this.state('predictProba').classes.length
    const scores = await this.rank(x, 'predictProba')
    return Array.from({ length: scores.length / count }, (_, row) => Array.from(scores.subarray(row * count, (row + 1) * count)))
  }
}

export interface DummyRegressorOptions {
  /** The mean, the median or a quantile of y, or the number `constant`. Default 'mean'. */
  strategy?: 'mean' | 'median' | 'quantile' | 'constant'
  /** The number of 'constant'. */
  constant?: number | null
  /** The quantile of 'quantile', from 0 to 1. Default 0.5. */
  quantile?: number
}
const REGRESSOR: OptionTable<DummyRegressorOptions> = {
  strategy: ['mean', 'median', 'quantile', 'constant'],
  constant: 'any',
  quantile: 'number',
}

export class DummyRegressor extends Regressor<DummyRegressorOptions, { value: number }> {
  constructor(options: DummyRegressorOptions = {}) {
    const check = ({ strategy, constant, quantile }: Required<DummyRegressorOptions>): void => {
      if (strategy === 'constant' && !Number.isFinite(constant))
        throw new WeftError('ERR_ARGUMENT', `dummyRegressor: constant must be a finite number, got ${show(constant)}`, {
          hint: "Write dummyRegressor({ strategy: 'constant', constant: 0 })",
        })
      if (!(quantile >= 0 && quantile <= 1))
        throw new WeftError('ERR_ARGUMENT', `dummyRegressor: quantile must lie between 0 and 1, got ${show(quantile)}`)
    }
    super({ kind: 'dummyRegressor', table: REGRESSOR, defaults: { strategy: 'mean', constant: null, quantile: 0.5 }, check }, options)
  }

  /** What is always predicted. */
  get constant(): number {
    return this.state('constant').value
  }

  /** Learns the mean, median or quantile of y [rows]; of X only the number of rows counts. */
  async fit(x: MatrixLike, y?: LabelsLike): Promise<this> {
    checkCall('dummyRegressor.fit(X, y)', arguments)
    const { rows } = await readMatrix('dummyRegressor.fit', x, { missing: true })
    const targets = await readTargets('dummyRegressor.fit', y, rows)
    const { strategy, constant, quantile } = this.params
    const at = (share: number): number => {
      const sorted = targets.slice().sort()
      const place = share * (rows - 1)
      const low = sorted[Math.floor(place)]!
      return low + (place % 1) * (sorted[Math.ceil(place)]! - low)
    }
    const mean = (): number => targets.reduce((sum, value) => sum + value, 0) / rows
    this.learned = {
      value: strategy === 'mean' ? mean() : strategy === 'constant' ? constant! : at(strategy === 'median' ? 0.5 : quantile),
    }
    return this
  }

  /** The same number for each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const { value } = this.state('predict')
    const { rows } = await readMatrix('dummyRegressor.predict', x, { missing: true })
    return new Array<number>(rows).fill(value)
  }
}

/** A baseline that looks at no feature. */
export function dummyClassifier(options: DummyClassifierOptions = {}): DummyClassifier {
  checkCall('dummyClassifier(options)', arguments, CLASSIFIER)
  return new DummyClassifier(options)
}
/** A baseline that looks at no feature. */
export function dummyRegressor(options: DummyRegressorOptions = {}): DummyRegressor {
  checkCall('dummyRegressor(options)', arguments, REGRESSOR)
  return new DummyRegressor(options)
}
register('dummyClassifier', (params: DummyClassifierOptions) => new DummyClassifier(params))
register('dummyRegressor', (params: DummyRegressorOptions) => new DummyRegressor(params))
