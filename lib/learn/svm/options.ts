// Parameters that svc and svr have in common.
import { WeftError } from '../../core/error.js'
import { type OptionTable, show } from '../../core/options.js'
import type { Matrix } from '../matrix.js'
import { checkKernel, type Kernel, type KernelOptions } from './kernels.js'

export interface SvmOptions extends KernelOptions {
  /** Weight of errors against the width of the margin, above 0. Default 1. */
  C?: number
  /** The most that the conditions of the optimum may be violated. Default 1e-3. */
  tol?: number
  /** Megabytes for similarities of rows: what does not fit is computed again and again. Default 1000. */
  cacheSize?: number
  /** The most steps for each machine; -1: no limit. Default -1. */
  maxIter?: number
}
export const SVM_TABLE: OptionTable<SvmOptions> = {
  kernel: 'any',
  gamma: 'any',
  degree: 'number',
  coef0: 'number',
  C: 'number',
  tol: 'number',
  cacheSize: 'number',
  maxIter: 'integer',
}
export const SVM_DEFAULTS: Required<SvmOptions> = {
  kernel: 'rbf',
  gamma: 'scale',
  degree: 3,
  coef0: 0,
  C: 1,
  tol: 1e-3,
  cacheSize: 1000,
  maxIter: -1,
}
/** Throws ERR_ARGUMENT for values out of range. */
export function checkSvm(what: string, params: Required<SvmOptions>): void {
  const wrong = (text: string, hint: string): WeftError => new WeftError('ERR_ARGUMENT', `${what}: ${text}`, { hint })
  checkKernel(what, params)
  const { C, tol, cacheSize, maxIter } = params
  if (!(C > 0 && Number.isFinite(C))) throw wrong(`C must be above 0, got ${show(C)}`, 'Write C: 1')
  if (!(tol > 0)) throw wrong(`tol must be above 0, got ${show(tol)}`, 'Write tol: 1e-3')
  if (!(cacheSize > 0)) throw wrong(`cacheSize must be above 0, got ${show(cacheSize)}`, 'Write cacheSize: 1000')
  if (!(maxIter >= 1 || maxIter === -1)) throw wrong(`maxIter must be at least 1, or -1, got ${show(maxIter)}`, 'Write maxIter: -1')
}

/** Throws ERR_SHAPE unless similarities of rows with each other are square. */
export function checkSquare(what: string, kernel: Kernel, x: Matrix): void {
  if (kernel.name === 'precomputed' && x.rows !== x.columns)
    throw new WeftError('ERR_SHAPE', `${what}: precomputed similarities are [rows, rows], got [${x.rows}, ${x.columns}]`)
}
