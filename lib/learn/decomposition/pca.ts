// pca: the directions in which rows vary the most.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { Learner, nested, register } from '../estimator.js'
import { columnMeans } from '../linalg/centered.js'
import { affine, multiply, product, Resident } from '../linalg/products.js'
import { applyOrthogonal, columnsOf, factor, upperOf } from '../linalg/qr.js'
import { decompose } from '../linalg/svd.js'
import { largestOf, spectrum } from '../linalg/symmetric.js'
import { type Matrix, type MatrixLike, readMatrix } from '../matrix.js'
import { Random } from '../random.js'

export interface PcaOptions {
  /**
   * How many directions: an integer, or a share of the variance between 0 and 1 that they must explain; null: all
   * (as many as rows or features, whichever are fewer). Default null.
   */
  nComponents?: number | null
  /** Whether results have variance 1 in each direction. Default false. */
  whiten?: boolean
}
const OPTIONS: OptionTable<PcaOptions> = { nComponents: 'any', whiten: 'boolean' }

interface Fitted {
  mean: Float64Array
  /** [count][features] */
  components: Float64Array
  variance: Float64Array
  total: number
  rows: number
}

/** Singular values come from X itself where they are few, else from its products. */
const SMALL = 100
/** Of more features than this a few directions are searched for alone. */
const MANY = 150
/** From this number of values on X is float32 on the device. */
const SINGLE = 4e6

export class Pca extends Learner<PcaOptions, Fitted> {
  constructor(options: PcaOptions = {}) {
    const check = ({ nComponents }: Required<PcaOptions>): void => {
      if (nComponents === null || (Number.isInteger(nComponents) && nComponents >= 1)) return
      if (!(typeof nComponents === 'number' && nComponents > 0 && nComponents < 1))
        throw new WeftError('ERR_ARGUMENT', `pca: nComponents is ${show(nComponents)}`, {
          hint: 'Use an integer of at least 1, a share of the variance between 0 and 1, or null for all',
        })
    }
    super({ kind: 'pca', table: OPTIONS, defaults: { nComponents: null, whiten: false }, check }, options)
  }

  /** The directions, of length 1: [components][features], the one of the largest variance first. */
  get components(): number[][] {
    const { components, mean } = this.state('components')
    return nested(components, mean.length)
  }
  /** The variance in each direction (divided by rows - 1). */
  get explainedVariance(): number[] {
    return Array.from(this.state('explainedVariance').variance)
  }
  /** The share of each direction in the variance of all features. */
  get explainedVarianceRatio(): number[] {
    const { variance, total } = this.state('explainedVarianceRatio')
    return Array.from(variance, (value) => (total === 0 ? 0 : value / total))
  }
  /** The singular values of the centered X. */
  get singularValues(): number[] {
    const { variance, rows } = this.state('singularValues')
    return Array.from(variance, (value) => Math.sqrt(value * (rows - 1)))
  }
  /** The mean of each feature. */
  get mean(): number[] {
    return Array.from(this.state('mean').mean)
  }

  /** Learns the directions of rows X [rows, features], at least two. Resolves with the model. */
  async fit(x: MatrixLike, _y?: unknown): Promise<this> {
    const matrix = await readMatrix('pca.fit', x)
    const { rows, columns } = matrix
    if (rows < 2) throw new WeftError('ERR_ARGUMENT', 'pca.fit: one row has no variance', { hint: 'Give at least two rows' })
    const { nComponents } = this.params
    const most = Math.min(rows, columns)
    if (nComponents !== null && nComponents > most)
      throw new WeftError(
        'ERR_ARGUMENT',
        `pca.fit: nComponents is ${nComponents}, X [${rows}, ${columns}] has at most ${most} directions`,
        {
          hint: `Set nComponents to at most ${most}`,
        },
      )
    const mean = columnMeans(matrix)
    const moved = new Float64Array(matrix.data.length)
    let total = 0
    for (let row = 0, i = 0; row < rows; row++)
      for (let c = 0; c < columns; c++, i++) {
        moved[i] = matrix.data[i]! - mean[c]!
        total += moved[i]! ** 2
      }
    total /= rows - 1
    const asked = nComponents !== null && nComponents >= 1 ? nComponents : most
    const { values, vectors } = await directions({ data: moved, rows, columns }, asked)
    const variance = values.map((value) => Math.max(0, value) / (rows - 1))
    let count = asked
    if (nComponents !== null && nComponents < 1) {
      let sum = 0
      for (count = 0; count < most && !(sum > nComponents * total); count++) sum += variance[count]!
    }
    const components = vectors.slice(0, count * columns)
    await orient(components, { data: moved, rows, columns })
    this.learned = { mean, components, variance: variance.slice(0, count), total, rows }
    return this
  }

  /** X in the directions: [rows][components]. */
  async transform(x: MatrixLike): Promise<number[][]> {
    const { mean, components, variance } = this.state('transform')
    const { data, rows, columns } = await readMatrix('pca.transform', x, { columns: mean.length })
    const moved = data.map((value, i) => value - mean[i % columns]!)
    const count = variance.length
    const result = await affine({ data: moved, rows, columns }, components, new Float64Array(count))
    if (this.params.whiten) for (let i = 0; i < result.length; i++) result[i]! /= scaleOf(variance[i % count]!)
    return nested(result, count)
  }

