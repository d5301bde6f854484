// Centered data: columns and targets moved to a mean of 0, so that an intercept is not one more column.
import type { Matrix } from '../matrix.js'

export interface Centered {
  readonly data: Float64Array
  readonly y: Float64Array
  readonly means: Float64Array
  readonly yMean: number
}

/** The mean of each column, weighted. A second pass takes off what rounding left, however large the values are. */
export function columnMeans({ data, rows, columns }: Matrix, weights?: Float64Array): Float64Array {
  const means = new Float64Array(columns)
  let total = 0
  for (let row = 0; row < rows; row++) total += weights?.[row] ?? 1
  for (let pass = 0; pass < 2; pass++) {
    const sums = new Float64Array(columns)
    for (let row = 0; row < rows; row++) {
      const weight = weights?.[row] ?? 1
      for (let column = 0; column < columns; column++) sums[column]! += weight * (data[row * columns + column]! - means[column]!)
    }
    for (let column = 0; column < columns; column++) means[column]! += sums[column]! / total
  }
  return means
}

/**
 * X and y around their weighted means (0 without an intercept), each row times the square root of its weight. A column
 * that differs from its mean by rounding alone becomes 0.
 */
export function centered(x: Matrix, y: Float64Array, intercept: boolean, weights?: Float64Array): Centered {
  const { rows, columns } = x
  const means = intercept ? columnMeans(x, weights) : new Float64Array(columns)
  const yMean = intercept ? columnMeans({ data: y, rows, columns: 1 }, weights)[0]! : 0
  const data = new Float64Array(x.data.length)
  const targets = new Float64Array(rows)
  const largest = new Float64Array(columns)
  for (let row = 0; row < rows; row++) {
    const root = weights === undefined ? 1 : Math.sqrt(weights[row]!)
    for (let column = 0; column < columns; column++) {
      const difference = x.data[row * columns + column]! - means[column]!
      data[row * columns + column] = root * difference
      largest[column] = Math.max(largest[column]!, Math.abs(difference))
    }
    targets[row] = root * (y[row]! - yMean)
  }
  if (intercept)
    for (let column = 0; column < columns; column++)
      if (largest[column]! <= 4 * Number.EPSILON * Math.abs(means[column]!))
        for (let row = 0; row < rows; row++) data[row * columns + column] = 0
  return { data, y: targets, means, yMean }
}

/** The intercept that belongs to coefficients of centered data. */
export function interceptOf(coef: ArrayLike<number>, { means, yMean }: Centered): number {
  let sum = yMean
  for (let column = 0; column < means.length; column++) sum -= means[column]! * coef[column]!
  return sum
}
