// Matrix products.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import type { Shape } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { passMask } from './masks.js'
import { broadcastShapes, sameFloats } from './operands.js'
import { unbroadcast } from './raw.js'
import { reshape } from './reshape.js'

type MatMulAttrs = { readonly transposeA: boolean; readonly transposeB: boolean }
export interface MatMulOptions {
  /** a is stored transposed, [..., k, m]. */
  transposeA?: boolean
  /** b is stored transposed, [..., n, k]. */
  transposeB?: boolean
}

export const MatMul: Op<MatMulAttrs> = registerOp({
  name: 'matMul',
  shape: ([a, b], { transposeA, transposeB }) => {
    const [m, k] = matrix(a!.shape, transposeA)
    const [inner, n] = matrix(b!.shape, transposeB)
    if (k !== inner) throw mismatch(a!.shape, b!.shape, transposeA, transposeB)
    return [{ shape: [...broadcastShapes('matMul', [a!.shape.slice(0, -2), b!.shape.slice(0, -2)]), m, n], dtype: a!.dtype }]
  },
  grad: ([g], { inputs: [a, b], attrs: { transposeA, transposeB } }) => {
    const da = transposeA ? product(b!, g!, transposeB, true) : product(g!, b!, false, !transposeB)
    const db = transposeB ? product(g!, a!, true, transposeA) : product(a!, g!, !transposeA, false)
    return [unbroadcast(da, a!.shape), unbroadcast(db, b!.shape)]
  },
})

function matrix(shape: Shape, transposed: boolean): [number, number] {
  const [rows, columns] = [shape[shape.length - 2]!, shape[shape.length - 1]!]
  return transposed ? [columns, rows] : [rows, columns]
}

function product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  return applyOne(MatMul, [a, b], { transposeA, transposeB })
}

function mismatch(a: Shape, b: Shape, transposeA: boolean, transposeB: boolean): WeftError {
  const [, k] = matrix(a, transposeA)
  const [rows, n] = matrix(b, transposeB)
  const text = (shape: Shape, transposed: boolean): string => `[${shape}]${transposed ? ' transposed' : ''}`
  return new WeftError(
    'ERR_SHAPE',
    `matMul: ${text(a, transposeA)} and ${text(b, transposeB)} do not fit: ${k} columns meet ${rows} rows`,
    {
      op: 'matMul',
      shapes: [a, b],
      ...(k === n ? { hint: `Use ${transposeB ? 'b as it is' : '{ transposeB: true }'}` } : {}),
    },
  )
}

const OPTIONS: OptionTable<MatMulOptions> = { transposeA: 'boolean', transposeB: 'boolean' }

/**
 * The matrix product of the last two axes; leading axes broadcast. A vector on the left is a row, on the right a
 * column, and its axis is dropped from the result (numpy). ERR_DTYPE unless both are floats of one dtype.
 */
export const matMul: (a: TensorLike, b: TensorLike, options?: MatMulOptions) => Tensor = func(
  'matMul(a, b, options)',
  OPTIONS,
  (a, b, options = {}) => {
    const [left, right] = sameFloats('matMul', [a, b]) as [Tensor, Tensor]
    for (const x of [left, right]) {
      if (x.rank === 0)
        throw new WeftError('ERR_SHAPE', `matMul: shapes [${left.shape}] and [${right.shape}]: a scalar is not a matrix`, {
          op: 'matMul',
          hint: 'Use mul()',
        })
    }
    const { transposeA = false, transposeB = false } = options
    const row = left.rank === 1
    const column = right.rank === 1
    const result = applyOne(MatMul, [row ? reshape(left, [1, left.size]) : left, column ? reshape(right, [right.size, 1]) : right], {
      transposeA: transposeA && !row,
      transposeB: transposeB && !column,
    })
    // the rows of a are the steps
    if (!row && !column) return left.rank >= 3 && right.rank === 2 && !transposeA ? passMask(result, a) : result
    const shape = [...result.shape]
    if (column) shape.pop()
    if (row) shape.splice(column ? -1 : -2, 1)
    return reshape(result, shape)
  },
)

methods({ matMul })

declare module '../core/tensor.js' {
  interface Tensor {
    matMul: Method<typeof matMul>
  }
}
