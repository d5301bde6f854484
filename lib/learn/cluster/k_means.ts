// kMeans: rows in groups around their means.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { FIT_OPTIONS, type FitOptions, Learner, nested, register } from '../estimator.js'
import { type MatrixLike, readMatrix, readWeights } from '../matrix.js'
import { Known } from '../linalg/distances.js'
import { columnMeans } from '../linalg/centered.js'
import { breathe, checkSeedOption, Random } from '../random.js'
import { assign, Lloyd, plusPlus } from './lloyd.js'

export interface KMeansOptions {
  /** How many groups. Default 8. */
  nClusters?: number
  /**
   * How the first centers are chosen: 'k-means++', 'random' rows, or centers [groups][features]. Default 'k-means++'.
   */
  init?: 'k-means++' | 'random' | readonly (readonly number[])[]
  /** How often it is begun anew; the best result stays. Default 10; 1 with given centers. */
  nInit?: number | null
  /** The most steps of each beginning. Default 300. */
  maxIter?: number
  /**
   * A run ends where the centers move by less than tol · the mean variance of the features (squared distance). Default
   * 1e-4.
   */
  tol?: number
  /** Of the first centers. Default null: the seed of the process. */
  seed?: number | null
}
const OPTIONS: OptionTable<KMeansOptions> = {
  nClusters: 'integer',
  init: 'any',
  nInit: 'any',
  maxIter: 'integer',
  tol: 'number',
  seed: 'any',
}
const DEFAULTS: Required<KMeansOptions> = { nClusters: 8, init: 'k-means++', nInit: null, maxIter: 300, tol: 1e-4, seed: null }

function check({ nClusters, init, nInit, maxIter, tol, seed }: Required<KMeansOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `kMeans: ${text}`, { hint })
  if (!(nClusters >= 1)) throw wrong(`nClusters must be at least 1, got ${show(nClusters)}`, 'Write nClusters: 8')
  if (init !== 'k-means++' && init !== 'random' && !Array.isArray(init))
    throw wrong(`init is ${show(init)}`, "Use 'k-means++', 'random' or centers [groups][features]")
  if (Array.isArray(init) && init.length !== nClusters)
    throw wrong(`init has ${init.length} centers for ${nClusters} groups`, `Set nClusters: ${init.length}`)
  if (nInit !== null && !(Number.isInteger(nInit) && nInit >= 1))
    throw wrong(`nInit must be an integer of at least 1, got ${show(nInit)}`, 'Write nInit: 10')
  if (!(maxIter >= 1)) throw wrong(`maxIter must be at least 1, got ${show(maxIter)}`, 'Write maxIter: 300')
  if (!(tol >= 0)) throw wrong(`tol must be at least 0, got ${show(tol)}`, 'Write tol: 1e-4')
  checkSeedOption('kMeans', seed)
}

interface Fitted {
  /** [groups][features] */
  centers: Float64Array
  columns: number
  labels: Int32Array
  inertia: number
  iterations: number
}

/** From this number of values on distances are float32 on the device; the centers are float64 always. */
const SINGLE = 4e6

export class KMeans extends Learner<KMeansOptions, Fitted> {
  constructor(options: KMeansOptions = {}) {
    super({ kind: 'kMeans', table: OPTIONS, defaults: DEFAULTS, check }, options)
  }

  /** [groups][features] */
  get clusterCenters(): number[][] {
    const { centers, columns } = this.state('clusterCenters')
    return nested(centers, columns)
  }
  /** The group of each row of fit(). */
  get labels(): number[] {
    return Array.from(this.state('labels').labels)
  }
  /** The sum of squared distances of the rows from their centers. */
  get inertia(): number {
    return this.state('inertia').inertia
  }
  /** Steps of the best beginning. */
  get nIter(): number {
    return this.state('nIter').iterations
  }

