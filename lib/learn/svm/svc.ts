// svc: support vector classification.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { checkClassWeight, type ClassWeight, rowWeights } from '../class_weight.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, nested, register } from '../estimator.js'
import { multiply } from '../linalg/products.js'
import { type LabelsLike, type MatrixLike, readLabels, readMatrix, readWeights } from '../matrix.js'
import { breathe, checkSeedOption } from '../random.js'
import { gramRows, kernelFor } from './kernels.js'
import { type Machines, pairWeights, similarities, sortedBy, voted } from './machines.js'
import { checkSquare, checkSvm, SVM_DEFAULTS, SVM_TABLE, type SvmOptions } from './options.js'
import { calibrate, pairsOf, solvePair } from './pairs.js'
import { chanceOf, couple } from './platt.js'

export interface SvcOptions extends SvmOptions {
  /** Whether predictProba() works: five more fits for each pair of classes. Default false. */
  probability?: boolean
  /** Weights of classes. Default null: all 1. */
  classWeight?: ClassWeight
  /** What decisionFunction() gives for more than two classes: a score of each class, or of each pair. Default 'ovr'. */
  decisionFunctionShape?: 'ovr' | 'ovo'
  /** Of the folds of `probability`. Default null: the seed of the process. */
  seed?: number | null
}
const OPTIONS: OptionTable<SvcOptions> = {
  ...SVM_TABLE,
  probability: 'boolean',
  classWeight: 'any',
  decisionFunctionShape: ['ovr', 'ovo'],
  seed: 'any',
}

export class Svc extends ClassifierBase<SvcOptions, Machines> {
  constructor(options: SvcOptions = {}) {
    const defaults = { ...SVM_DEFAULTS, probability: false, classWeight: null, decisionFunctionShape: 'ovr', seed: null } as const
    const check = (params: Required<SvcOptions>): void => {
      checkSvm('svc', params)
      checkClassWeight('svc', params.classWeight)
      checkSeedOption('svc', params.seed)
    }
    super({ kind: 'svc', table: OPTIONS, defaults, check }, options)
  }

  /** The rows of X that are support vectors, sorted by class. */
  get support(): number[] {
    return Array.from(this.state('support').support)
  }
  /** How many support vectors each class has. */
  get nSupport(): number[] {
    return [...this.state('nSupport').nSupport]
  }
  /** The support vectors: [count][features]. Empty where similarities are precomputed. */
  get supportVectors(): number[][] {
    const { vectors, columns } = this.state('supportVectors')
    return nested(vectors, columns)
  }
  /** [classes - 1][support vectors]: sign · α, in the layout of scikit-learn. */
  get dualCoef(): number[][] {
    const { dual, support } = this.state('dualCoef')
    return nested(dual, support.length)
  }
  /** One for each pair of classes: (0, 1), (0, 2), ..., (1, 2), ... */
  get intercept(): number[] {
    return Array.from(this.state('intercept').intercept)
  }
  /** The gamma that was used. */
  get gamma(): number {
    return this.state('gamma').gamma
  }
  /** The minimum of the dual problem of each pair of classes. */
  get objectives(): number[] {
    return [...this.state('objectives').objectives]
  }
  /** Only with the kernel 'linear': [pairs][features]. */
  get coef(): number[][] {
    const fitted = this.state('coef')
    if (this.params.kernel !== 'linear')
      throw new WeftError('ERR_STATE', `svc: coef is only there for the kernel 'linear', this one is ${show(this.params.kernel)}`)
    const { columns, vectors, support } = fitted
    const weights = pairWeights(fitted)
    return Array.from({ length: fitted.intercept.length }, (_, pair) => {
      const row = new Array<number>(columns).fill(0)
      for (let s = 0; s < support.length; s++)
        for (let c = 0; c < columns; c++) row[c]! += weights[pair * support.length + s]! * vectors[s * columns + c]!
      return row
    })
  }

