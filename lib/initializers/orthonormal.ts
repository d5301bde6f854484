// Orthonormal rows: the QR decomposition behind the orthogonal initializer, made of products of blocks.
import { tensor } from '../core/create.js'
import type { DType } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { tidy } from '../core/tidy.js'
import { concat, matMul, split, sub } from '../ops/index.js'

/** Rows whose triangular factor is made in JavaScript. */
const PANEL = 64

/** From this many columns for each row on, random rows are so far from dependent that the first pass loses no digit. */
const FAR_APART = 3

/**
 * The rows of a random matrix [rows, columns] on the CPU, rows ≤ columns, made orthonormal one after the other: Qᵀ of
 * the decomposition aᵀ = Q R with R's diagonal positive. The first pass loses digits where a row lies near those before
 * it. Its result has no such rows, so the second pass is exact to rounding (Giraud et al. 2005, "twice is enough").
 */
export function orthonormalRows(a: Tensor): Tensor {
  const [rows, columns] = a.shape as [number, number]
  const first = pass(a, 'float64')
  // few rows vary more than many
  if (rows > PANEL && columns >= FAR_APART * rows) return first
  const second = pass(first, a.dtype)
  first.dispose()
  return second
}

/** Block Gram-Schmidt by halves: the first half, then what the second has beyond it. */
function pass(a: Tensor, precision: DType): Tensor {
  const [rows] = a.shape as [number]
  if (rows <= PANEL) return panel(a, precision)
  return tidy(() => {
    const half = PANEL * Math.ceil(rows / (2 * PANEL))
    const [top, bottom] = split(a, [half, rows - half], 0) as [Tensor, Tensor]
    const first = pass(top, precision)
    top.dispose()
    const along = matMul(bottom, first, { transposeB: true }) // [rows - half, half]
    const second = pass(sub(bottom, matMul(along, first)), precision)
    return concat([first, second], 0)
  })
}

/** A few rows by the Cholesky factor of their products, L Lᵀ = a aᵀ: L⁻¹ a. `precision`: that of the products. */
function panel(a: Tensor, precision: DType): Tensor {
  return tidy(() => {
    const [rows] = a.shape as [number]
    const precise = a.cast(precision)
    const products = Float64Array.from(matMul(precise, precise, { transposeB: true }).dataSync() as Float64Array)
    return matMul(tensor(inverseFactor(products, rows), { shape: [rows, rows], dtype: a.dtype, device: a.device }), a)
  })
}

/**
 * The inverse of the lower Cholesky factor of a symmetric matrix [n, n]. Finite also where the matrix has no inverse.
 */
function inverseFactor(matrix: Float64Array, n: number): Float64Array {
  const factor = new Float64Array(n * n)
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let left = matrix[i * n + j]!
      for (let k = 0; k < j; k++) left -= factor[i * n + k]! * factor[j * n + k]!
      if (j < i) factor[i * n + j] = left / factor[j * n + j]!
      else factor[i * n + i] = Math.sqrt(Math.max(left, Number.EPSILON * matrix[i * n + i]!)) || 1
    }
    const scale = 1 / factor[i * n + i]!
    for (let k = 0; k < i; k++) {
      const along = factor[i * n + k]! * scale
      for (let j = 0; j <= k; j++) inverse[i * n + j]! -= along * inverse[k * n + j]!
    }
    inverse[i * n + i] = scale
  }
  return inverse
}
