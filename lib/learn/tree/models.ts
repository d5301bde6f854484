// decisionTreeClassifier, decisionTreeRegressor, randomForestClassifier, randomForestRegressor.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions } from '../../core/options.js'
import { rowWeights } from '../class_weight.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, largest, nested, register, Regressor, rSquared } from '../estimator.js'
import { type Label, type LabelsLike, type MatrixLike, readLabels, readMatrix, readTargets, readWeights } from '../matrix.js'
import { type ForestShape, growTrees, meanPrediction } from './forest.js'
import type { TreeOptions } from './options.js'
import {
  ALONE,
  type ClassOptions,
  type DecisionTreeClassifierOptions,
  type DecisionTreeRegressorOptions,
  drawsOf,
  FOREST_CLASSIFIER,
  FOREST_REGRESSOR,
  type ForestOptions,
  type RandomForestClassifierOptions,
  type RandomForestRegressorOptions,
  TREE_CLASSIFIER,
  TREE_REGRESSOR,
} from './settings.js'
import { depthOf, importances, leafCount, leavesOf, type Tree } from './tree.js'

/** Trees compare float32. */
const LARGEST = 2 ** 128 - 2 ** 104

interface Fitted {
  trees: Tree[]
  columns: number
  oob: number | null
}

/** The trees that a fit goes on with. */
function keptTrees(
  what: string,
  { warmStart, nEstimators }: Required<ForestOptions>,
  learned: (Fitted & { classes?: Label[] }) | undefined,
  columns: number,
  classes?: Label[],
): Tree[] {
  if (!warmStart || learned === undefined) return []
  const wrong = (text: string): WeftError =>
    new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint: 'Go on with the same data and more trees, or write warmStart: false' })
  if (learned.columns !== columns) throw wrong(`X has ${columns} features, the trees that are there have ${learned.columns}`)
  if (classes?.some((label, k) => label !== learned.classes![k]) || classes?.length !== learned.classes?.length)
    throw wrong(`y has the classes ${classes?.join(', ')}, the trees that are there have ${learned.classes?.join(', ')}`)
  if (learned.trees.length > nEstimators) throw wrong(`nEstimators is ${nEstimators}, and ${learned.trees.length} trees are there`)
  return learned.trees
}

const forestOf = (what: string, forest: Required<ForestOptions>, kept: readonly Tree[], rows: number): ForestShape => ({
  first: kept.length,
  count: forest.nEstimators,
  draws: forest.bootstrap ? drawsOf(what, forest.maxSamples, rows) : undefined,
  outOfBag: forest.oobScore,
})

const meanImportances = ({ trees, columns }: Fitted): number[] => {
  const sums = new Array<number>(columns).fill(0)
  for (const tree of trees) for (const [c, share] of importances(tree, columns).entries()) sums[c]! += share / trees.length
  return sums
}
const oobOf = (kind: string, { oob }: Fitted): number => {
  if (oob === null)
    throw new WeftError('ERR_STATE', `${kind}: oobScore needs a fit with oobScore: true`, { hint: `Write ${kind}({ oobScore: true })` })
  return oob
}

abstract class TreesClassifier<O extends TreeOptions & ClassOptions> extends ClassifierBase<O, Fitted & { classes: Label[] }> {
  protected abstract readonly forest: Required<ForestOptions>

  /** How much each feature lowers the impurity, a share of 1: [features]. */
  get featureImportances(): number[] {
    return meanImportances(this.state('featureImportances'))
  }
  /** The trees, as flat arrays of nodes; value is [nodes][classes]. */
  get trees(): readonly Tree[] {
    return this.state('trees').trees
  }

