// Softmax and its logarithm.
import { applyOne } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { Spec } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { mul, sub } from './arithmetic.js'
import { exp } from './math.js'
import { keepMask } from './masks.js'
import { axisOf, single } from './operands.js'
import type { Unary, UnaryMethod } from './pointwise.js'
import { sum } from './reduce.js'
import { moveAxis } from './transpose.js'

function same([x]: readonly Spec[]): Spec[] {
  return [{ shape: x!.shape, dtype: x!.dtype }]
}

export const Softmax: Op = registerOp({
  name: 'softmax',
  shape: same,
  grad: ([g], { outputs: [y] }) => [softmaxGrad(g!, y!)],
})
/** (g, y) → gradient of x. */
export const SoftmaxGrad: Op = registerOp({
  name: 'softmaxGrad',
  shape: same,
  compose: ([g, y]) => [mul(y!, sub(g!, sum(mul(g!, y!), -1, { keepDims: true })))],
})
export const LogSoftmax: Op = registerOp({
  name: 'logSoftmax',
  shape: same,
  grad: ([g], { outputs: [y] }) => [applyOne(LogSoftmaxGrad, [g!, y!], {})],
})
/** (g, y) → gradient of x. */
export const LogSoftmaxGrad: Op = registerOp({
  name: 'logSoftmaxGrad',
  shape: same,
  compose: ([g, y]) => [sub(g!, mul(exp(y!), sum(g!, -1, { keepDims: true })))],
})

/** The gradient of logits from that of their probabilities y. */
export function softmaxGrad(g: Tensor, y: Tensor): Tensor {
  return applyOne(SoftmaxGrad, [g, y], {})
}

export type AlongAxis = Unary<'float', [axis?: number]>

function alongAxis(op: Op): AlongAxis {
  return func(`${op.name}(x, axis)`, (x: TensorLike, axis = -1) => {
    const source = single(op.name, x, 'float')
    const along = axisOf(op.name, axis, source.rank)
    if (along === source.rank - 1) return keepMask(applyOne(op, [source], {}), [x])
    return keepMask(moveAxis(applyOne(op, [moveAxis(source, along, -1)], {}), -1, along), [x])
  })
}

/**
 * Exponentials along an axis (default the last), scaled to sum to one. NaN where all are -infinity, or one is infinity:
 * ∞ - ∞ has no value.
 */
export const softmax: AlongAxis = alongAxis(Softmax)
/**
 * The logarithm of softmax, without its overflow and cancellation: next to certainty it is as exact as the exponentials
 * of the others. NaN where softmax is.
 */
export const logSoftmax: AlongAxis = alongAxis(LogSoftmax)

methods({ softmax, logSoftmax })

declare module '../core/tensor.js' {
  interface TensorMethods {
    softmax: UnaryMethod<'float', [axis?: number]>
    logSoftmax: UnaryMethod<'float', [axis?: number]>
  }
}
