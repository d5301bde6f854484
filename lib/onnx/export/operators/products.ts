// Products of matrices: dense layers on rows that a reshape or a convolution has left in another form.
import type { Tensor } from '../../../core/tensor.js'
import { reshape, transpose } from '../../../ops/index.js'
import { type Emitter, fixedOf, type Stored } from '../emitter.js'
import { identityOrder, isIdentity, sameExtent, sizeOfExtents } from '../extent.js'
import type { Value } from '../probe.js'
import { transposedIf } from './aligned.js'
import { activated, attribute, type Operator, type Operators } from './operator.js'
import { lastOf } from './reduce.js'

/** How rows [m, k] are stored: as their matrix, or in a form that a product along the last axis leaves as it is. */
export interface Rows extends Stored {
  /** The features are in another order: row i of the weights is for feature i of the value's. */
  readonly weights: ((t: Tensor) => Tensor) | undefined
}

/**
 * The rows of x [m, k]. Where x is the flattened result of a convolution, it is flattened in the order in which it is
 * stored, and the weights' rows are put into that order.
 */
export function rowsOf(x: Value, constantWeights: boolean, emitter: Emitter): Rows {
  const place = emitter.stored(x)
  const { base, order } = place
  const sizes = base[0]?.length ?? x.extents[0]!.length
  const [m, k] = x.extents as [readonly number[], readonly number[]]
  const split = base.findIndex(
    (_, i) => i > 0 && sameExtent(sizeOfExtents(base.slice(0, i), sizes), m) && sameExtent(sizeOfExtents(base.slice(i), sizes), k),
  )
  const features = fixedOf(base.slice(Math.max(split, 0)))
  const permuted = order.slice(split).map((axis) => axis - split)
  const apart = split > 0 && isIdentity(order.slice(0, split)) && permuted.length > 1
  if (apart && !isIdentity(permuted) && constantWeights && features) {
    const flat = [...base.slice(0, split), k]
    const name = emitter.nodes.add('Reshape', [
      place.name,
      ...emitter.sizes.target(
        order.map((axis) => base[axis]!),
        flat,
      ),
    ])
    const weights: Rows['weights'] = (t) => {
      const columns = t.shape[1]!
      return reshape(transpose(reshape(t, [...features, columns]), [...permuted, permuted.length]), [t.shape[0]!, columns])
    }
    return { name, base: flat, order: identityOrder(flat.length), weights }
  }
  return { ...lastOf(x, emitter), weights: undefined }
}

const dense: Operator = (call, emitter) => {
  const [x, w, b] = call.inputs
  const { nodes } = emitter
  const constant = emitter.constant(w!) !== undefined
  const { name, base, order, weights } = rowsOf(x!, constant, emitter)
  const kernel = weights ? emitter.reformed(w!, `rows of ${name}`, weights) : emitter.natural(w!)
  const bias = emitter.natural(b!)
  const product =
    base.length === 2 ? nodes.add('Gemm', [name, kernel, bias]) : nodes.add('Add', [nodes.add('MatMul', [name, kernel]), bias])
  const made = activated(product, attribute<string>(call, 'activation'), emitter)
  emitter.define(call.outputs[0]!, made, { base: [...base.slice(0, -1), call.outputs[0]!.extents[1]!], order })
}

const matMul: Operator = (call, emitter) => {
  const [a, b] = call.inputs
  const [out] = call.outputs
  const [transposeA, transposeB] = (['transposeA', 'transposeB'] as const).map((flag) => attribute<boolean>(call, flag))
  const { nodes } = emitter
  if (!transposeA && a!.extents.length === 2 && b!.extents.length === 2 && emitter.constant(b!)) {
    const { name, base, order, weights } = rowsOf(a!, !transposeB, emitter)
    // a table that is used as it is elsewhere is not stored twice
    const shared = transposeB && (emitter.readers.get(b!) ?? 0) > 1
    const kernel = shared
      ? nodes.add('Transpose', [emitter.natural(b!)], { perm: { ints: [1, 0] } })
      : weights
        ? emitter.reformed(b!, `rows of ${name}`, weights)
        : transposedIf(transposeB!, b!, emitter)
    emitter.define(out!, nodes.add('MatMul', [name, kernel]), { base: [...base.slice(0, -1), out!.extents[1]!], order })
    return
  }
  const [left, right] = [a!, b!].map((v, i) => {
    const order = identityOrder(v.extents.length)
    if (i === 0 ? transposeA : transposeB) order.push(...order.splice(-2).reverse())
    return emitter.ordered(v, order)
  }) as [string, string]
  emitter.define(out!, nodes.add('MatMul', [left, right]))
}

export const products: Operators = { dense, matMul }