  /** Learns from rows X [rows, features] and their classes y [rows]. Resolves with the model. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x, { most: LARGEST })
    const labels = await readLabels(what, y, matrix.rows)
    const params = this.params as Required<TreeOptions & ClassOptions>
    const weights = rowWeights(what, params.classWeight, labels, await readWeights(what, options.sampleWeight, matrix.rows))
    const outputs = labels.classes.length
    const kept = keptTrees(what, this.forest, this.learned, matrix.columns, labels.classes)
    const targets = { classes: labels.index, numbers: undefined, outputs, weights }
    const { trees: grown, out } = await growTrees(matrix, targets, params.criterion, params, forestOf(what, this.forest, kept, matrix.rows))
    const trees = [...kept, ...grown]
    let oob: number | null = null
    if (out !== undefined) {
      const rows = Array.from({ length: matrix.rows }, (_, row) => row).filter((row) => !Number.isNaN(out[row * outputs]!))
      oob = rows.filter((row) => largest(out, row * outputs, outputs) === labels.index[row]).length / rows.length
    }
    this.learned = { classes: labels.classes, trees, columns: matrix.columns, oob }
    return this
  }

  protected override async rank(x: MatrixLike, method: string): Promise<Float64Array> {
    const { trees, columns, classes } = this.state(method)
    return meanPrediction(trees, await this.read(x, method, columns), classes.length)
  }
  /** The mean share of each class in the leaves of a row: [rows][classes]. */
  async predictProba(x: MatrixLike): Promise<number[][]> {
    return nested(await this.rank(x, 'predictProba'), this.classes.length)
  }
}

abstract class TreesRegressor<O extends TreeOptions> extends Regressor<O, Fitted> {
  protected abstract readonly forest: Required<ForestOptions>

  /** How much each feature lowers the variance, a share of 1: [features]. */
  get featureImportances(): number[] {
    return meanImportances(this.state('featureImportances'))
  }
  /** The trees, as flat arrays of nodes. */
  get trees(): readonly Tree[] {
    return this.state('trees').trees
  }

  /** Learns from rows X [rows, features] and their numbers y [rows]. Resolves with the model. */
  async fit(x: MatrixLike, y?: LabelsLike, options: FitOptions = {}): Promise<this> {
    const what = `${this.kind}.fit`
    checkOptions(what, options, FIT_OPTIONS, 'X, y')
    const matrix = await readMatrix(what, x, { most: LARGEST })
    const given = await readTargets(what, y, matrix.rows)
    const weights = (await readWeights(what, options.sampleWeight, matrix.rows)) ?? new Float64Array(matrix.rows).fill(1)
    // around their mean, squares of large numbers lose nothing to rounding
    const mean = given.reduce((sum, value) => sum + value / matrix.rows, 0)
    const numbers = given.map((value) => value - mean)
    const kept = keptTrees(what, this.forest, this.learned, matrix.columns)
    const { trees, out } = await growTrees(
      matrix,
      { classes: undefined, numbers, outputs: 1, weights },
      'squaredError',
      this.params as Required<TreeOptions>,
      forestOf(what, this.forest, kept, matrix.rows),
    )
    let oob: number | null = null
    if (out !== undefined) {
      const rows = Array.from(out.keys()).filter((row) => !Number.isNaN(out[row]!))
      oob = rSquared(
        rows.map((row) => numbers[row]!),
        rows.map((row) => out[row]!),
      )
    }
    this.learned = {
      trees: [...kept, ...trees.map((tree) => ({ ...tree, value: tree.value.map((value) => value + mean) }))],
      columns: matrix.columns,
      oob,
    }
    return this
  }

  /** The mean of the leaves of each row of X. */
  async predict(x: MatrixLike): Promise<number[]> {
    const { trees, columns } = this.state('predict')
    return Array.from(meanPrediction(trees, await readMatrix(`${this.kind}.predict`, x, { columns }), 1))
  }
}

const depth = (trees: readonly Tree[]): number => depthOf(trees[0]!)

