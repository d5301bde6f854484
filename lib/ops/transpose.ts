// Transpose: the axes in another order.
import { applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { show } from '../core/options.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { PermutationCheck, Permuted } from '../core/tensor_shapes.js'
import type { DTypeOf, Result, ShapeOf } from '../core/tensor_types.js'
import { alike } from './cast.js'
import { passMask } from './masks.js'
import { axesOf, axisOf, operand } from './operands.js'

type TransposeAttrs = { readonly permutation: readonly number[] }

export const Transpose: Op<TransposeAttrs> = registerOp({
  name: 'transpose',
  shape: ([x], { permutation }) => [{ shape: permutation.map((axis) => x!.shape[axis]!), dtype: x!.dtype }],
  grad: ([g], { attrs: { permutation } }) => [transpose(g!, inverse(permutation))],
})

function inverse(permutation: readonly number[]): number[] {
  const result: number[] = new Array(permutation.length)
  permutation.forEach((from, to) => (result[from] = to))
  return result
}

/** Axis i of the result is axis permutation[i] of x; by default in reverse order. */
export const transpose: <X extends TensorLike, const P extends readonly number[] | undefined = undefined>(
  x: X & PermutationCheck<ShapeOf<X>, P>,
  permutation?: P,
) => Result<Permuted<ShapeOf<X>, P>, DTypeOf<X>> = func(
  'transpose(x, permutation)',
  (x: TensorLike, permutation?: readonly number[]): Tensor => {
    const source = operand('transpose', x)
    if (permutation === undefined) permutation = source.shape.map((_, i) => source.rank - 1 - i)
    const axes = Array.isArray(permutation) ? permutation.map((axis) => axisOf('transpose', axis, source.rank)) : []
    if (axes.length !== source.rank || new Set(axes).size !== axes.length) {
      throw new WeftError('ERR_ARGUMENT', `transpose: ${show(permutation)} is not a permutation of the axes of shape [${source.shape}]`, {
        op: 'transpose',
        shapes: [source.shape],
      })
    }
    const result = axes.every((axis, i) => axis === i) ? alike(source) : applyOne(Transpose, [source], { permutation: axes })
    return axes[0] === 0 && axes[1] === 1 ? passMask(result, x) : result
  },
)

/** x with one axis moved elsewhere, the others in order. */
export const moveAxis: (x: TensorLike, from: number, to: number) => Tensor = func('moveAxis(x, from, to)', (x, from, to) => {
  const source = operand('moveAxis', x)
  const [axis] = axesOf('moveAxis', from, source.rank)
  const order = source.shape.flatMap((_, i) => (i === axis ? [] : [i]))
  order.splice(axisOf('moveAxis', to, source.rank), 0, axis!)
  return transpose(source, order)
})

methods({ transpose, moveAxis })

declare module '../core/tensor.js' {
  interface TensorMethods {
    transpose<X extends Tensor, const P extends readonly number[] | undefined = undefined>(
      this: X & PermutationCheck<ShapeOf<X>, P>,
      permutation?: P,
    ): Result<Permuted<ShapeOf<X>, P>, DTypeOf<X>>
    moveAxis: Method<typeof moveAxis>
  }
}
