// Creation: tensors made of values on the host.
import { device, resolveDevice } from './device.js'
import { unknownName, WeftError } from './error.js'
import { currentTrace, outsideTrace } from './graph.js'
import { checkShape, isTypedArray } from './checks.js'
import { type HostValues, hostValues, hostView, writeHost, checkFits } from './host.js'
import { opNamed } from './op.js'
import { checkCall, type OptionTable, show } from './options.js'
import { castTo } from './read.js'
import { DTYPES, type DType, frozenShape, isFloat, type Shape, type Spec, sizeOf } from './spec.js'
import { allocate, Tensor, type TensorLike } from './tensor.js'
import type { KnownDType, KnownShape, ShapeOf, ValuesDType } from './tensor_types.js'
import { upload } from './transfer.js'

export interface TensorOptions<S extends Shape = Shape, D extends DType = DType> {
  /** Default: that of the values. */
  shape?: S
  /** Default: that of the values; of numbers float32. See `tensor`. */
  dtype?: D
  /** Where the values go: 'cpu', 'cuda:0', ... Default: the current device. */
  device?: string
}
const OPTIONS: OptionTable<TensorOptions> = { shape: 'list', dtype: 'string', device: 'string' }

/**
 * A tensor of the given values.
 * @param values nested arrays (float32; where all are booleans: bool), a number, or a typed array (its dtype;
 *   Float64Array gives float32 unless dtype says float64). Copied before the call returns.
 * @param options a shape, or { shape, dtype, device }
 */
export function tensor<const V extends TensorLike, const S extends Shape = ShapeOf<V>, D extends DType = ValuesDType<V>>(
  values: V,
  options?: TensorOptions<S, D>,
): Tensor<KnownShape<S>, KnownDType<D>>
export function tensor<V extends TensorLike, const S extends Shape>(values: V, shape: S): Tensor<KnownShape<S>, ValuesDType<V>>
export function tensor(values: TensorLike, options?: Shape | TensorOptions): Tensor
export function tensor(values: TensorLike, options: Shape | TensorOptions = {}): Tensor {
  if (Array.isArray(options)) checkCall('tensor(values, shape)', arguments)
  else checkCall('tensor(values, options)', arguments, OPTIONS)
  const { shape, dtype, device: named } = (Array.isArray(options) ? { shape: options as Shape } : options) as TensorOptions
  const where = named === undefined ? device() : resolveDevice(named)
  if (values instanceof Tensor) {
    throw new WeftError('ERR_ARGUMENT', 'tensor: the values are a Tensor already', { hint: 'Use reshape() or cast()' })
  }
  if (dtype !== undefined && !DTYPES.includes(dtype))
    throw new WeftError('ERR_DTYPE', `tensor: ${unknownName('dtype', dtype, DTYPES).message}`)
  const found = hostValues(values)
  if (dtype === undefined) checkFits(values)
  if (shape !== undefined) {
    checkShape('tensor', shape)
    if (sizeOf(shape) !== found.flat.length) {
      throw new WeftError('ERR_SHAPE', `tensor: ${found.flat.length} values do not fit shape [${shape}], which has ${sizeOf(shape)}`)
    }
  }
  const wanted = dtype ?? found.dtype
  const own = frozenShape(shape ?? found.shape)
  if (wanted === 'float16' || wanted === 'bfloat16') return outsideTrace(() => castTo(make(found.flat, own, 'float32', where), wanted))
  const t = make(found.flat, own, wanted, where)
  const trace = currentTrace()
  return trace ? trace.resolve(t) : t
}

/** A tensor whose memory the values are written to. */
function make(values: HostValues['flat'], shape: Shape, dtype: DType, where: string): Tensor {
  const t = allocate(shape, dtype, where)
  if (t.size === 0) return t
  const own = t.buffer!.device === 0
  const bytes = own ? t.buffer!.viewNow() : new Uint8Array(t.buffer!.bytes)
  writeHost(hostView(dtype, bytes.buffer, bytes.byteOffset, t.size), values, dtype)
  if (!own) fillFrom(t, bytes)
  return t
}

/** @internal Puts bytes into a fresh tensor. They must not change afterwards. */
export function fillFrom(t: Tensor, bytes: Uint8Array): void {
  const buffer = t.held()
  if (buffer.device === 0) buffer.viewNow().set(bytes)
  else upload(buffer, bytes)
}

/** The operand as a Tensor; numbers take the dtype rule of `like`. */
export function asTensor(value: TensorLike, like?: Spec): Tensor {
  if (value instanceof Tensor) return value
  if (typeof value === 'number')
    return scalar(value, like ? numberDType(value, like.dtype) : 'float32', like instanceof Tensor ? like.device : device())
  if (typeof value !== 'boolean' && (typeof value !== 'object' || value === null))
    throw new WeftError('ERR_ARGUMENT', `expected a tensor, number, typed array or nested arrays, got ${show(value)}`)
  const where = like instanceof Tensor ? { device: like.device } : {}
  const floats = typeof value === 'object' && !isTypedArray(value) && like !== undefined && isFloat(like.dtype)
  return tensor(value, floats ? { ...where, dtype: like.dtype } : where)
}

/**
 * The dtype that a number takes when it meets a tensor: the tensor's own. A fraction that meets integers makes float32;
 * a whole number that they cannot hold makes the next dtype that can.
 */
function numberDType(value: number, like: DType): DType {
  if (isFloat(like)) return like
  if (!Number.isInteger(value)) return 'float32'
  if (like === 'uint8' && value >= 0 && value <= 255) return like
  if (like === 'int8' || like === 'int64') return like
  return value === (value | 0) ? 'int32' : 'float32'
}

/** Scalars that numbers became, by device, dtype and value. Tensors may hold on to them, so none is disposed. */
const scalars = new Map<string, Tensor>()
const MOST_SCALARS = 1024

/** A rank-0 tensor; kept and shared outside recordings, a constant inside them. */
export function scalar(value: number, dtype: DType, where: string = device()): Tensor {
  const trace = currentTrace()
  if (trace) return trace.record(opNamed('fill'), [], { value, shape: [], dtype }, [{ shape: [], dtype }])[0]!
  const key = `${where}:${dtype}:${Object.is(value, -0) ? '-0' : value}`
  let t = scalars.get(key)
  if (t === undefined || t.isDisposed) {
    t = dtype === 'bfloat16' || dtype === 'float16' ? castTo(make([value], [], 'float32', where), dtype) : make([value], [], dtype, where)
    if (scalars.size > MOST_SCALARS) scalars.clear()
    scalars.set(key, t)
  }
  return t
}
