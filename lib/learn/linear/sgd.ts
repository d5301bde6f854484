// Stochastic gradient descent of linear models, one row after the other (Bottou, 2010; L1 by Tsuruoka et al., 2009).
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import type { Matrix } from '../matrix.js'
import { breathe, checkSeedOption, Random } from '../random.js'

export interface SgdOptions {
  /** 'l2' ½|coef|², 'l1' Σ|coef|, 'elasticNet' a mixture, or null. Default 'l2'. */
  penalty?: 'l2' | 'l1' | 'elasticNet' | null
  /** Strength of the penalty, at least 0. Default 1e-4. */
  alpha?: number
  /** Share of 'l1' in 'elasticNet', from 0 to 1. Default 0.15. */
  l1Ratio?: number
  /** Whether scores have an intercept. Default true. */
  fitIntercept?: boolean
  /** The most passes over the rows. Default 1000. */
  maxIter?: number
  /**
   * By how much the mean loss of a pass must be better than the best before; null: all passes are taken. Default 1e-3.
   */
  tol?: number | null
  /** Passes without a better loss after which it ends. Default 5. */
  nIterNoChange?: number
  /** Whether each pass takes the rows in another order. Default true. */
  shuffle?: boolean
  /**
   * The length of step t: 'optimal' 1 / (alpha · (t + t0)), 'constant' eta0, 'invScaling' eta0 / t^powerT, 'adaptive'
   * eta0, a fifth of it whenever the loss gets no better.
   */
  learningRate?: 'optimal' | 'constant' | 'invScaling' | 'adaptive'
  /** The first length; not used by 'optimal'. Default 0.01. */
  eta0?: number
  /** Exponent of 'invScaling'. Default 0.25. */
  powerT?: number
  /** Of the order of the rows. Default null: the seed of the process. */
  seed?: number | null
}
export const SGD_TABLE: OptionTable<SgdOptions> = {
  penalty: 'any',
  alpha: 'number',
  l1Ratio: 'number',
  fitIntercept: 'boolean',
  maxIter: 'integer',
  tol: 'any',
  nIterNoChange: 'integer',
  shuffle: 'boolean',
  learningRate: ['optimal', 'constant', 'invScaling', 'adaptive'],
  eta0: 'number',
  powerT: 'number',
  seed: 'any',
}
export const SGD_DEFAULTS: Required<SgdOptions> = {
  penalty: 'l2',
  alpha: 1e-4,
  l1Ratio: 0.15,
  fitIntercept: true,
  maxIter: 1000,
  tol: 1e-3,
  nIterNoChange: 5,
  shuffle: true,
  learningRate: 'optimal',
  eta0: 0.01,
  powerT: 0.25,
  seed: null,
}

/** Throws ERR_ARGUMENT for values out of range. */
export function checkSgd(
  what: string,
  { penalty, alpha, l1Ratio, maxIter, tol, nIterNoChange, learningRate, eta0, seed }: Required<SgdOptions>,
): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  if (![null, 'l2', 'l1', 'elasticNet'].includes(penalty))
    throw wrong(`penalty is ${show(penalty)}`, "Use 'l2', 'l1', 'elasticNet' or null")
  if (!(alpha >= 0 && Number.isFinite(alpha))) throw wrong(`alpha must be at least 0, got ${show(alpha)}`, 'Write alpha: 1e-4')
  if (alpha === 0 && learningRate === 'optimal')
    throw wrong("learningRate 'optimal' needs an alpha above 0", "Write learningRate: 'constant'")
  if (!(l1Ratio >= 0 && l1Ratio <= 1)) throw wrong(`l1Ratio must lie between 0 and 1, got ${show(l1Ratio)}`, 'Write l1Ratio: 0.15')
  if (maxIter < 1) throw wrong(`maxIter must be at least 1, got ${show(maxIter)}`, 'Write maxIter: 1000')
  if (tol !== null && !(typeof tol === 'number' && tol >= 0))
    throw wrong(`tol must be at least 0, or null, got ${show(tol)}`, 'Write tol: 1e-3')
  if (nIterNoChange < 1) throw wrong(`nIterNoChange must be at least 1, got ${show(nIterNoChange)}`, 'Write nIterNoChange: 5')
  if (!(eta0 > 0)) throw wrong(`eta0 must be above 0, got ${show(eta0)}`, 'Write eta0: 0.01')
  checkSeedOption(what, seed)
}

