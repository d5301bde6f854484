// Gradient clipping: by value, by the norm of each gradient, and by the norm of all of them together.
import { isTensor } from '../core/tree.js'
import { checkCall, show } from '../core/options.js'
import { WeftError } from '../core/error.js'
import type { Tensor } from '../core/tensor.js'
import { maximum, sqrt } from '../ops/index.js'

export interface ClipOptions {
  /** Longest a single gradient may be; a longer one is scaled down. */
  clipNorm?: number
  /** Largest absolute value of an element of a gradient. */
  clipValue?: number
  /** Longest all gradients together may be. */
  globalClipNorm?: number
}

const NAMES: readonly (keyof ClipOptions)[] = ['clipNorm', 'clipValue', 'globalClipNorm']

function checkLimit(what: string, name: string, limit: number): void {
  if (!(Number.isFinite(limit) && limit > 0))
    throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a positive number, got ${show(limit)}`)
}

/** Throws unless at most one way of clipping is asked for, with a positive limit. */
export function checkClipping(what: string, options: ClipOptions): void {
  const given = NAMES.filter((name) => options[name] !== undefined)
  if (given.length > 1) throw new WeftError('ERR_ARGUMENT', `${what}: only one of ${given.join(', ')} can be used`)
  for (const name of given) checkLimit(what, name, options[name]!)
}

/**
 * The gradients, clipped as the options ask.
 * @param total makes the sum over whole gradients, where parts of them are given
 */
export function clipGradients(gradients: readonly Tensor[], options: ClipOptions, total: (sum: Tensor) => Tensor): readonly Tensor[] {
  const { clipNorm, clipValue, globalClipNorm } = options
  if (clipValue !== undefined) return gradients.map((g) => g.clip(-clipValue, clipValue))
  if (clipNorm !== undefined) return gradients.map((g) => scaleTo(g, sqrt(total(g.square().sum())), clipNorm))
  if (globalClipNorm !== undefined) {
    const norm = sqrt(total(squaresOf(gradients)))
    return gradients.map((g) => scaleTo(g, norm, globalClipNorm))
  }
  return gradients
}

const squaresOf = (gradients: readonly Tensor[]): Tensor => gradients.map((g) => g.square().sum()).reduce((sum, part) => sum.add(part))

const scaleTo = (g: Tensor, norm: Tensor, limit: number): Tensor => g.mul(maximum(norm, limit).reciprocal().mul(limit))

/**
 * Scales all gradients by one factor so that together they are no longer than `clipNorm`.
 * @returns the gradients, and the norm they had before: a scalar
 */
export function clipByGlobalNorm(gradients: readonly Tensor[], clipNorm: number): { gradients: Tensor[]; norm: Tensor } {
  checkCall('clipByGlobalNorm(gradients, clipNorm)', arguments)
  checkLimit('clipByGlobalNorm', 'clipNorm', clipNorm)
  if (!Array.isArray(gradients) || !gradients.every(isTensor))
    throw new WeftError('ERR_ARGUMENT', `clipByGlobalNorm: gradients are a list of tensors, got ${show(gradients)}`)
  if (gradients.length === 0) throw new WeftError('ERR_ARGUMENT', 'clipByGlobalNorm: no gradients were given')
  const norm = sqrt(squaresOf(gradients))
  return { gradients: gradients.map((g) => scaleTo(g, norm, clipNorm)), norm }
}
