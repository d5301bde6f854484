// Parameters of each kind of trees: their tables, defaults and checks.
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import { checkClassWeight, type ClassWeight } from '../class_weight.js'
import type { Definition } from '../estimator.js'
import { checkTree, TREE_DEFAULTS, TREE_TABLE, type TreeOptions } from './options.js'

export interface ClassOptions {
  /** How mixed a node is: 'gini' 1 - Σp², or 'entropy' -Σp·log2(p). Default 'gini'. */
  criterion?: 'gini' | 'entropy'
  /** Weights of classes. Default null: all 1. */
  classWeight?: ClassWeight
}
export interface ForestOptions {
  /** How many trees. Default 100. */
  nEstimators?: number
  /** Whether each tree learns from rows drawn with replacement; false: from all. Default true. */
  bootstrap?: boolean
  /** How many rows each tree draws: a number, a share in (0, 1), or null for as many as there are. Default null. */
  maxSamples?: number | null
  /** Whether oobScore is computed, on the rows that a tree did not learn from. Default false. */
  oobScore?: boolean
  /**
   * Whether fit() keeps the trees that are there and adds the rest of nEstimators: with the same seed and data the
   * forest of one fit. Default false.
   */
  warmStart?: boolean
}
export interface DecisionTreeClassifierOptions extends TreeOptions, ClassOptions {}
export interface DecisionTreeRegressorOptions extends TreeOptions {}
export interface RandomForestClassifierOptions extends TreeOptions, ClassOptions, ForestOptions {}
export interface RandomForestRegressorOptions extends TreeOptions, ForestOptions {}

const CLASS_TABLE: OptionTable<ClassOptions> = { criterion: ['gini', 'entropy'], classWeight: 'any' }
const CLASS_DEFAULTS: Required<ClassOptions> = { criterion: 'gini', classWeight: null }
const FOREST_TABLE: OptionTable<ForestOptions> = {
  nEstimators: 'integer',
  bootstrap: 'boolean',
  maxSamples: 'any',
  oobScore: 'boolean',
  warmStart: 'boolean',
}
const FOREST_DEFAULTS: Required<ForestOptions> = { nEstimators: 100, bootstrap: true, maxSamples: null, oobScore: false, warmStart: false }
/** A single tree is a forest of one that learns from all rows. */
export const ALONE: Required<ForestOptions> = { ...FOREST_DEFAULTS, nEstimators: 1, bootstrap: false }

function checkForest(what: string, { nEstimators, bootstrap, maxSamples, oobScore, warmStart }: Required<ForestOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  if (nEstimators < 1) throw wrong(`nEstimators must be at least 1, got ${show(nEstimators)}`, 'Write nEstimators: 100')
  if (oobScore && !bootstrap) throw wrong('oobScore needs bootstrap: true', 'Without it every tree learns from every row')
  if (oobScore && warmStart) throw wrong('oobScore and warmStart exclude each other', 'Which rows earlier trees did not see is not kept')
  if (maxSamples === null) return
  if (!(typeof maxSamples === 'number' && maxSamples > 0 && (maxSamples < 1 || Number.isInteger(maxSamples))))
    throw wrong(`maxSamples is ${show(maxSamples)}`, 'Use a number of rows, a share in (0, 1), or null for as many as there are')
  if (!bootstrap) throw wrong('maxSamples needs bootstrap: true', 'Without it every tree learns from every row')
}

/** How many rows are drawn for each tree. ERR_ARGUMENT for more than there are. */
export function drawsOf(what: string, maxSamples: number | null, rows: number): number {
  if (maxSamples === null) return rows
  if (maxSamples > rows)
    throw new WeftError('ERR_ARGUMENT', `${what}: maxSamples is ${maxSamples} of ${rows} rows`, { hint: `Write at most ${rows}` })
  return maxSamples < 1 ? Math.max(1, Math.round(maxSamples * rows)) : maxSamples
}

export const TREE_CLASSIFIER: Definition<DecisionTreeClassifierOptions> = {
  kind: 'decisionTreeClassifier',
  table: { ...TREE_TABLE, ...CLASS_TABLE },
  defaults: { ...TREE_DEFAULTS, ...CLASS_DEFAULTS },
  check(params) {
    checkTree('decisionTreeClassifier', params)
    checkClassWeight('decisionTreeClassifier', params.classWeight)
  },
}
export const TREE_REGRESSOR: Definition<DecisionTreeRegressorOptions> = {
  kind: 'decisionTreeRegressor',
  table: TREE_TABLE,
  defaults: TREE_DEFAULTS,
  check: (params) => checkTree('decisionTreeRegressor', params),
}
export const FOREST_CLASSIFIER: Definition<RandomForestClassifierOptions> = {
  kind: 'randomForestClassifier',
  table: { ...TREE_TABLE, ...CLASS_TABLE, ...FOREST_TABLE },
  defaults: { ...TREE_DEFAULTS, ...CLASS_DEFAULTS, ...FOREST_DEFAULTS, maxFeatures: 'sqrt' },
  check(params) {
    checkTree('randomForestClassifier', params)
    checkClassWeight('randomForestClassifier', params.classWeight)
    checkForest('randomForestClassifier', params)
  },
}
export const FOREST_REGRESSOR: Definition<RandomForestRegressorOptions> = {
  kind: 'randomForestRegressor',
  table: { ...TREE_TABLE, ...FOREST_TABLE },
  defaults: { ...TREE_DEFAULTS, ...FOREST_DEFAULTS },
  check(params) {
    checkTree('randomForestRegressor', params)
    checkForest('randomForestRegressor', params)
  },
}
