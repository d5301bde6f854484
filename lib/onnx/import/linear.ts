// Linear algebra: products of matrices, sums of products by their letters, determinants.
import { sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { affineWeights } from './affine.js'
import type { Call, OperatorTable } from './operator.js'
import { type Affine, Value } from './values.js'

function matMul(call: Call): Value {
  const [a, b] = [call.tensor(0), call.tensor(1)]
  if (a.rank < 2 || b.rank !== 2) return new Value(ops.matMul(a, b))
  const shape = [...a.shape.slice(0, -1), b.shape[1]!]
  const rows = ops.reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!])
  return affineProduct({ rows, weights: b, bias: undefined, shape }, call.remember([1]) !== undefined, call.node.isReadOnce)
}

interface Product {
  readonly rows: Tensor // [m, k]
  readonly weights: Tensor // [k, n]
  readonly bias: Tensor | undefined // [n]
  /** Of the result: [..., n]. */
  readonly shape: readonly number[]
}

/** A product with weights that take up what follows, where it has one reader. `isKept`: they stay the same. */
function affineProduct(given: Product, isKept: boolean, isReadOnce: boolean): Value {
  const { rows, weights, bias, shape } = given
  const result = ops.matMul(rows, weights)
  const y = ops.reshape(bias === undefined ? result : ops.add(result, bias), shape)
  if (!isReadOnce) return new Value(y)
  const channels = weights.shape[1]!
  const apply: Affine['apply'] = (factor, shift, asker) => {
    const remember = isKept ? asker.remember : undefined
    const next = affineWeights(weights, bias, { factor, shift, channels }, remember)
    return affineProduct({ ...given, ...next }, remember !== undefined, asker.isReadOnce)
  }
  return new Value(y, { affine: { axis: shape.length - 1, channels, apply } })
}

function gemm(call: Call): Tensor {
  const { attributes } = call
  const alpha = attributes.float('alpha', 1)
  const beta = attributes.float('beta', 1)
  let result = ops.matMul(call.tensor(0), call.tensor(1), {
    transposeA: attributes.int('transA', 0) !== 0,
    transposeB: attributes.int('transB', 0) !== 0,
  })
  if (alpha !== 1) result = ops.mul(result, alpha)
  if (!call.has(2) || beta === 0) return result
  return ops.add(result, beta === 1 ? call.tensor(2) : ops.mul(call.tensor(2), beta))
}

const einsum = (call: Call): Tensor => {
  const operands = call.values().map((_, i) => call.tensor(i))
  return ops.einsum(call.attributes.string('equation', ''), operands)
}

/** The determinant, by elimination with the largest pivot of each column. */
function determinant(call: Call): Tensor {
  const x = call.tensor(0)
  const n = x.shape.at(-1)!
  const outer = x.shape.slice(0, -2)
  let rest = ops.reshape(x, [-1, n, n])
  let result = ops.ones([rest.shape[0]!], { dtype: x.dtype, device: x.device })
  for (let size = n; size > 0; size--) {
    const column = ops.slice(rest, [0, 0, 0], [-1, size, 1]) // [b, size, 1]
    const pivot = ops.argMax(ops.abs(column), 1) // [b, 1]
    const chosen = ops.oneHot(ops.reshape(pivot, [-1]), size, { dtype: x.dtype }) // [b, size]
    const row = ops.matMul(ops.expandDims(chosen, 1), rest) // [b, 1, size]
    const value = ops.slice(row, [0, 0, 0], [-1, 1, 1]) // [b, 1, 1]
    // the first row takes the pivot's place, which turns the sign unless it is the first itself
    const isFirst = ops.equal(ops.reshape(pivot, [-1]), 0)
    result = ops.mul(result, ops.mul(ops.reshape(value, [-1]), ops.where(isFirst, ops.onesLike(result), ops.neg(ops.onesLike(result)))))
    if (size === 1) break
    const first = ops.slice(rest, [0, 0, 0], [-1, 1, size])
    const swapped = ops.where(ops.greater(ops.expandDims(chosen, 2), 0), first, rest)
    const below = ops.slice(swapped, [0, 1, 0], [-1, size - 1, size])
    const safe = ops.where(ops.equal(value, 0), ops.onesLike(value), value)
    const factor = ops.div(ops.slice(below, [0, 0, 0], [-1, -1, 1]), safe)
    rest = ops.slice(ops.sub(below, ops.mul(factor, row)), [0, 0, 1], [-1, size - 1, size - 1])
  }
  return ops.reshape(result, outer)
}

export const linearOperators: OperatorTable = {
  MatMul: { run: matMul },
  Gemm: { run: gemm },
  Einsum: { since: 12, run: einsum },
  Det: { since: 11, run: determinant },
}