  /**
   * Learns from rows X [rows, features] and their classes y [rows]. Resolves with the model. Warns where maxIter was
   * reached.
   */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = 'svc.fit'
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const given = await readMatrix(what, x)
    const labels = await readLabels(what, y, given.rows)
    const { C, classWeight, probability, tol, maxIter, cacheSize, seed } = this.params
    const weights = rowWeights(what, classWeight, labels, await readWeights(what, options.sampleWeight, given.rows))
    const kernel = kernelFor(this.params, given)
    checkSquare(what, kernel, given)
    const count = labels.classes.length
    const order = Int32Array.from(labels.index.keys()).sort((a, b) => labels.index[a]! - labels.index[b]! || a - b)
    const begins = labels.classes.map((_, k) => order.findIndex((row) => labels.index[row] === k)).concat(order.length)
    const sorted = sortedBy(given, order, kernel.name === 'precomputed')
    const rows = await gramRows(kernel, sorted, cacheSize)
    const limits = { tolerance: tol, maxIterations: maxIter }
    const boundOf = (place: number): number => C * weights[order[place]!]!
    const pairs = pairsOf(begins)
    const solved = []
    const sigmoids: number[] = []
    for (const [place, pair] of pairs.entries()) {
      await breathe()
      solved.push(solvePair(rows, pair.rows, pair.split, Float64Array.from(pair.rows, boundOf), limits))
      if (!probability) continue
      const { a, b } = calibrate(rows, pair, boundOf, limits, seed === null ? null : seed + place)
      sigmoids.push(a, b)
    }
    const used = new Uint8Array(order.length)
    for (const [p, { rows: own }] of pairs.entries()) for (const [t, row] of own.entries()) if (solved[p]!.coef[t] !== 0) used[row] = 1
    const places = [...used.keys()].filter((place) => used[place] === 1)
    const number = new Map(places.map((place, s) => [place, s]))
    const dual = new Float64Array((count - 1) * places.length)
    for (const [p, { rows: own, split, first, second }] of pairs.entries())
      for (const [t, row] of own.entries()) {
        const coef = solved[p]!.coef[t]!
        if (coef !== 0) dual[(t < split ? second - 1 : first) * places.length + number.get(row)!] = coef
      }
    const { columns } = given
    const vectors = new Float64Array(kernel.name === 'precomputed' ? 0 : places.length * columns)
    if (vectors.length > 0)
      for (const [s, place] of places.entries()) vectors.set(sorted.data.subarray(place * columns, (place + 1) * columns), s * columns)
    const converged = solved.every((one) => one.converged)
    // with two classes a positive score means the second, as in all linear classifiers
    const sign = count === 2 ? -1 : 1
    this.learned = {
      classes: labels.classes,
      columns,
      gamma: kernel.gamma,
      support: Int32Array.from(places, (place) => order[place]!),
      nSupport: labels.classes.map((_, k) => places.filter((place) => place >= begins[k]! && place < begins[k + 1]!).length),
      vectors,
      dual: dual.map((value) => sign * value),
      intercept: Float64Array.from(solved, ({ rho }) => -sign * rho),
      sigmoids: probability ? Float64Array.from(sigmoids) : null,
      objectives: solved.map((one) => one.objective),
      converged,
    }
    if (!converged)
      this.warn('WEFT_CONVERGENCE', `not converged after ${maxIter} steps. Scale the features with standardScaler(), or raise maxIter`)
    return this
  }

  /** The scores of all pairs: [rows][pairs]. Positive: the first class of the pair; with two classes: the second. */
  private async pairScores(x: MatrixLike, method: string): Promise<Float64Array> {
    const fitted = this.state(method)
    const matrix = await this.read(x, method, fitted.columns)
    const similar = await similarities(
      { ...kernelFor(this.params, { data: new Float64Array(1), rows: 1, columns: 1 }), gamma: fitted.gamma },
      matrix,
      fitted,
    )
    const [count, pairs] = [fitted.support.length, fitted.intercept.length]
    const scores = await multiply(
      { data: similar, rows: matrix.rows, columns: count },
      { data: pairWeights(fitted), rows: pairs, columns: count },
      { transposeB: true },
    )
    for (let i = 0; i < scores.length; i++) scores[i]! += fitted.intercept[i % pairs]!
    return scores
  }

  /**
   * Two classes: the score of the second, for each row. More: [rows][classes], the votes of all pairs with their sums
   * of scores as fractions; with 'ovo' [rows][pairs], positive for the first class of the pair.
   */
  async decisionFunction(x: MatrixLike): Promise<number[] | number[][]> {
    const scores = await this.pairScores(x, 'decisionFunction')
    const { classes, intercept } = this.state('decisionFunction')
    if (classes.length === 2) return Array.from(scores)
    if (this.params.decisionFunctionShape === 'ovo') return nested(scores, intercept.length)
    return nested(voted(scores, classes.length, true), classes.length)
  }

  /** The probability of each class: [rows][classes]. ERR_STATE unless fitted with `probability: true`. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    const { sigmoids, classes } = this.state('predictProba')
    if (sigmoids === null)
      throw new WeftError('ERR_STATE', 'svc: predictProba() needs a fit with probability: true', {
        hint: 'Write svc({ probability: true }), and fit() again',
      })
    const scores = await this.pairScores(x, 'predictProba')
    const count = classes.length
    const pairs = (count * (count - 1)) / 2
    const sign = count === 2 ? -1 : 1
    return Array.from({ length: scores.length / pairs }, (_, row) => {
      const chances = new Float64Array(count * count)
      let p = 0
      for (let i = 0; i < count; i++)
        for (let j = i + 1; j < count; j++, p++) {
          const chance = chanceOf(sign * scores[row * pairs + p]!, { a: sigmoids[2 * p]!, b: sigmoids[2 * p + 1]! })
          chances[i * count + j] = Math.min(1 - 1e-7, Math.max(1e-7, chance))
          chances[j * count + i] = 1 - chances[i * count + j]!
        }
      return count === 2 ? [chances[1]!, chances[2]!] : couple(count, (i, j) => chances[i * count + j]!)
    })
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const scores = await this.pairScores(x, method)
    const count = this.state(method).classes.length
    if (count > 2) return voted(scores, count, false)
    return Float64Array.from({ length: 2 * scores.length }, (_, i) => (i % 2 === 1 ? scores[(i - 1) / 2]! : 0))
  }
}

/**
 * A support vector machine for classes (Cortes and Vapnik, 1995), one against one, by sequential minimal optimization
 * as in LIBSVM: the same support vectors and scores as scikit-learn's SVC. Scale the features first: kernels compare
 * distances.
 */
export function svc(options: SvcOptions = {}): Svc {
  checkCall('svc(options)', arguments, OPTIONS)
  return new Svc(options)
}
register('svc', (params: SvcOptions) => new Svc(params))
