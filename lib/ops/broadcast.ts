// Broadcasting made explicit, and its transpose.
import { applyOne } from '../core/apply.js'
import { checkShape } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { sameShape, type Shape } from '../core/spec.js'
import { func, type Method, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { alike } from './cast.js'
import { operand, type ResultAttrs } from './operands.js'
import { unbroadcast } from './raw.js'

export const BroadcastTo: Op<ResultAttrs> = registerOp({
  name: 'broadcastTo',
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x] }) => [unbroadcast(g!, x!.shape)],
})

/** Repeats a tensor along axes of extent 1 and along new leading axes (numpy). */
export const broadcastTo: (x: TensorLike, shape: Shape) => Tensor = func('broadcastTo(x, shape)', (x, shape) => {
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

methods({ broadcastTo })

declare module '../core/tensor.js' {
  interface TensorMethods {
    broadcastTo: Method<typeof broadcastTo>
  }
}
