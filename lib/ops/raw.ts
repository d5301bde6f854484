// Raw calls: ops by their names, on tensors of one dtype. Gradients of pointwise ops are written with these: nothing is
// promoted, checked or marked with a mask, and no family of ops is imported, so that families do not import each other
// in a circle.
import { applyOne } from '../core/apply.js'
import { asTensor } from '../core/create.js'
import { type Attrs, ops } from '../core/op.js'
import { type DType, sameShape, type Shape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'

/** Calls the op of this name. */
export function call(name: string, inputs: readonly Tensor[], attrs: Attrs = {}): Tensor {
  return applyOne(ops.get(name)!, inputs, attrs)
}

/** An operand of a raw op: a number takes the dtype of the other operand. */
type Operand = Tensor | number

function pair(name: string, a: Operand, b: Operand): Tensor {
  return call(name, [asTensor(a, b as Tensor), asTensor(b, a as Tensor)])
}

type Pair = (a: Operand, b: Operand) => Tensor
type One = (x: Tensor) => Tensor

export const add: Pair = (a, b) => pair('add', a, b)
export const sub: Pair = (a, b) => pair('sub', a, b)
export const mul: Pair = (a, b) => pair('mul', a, b)
export const div: Pair = (a, b) => pair('div', a, b)
export const pow: Pair = (a, b) => pair('pow', a, b)
export const floorDiv: Pair = (a, b) => pair('floorDiv', a, b)
export const equal: Pair = (a, b) => pair('equal', a, b)
export const less: Pair = (a, b) => pair('less', a, b)
export const lessEqual: Pair = (a, b) => pair('lessEqual', a, b)
export const greater: Pair = (a, b) => pair('greater', a, b)
export const greaterEqual: Pair = (a, b) => pair('greaterEqual', a, b)
export const logicalAnd: Pair = (a, b) => pair('logicalAnd', a, b)

export const neg: One = (x) => call('neg', [x])
export const abs: One = (x) => call('abs', [x])
export const sign: One = (x) => call('sign', [x])
export const square: One = (x) => call('square', [x])
export const exp: One = (x) => call('exp', [x])
export const log: One = (x) => call('log', [x])
export const sin: One = (x) => call('sin', [x])
export const cos: One = (x) => call('cos', [x])
export const erf: One = (x) => call('erf', [x])
export const tanh: One = (x) => call('tanh', [x])
export const sigmoid: One = (x) => call('sigmoid', [x])
export const softplus: One = (x) => call('softplus', [x])
export const identity: One = (x) => call('identity', [x])

/**
 * a where the condition holds, else b; a number takes the dtype of the other choice, or of `like` where both are
 * numbers.
 */
export function where(condition: Tensor, a: Operand, b: Operand, like: Operand = typeof a === 'number' ? b : a): Tensor {
  return call('where', [condition, asTensor(a, like as Tensor), asTensor(b, like as Tensor)])
}

export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : call('cast', [x], { dtype })
}

export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : call('reshape', [x], { shape })
}

/**
 * The gradient of an operand of this shape from that of the broadcast result: sums over the axes it was repeated along.
 */
export function unbroadcast(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g
  const offset = g.rank - shape.length
  const axes = g.shape.flatMap((n, i) => (i < offset || (shape[i - offset] === 1 && n !== 1) ? [i] : []))
  return reshape(axes.length > 0 ? call('sum', [g], { axes, keepDims: false }) : g, shape)
}

/** The gradient through an activation from its output: what fused ops keep. */
export function activationGrad(activation: string, g: Tensor, y: Tensor): Tensor {
  return activation === 'linear' ? g : call(`${activation}Grad`, [g, y])
}
