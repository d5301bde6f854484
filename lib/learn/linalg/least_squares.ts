// Least squares of minimal norm, safe where columns depend on each other: a complete orthogonal decomposition (Golub
// and Van Loan, Matrix Computations, 5.5).
import { applyOrthogonal, applyTransposed, columnsOf, factor, type Pivoted, solveUpper, solveUpperTransposed, upperOf } from './qr.js'
import { decompose } from './svd.js'

export interface Solution {
  /** [columns]: of all that minimize |X·w - y| the shortest. */
  readonly solution: Float64Array
  /** How many columns are independent. */
  readonly rank: number
  /** The singular values of X, in descending order; they take long where there are many. */
  singular(): Float64Array
}

/**
 * The shortest w that minimizes |X·w - y|. What lies below ε · max(rows, columns) · the largest on the diagonal of R
 * counts as 0.
 * @param data X, row-major [rows, columns]
 */
export function leastSquares(data: Float64Array, rows: number, columns: number, y: Float64Array): Solution {
  const wide = rows < columns
  // X = Q·R·Pᵀ, or where there are more columns than rows Xᵀ = Q·R·Pᵀ
  const qr = factor(columnsOf(data, rows, columns, wide))
  const size = Math.min(rows, columns)
  const rank = rankOf(qr, size, Number.EPSILON * Math.max(rows, columns))
  const values = new Float64Array(Math.max(rows, columns))
  if (wide) {
    for (let place = 0; place < size; place++) values[place] = y[qr.order[place]!]!
    if (rank === size) solveUpperTransposed(qr, values)
    else solveDeficient(qr, size, rank, values, true)
    applyOrthogonal(qr, values)
    return { solution: values, rank, singular: () => decompose(upperOf(qr, true), size).values }
  }
  values.set(y)
  applyTransposed(qr, values)
  if (rank === size) solveUpper(qr, values)
  else solveDeficient(qr, size, rank, values, false)
  const solution = new Float64Array(columns)
  for (let place = 0; place < columns; place++) solution[qr.order[place]!] = values[place]!
  // rows of the transpose of a pivoted R are nearly orthogonal already
  return { solution, rank, singular: () => decompose(upperOf(qr, true), size).values }
}

function rankOf({ packed: { data, rows } }: Pivoted, size: number, share: number): number {
  const first = Math.abs(data[0] ?? 0)
  let rank = 0
  while (rank < size && Math.abs(data[rank * rows + rank]!) > share * first) rank++
  return rank
}

/**
 * The shortest solution with the first `rank` rows of R, the others being 0: R = [T 0]·Zᵀ, or for the transpose
 * Rᵀ = Z·[T 0]ᵀ, where T is square and regular.
 */
function solveDeficient(qr: Pivoted, size: number, rank: number, values: Float64Array, transpose: boolean): void {
  const upper = upperOf(qr)
  // the rows of R as columns: [size, rank]
  const z = factor({ data: upper.slice(0, rank * size), rows: size, columns: rank })
  const inner = values.slice(0, size)
  values.fill(0)
  if (transpose) {
    // min |Rᵀ·x - b|: Rᵀ = Z·T·Pᵀ
    applyTransposed(z, inner)
    solveUpper(z, inner)
    for (let place = 0; place < rank; place++) values[z.order[place]!] = inner[place]!
    return
  }
  const turned = new Float64Array(size)
  for (let place = 0; place < rank; place++) turned[place] = inner[z.order[place]!]!
  solveUpperTransposed(z, turned)
  applyOrthogonal(z, turned)
  values.set(turned)
}
