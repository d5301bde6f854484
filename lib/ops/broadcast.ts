// Broadcasting made explicit, and its transpose.
import { applyOne, checkShape } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp, type Shape, sameShape } from '../core/op.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { alike } from './cast.js'
import { operand, type ResultAttrs } from './operands.js'
import { sum } from './reduce.js'
import { reshape } from './reshape.js'

export const BroadcastTo: Op<ResultAttrs> = registerOp({
  name: 'broadcastTo',
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x] }) => [unbroadcast(g!, x!.shape)],
})

/** Repeats a tensor along axes of extent 1 and along new leading axes (numpy). */
export const broadcastTo: (x: TensorLike, shape: Shape) => Tensor = func((x, shape) => {
  checkShape('broadcastTo', shape)
  const source = operand('broadcastTo', x)
  const offset = shape.length - source.rank
  if (offset < 0 || source.shape.some((n, i) => n !== 1 && n !== shape[offset + i])) {
    throw new WeftError('ERR_SHAPE', `broadcastTo: shape [${source.shape}] does not broadcast to [${shape}]`, {
      op: 'broadcastTo',
      shapes: [source.shape, shape],
    })
  }
  return sameShape(source.shape, shape) ? alike(source) : applyOne(BroadcastTo, [source], { shape: [...shape] })
})

/** The gradient of an operand of this shape from that of the broadcast result: sums over the axes it was repeated along. */
export function unbroadcast(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g
  const offset = g.rank - shape.length
  const axes = g.shape.flatMap((n, i) => (i < offset || (shape[i - offset] === 1 && n !== 1) ? [i] : []))
  const total = axes.length > 0 ? sum(g, axes) : g
  return sameShape(total.shape, shape) ? total : reshape(total, shape)
}

methods({ broadcastTo })

declare module '../core/tensor.js' {
  interface Tensor {
    broadcastTo(shape: Shape): Tensor
  }
}