/** A loss of a score and a target, and its slope by the score. */
export interface PointLoss {
  value(score: number, target: number): number
  slope(score: number, target: number): number
}

export interface Descended {
  coef: Float64Array
  intercept: number
  iterations: number
  converged: boolean
}

/** Slopes are cut to this size: one outlier must not throw the coefficients away. */
const MOST = 1e12

export async function descend(
  what: string,
  { data, rows, columns }: Matrix,
  targets: Float64Array,
  weights: Float64Array,
  loss: PointLoss,
  params: Required<SgdOptions>,
  random: Random,
): Promise<Descended> {
  const { penalty, alpha, fitIntercept, maxIter, tol, nIterNoChange, shuffle, learningRate, eta0, powerT } = params
  const share = penalty === 'l1' ? 1 : penalty === 'elasticNet' ? params.l1Ratio : 0
  const square = penalty === null ? 0 : alpha * (1 - share)
  const coef = new Float64Array(columns)
  // how much every coefficient should have shrunk by the absolute penalty, and has
  let due = 0
  const paid = new Float64Array(share > 0 ? columns : 0)
  let intercept = 0
  const typical = Math.sqrt(1 / Math.sqrt(alpha))
  const first = (typical / Math.max(1, loss.slope(-typical, 1))) * alpha
  const order = Int32Array.from({ length: rows }, (_, row) => row)
  // what a model without coefficients loses: steps that were too long end above it
  let without = 0
  for (let row = 0; row < rows; row++) without += weights[row]! * loss.value(0, targets[row]!)
  let [length, step, best, stale] = [eta0, 1, Number.POSITIVE_INFINITY, 0]
  for (let pass = 1; pass <= maxIter; pass++) {
    if (shuffle) random.shuffle(order)
    let sum = 0
    for (const row of order) {
      const at = row * columns
      let score = intercept
      for (let c = 0; c < columns; c++) score += coef[c]! * data[at + c]!
      if (learningRate === 'optimal') length = 1 / (alpha * (1 / first + step - 1))
      else if (learningRate === 'invScaling') length = eta0 / step ** powerT
      step++
      sum += weights[row]! * loss.value(score, targets[row]!)
      const slope = Math.max(-MOST, Math.min(MOST, loss.slope(score, targets[row]!)))
      const move = -length * slope * weights[row]!
      if (square > 0) {
        const shrink = Math.max(0, 1 - length * square)
        for (let c = 0; c < columns; c++) coef[c]! *= shrink
      }
      if (move !== 0) {
        for (let c = 0; c < columns; c++) coef[c]! += move * data[at + c]!
        if (fitIntercept) intercept += move
      }
      if (share > 0) {
        due += length * alpha * share
        for (let c = 0; c < columns; c++) {
          const before = coef[c]!
          if (before > 0) coef[c] = Math.max(0, before - (due + paid[c]!))
          else if (before < 0) coef[c] = Math.min(0, before + (due - paid[c]!))
          paid[c]! += coef[c]! - before
        }
      }
    }
    if (!Number.isFinite(intercept) || !coef.every(Number.isFinite))
      throw new WeftError('ERR_DATA', `${what}: the coefficients grew beyond all numbers`, {
        hint: 'Scale the features with standardScaler(), or lower eta0',
      })
    stale = tol !== null && sum > best - tol * rows ? stale + 1 : 0
    best = Math.min(best, sum)
    if (tol !== null && stale >= nIterNoChange) {
      if (learningRate !== 'adaptive' || length <= 1e-6) return { coef, intercept, iterations: pass, converged: sum <= without }
      length /= 5
      stale = 0
    }
    if (pass % 10 === 0) await breathe()
  }
  return { coef, intercept, iterations: maxIter, converged: tol === null }
}
