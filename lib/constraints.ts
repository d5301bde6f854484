// Constraints: what a weight is made to fulfil after each update.
import { checkOptions } from './core/error.js'
import { type Named, type NamedLike, named } from './core/named.js'
import { add, cast, clip, div, greaterEqual, mul, sqrt, square, sum } from './ops/index.js'
import type { Tensor } from './core/tensor.js'

/** The nearest weight that fulfils the constraint. */
export type ConstraintFunction = (w: Tensor) => Tensor
export type ConstraintLike = NamedLike<ConstraintFunction>

/** Keeps divisions by a length of 0 finite; Keras' epsilon. */
const EPSILON = 1e-7

const lengths = (w: Tensor, axis: number | number[]): Tensor => sqrt(sum(square(w), axis, { keepDims: true }))

/** Lengths along `axis` (0: of each unit's incoming weights; [0, 1, 2] for convolutions) at most `maxValue`, 2 by default. */
export const maxNorm = (config: { maxValue?: number; axis?: number | number[] } = {}): Named<ConstraintFunction> => {
  checkOptions('constraints.maxNorm', config, ['maxValue', 'axis'])
  const { maxValue = 2, axis = 0 } = config
  return named('MaxNorm', config, (w: Tensor) => {
    const length = lengths(w, axis)
    return mul(w, div(clip(length, 0, maxValue), add(length, EPSILON)))
  })
}

/** No value below 0. */
export const nonNeg = (): Named<ConstraintFunction> => named('NonNeg', {}, (w: Tensor) => mul(w, cast(greaterEqual(w, 0), w.dtype)))

/** Lengths along `axis` (0 by default) are 1. */
export const unitNorm = (config: { axis?: number | number[] } = {}): Named<ConstraintFunction> => {
  checkOptions('constraints.unitNorm', config, ['axis'])
  return named('UnitNorm', config, (w: Tensor) => div(w, add(lengths(w, config.axis ?? 0), EPSILON)))
}

/** Lengths along `axis` drawn into [minValue, maxValue] (0 and 1 by default), `rate` of the way (1). */
export const minMaxNorm = (
  config: { minValue?: number; maxValue?: number; rate?: number; axis?: number | number[] } = {},
): Named<ConstraintFunction> => {
  checkOptions('constraints.minMaxNorm', config, ['minValue', 'maxValue', 'rate', 'axis'])
  const { minValue = 0, maxValue = 1, rate = 1, axis = 0 } = config
  return named('MinMaxNorm', config, (w: Tensor) => {
    const length = lengths(w, axis)
    const wanted = add(mul(clip(length, minValue, maxValue), rate), mul(length, 1 - rate))
    return mul(w, div(wanted, add(length, EPSILON)))
  })
}
