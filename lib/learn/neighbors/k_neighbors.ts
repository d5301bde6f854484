// kNeighborsClassifier and kNeighborsRegressor: what the nearest rows are.
import { checkCall, checkOptions, type OptionTable } from '../../core/options.js'
import { ClassifierBase, nested, register, Regressor } from '../estimator.js'
import { type Label, type LabelsLike, type Matrix, type MatrixLike, readLabels, readMatrix, readTargets } from '../matrix.js'
import {
  checkEnough,
  checkNeighbors,
  type Nearest,
  nearest,
  NEIGHBORS_DEFAULTS,
  NEIGHBORS_TABLE,
  type NeighborsOptions,
  votes,
} from './nearest.js'

export interface NeighborsQuery {
  /** How many. Default: nNeighbors of the model. */
  nNeighbors?: number
}
const QUERY: OptionTable<NeighborsQuery> = { nNeighbors: 'integer' }

/** The nearest fitted rows: [rows][count], the nearest first. */
export interface Neighbors {
  places: number[][]
  distances: number[][]
}

interface Rows {
  data: Float64Array
  columns: number
}
const matrixOf = ({ data, columns }: Rows): Matrix => ({ data, rows: data.length / columns, columns })

async function find(
  what: string,
  params: Required<NeighborsOptions>,
  fitted: Rows,
  x: MatrixLike,
  count = params.nNeighbors,
): Promise<Nearest> {
  const known = matrixOf(fitted)
  checkNeighbors(what, { ...params, nNeighbors: count })
  checkEnough(what, known.rows, count)
  return nearest(known, await readMatrix(what, x, { columns: fitted.columns }), count, params.metric)
}

async function query(
  what: string,
  params: Required<NeighborsOptions>,
  fitted: Rows,
  x: MatrixLike,
  options: NeighborsQuery,
): Promise<Neighbors> {
  checkOptions(what, options, QUERY, 'X')
  const count = options.nNeighbors ?? params.nNeighbors
  const { places, distances } = await find(what, params, fitted, x, count)
  return { places: nested(places, count), distances: nested(distances, count) }
}

interface FittedClasses extends Rows {
  classes: Label[]
  index: Int32Array
}

export class KNeighborsClassifier extends ClassifierBase<NeighborsOptions, FittedClasses> {
  constructor(options: NeighborsOptions = {}) {
    const kind = 'kNeighborsClassifier'
    super({ kind, table: NEIGHBORS_TABLE, defaults: NEIGHBORS_DEFAULTS, check: (params) => checkNeighbors(kind, params) }, options)
  }

  /** Keeps the rows X [rows, features] and their classes y [rows]. */
  async fit(x: MatrixLike, y?: LabelsLike): Promise<this> {
    checkCall('kNeighborsClassifier.fit(X, y)', arguments)
    const { data, rows, columns } = await readMatrix('kNeighborsClassifier.fit', x)
    const { classes, index } = await readLabels('kNeighborsClassifier.fit', y, rows, 1)
    checkEnough('kNeighborsClassifier.fit', rows, this.params.nNeighbors)
    this.learned = { data, columns, classes, index }
    return this
  }

  /** The nearest fitted rows of each row of X. */
  kneighbors(x: MatrixLike, options: NeighborsQuery = {}): Promise<Neighbors> {
    return query('kNeighborsClassifier.kneighbors', this.params, this.state('kneighbors'), x, options)
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const fitted = this.state(method)
    const { places, distances } = await find(`kNeighborsClassifier.${method}`, this.params, fitted, x)
    const count = this.params.nNeighbors
    const rows = places.length / count
    const shares = new Float64Array(rows * fitted.classes.length)
    for (let row = 0; row < rows; row++) {
      const weights = votes(distances, row * count, count, this.params.weights)
      const total = weights.reduce((a, b) => a + b, 0)
      for (let k = 0; k < count; k++) shares[row * fitted.classes.length + fitted.index[places[row * count + k]!]!]! += weights[k]! / total
    }
    return shares
  }

  /** The share of each class among the neighbors: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    return nested(await this.rank(x, 'predictProba'), this.classes.length)
  }
}

interface FittedNumbers extends Rows {
  targets: Float64Array
}

export class KNeighborsRegressor extends Regressor<NeighborsOptions, FittedNumbers> {
  constructor(options: NeighborsOptions = {}) {
    const kind = 'kNeighborsRegressor'
    super({ kind, table: NEIGHBORS_TABLE, defaults: NEIGHBORS_DEFAULTS, check: (params) => checkNeighbors(kind, params) }, options)
  }

  /** Keeps the rows X [rows, features] and their numbers y [rows]. */
  async fit(x: MatrixLike, y?: LabelsLike): Promise<this> {
    checkCall('kNeighborsRegressor.fit(X, y)', arguments)
    const { data, rows, columns } = await readMatrix('kNeighborsRegressor.fit', x)
    const targets = await readTargets('kNeighborsRegressor.fit', y, rows)
    checkEnough('kNeighborsRegressor.fit', rows, this.params.nNeighbors)
    this.learned = { data, columns, targets }
    return this
  }

  /** The nearest fitted rows of each row of X. */
  kneighbors(x: MatrixLike, options: NeighborsQuery = {}): Promise<Neighbors> {
    return query('kNeighborsRegressor.kneighbors', this.params, this.state('kneighbors'), x, options)
  }

  /** The mean of the neighbors' numbers for each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const fitted = this.state('predict')
    const { places, distances } = await find('kNeighborsRegressor.predict', this.params, fitted, x)
    const count = this.params.nNeighbors
    return Array.from({ length: places.length / count }, (_, row) => {
      const weights = votes(distances, row * count, count, this.params.weights)
      let [sum, total] = [0, 0]
      for (let k = 0; k < count; k++) {
        sum += weights[k]! * fitted.targets[places[row * count + k]!]!
        total += weights[k]!
      }
      return sum / total
    })
  }
}

/** The commonest class among the nearest rows; of equally common ones the first of `classes`. */
export function kNeighborsClassifier(options: NeighborsOptions = {}): KNeighborsClassifier {
  checkCall('kNeighborsClassifier(options)', arguments, NEIGHBORS_TABLE)
  return new KNeighborsClassifier(options)
}
/** The mean of the nearest rows' numbers. */
export function kNeighborsRegressor(options: NeighborsOptions = {}): KNeighborsRegressor {
  checkCall('kNeighborsRegressor(options)', arguments, NEIGHBORS_TABLE)
  return new KNeighborsRegressor(options)
}
register('kNeighborsClassifier', (params: NeighborsOptions) => new KNeighborsClassifier(params))
register('kNeighborsRegressor', (params: NeighborsOptions) => new KNeighborsRegressor(params))
