// What rows of batch and layer normalization share.
import { average, elementwise, reduce, type Values } from '../reference.js'

export const SHAPES: readonly (readonly number[])[] = [
  [5, 3],
  [4, 1],
  [2, 3, 2],
  [7, 5],
  [33, 19],
  [130, 67],
]
export const EPSILON = 0.01

/** Each group of values along the axes with mean 0 and variance 1, scaled and shifted. */
export function normalized(x: Values, axes: readonly number[], gamma: Values, beta: Values): { y: Values; mean: Values; variance: Values } {
  const mean = reduce(average)(x, axes, true)
  const variance = reduce((list) => average(list.map((v) => (v - average(list)) ** 2)))(x, axes, true)
  const y = elementwise((v, m, s, g, b) => ((v! - m!) / Math.sqrt(s! + EPSILON)) * g! + b!)(x, mean, variance, gamma, beta)
  return { y, mean, variance }
}
