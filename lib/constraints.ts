// Constraints: what a weight is made to fulfil after each update.
import { checkCall, type OptionTable } from './core/options.js'
import { type Named, type NamedLike, named } from './core/named.js'
import { add, cast, clip, div, greaterEqual, mul, sqrt, square, sum } from './ops/index.js'
import type { Tensor } from './core/tensor.js'

/** The nearest weight that fulfils the constraint. */
export type ConstraintFunction = (w: Tensor) => Tensor
export type ConstraintName = keyof typeof import('./constraints.js')
export type ConstraintLike = NamedLike<ConstraintFunction, ConstraintName>

/** Keeps divisions by a length of 0 finite; Keras' epsilon. */
const EPSILON = 1e-7

const lengths = (w: Tensor, axis: number | number[]): Tensor => sqrt(sum(square(w), axis, { keepDims: true }))

export interface MaxNormOptions {
  /** The greatest length. Default 2. */
  maxValue?: number
  /** The axis, or axes, that a length is taken along. Default 0. */
  axis?: number | number[]
}
const MAX_NORM_OPTIONS: OptionTable<MaxNormOptions> = { maxValue: 'number', axis: 'any' }

/**
 * Lengths along `axis` (0: of each unit's incoming weights; [0, 1, 2] for convolutions) at most `maxValue`, 2 by
 * default.
 */
export function maxNorm(config: MaxNormOptions = {}): Named<ConstraintFunction> {
  checkCall('constraints.maxNorm(options)', arguments, MAX_NORM_OPTIONS)
  const { maxValue = 2, axis = 0 } = config
  return named('MaxNorm', config, (w: Tensor) => {
    const length = lengths(w, axis)
    return mul(w, div(clip(length, 0, maxValue), add(length, EPSILON)))
  })
}

/** No value below 0. */
export function nonNeg(_options?: Record<string, never>): Named<ConstraintFunction> {
  checkCall('constraints.nonNeg(options)', arguments, {})
  return named('NonNeg', {}, (w: Tensor) => mul(w, cast(greaterEqual(w, 0), w.dtype)))
}

export interface UnitNormOptions {
  /** The axis, or axes, that a length is taken along. Default 0. */
  axis?: number | number[]
}
const UNIT_NORM_OPTIONS: OptionTable<UnitNormOptions> = { axis: 'any' }

/** Lengths along `axis` (0 by default) are 1. */
export function unitNorm(config: UnitNormOptions = {}): Named<ConstraintFunction> {
  checkCall('constraints.unitNorm(options)', arguments, UNIT_NORM_OPTIONS)
  return named('UnitNorm', config, (w: Tensor) => div(w, add(lengths(w, config.axis ?? 0), EPSILON)))
}

export interface MinMaxNormOptions {
  /** The least length. Default 0. */
  minValue?: number
  /** The greatest length. Default 1. */
  maxValue?: number
  /** How much of the way a length goes at each step. Default 1. */
  rate?: number
  /** The axis, or axes, that a length is taken along. Default 0. */
  axis?: number | number[]
}
const MIN_MAX_NORM_OPTIONS: OptionTable<MinMaxNormOptions> = { minValue: 'number', maxValue: 'number', rate: 'number', axis: 'any' }

/** Lengths along `axis` drawn into [minValue, maxValue] (0 and 1 by default), `rate` of the way (1). */
export function minMaxNorm(config: MinMaxNormOptions = {}): Named<ConstraintFunction> {
  checkCall('constraints.minMaxNorm(options)', arguments, MIN_MAX_NORM_OPTIONS)
  const { minValue = 0, maxValue = 1, rate = 1, axis = 0 } = config
  return named('MinMaxNorm', config, (w: Tensor) => {
    const length = lengths(w, axis)
    const wanted = add(mul(clip(length, minValue, maxValue), rate), mul(length, 1 - rate))
    return mul(w, div(wanted, add(length, EPSILON)))
  })
}
