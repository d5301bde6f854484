// Parameters that trees and forests have in common.
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import { checkSeedOption } from '../random.js'

export interface TreeOptions {
  /** The most splits from the root to a leaf; null: no limit. Default null. */
  maxDepth?: number | null
  /** The fewest rows of a node that is split. Default 2. */
  minSamplesSplit?: number
  /** The fewest rows of a leaf. Default 1. */
  minSamplesLeaf?: number
  /** The least by which a split must lower the impurity, weighted by the node's share of the rows. Default 0. */
  minImpurityDecrease?: number
  /**
   * How many features are tried at each node, and more until one of them varies: a number, a share in (0, 1), 'sqrt',
   * 'log2', or null for all.
   */
  maxFeatures?: number | 'sqrt' | 'log2' | null
  /** Of the order in which features are tried, and of the rows of each tree. Default null: the seed of the process. */
  seed?: number | null
}
export const TREE_TABLE: OptionTable<TreeOptions> = {
  maxDepth: 'any',
  minSamplesSplit: 'integer',
  minSamplesLeaf: 'integer',
  minImpurityDecrease: 'number',
  maxFeatures: 'any',
  seed: 'any',
}
export const TREE_DEFAULTS: Required<TreeOptions> = {
  maxDepth: null,
  minSamplesSplit: 2,
  minSamplesLeaf: 1,
  minImpurityDecrease: 0,
  maxFeatures: null,
  seed: null,
}

/** Throws ERR_ARGUMENT for values out of range. */
export function checkTree(what: string, params: Required<TreeOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  const { maxDepth, minSamplesSplit, minSamplesLeaf, minImpurityDecrease, maxFeatures, seed } = params
  if (maxDepth !== null && !(Number.isInteger(maxDepth) && maxDepth >= 1))
    throw wrong(`maxDepth must be at least 1, or null, got ${show(maxDepth)}`, 'Write maxDepth: 5')
  if (minSamplesSplit < 2) throw wrong(`minSamplesSplit must be at least 2, got ${show(minSamplesSplit)}`, 'Write minSamplesSplit: 2')
  if (minSamplesLeaf < 1) throw wrong(`minSamplesLeaf must be at least 1, got ${show(minSamplesLeaf)}`, 'Write minSamplesLeaf: 1')
  if (!(minImpurityDecrease >= 0))
    throw wrong(`minImpurityDecrease must be at least 0, got ${show(minImpurityDecrease)}`, 'Write minImpurityDecrease: 0')
  const fine =
    maxFeatures === null ||
    maxFeatures === 'sqrt' ||
    maxFeatures === 'log2' ||
    (typeof maxFeatures === 'number' && (maxFeatures < 1 ? maxFeatures > 0 : Number.isInteger(maxFeatures)))
  if (!fine)
    throw wrong(`maxFeatures is ${show(maxFeatures)}`, "Use a number of features, a share in (0, 1), 'sqrt', 'log2', or null for all")
  checkSeedOption(what, seed)
}

/** How many features are tried at each node; never more than there are. */
export function featureCount(maxFeatures: Required<TreeOptions>['maxFeatures'], columns: number): number {
  if (maxFeatures === null) return columns
  if (maxFeatures === 'sqrt') return Math.max(1, Math.floor(Math.sqrt(columns)))
  if (maxFeatures === 'log2') return Math.max(1, Math.floor(Math.log2(columns)))
  return maxFeatures < 1 ? Math.max(1, Math.floor(maxFeatures * columns)) : Math.min(columns, maxFeatures)
}
