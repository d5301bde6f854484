// Orthonormal rows: the QR decomposition behind the orthogonal initializer, on the CPU alone.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { Tensor } from '../core/tensor.js'

const OrthonormalRows: Op<Record<string, never>> = registerOp<Record<string, never>>({
  name: 'orthonormalRows',
  noGradient: true,
  cpuOnly: true,
  shape: ([a]) => {
    const { shape, dtype } = a!
    if (shape.length === 2 && shape[0]! <= shape[1]!) return [{ shape, dtype }]
    throw new WeftError('ERR_SHAPE', `orthonormalRows: needs a matrix of no more rows than columns, got shape [${shape}]`, {
      op: 'orthonormalRows',
      shapes: [shape],
    })
  },
})

/**
 * The rows of a random matrix [rows, columns] on the CPU, rows ≤ columns, made orthonormal one after the other: Qᵀ of
 * the decomposition aᵀ = Q R with R's diagonal positive. The first pass loses digits where a row lies near those before
 * it. Its result has no such rows, so the second pass is exact to rounding (Giraud et al. 2005, "twice is enough").
 * Where there are many rows and three times as many columns, one pass is.
 */
export const orthonormalRows = (a: Tensor): Tensor => applyOne(OrthonormalRows, [a], {})
