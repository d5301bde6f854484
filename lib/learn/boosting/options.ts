// Parameters of histogram gradient boosting.
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import { checkSeedOption } from '../random.js'

export interface HistGradientBoostingOptions {
  /** What each tree counts, above 0. Default 0.1. */
  learningRate?: number
  /** The most steps: trees, or trees for each class. Default 100. */
  maxIter?: number
  /** The most leaves of a tree; null: no limit. Default 31. */
  maxLeafNodes?: number | null
  /** The most splits from the root to a leaf; null: no limit. Default null. */
  maxDepth?: number | null
  /** The fewest rows of a leaf. Default 20. */
  minSamplesLeaf?: number
  /** Added to the curvature of leaves, at least 0. Default 0. */
  l2Regularization?: number
  /** The most bins of a feature, from 2 to 255; missing values have one more. Default 255. */
  maxBins?: number
  /** Whether to stop where rows that are held out get no better; 'auto': with more than 10,000 rows. Default 'auto'. */
  earlyStopping?: boolean | 'auto'
  /** The share of rows that is held out then. Default 0.1. */
  validationFraction?: number
  /** Steps without a better score after which it stops. Default 10. */
  nIterNoChange?: number
  /** By how much a score must be better. Default 1e-7. */
  tol?: number
  /** Of the rows that are held out. Default null: the seed of the process. */
  seed?: number | null
}
export const BOOSTING_TABLE: OptionTable<HistGradientBoostingOptions> = {
  learningRate: 'number',
  maxIter: 'integer',
  maxLeafNodes: 'any',
  maxDepth: 'any',
  minSamplesLeaf: 'integer',
  l2Regularization: 'number',
  maxBins: 'integer',
  earlyStopping: 'any',
  validationFraction: 'number',
  nIterNoChange: 'integer',
  tol: 'number',
  seed: 'any',
}
export const BOOSTING_DEFAULTS: Required<HistGradientBoostingOptions> = {
  learningRate: 0.1,
  maxIter: 100,
  maxLeafNodes: 31,
  maxDepth: null,
  minSamplesLeaf: 20,
  l2Regularization: 0,
  maxBins: 255,
  earlyStopping: 'auto',
  validationFraction: 0.1,
  nIterNoChange: 10,
  tol: 1e-7,
  seed: null,
}

/** Throws ERR_ARGUMENT for values out of range. */
export function checkBoosting(what: string, params: Required<HistGradientBoostingOptions>): void {
  const need = (fine: boolean, name: keyof HistGradientBoostingOptions, range: string): void => {
    if (!fine)
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be ${range}, got ${show(params[name])}`, {
        hint: `Write ${name}: ${show(BOOSTING_DEFAULTS[name])}`,
      })
  }
  const atLeast = (value: unknown, least: number): boolean => value === null || (Number.isInteger(value) && (value as number) >= least)
  need(params.learningRate > 0, 'learningRate', 'above 0')
  need(params.maxIter >= 1, 'maxIter', 'at least 1')
  need(atLeast(params.maxLeafNodes, 2), 'maxLeafNodes', 'an integer of at least 2, or null')
  need(atLeast(params.maxDepth, 1), 'maxDepth', 'an integer of at least 1, or null')
  need(params.minSamplesLeaf >= 1, 'minSamplesLeaf', 'at least 1')
  need(params.l2Regularization >= 0, 'l2Regularization', 'at least 0')
  need(params.maxBins >= 2 && params.maxBins <= 255, 'maxBins', 'an integer from 2 to 255')
  need(params.earlyStopping === 'auto' || typeof params.earlyStopping === 'boolean', 'earlyStopping', "true, false or 'auto'")
  need(params.validationFraction > 0 && params.validationFraction < 1, 'validationFraction', 'between 0 and 1')
  need(params.nIterNoChange >= 1, 'nIterNoChange', 'at least 1')
  need(params.tol >= 0, 'tol', 'at least 0')
  checkSeedOption(what, params.seed)
}
