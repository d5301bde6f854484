// Reshape and its kin: the same values in the same order with another shape. No kernel: the result is the operand's
// memory.
import { isIntegers } from '../core/checks.js'
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { currentTrace } from '../core/graph.js'
import { type Op, registerOp } from '../core/op.js'
import { show } from '../core/options.js'
import { type Shape, sizeOf } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import { type Tensor, type TensorLike, Variable } from '../core/tensor.js'
import type { Inserted, InsertCheck, Resolved, SqueezeCheck, Squeezed } from '../core/tensor_shapes.js'
import type { DTypeOf, Result, ShapeOf } from '../core/tensor_types.js'
import { passMaskInOrder } from './masks.js'
import { axesOf, axisOf, operand } from './operands.js'
import { identity } from './raw.js'

type ReshapeAttrs = { readonly shape: readonly number[] }

export const Reshape: Op<ReshapeAttrs> = registerOp({
  name: 'reshape',
  alias: 0,
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x] }) => [reshape(g!, x!.shape)],
})

const seenAs = (x: Tensor, shape: Shape): Tensor =>
  // a variable's memory changes under assign(), so outside a trace its value is copied
  applyOne(Reshape, [x instanceof Variable && !currentTrace() ? identity(x) : x], { shape })

/** The shape with its -1, if any, replaced so that the size fits. */
function resolveShape(op: string, x: Tensor, shape: unknown): number[] {
  if (!isIntegers(shape, -1)) {
    throw new WeftError('ERR_SHAPE', `${op}: a shape is a list of non-negative integers, one of them -1 at most, got ${show(shape)}`, {
      op,
    })
  }
  const wanted = shape as number[]
  const free = wanted.indexOf(-1)
  if (free !== wanted.lastIndexOf(-1)) throw new WeftError('ERR_SHAPE', `${op}: shape [${wanted}] has more than one -1`, { op })
  const known = sizeOf(wanted.filter((n) => n !== -1))
  const fits = free < 0 ? known === x.size : known > 0 && x.size % known === 0
  if (!fits) {
    throw new WeftError('ERR_SHAPE', `${op}: shape [${x.shape}] (${x.size} values) does not fit [${wanted}]`, {
      op,
      shapes: [x.shape, wanted],
    })
  }
  return free < 0 ? [...wanted] : wanted.map((n) => (n === -1 ? x.size / known : n))
}

/** The same values with another shape; one extent may be -1: it is found from the others. */
export const reshape: <X extends TensorLike, const S extends Shape>(x: X, shape: S) => Result<Resolved<S>, DTypeOf<X>> = func(
  'reshape(x, shape)',
  (x: TensorLike, shape: Shape): Tensor => {
    const source = operand('reshape', x)
    return passMaskInOrder(seenAs(source, resolveShape('reshape', source, shape)), x)
  },
)

/** A new axis of extent 1 at `axis`; negative counts from the end of the result. */
export const expandDims: <X extends TensorLike, const A extends number = 0>(
  x: X & InsertCheck<ShapeOf<X>, A>,
  axis?: A,
) => Result<Inserted<ShapeOf<X>, A, 1>, DTypeOf<X>> = func('expandDims(x, axis)', (x: TensorLike, axis: number = 0): Tensor => {
  const source = operand('expandDims', x)
  const at = axisOf('expandDims', axis, source.rank + 1)
  return passMaskInOrder(seenAs(source, [...source.shape.slice(0, at), 1, ...source.shape.slice(at)]), x)
})

/** Without the given axes, which must have extent 1; by default without all such axes. */
export const squeeze: <X extends TensorLike, const A extends number | readonly number[] | undefined = undefined>(
  x: X & SqueezeCheck<ShapeOf<X>, A>,
  axis?: A,
) => Result<Squeezed<ShapeOf<X>, A>, DTypeOf<X>> = func('squeeze(x, axis)', (x: TensorLike, axis?: number | readonly number[]): Tensor => {
  const source = operand('squeeze', x)
  const axes = axis === undefined ? source.shape.flatMap((n, i) => (n === 1 ? [i] : [])) : axesOf('squeeze', axis, source.rank)
  for (const a of axes) {
    if (source.shape[a] !== 1) {
      throw new WeftError('ERR_SHAPE', `squeeze: axis ${a} of shape [${source.shape}] has extent ${source.shape[a]}, not 1`, {
        op: 'squeeze',
        shapes: [source.shape],
      })
    }
  }
  const shape = source.shape.filter((_, i) => !axes.includes(i))
  return passMaskInOrder(seenAs(source, shape), x)
})

/** All values along one axis: [size]. */
export const flatten: <X extends TensorLike>(x: X) => Tensor<[number], DTypeOf<X>> = func('flatten(x)', (x: TensorLike): Tensor => {
  const source = operand('flatten', x)
  return seenAs(source, [source.size])
})

methods({ reshape, expandDims, squeeze, flatten })

declare module '../core/tensor.js' {
  interface TensorMethods {
    reshape<X extends Tensor, const S extends Shape>(this: X, shape: S): Result<Resolved<S>, DTypeOf<X>>
    expandDims<X extends Tensor, const A extends number = 0>(
      this: X & InsertCheck<ShapeOf<X>, A>,
      axis?: A,
    ): Result<Inserted<ShapeOf<X>, A, 1>, DTypeOf<X>>
    squeeze<X extends Tensor, const A extends number | readonly number[] | undefined = undefined>(
      this: X & SqueezeCheck<ShapeOf<X>, A>,
      axis?: A,
    ): Result<Squeezed<ShapeOf<X>, A>, DTypeOf<X>>
    flatten<X extends Tensor>(this: X): Tensor<[number], DTypeOf<X>>
  }
}
