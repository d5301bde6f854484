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

/** The letters of an equation, an ellipsis as letters of its own. */
function lettersOf(call: Call): { inputs: string[][]; output: string[] } {
  const equation = call.attributes.string('equation', '').replace(/\s/g, '')
  const [left = '', right] = equation.split('->')
  const ranks = call.values().map((value) => value.rank)
  const terms = left.split(',')
  if (terms.length !== ranks.length)
    throw call.error(`the equation '${equation}' is of ${terms.length} operands, there are ${ranks.length}`)
  const spread = Math.max(0, ...terms.map((term, i) => (term.includes('...') ? ranks[i]! - term.replace('...', '').length : 0)))
  const dots = (count: number): string[] => Array.from({ length: count }, (_, i) => `.${spread - count + i}`)
  const parse = (term: string, rank: number | undefined): string[] => {
    const at = term.indexOf('...')
    if (at < 0) return [...term]
    const rest = term.replace('...', '')
    return [...rest.slice(0, at), ...dots(rank === undefined ? spread : rank - rest.length), ...rest.slice(at)]
  }
  const inputs = terms.map((term, i) => parse(term, ranks[i]))
  inputs.forEach((letters, i) => {
    if (letters.length !== ranks[i]) throw call.error(`'${terms[i]}' has not the rank of operand ${i}, ${ranks[i]}`)
  })
  if (right !== undefined) return { inputs, output: parse(right, undefined) }
  const all = inputs.flat()
  const once = [...new Set(all)].filter((letter) => !letter.startsWith('.') && all.filter((other) => other === letter).length === 1).sort()
  return { inputs, output: [...dots(spread), ...once] }
}

/** The diagonal of axes that have the same letter. */
function diagonal(t: Tensor, letters: readonly string[]): [Tensor, string[]] {
  const twice = letters.findIndex((letter, i) => letters.indexOf(letter) < i)
  if (twice < 0) return [t, [...letters]]
  const first = letters.indexOf(letters[twice]!)
  const n = t.shape[first]!
  const moved = ops.moveAxis(ops.moveAxis(t, twice, -1), first, -2) // [..., n, n]
  const outer = moved.shape.slice(0, -2)
  const flat = ops.reshape(moved, [...outer, n * n])
  const taken = ops.slice(
    flat,
    flat.shape.map(() => 0),
    [...outer, n],
    [...outer.map(() => 1), n + 1],
  )
  const rest = letters.filter((_, i) => i !== twice && i !== first)
  return diagonal(taken, [...rest, letters[first]!])
}

/** Two operands become one: letters that no one else needs are summed by a product of matrices. */
function contract([a, left]: [Tensor, string[]], [b, right]: [Tensor, string[]], needed: ReadonlySet<string>): [Tensor, string[]] {
  const shared = left.filter((letter) => right.includes(letter))
  const batch = shared.filter((letter) => needed.has(letter))
  const summed = shared.filter((letter) => !needed.has(letter))
  const rows = left.filter((letter) => !shared.includes(letter))
  const columns = right.filter((letter) => !shared.includes(letter))
  const extent = (letter: string): number => Math.max(a.shape[left.indexOf(letter)] ?? 1, b.shape[right.indexOf(letter)] ?? 1)
  const size = (letters: readonly string[]): number => sizeOf(letters.map(extent))
  const arranged = (t: Tensor, own: string[], order: string[]): Tensor => {
    const moved = ops.transpose(
      t,
      order.map((letter) => own.indexOf(letter)),
    )
    return ops.broadcastTo(moved, order.map(extent))
  }
  const x = ops.reshape(arranged(a, left, [...batch, ...rows, ...summed]), [size(batch), size(rows), size(summed)])
  const y = ops.reshape(arranged(b, right, [...batch, ...summed, ...columns]), [size(batch), size(summed), size(columns)])
  const letters = [...batch, ...rows, ...columns]
  return [ops.reshape(ops.matMul(x, y), letters.map(extent)), letters]
}

function einsum(call: Call): Tensor {
  const { inputs, output } = lettersOf(call)
  const operands = inputs.map((letters, i) => diagonal(call.tensor(i), letters))
  let [result, letters] = operands[0]!
  for (let i = 1; i < operands.length; i++) {
    const needed = new Set([...output, ...operands.slice(i + 1).flatMap(([, own]) => own)])
    ;[result, letters] = contract([result, letters], operands[i]!, needed)
  }
  const gone = letters.flatMap((letter, i) => (output.includes(letter) ? [] : [i]))
  if (gone.length > 0) result = ops.sum(result, gone)
  const kept = letters.filter((letter) => output.includes(letter))
  return ops.transpose(
    result,
    output.map((letter) => kept.indexOf(letter)),
  )
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
