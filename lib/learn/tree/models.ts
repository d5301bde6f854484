// decisionTreeClassifier, decisionTreeRegressor, randomForestClassifier, randomForestRegressor.
import { WeftError } from '../../core/error.js'
import { checkCall, checkOptions, type OptionTable, show } from '../../core/options.js'
import { checkClassWeight, type ClassWeight, rowWeights } from '../class_weight.js'
import { ClassifierBase, FIT_OPTIONS, type FitOptions, largest, nested, register, Regressor, rSquared } from '../estimator.js'
import { type Label, type LabelsLike, type MatrixLike, readLabels, readMatrix, readTargets, readWeights } from '../matrix.js'
import { growTrees, meanPrediction } from './forest.js'
import { checkTree, TREE_DEFAULTS, TREE_TABLE, type TreeOptions } from './options.js'
import { depthOf, importances, leafCount, leavesOf, type Tree } from './tree.js'

interface ClassOptions {
  /** How mixed a node is: 'gini' 1 - Σp², or 'entropy' -Σp·log2(p). Default 'gini'. */
  criterion?: 'gini' | 'entropy'
  /** Weights of classes. Default null: all 1. */
  classWeight?: ClassWeight
}
interface ForestOptions {
  /** How many trees. Default 100. */
  nEstimators?: number
  /** Whether each tree learns from rows drawn with replacement; false: from all. Default true. */
  bootstrap?: boolean
  /** Whether oobScore is computed, on the rows that a tree did not learn from. Default false. */
  oobScore?: boolean
}
export interface DecisionTreeClassifierOptions extends TreeOptions, ClassOptions {}
export interface DecisionTreeRegressorOptions extends TreeOptions {}
export interface RandomForestClassifierOptions extends TreeOptions, ClassOptions, ForestOptions {}
export interface RandomForestRegressorOptions extends TreeOptions, ForestOptions {}

const CLASS_TABLE: OptionTable<ClassOptions> = { criterion: ['gini', 'entropy'], classWeight: 'any' }
const FOREST_TABLE: OptionTable<ForestOptions> = { nEstimators: 'integer', bootstrap: 'boolean', oobScore: 'boolean' }
const CLASS_DEFAULTS: Required<ClassOptions> = { criterion: 'gini', classWeight: null }
const FOREST_DEFAULTS: Required<ForestOptions> = { nEstimators: 100, bootstrap: true, oobScore: false }
/** A single tree is a forest of one that learns from all rows. */
const ALONE: Required<ForestOptions> = { nEstimators: 1, bootstrap: false, oobScore: false }

function checkForest(what: string, { nEstimators, bootstrap, oobScore }: Required<ForestOptions>): void {
  if (nEstimators < 1)
    throw new WeftError('ERR_ARGUMENT', `${what}: nEstimators must be at least 1, got ${show(nEstimators)}`, {
      hint: 'Write nEstimators: 100',
    })
  if (oobScore && !bootstrap)
    throw new WeftError('ERR_ARGUMENT', `${what}: oobScore needs bootstrap: true`, { hint: 'Without it every tree learns from every row' })
}

/** Trees compare float32. */
const LARGEST = 2 ** 128 - 2 ** 104

interface Fitted {
  trees: Tree[]
  columns: number
  oob: number | null
}

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
    const { nEstimators, bootstrap, oobScore } = this.forest
    const { trees, out } = await growTrees(
      matrix,
      { classes: labels.index, numbers: undefined, outputs, weights },
      params.criterion,
      params,
      {
        count: nEstimators,
        bootstrap,
        outOfBag: oobScore,
      },
    )
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
    const { nEstimators, bootstrap, oobScore } = this.forest
    const { trees, out } = await growTrees(
      matrix,
      { classes: undefined, numbers, outputs: 1, weights },
      'squaredError',
      this.params as Required<TreeOptions>,
      {
        count: nEstimators,
        bootstrap,
        outOfBag: oobScore,
      },
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
      trees: trees.map((tree) => ({ ...tree, value: tree.value.map((value) => value + mean) })),
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
    const kind = 'decisionTreeClassifier'
    const check = (params: Required<DecisionTreeClassifierOptions>): void => {
      checkTree(kind, params)
      checkClassWeight(kind, params.classWeight)
    }
    super({ kind, table: { ...TREE_TABLE, ...CLASS_TABLE }, defaults: { ...TREE_DEFAULTS, ...CLASS_DEFAULTS }, check }, options)
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
    const kind = 'decisionTreeRegressor'
    super({ kind, table: TREE_TABLE, defaults: TREE_DEFAULTS, check: (params) => checkTree(kind, params) }, options)
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
    const kind = 'randomForestClassifier'
    const check = (params: Required<RandomForestClassifierOptions>): void => {
      checkTree(kind, params)
      checkClassWeight(kind, params.classWeight)
      checkForest(kind, params)
    }
    const defaults = { ...TREE_DEFAULTS, ...CLASS_DEFAULTS, ...FOREST_DEFAULTS, maxFeatures: 'sqrt' } as const
    super({ kind, table: { ...TREE_TABLE, ...CLASS_TABLE, ...FOREST_TABLE }, defaults, check }, options)
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
    const kind = 'randomForestRegressor'
    const check = (params: Required<RandomForestRegressorOptions>): void => {
      checkTree(kind, params)
      checkForest(kind, params)
    }
    super({ kind, table: { ...TREE_TABLE, ...FOREST_TABLE }, defaults: { ...TREE_DEFAULTS, ...FOREST_DEFAULTS }, check }, options)
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
  checkCall('decisionTreeClassifier(options)', arguments, { ...TREE_TABLE, ...CLASS_TABLE })
  return new DecisionTreeClassifier(options)
}
/** A decision tree for numbers (CART), by least squares. */
export function decisionTreeRegressor(options: DecisionTreeRegressorOptions = {}): DecisionTreeRegressor {
  checkCall('decisionTreeRegressor(options)', arguments, TREE_TABLE)
  return new DecisionTreeRegressor(options)
}
/** A random forest for classes: the mean of trees on random rows, which try √features at each node. */
export function randomForestClassifier(options: RandomForestClassifierOptions = {}): RandomForestClassifier {
  checkCall('randomForestClassifier(options)', arguments, { ...TREE_TABLE, ...CLASS_TABLE, ...FOREST_TABLE })
  return new RandomForestClassifier(options)
}
/** A random forest for numbers: the mean of trees on random rows, which try all features at each node. */
export function randomForestRegressor(options: RandomForestRegressorOptions = {}): RandomForestRegressor {
  checkCall('randomForestRegressor(options)', arguments, { ...TREE_TABLE, ...FOREST_TABLE })
  return new RandomForestRegressor(options)
}
register('decisionTreeClassifier', (params: DecisionTreeClassifierOptions) => new DecisionTreeClassifier(params))
register('decisionTreeRegressor', (params: DecisionTreeRegressorOptions) => new DecisionTreeRegressor(params))
register('randomForestClassifier', (params: RandomForestClassifierOptions) => new RandomForestClassifier(params))
register('randomForestRegressor', (params: RandomForestRegressorOptions) => new RandomForestRegressor(params))
