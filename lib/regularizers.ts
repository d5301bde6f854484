// Regularizers: penalties of weights or outputs that are added to the loss.
import { WeftError } from './core/error.js'
import { checkCall, checkOptions, type OptionTable } from './core/options.js'
import { type Named, type NamedLike, named } from './core/named.js'
import { abs, add, mul, square, sum } from './ops/index.js'
import type { Tensor } from './core/tensor.js'

/** A scalar for a weight. */
export type RegularizerFunction = (w: Tensor) => Tensor
export type Regularizer = Named<RegularizerFunction> | RegularizerFunction
export type RegularizerName = keyof typeof import('./regularizers.js')
export type RegularizerLike = NamedLike<RegularizerFunction, RegularizerName>

function check(name: string, rate: number): number {
  if (typeof rate !== 'number' || !(rate >= 0))
    throw new WeftError('ERR_ARGUMENT', `regularizers.${name}: the rate must be a number of at least 0, got ${rate}`)
  return rate
}

/** λ·Σ|w|; λ 0.01 by default. */
export function l1(config: number | { l1?: number } = {}): Named<RegularizerFunction> {
  checkCall('regularizers.l1(options)', arguments)
  if (typeof config !== 'number') checkOptions('regularizers.l1', config, { l1: 'number' })
  const rate = check('l1', typeof config === 'number' ? config : (config.l1 ?? 0.01))
  return named('L1', { l1: rate }, (w: Tensor) => mul(sum(abs(w)), rate))
}

/** λ·Σw², without ½; λ 0.01 by default. */
export function l2(config: number | { l2?: number } = {}): Named<RegularizerFunction> {
  checkCall('regularizers.l2(options)', arguments)
  if (typeof config !== 'number') checkOptions('regularizers.l2', config, { l2: 'number' })
  const rate = check('l2', typeof config === 'number' ? config : (config.l2 ?? 0.01))
  return named('L2', { l2: rate }, (w: Tensor) => mul(sum(square(w)), rate))
}

export interface L1l2Options {
  /** Factor of Σ|w|. Default 0. */
  l1?: number
  /** Factor of Σw². Default 0. */
  l2?: number
}
const L1L2_OPTIONS: OptionTable<L1l2Options> = { l1: 'number', l2: 'number' }

/** l1·Σ|w| + l2·Σw²; a factor that is not given is 0, as in Keras 3 (0.01 in TensorFlow.js). */
export function l1l2(config: L1l2Options = {}): Named<RegularizerFunction> {
  checkCall('regularizers.l1l2(options)', arguments, L1L2_OPTIONS)
  const rates = { l1: check('l1l2', config.l1 ?? 0), l2: check('l1l2', config.l2 ?? 0) }
  return named('L1l2', rates, (w: Tensor) => add(mul(sum(abs(w)), rates.l1), mul(sum(square(w)), rates.l2)))
}
