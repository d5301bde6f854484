// Creation: tensors of one value, ramps and identity matrices, made on the device.
import { applyOne } from '../core/apply.js'
import { checkShape } from '../core/checks.js'
import { device, withDevice } from '../core/device.js'
import { unknownName, WeftError } from '../core/error.js'
import { callOf } from '../core/graph.js'
import { type Op, registerOp } from '../core/op.js'
import { type OptionTable, show } from '../core/options.js'
import type { DType, Shape, Spec } from '../core/spec.js'
import { func, methods } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import type { DTypeOf, KnownDType, KnownShape, ShapeOf, Unknown } from '../core/tensor_types.js'
import { DTYPES } from './cast.js'
import { integerOf, numberOf, operand } from './operands.js'

type FillAttrs = { readonly value: number; readonly shape: readonly number[]; readonly dtype: DType }
type ArangeAttrs = { readonly start: number; readonly step: number; readonly shape: readonly number[]; readonly dtype: DType }
type EyeAttrs = { readonly offset: number; readonly shape: readonly number[]; readonly dtype: DType }

export interface CreationOptions<D extends DType = DType> {
  /** Default float32. */
  dtype?: D
  /** Default: the current device. */
  device?: string
}

function described(_: readonly Spec[], { shape, dtype }: { readonly shape: readonly number[]; readonly dtype: DType }): Spec[] {
  return [{ shape, dtype }]
}

export const Fill: Op<FillAttrs> = registerOp({ name: 'fill', noGradient: true, shape: described })
export const Arange: Op<ArangeAttrs> = registerOp({ name: 'arange', noGradient: true, shape: described })
export const Eye: Op<EyeAttrs> = registerOp({ name: 'eye', noGradient: true, shape: described })

const CREATION_OPTIONS: OptionTable<CreationOptions> = { dtype: 'any', device: 'string' }
export interface EyeOptions<D extends DType = DType> extends CreationOptions<D> {
  /** Which diagonal: above the main one where positive. Default 0. */
  offset?: number
}
const EYE_OPTIONS: OptionTable<EyeOptions> = { ...CREATION_OPTIONS, offset: 'any' }

/** Throws ERR_DTYPE unless the dtype is one of `known`. */
export function checkDType(op: string, dtype: DType, known: readonly DType[] = DTYPES): void {
  if (!known.includes(dtype)) throw new WeftError('ERR_DTYPE', `${op}: ${unknownName('dtype', dtype, known).message}`, { op })
}

function filled(op: string, shape: Shape, value: number, { dtype = 'float32', device: where = device() }: CreationOptions = {}): Tensor {
  checkShape(op, shape)
  checkDType(op, dtype)
  return withDevice(where, () => applyOne(Fill, [], { value, shape: [...shape], dtype }))
}

/** Makes a tensor of a shape. */
type Filled = <const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: CreationOptions<D>,
) => Tensor<KnownShape<S>, KnownDType<D>>

/** A tensor of zeros. */
export const zeros: Filled = func('zeros(shape, options)', CREATION_OPTIONS, (shape, options) => filled('zeros', shape, 0, options))

/** A tensor of ones. */
export const ones: Filled = func('ones(shape, options)', CREATION_OPTIONS, (shape, options) => filled('ones', shape, 1, options))

/** A tensor with the same value everywhere. */
export const full: <const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  value: number,
  options?: CreationOptions<D>,
) => Tensor<KnownShape<S>, KnownDType<D>> = func('full(shape, value, options)', CREATION_OPTIONS, (shape, value, options) => {
  if (typeof value !== 'number') throw new WeftError('ERR_ARGUMENT', `full: the value must be a number, got ${show(value)}`, { op: 'full' })
  return filled('full', shape, value, options)
})

/** One value in the shape and dtype of another tensor. */
export const fullLike: <X extends TensorLike>(x: X, value: number) => Tensor<ShapeOf<X>, DTypeOf<X>> = func(
  'fullLike(x, value)',
  (x, value) => {
    const like = operand('fullLike', x)
    return full(like.shape, value, { dtype: like.dtype, device: like.device })
  },
)

/** Zeros in the shape and dtype of another tensor. */
export const zerosLike: <X extends TensorLike>(x: X) => Tensor<ShapeOf<X>, DTypeOf<X>> = func('zerosLike(x)', (x) => fullLike(x, 0))

/** Ones in the shape and dtype of another tensor. */
export const onesLike: <X extends TensorLike>(x: X) => Tensor<ShapeOf<X>, DTypeOf<X>> = func('onesLike(x)', (x) => fullLike(x, 1))

