// Matrix products.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { type Shape, sizeOf } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { MatMulCheck, MatrixProduct } from '../core/tensor_shapes.js'
import type { BinaryDType, Result, ShapeOf } from '../core/tensor_types.js'
import { passMask } from './masks.js'
import { mul } from './arithmetic.js'
import { broadcastShapes, promoted, sameFloats } from './operands.js'
import { unbroadcast } from './raw.js'
import { reshape } from './reshape.js'
import { moveAxis } from './transpose.js'

type MatMulAttrs = { readonly transposeA: boolean; readonly transposeB: boolean }
export interface MatMulOptions<FlipA extends boolean = boolean, FlipB extends boolean = boolean> {
  /** a is stored transposed, [..., k, m]. */
  transposeA?: FlipA
  /** b is stored transposed, [..., n, k]. */
  transposeB?: FlipB
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
export const matMul: <A extends TensorLike, B extends TensorLike, FlipA extends boolean = false, FlipB extends boolean = false>(
  a: A,
  b: B & MatMulCheck<ShapeOf<A>, ShapeOf<B>, FlipA, FlipB>,
  options?: MatMulOptions<FlipA, FlipB>,
) => Result<MatrixProduct<ShapeOf<A>, ShapeOf<B>, FlipA, FlipB>, BinaryDType<'float', A, B>> = func(
  'matMul(a, b, options)',
  OPTIONS,
  (a: TensorLike, b: TensorLike, options: MatMulOptions = {}): Tensor => {
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

/**
 * Sums of products over the last axis of a and the last but one of b (numpy.dot): of two vectors a scalar, of matrices
 * their product. a [..., k] and b [..., k, n] give a's other axes, then b's. A scalar multiplies.
 */
export const dot: (a: TensorLike, b: TensorLike) => Tensor = func('dot(a, b)', (a, b) => {
  const [left, right] = promoted('dot', [a, b], 'float') as [Tensor, Tensor]
  if (left.rank === 0 || right.rank === 0) return mul(left, right)
  if (right.rank <= 2) return matMul(left, right)
  const columns = moveAxis(right, -2, 0) // [k, ..., n]
  const rows = reshape(left, [sizeOf(left.shape.slice(0, -1)), left.shape.at(-1)!])
  const [k, ...others] = columns.shape as [number, ...number[]]
  return reshape(matMul(rows, reshape(columns, [k, sizeOf(others)])), [...left.shape.slice(0, -1), ...others])
})

/**
 * Every product of a value of a and a value of b: vectors [n] and [m] give [n, m]; others are flattened (numpy.outer).
 */
export const outer: (a: TensorLike, b: TensorLike) => Tensor = func('outer(a, b)', (a, b) => {
  const [left, right] = promoted('outer', [a, b], 'number') as [Tensor, Tensor]
  return mul(reshape(left, [left.size, 1]), reshape(right, [1, right.size]))
})

methods({ matMul, dot, outer })

declare module '../core/tensor.js' {
  interface TensorMethods {
    matMul<A extends Tensor, B extends TensorLike, FlipA extends boolean = false, FlipB extends boolean = false>(
      this: A,
      b: B & MatMulCheck<ShapeOf<A>, ShapeOf<B>, FlipA, FlipB>,
      options?: MatMulOptions<FlipA, FlipB>,
    ): Result<MatrixProduct<ShapeOf<A>, ShapeOf<B>, FlipA, FlipB>, BinaryDType<'float', A, B>>
    dot: Method<typeof dot>
    outer: Method<typeof outer>
  }
}