  /** Learns the centers of rows X [rows, features]. Warns where there are fewer different rows than groups. */
  async fit(x: MatrixLike, _y?: unknown, options: FitOptions = {}): Promise<this> {
    checkOptions('kMeans.fit', options, FIT_OPTIONS, 'X, undefined')
    const matrix = await readMatrix('kMeans.fit', x)
    const { rows, columns } = matrix
    const { nClusters, init, maxIter, tol, seed } = this.params
    if (rows < nClusters)
      throw new WeftError('ERR_ARGUMENT', `kMeans.fit: X has ${rows} rows for ${nClusters} groups`, {
        hint: `Set nClusters to at most ${rows}`,
      })
    const weights = await readWeights('kMeans.fit', options.sampleWeight, rows)
    const given = Array.isArray(init) ? await readMatrix('kMeans.fit (init)', init, { columns }) : undefined
    // distances do not depend on the origin; near it they lose the least to rounding
    const means = columnMeans(matrix)
    const moved = new Float64Array(matrix.data.length)
    let variance = 0
    for (let row = 0, i = 0; row < rows; row++)
      for (let c = 0; c < columns; c++, i++) {
        moved[i] = matrix.data[i]! - means[c]!
        variance += moved[i]! ** 2
      }
    const enough = (tol * variance) / rows / columns
    const random = new Random(seed)
    const lloyd = new Lloyd({ data: moved, rows, columns }, weights, moved.length > SINGLE)
    const times = this.params.nInit ?? (given === undefined ? 10 : 1)
    let best: Awaited<ReturnType<Lloyd['run']>> | undefined
    try {
      for (let time = 0; time < times; time++) {
        const start =
          given !== undefined
            ? given.data.map((value, i) => value - means[i % columns]!)
            : init === 'random'
              ? lloyd.rowsOf(random.shuffle(Int32Array.from({ length: rows }, (_, row) => row)).subarray(0, nClusters))
              : lloyd.rowsOf(await plusPlus(lloyd, nClusters, random))
        const found = await lloyd.run(start, maxIter, enough)
        if (best === undefined || found.inertia < best.inertia * (1 - 1e-12)) best = found
        await breathe()
      }
    } finally {
      lloyd.dispose()
    }
    const { labels, inertia, iterations } = best!
    const different = new Set(labels).size
    if (different < nClusters)
      this.warn(
        'WEFT_CLUSTERS',
        `X has ${different} different rows for ${nClusters} groups: some groups are empty or the same. Set nClusters to at most ${different}`,
      )
    this.learned = { centers: best!.centers.map((value, i) => value + means[i % columns]!), columns, labels, inertia, iterations }
    return this
  }

  /** Squared distances of rows from all centers: [rows][groups]. */
  private async squared(x: MatrixLike, method: string): Promise<{ far: Float64Array | Float32Array; rows: number }> {
    const { centers, columns } = this.state(method)
    const { data, rows } = await readMatrix(`kMeans.${method}`, x, { columns })
    const known = new Known({ data: centers, rows: centers.length / columns, columns })
    try {
      return { far: await known.squaredTo(data), rows }
    } finally {
      known.dispose()
    }
  }

  /** The group of the nearest center for each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const { far, rows } = await this.squared(x, 'predict')
    return Array.from(assign(far, rows))
  }
  /** fit() and the groups of the same rows. */
  async fitPredict(x: MatrixLike): Promise<number[]> {
    await this.fit(x)
    return this.labels
  }
  /** The distance of each row of X from each center: [rows][groups]. */
  async transform(x: MatrixLike): Promise<number[][]> {
    const { far, rows } = await this.squared(x, 'transform')
    return nested(far.map(Math.sqrt), far.length / rows)
  }
  /** fit() and transform() of the same rows. */
  async fitTransform(x: MatrixLike): Promise<number[][]> {
    await this.fit(x)
    return this.transform(x)
  }
  /** Minus the sum of squared distances of the rows from their centers: larger is better. */
  async score(x: MatrixLike, _y?: unknown): Promise<number> {
    const { far, rows } = await this.squared(x, 'score')
    const count = far.length / rows
    return -assign(far, rows).reduce((sum, k, row) => sum + far[row * count + k]!, 0)
  }
}

/**
 * k-means (Lloyd, 1982) from first centers by greedy k-means++ (Arthur and Vassilvitskii, 2007): the grouping of least
 * inertia among `nInit` beginnings.
 */
export function kMeans(options: KMeansOptions = {}): KMeans {
  checkCall('kMeans(options)', arguments, OPTIONS)
  return new KMeans(options)
}
register('kMeans', (params: KMeansOptions) => new KMeans(params))
