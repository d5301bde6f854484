// Slices whose start is data: read from one, or written over one, as a key/value cache is.
import { applyOne } from '../core/apply.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func } from '../core/symbolic.js'
import type { Shape } from '../core/spec.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { zeros, zerosLike } from './creation.js'
import { indexOperand } from './ids.js'
import { axisOf, integerOf, operands, type ResultAttrs } from './operands.js'
import { reshape } from './reshape.js'

type UpdateAttrs = { readonly axis: number }
/** Where `size` places along an axis may start, for messages. */
const startsOf = (shape: Shape, axis: number, size: number): string =>
  `start lies in 0 to ${shape[axis]! - size}, so that ${size} places fit into axis ${axis} of [${shape}]`

type DynamicAttrs = ResultAttrs & { readonly axis: number }

/** (x, update, start int32 [1]) → x with update at start … start + m - 1. */
export const UpdateSlice: Op<UpdateAttrs> = registerOp<UpdateAttrs>({
  name: 'updateSlice',
  valuesTaken: ([x, update], { axis }) => startsOf(x!.shape, axis, update!.shape[axis]!),
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [, update, start], attrs: { axis } }) => [
    applyOne(UpdateSlice, [g!, zerosLike(update!), start!], { axis }),
    applyOne(DynamicSlice, [g!, start!], { axis, shape: update!.shape }),
  ],
})
/**
 * updateSlice that may write over the state it reads, before the step has succeeded: the places it writes lie behind
 * those that count, whose number is committed with the step.
 */
export const CacheUpdate: typeof UpdateSlice = { ...UpdateSlice, updates: true }
/** (x, start int32 [1]) → the values from start on. */
export const DynamicSlice: Op<DynamicAttrs> = registerOp<DynamicAttrs>({
  name: 'dynamicSlice',
  valuesTaken: ([x], { shape, axis }) => startsOf(x!.shape, axis, shape[axis]!),
  shape: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ([g], { inputs: [x, start], attrs: { axis } }) => [
    applyOne(UpdateSlice, [zeros(x!.shape, { dtype: x!.dtype, device: x!.device }), g!, start!], { axis }),
  ],
})

function startOperand(op: string, start: number | Tensor, device: string): Tensor {
  const position =
    start instanceof Tensor ? indexOperand(op, start) : tensor(new Int32Array([integerOf(op, 'start', start, 0)]), { device })
  if (position.size !== 1) {
    throw new WeftError('ERR_SHAPE', `${op}: start must be one number, got shape [${position.shape}]`, { op, shapes: [position.shape] })
  }
  return position.rank === 1 ? position : reshape(position, [1])
}

function checkRange(op: string, start: number | Tensor, n: number, size: number, axis: number, shape: readonly number[]): void {
  const first = start instanceof Tensor ? 0 : start
  if (first + size <= n) return
  throw new WeftError('ERR_SHAPE', `${op}: ${size} places from ${first} on leave axis ${axis} of shape [${shape}], which has ${n}`, {
    op,
    shapes: [shape],
  })
}

export interface UpdateSliceOptions {
  /** Negative counts from the end. Default 0. */
  axis?: number
}
export interface DynamicSliceOptions extends UpdateSliceOptions {
  /** Number of places. */
  size: number
}
const UPDATE_OPTIONS: OptionTable<UpdateSliceOptions> = { axis: 'any' }
const DYNAMIC_OPTIONS: OptionTable<DynamicSliceOptions> = { axis: 'any', size: 'any' }

/**
 * x with `update` written over it from `start` on along one axis. A traced function writes in place where x is a result
 * of its own that nobody reads later; an argument or a variable is copied. A start in a tensor that is out of range
 * fails the step: the next await rejects with ERR_DATA.
 * @param x any dtype
 * @param update of x's shape and dtype, except along the axis
 * @param start position of the first value: a number, or an int32 tensor of one element
 * @param options axis: default 0; negative counts from the end
 */
export const updateSlice: (x: TensorLike, update: TensorLike, start: number | Tensor, options?: UpdateSliceOptions) => Tensor = func(
  'updateSlice(x, update, start, options)',
  UPDATE_OPTIONS,
  (x, update, start, options = {}) => {
    const op = 'updateSlice'
    const [target, values] = operands(op, [x, update]) as [Tensor, Tensor]
    const axis = axisOf(op, options.axis ?? 0, target.rank)
    if (target.dtype !== values.dtype) {
      throw new WeftError('ERR_DTYPE', `${op}: the update is ${values.dtype}, x is ${target.dtype}`, {
        op,
        hint: `Use cast('${target.dtype}')`,
      })
    }
    if (values.rank !== target.rank || values.shape.some((extent, i) => i !== axis && extent !== target.shape[i])) {
      throw new WeftError('ERR_SHAPE', `${op}: an update [${values.shape}] does not fit x [${target.shape}] along axis ${axis}`, {
        op,
        shapes: [target.shape, values.shape],
        hint: 'All extents but that of the axis must be equal',
      })
    }
    const position = startOperand(op, start, target.device)
    checkRange(op, start, target.shape[axis]!, values.shape[axis]!, axis, target.shape)
    return applyOne(UpdateSlice, [target, values, position], { axis })
  },
)

/**
 * `size` places of x from `start` on along one axis. A start in a tensor that is out of range fails the step, as in
 * updateSlice().
 * @param x any dtype
 * @param start position of the first value: a number, or an int32 tensor of one element
 * @param options axis: default 0; negative counts from the end. size: number of places
 */
export const dynamicSlice: (x: TensorLike, start: number | Tensor, options: DynamicSliceOptions) => Tensor = func(
  'dynamicSlice(x, start, options)',
  DYNAMIC_OPTIONS,
  (x, start, options) => {
    const op = 'dynamicSlice'
    const [source] = operands(op, [x]) as [Tensor]
    const axis = axisOf(op, options?.axis ?? 0, source.rank)
    const size = integerOf(op, 'size', options?.size, 0)
    const position = startOperand(op, start, source.device)
    checkRange(op, start, source.shape[axis]!, size, axis, source.shape)
    return applyOne(DynamicSlice, [source, position], { axis, shape: source.shape.map((extent, i) => (i === axis ? size : extent)) })
  },
)