export class DecisionTreeClassifier extends TreesClassifier<DecisionTreeClassifierOptions> {
  protected override readonly forest: Required<ForestOptions> = ALONE
  constructor(options: DecisionTreeClassifierOptions = {}) {
    super(TREE_CLASSIFIER, options)
  }
  /** The most splits from the root to a leaf. */
  get depth(): number {
    return depth(this.trees)
  }
  get nLeaves(): number {
    return leafCount(this.trees[0]!)
  }
  /** The leaf of each row of X, by its place in `trees[0]`. */
  async apply(x: MatrixLike): Promise<number[]> {
    const { trees, columns } = this.state('apply')
    return Array.from(leavesOf(trees[0]!, await this.read(x, 'apply', columns)))
  }
}

export class DecisionTreeRegressor extends TreesRegressor<DecisionTreeRegressorOptions> {
  protected override readonly forest: Required<ForestOptions> = ALONE
  constructor(options: DecisionTreeRegressorOptions = {}) {
    super(TREE_REGRESSOR, options)
  }
  /** The most splits from the root to a leaf. */
  get depth(): number {
    return depth(this.trees)
  }
  get nLeaves(): number {
    return leafCount(this.trees[0]!)
  }
  /** The leaf of each row of X, by its place in `trees[0]`. */
  async apply(x: MatrixLike): Promise<number[]> {
    const { trees, columns } = this.state('apply')
    return Array.from(leavesOf(trees[0]!, await readMatrix(`${this.kind}.apply`, x, { columns })))
  }
}

export class RandomForestClassifier extends TreesClassifier<RandomForestClassifierOptions> {
  constructor(options: RandomForestClassifierOptions = {}) {
    super(FOREST_CLASSIFIER, options)
  }
  protected override get forest(): Required<ForestOptions> {
    return this.params
  }
  /** Accuracy on rows, by the trees that did not learn from them. ERR_STATE unless fitted with `oobScore: true`. */
  get oobScore(): number {
    return oobOf(this.kind, this.state('oobScore'))
  }
}

export class RandomForestRegressor extends TreesRegressor<RandomForestRegressorOptions> {
  constructor(options: RandomForestRegressorOptions = {}) {
    super(FOREST_REGRESSOR, options)
  }
  protected override get forest(): Required<ForestOptions> {
    return this.params
  }
  /** R² on rows, by the trees that did not learn from them. ERR_STATE unless fitted with `oobScore: true`. */
  get oobScore(): number {
    return oobOf(this.kind, this.state('oobScore'))
  }
}

/** A decision tree for classes (CART). Of equally good splits the one that was tried first is taken. */
export function decisionTreeClassifier(options: DecisionTreeClassifierOptions = {}): DecisionTreeClassifier {
  checkCall('decisionTreeClassifier(options)', arguments, TREE_CLASSIFIER.table)
  return new DecisionTreeClassifier(options)
}
/** A decision tree for numbers (CART), by least squares. */
export function decisionTreeRegressor(options: DecisionTreeRegressorOptions = {}): DecisionTreeRegressor {
  checkCall('decisionTreeRegressor(options)', arguments, TREE_REGRESSOR.table)
  return new DecisionTreeRegressor(options)
}
/** A random forest for classes: the mean of trees on random rows, which try √features at each node. */
export function randomForestClassifier(options: RandomForestClassifierOptions = {}): RandomForestClassifier {
  checkCall('randomForestClassifier(options)', arguments, FOREST_CLASSIFIER.table)
  return new RandomForestClassifier(options)
}
/** A random forest for numbers: the mean of trees on random rows, which try all features at each node. */
export function randomForestRegressor(options: RandomForestRegressorOptions = {}): RandomForestRegressor {
  checkCall('randomForestRegressor(options)', arguments, FOREST_REGRESSOR.table)
  return new RandomForestRegressor(options)
}
register('decisionTreeClassifier', (params: DecisionTreeClassifierOptions) => new DecisionTreeClassifier(params))
register('decisionTreeRegressor', (params: DecisionTreeRegressorOptions) => new DecisionTreeRegressor(params))
register('randomForestClassifier', (params: RandomForestClassifierOptions) => new RandomForestClassifier(params))
register('randomForestRegressor', (params: RandomForestRegressorOptions) => new RandomForestRegressor(params))