  /** fit() and transform() of the same rows. */
  async fitTransform(x: MatrixLike): Promise<number[][]> {
    await this.fit(x)
    return this.transform(x)
  }

  /** Rows from their places in the directions: [rows][features]. What was left out in transform() is the mean. */
  async inverseTransform(z: MatrixLike): Promise<number[][]> {
    const { mean, components, variance } = this.state('inverseTransform')
    const count = variance.length
    const { data, rows } = await readMatrix('pca.inverseTransform', z, { columns: count })
    const scaled = this.params.whiten ? data.map((value, i) => value * scaleOf(variance[i % count]!)) : data
    const back = await multiply({ data: scaled, rows, columns: count }, { data: components, rows: count, columns: mean.length })
    return nested(
      back.map((value, i) => value + mean[i % mean.length]!),
      mean.length,
    )
  }
}

/** A direction without variance is left as it is. */
const scaleOf = (variance: number): number => (variance > 0 ? Math.sqrt(variance) : 1)

/** Squared singular values and right singular vectors of a centered matrix, at least `count` of them. */
async function directions(x: Matrix, count: number): Promise<{ values: Float64Array; vectors: Float64Array }> {
  const { data, rows, columns } = x
  const size = Math.min(rows, columns)
  if (size <= SMALL) {
    if (rows >= columns) {
      const qr = factor(columnsOf(data, rows, columns))
      const { values, left } = decompose(upperOf(qr, true), columns)
      // Rᵀ = Σ values · left ⊗ right, in the pivoted order of the columns
      const vectors = new Float64Array(columns * columns)
      for (let i = 0; i < columns; i++) for (let c = 0; c < columns; c++) vectors[i * columns + qr.order[c]!] = left[i * columns + c]!
      return { values: values.map((value) => value * value), vectors }
    }
    const qr = factor(columnsOf(data, rows, columns, true))
    const { values, right } = decompose(upperOf(qr, true), rows)
    // Xᵀ = Q·R·Pᵀ: Q times the left vectors of R
    const vectors = new Float64Array(rows * columns)
    for (let i = 0; i < rows; i++) {
      const vector = vectors.subarray(i * columns, (i + 1) * columns)
      vector.set(right.subarray(i * rows, (i + 1) * rows))
      applyOrthogonal(qr, vector)
    }
    return { values: values.map((value) => value * value), vectors }
  }
  const resident = new Resident(x, data.length > SINGLE)
  try {
    const wide = rows < columns
    const products = Float64Array.from(await product(resident, resident, wide ? { transposeB: true } : { transposeA: true }))
    const some = size > MANY && 5 * count <= size ? await largestOf(products, size, count, startOf(size, count)) : undefined
    const found = some ?? spectrum(products, size)
    if (!wide) return { values: found.values, vectors: found.vectors }
    const used = found.values.length
    const vectors = await multiply({ data: found.vectors, rows: used, columns: rows }, x)
    orthonormalize(vectors, columns, found.values)
    return { values: found.values, vectors }
  } finally {
    resident.dispose()
  }
}

/** Fixed random vectors to begin with, ten more than asked for. */
function startOf(size: number, count: number): Float64Array {
  const random = new Random(1)
  return Float64Array.from({ length: size * Math.min(size, count + Math.max(10, Math.ceil(count / 2))) }, () => random.normal())
}

/** Makes rows of length 1. Rows of no variance are rounding alone: they are made orthogonal to those before. */
function orthonormalize(rows: Float64Array, columns: number, values: Float64Array): void {
  const inner = (a: number, b: number): number => {
    let sum = 0
    for (let c = 0; c < columns; c++) sum += rows[a + c]! * rows[b + c]!
    return sum
  }
  const random = new Random(1)
  for (let i = 0, at = 0; at < rows.length; i++, at += columns) {
    const flat = values[i]! <= 1e-10 * values[0]!
    if (flat) for (let c = 0; c < columns; c++) rows[at + c] = random.normal()
    for (let pass = 0; flat && pass < 2; pass++)
      for (let before = 0; before < at; before += columns) {
        const along = inner(at, before)
        for (let c = 0; c < columns; c++) rows[at + c]! -= along * rows[before + c]!
      }
    const length = Math.sqrt(inner(at, at))
    for (let c = 0; c < columns; c++) rows[at + c]! /= length
  }
}

/** The row farthest along each direction is on its positive side, as in scikit-learn. */
async function orient(components: Float64Array, x: Matrix): Promise<void> {
  const count = components.length / x.columns
  const along = await affine(x, components, new Float64Array(count))
  for (let k = 0; k < count; k++) {
    let farthest = 0
    for (let row = 0; row < x.rows; row++) if (Math.abs(along[row * count + k]!) > Math.abs(farthest)) farthest = along[row * count + k]!
    if (farthest < 0) for (let c = 0; c < x.columns; c++) components[k * x.columns + c]! *= -1
  }
}

/**
 * Principal components: X around its mean in the orthogonal directions of its largest variances. A few of many
 * directions are found by subspace iteration; their number changes nothing but the time.
 */
export function pca(options: PcaOptions = {}): Pca {
  checkCall('pca(options)', arguments, OPTIONS)
  return new Pca(options)
}
register('pca', (params: PcaOptions) => new Pca(params))