/**
 * start, start + step, ... below stop (above it for a negative step). One argument: 0 to stop. dtype: int32 if all are
 * integers, else float32.
 */
export const arange: <D extends DType = Unknown>(
  start: number,
  stop?: number,
  step?: number,
  options?: CreationOptions<D>,
) => Tensor<[number], KnownDType<D>> = func(
  'arange(start, stop, step, options)',
  CREATION_OPTIONS,
  (start: number, stop?: number, step: number = 1, options: CreationOptions = {}): Tensor => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop]
    for (const [name, value] of Object.entries({ start: from, stop: to, step })) numberOf('arange', name, value)
    if (step === 0) throw new WeftError('ERR_ARGUMENT', 'arange: the step must not be 0', { op: 'arange' })
    const integers = Number.isInteger(from) && Number.isInteger(to) && Number.isInteger(step)
    const { dtype = integers ? 'int32' : 'float32', device: where = device() } = options
    checkDType('arange', dtype, ['uint8', 'int32', 'float16', 'bfloat16', 'float32', 'float64'])
    const n = Math.max(0, Math.ceil((to - from) / step))
    return withDevice(where, () => applyOne(Arange, [], { start: from, step, shape: [n], dtype }))
  },
)

export interface LinspaceOptions<D extends DType = DType> extends CreationOptions<D> {
  /** Whether `stop` is the last value. Default true. */
  endpoint?: boolean
}
const LINSPACE_OPTIONS: OptionTable<LinspaceOptions> = { ...CREATION_OPTIONS, endpoint: 'boolean' }

/**
 * `count` values from start to stop at equal distances: start + i·(stop - start) / (count - 1), or / count without the
 * endpoint (numpy.linspace). Each value is rounded once. count: default 50, as in numpy. dtype: a float, default
 * float32.
 */
export const linspace: <const N extends number = 50, D extends DType = 'float32'>(
  start: number,
  stop: number,
  count?: N,
  options?: LinspaceOptions<D>,
) => Tensor<[N], KnownDType<D>> = func(
  'linspace(start, stop, count, options)',
  LINSPACE_OPTIONS,
  (
    start: number,
    stop: number,
    count: number = 50,
    { dtype = 'float32', device: where = device(), endpoint = true }: LinspaceOptions = {},
  ): Tensor => {
    for (const [name, value] of Object.entries({ start, stop })) numberOf('linspace', name, value)
    integerOf('linspace', 'count', count, 0)
    checkDType('linspace', dtype, ['float16', 'bfloat16', 'float32', 'float64'])
    const steps = endpoint ? count - 1 : count
    const step = steps > 0 ? (stop - start) / steps : 0
    return withDevice(where, () => applyOne(Arange, [], { start, step, shape: [count], dtype }))
  },
)

/** A matrix with ones on a diagonal: [rows, columns], by default square. offset > 0: above the main diagonal. */
export const eye: <const N extends number, const M extends number = N, D extends DType = 'float32'>(
  rows: N,
  columns?: M,
  options?: EyeOptions<D>,
) => Tensor<[N, M], KnownDType<D>> = func(
  'eye(rows, columns, options)',
  EYE_OPTIONS,
  (rows: number, columns: number = rows, options: EyeOptions = {}): Tensor => {
    const { dtype = 'float32', device: where = device(), offset = 0 } = options
    checkDType('eye', dtype, ['uint8', 'int32', 'float16', 'bfloat16', 'float32', 'float64'])
    const shape = [integerOf('eye', 'rows', rows, 0), integerOf('eye', 'columns', columns, 0)]
    integerOf('eye', 'offset', offset, Number.NEGATIVE_INFINITY)
    return withDevice(where, () => applyOne(Eye, [], { offset, shape, dtype }))
  },
)

/** Whether a traced value is known to be zero everywhere: gradients leave out what it would be multiplied into. */
export function isZeros(t: Tensor): boolean {
  const call = callOf(t)
  return call !== undefined && call.op === (Fill as unknown as Op) && call.attrs['value'] === 0
}

methods({ zerosLike, onesLike, fullLike })

declare module '../core/tensor.js' {
  interface TensorMethods {
    zerosLike<X extends Tensor>(this: X): Tensor<ShapeOf<X>, DTypeOf<X>>
    onesLike<X extends Tensor>(this: X): Tensor<ShapeOf<X>, DTypeOf<X>>
    fullLike<X extends Tensor>(this: X, value: number): Tensor<ShapeOf<X>, DTypeOf<X>>
  }
}
