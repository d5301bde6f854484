// apply: the only place a call is made. Inside a recording it is recorded; outside it runs at once as a cached program of one call.
import { Buffer } from './buffer.js'
import { device, indexOf, resolveDevice } from './device.js'
import { Program } from './program.js'
import { WeftError } from './error.js'
import { currentTrace, otherDevice, outsideTrace } from './graph.js'
import { type Attrs, bytesOf, type DType, isFloat, type Op, type Shape, type Spec, sameShape, sizeOf } from './op.js'
import {
  allocate,
  assignment,
  checkStored,
  fillFrom,
  type HostArray,
  hostView,
  type NestedArray,
  numberDType,
  Tensor,
  type TensorLike,
  toHost,
  tracing,
  type TypedArray,
  Variable,
} from './tensor.js'
import type { SlotSpec } from './native.js'

interface Single {
  program: Program
  outputs: readonly Spec[]
}

/** Programs of one call by signature; the least recently used goes first. */
const singles = new Map<string, Single>()
const MOST_SINGLES = 512

/** Calls an op on tensors of one device. */
export function apply<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  const trace = currentTrace()
  if (trace) return trace.record(op, inputs, attrs, op.shape(inputs, attrs))
  const buffers: Buffer[] = new Array(inputs.length)
  const where = inputs.length > 0 ? inputs[0]!.device : device()
  let key = where === 'cpu' ? op.name : `${where}:${op.name}`
  for (let i = 0; i < inputs.length; i++) {
    const t = inputs[i]!
    buffers[i] = t.held()
    if (t.device !== where) throw otherDevice(op.name, t, where)
    key += `|${t.signature}`
  }
  for (const name in attrs) key += `;${name}=${attrs[name]}`
  if (op.alias !== undefined) {
    const [spec] = op.shape(inputs, attrs)
    return [view(inputs[0]!, spec!.shape)]
  }
  let single = singles.get(key)
  if (single === undefined) {
    const outputs = op.shape(inputs, attrs)
    for (const { dtype } of outputs) checkStored(dtype, where)
    single = { program: loadSingle(op as unknown as Op, inputs, attrs, outputs, where), outputs }
    if (singles.size >= MOST_SINGLES) {
      const [oldest, entry] = singles.entries().next().value!
      singles.delete(oldest)
      entry.program.dispose()
    }
  } else singles.delete(key)
  singles.set(key, single)
  const results = single.outputs.map((spec) => allocate(spec.shape, spec.dtype, where))
  single.program.run(
    buffers,
    results.map((t) => t.buffer!),
    { layer: tracing.layer },
  )
  return results
}

function loadSingle(op: Op, inputs: readonly Spec[], attrs: Attrs, outputs: readonly Spec[], where: string): Program {
  const slot =
    (kind: 'input' | 'output') =>
    (t: Spec, index: number): SlotSpec => ({ kind, index, bytes: sizeOf(t.shape) * bytesOf(t.dtype) })
  const specs = [...inputs, ...outputs]
  return new Program(
    {
      slots: [...inputs.map(slot('input')), ...outputs.map(slot('output'))],
      values: specs.map((t, i) => ({ slot: i, shape: t.shape, dtype: t.dtype })),
      calls: [{ op: op.name, inputs: inputs.map((_, i) => i), outputs: outputs.map((_, i) => inputs.length + i), attrs, update: false }],
      states: [],
      writes: [],
      precision: 'float32',
      single: true,
    },
    [],
    () => ({ op: op.name, layer: undefined, names: undefined }),
    indexOf(where),
  )
}

/** The same memory seen with another shape. */
function view(x: Tensor, shape: Shape): Tensor {
  const buffer = x.held()
  buffer.users++
  return new Tensor(shape, x.dtype, x.device, buffer)
}

/** apply() of an op with one result. */
export function applyOne<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  return apply(op, inputs, attrs)[0]!
}

export interface TensorOptions {
  shape?: Shape
  dtype?: DType
  device?: string
}

function isTyped(values: unknown): values is TypedArray {
  return ArrayBuffer.isView(values) && !(values instanceof DataView)
}

function typedDType(values: TypedArray): DType {
  if (values instanceof Int32Array || values instanceof Int16Array || values instanceof Uint16Array || values instanceof Uint32Array)
    return 'int32'
  if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) return 'uint8'
  if (values instanceof Int8Array) return 'int8'
  if (values instanceof BigInt64Array) return 'int64'
  return 'float32'
}

/** Shape of nested arrays; ragged ones throw. */
function nestedShape(values: NestedArray, path = ''): number[] {
  if (!Array.isArray(values)) return []
  const items = values as readonly NestedArray[]
  if (items.length === 0) return [0]
  const first = nestedShape(items[0]!, `${path}[0]`)
  for (let i = 1; i < items.length; i++) {
    const other = nestedShape(items[i]!, `${path}[${i}]`)
    if (!sameShape(first, other)) {
      throw new WeftError(
        'ERR_SHAPE',
        `tensor: nested arrays are ragged: values${path}[0] has shape [${first}], values${path}[${i}] has [${other}]`,
      )
    }
  }
  return [items.length, ...first]
}

function flatten(values: NestedArray, out: (number | boolean)[] = []): (number | boolean)[] {
  if (Array.isArray(values)) for (const item of values as readonly NestedArray[]) flatten(item, out)
  else if (typeof values === 'number' || typeof values === 'boolean') out.push(values)
  else throw new WeftError('ERR_ARGUMENT', `tensor: values must be numbers or booleans, got ${values === null ? 'null' : typeof values}`)
  return out
}

const KNOWN_DTYPES = new Set(['bool', 'uint8', 'int8', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'])

/** Throws ERR_SHAPE unless every extent is a non-negative integer. */
export function checkShape(what: string, shape: unknown): asserts shape is Shape {
  if (!Array.isArray(shape) || shape.some((n) => !Number.isInteger(n) || (n as number) < 0)) {
    throw new WeftError('ERR_SHAPE', `${what}: a shape is a list of non-negative integers, got ${JSON.stringify(shape)}`)
  }
}

/**
 * A tensor of the given values.
 * @param values nested arrays (float32; booleans: bool), a number, or a typed array (its dtype; Float64Array gives float32 unless dtype says float64). Copied before the call returns.
 * @param options a shape, or { shape, dtype, device }
 */
export function tensor(values: TensorLike, options: Shape | TensorOptions = {}): Tensor {
  const { shape, dtype, device: named } = (Array.isArray(options) ? { shape: options as Shape } : options) as TensorOptions
  const where = named === undefined ? device() : resolveDevice(named)
  if (values instanceof Tensor) {
    throw new WeftError('ERR_ARGUMENT', 'tensor: the values are a Tensor already', { hint: 'Use reshape() or cast()' })
  }
  if (dtype !== undefined && !KNOWN_DTYPES.has(dtype))
    throw new WeftError('ERR_DTYPE', `tensor: unknown dtype '${dtype}'`, { hint: `Known: ${[...KNOWN_DTYPES].join(', ')}` })
  let flat: TypedArray | (number | boolean)[]
  let found: readonly number[]
  if (isTyped(values)) {
    flat = values
    found = [values.length]
  } else {
    if (typeof values !== 'number' && typeof values !== 'boolean' && !Array.isArray(values)) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `tensor: values must be numbers, nested arrays or a typed array, got ${values === null ? 'null' : typeof values}`,
      )
    }
    found = nestedShape(values)
    flat = flatten(values)
  }
  if (shape !== undefined) {
    checkShape('tensor', shape)
    if (sizeOf(shape) !== flat.length) {
      throw new WeftError('ERR_SHAPE', `tensor: ${flat.length} values do not fit shape [${shape}], which has ${sizeOf(shape)}`)
    }
    found = shape
  }
  const natural: DType = isTyped(flat) ? typedDType(flat) : flat.length > 0 && typeof flat[0] === 'boolean' ? 'bool' : 'float32'
  const wanted = dtype ?? natural
  if (wanted === 'float16' || wanted === 'bfloat16') return outsideTrace(() => castTo(make(flat, found, 'float32', where), wanted))
  const t = make(flat, found, wanted, where)
  const trace = currentTrace()
  return trace ? trace.resolve(t) : t
}

let castTo: (x: Tensor, dtype: DType) => Tensor = () => {
  throw new Error('cast is not loaded')
}
/** @internal lib/ops/cast.ts provides what creation and reading need of it. */
export function provideCast(cast: (x: Tensor, dtype: DType) => Tensor, copy: (x: Tensor) => Tensor): void {
  castTo = cast
  toHost.cast = (x) => outsideTrace(() => cast(x, 'float32'))
  toHost.copy = (x) => outsideTrace(() => copy(x))
}

function make(values: TypedArray | (number | boolean)[], shape: readonly number[], dtype: DType, where: string): Tensor {
  const t = allocate([...shape], dtype, where)
  if (t.size === 0) return t
  const own = t.buffer!.device === 0
  const bytes = own ? t.buffer!.view() : new Uint8Array(t.buffer!.bytes)
  write(hostView(dtype, bytes.buffer, bytes.byteOffset, t.size), values, dtype)
  if (!own) fillFrom(t, bytes)
  return t
}

function write(target: HostArray, values: TypedArray | (number | boolean)[], dtype: DType): void {
  if (target.constructor === values.constructor && dtype !== 'bool') {
    ;(target as Float32Array).set(values as Float32Array)
  } else if (target instanceof BigInt64Array) {
    for (let i = 0; i < target.length; i++)
      target[i] = typeof values[i] === 'bigint' ? (values[i] as bigint) : BigInt(Math.trunc(Number(values[i])))
  } else if (dtype === 'bool') {
    for (let i = 0; i < target.length; i++) target[i] = values[i] ? 1 : 0
  } else if (values instanceof BigInt64Array || !isTyped(values)) {
    for (let i = 0; i < target.length; i++) target[i] = saturate(Number(values[i]), dtype)
  } else if (isFloat(dtype)) {
    target.set(values as Float32Array)
  } else {
    for (let i = 0; i < target.length; i++) target[i] = saturate(values[i] as number, dtype)
  }
}

/** Integer dtypes truncate toward zero and saturate, as cast does. */
function saturate(value: number, dtype: DType): number {
  if (isFloat(dtype)) return value
  const [low, high] = dtype === 'uint8' ? [0, 255] : dtype === 'int8' ? [-128, 127] : [-2147483648, 2147483647]
  return Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)))
}

/** Scalars that numbers become, by dtype and value. */
const scalars = new Map<string, Tensor>()

/** The operand as a Tensor; numbers take the dtype rule of `like`. */
export function asTensor(value: TensorLike, like?: Spec): Tensor {
  if (value instanceof Tensor) return value
  if (typeof value === 'number')
    return scalar(value, like ? numberDType(value, like.dtype) : 'float32', like instanceof Tensor ? like.device : device())
  if (value === undefined || value === null || typeof value === 'function' || typeof value === 'string') {
    throw new WeftError(
      'ERR_ARGUMENT',
      `expected a tensor, number, typed array or nested arrays, got ${value === null ? 'null' : typeof value}`,
    )
  }
  if (typeof value === 'boolean') return tensor(value, like instanceof Tensor ? { device: like.device } : {})
  const natural = isTyped(value) || !like || !isFloat(like.dtype) ? undefined : like.dtype
  const where = like instanceof Tensor ? { device: like.device } : {}
  return tensor(value, natural === undefined ? where : { ...where, dtype: natural })
}

let fillOp: Op | undefined
/** @internal lib/ops/creation.ts provides the op that makes constants. */
export function provideFill(op: Op): void {
  fillOp = op
}

/** A rank-0 tensor; kept and shared outside recordings, a constant inside them. */
export function scalar(value: number, dtype: DType, where: string = device()): Tensor {
  const trace = currentTrace()
  if (trace) return trace.record(fillOp!, [], { value, shape: [], dtype }, [{ shape: [], dtype }])[0]!
  const key = `${where}:${dtype}:${Object.is(value, -0) ? '-0' : value}`
  let t = scalars.get(key)
  if (t === undefined || t.isDisposed) {
    t = dtype === 'bfloat16' || dtype === 'float16' ? castTo(make([value], [], 'float32', where), dtype) : make([value], [], dtype, where)
    if (scalars.size > 1024) scalars.clear()
    scalars.set(key, t)
  }
  return t
}

/** State holding a copy of the value. Made outside any recording; ERR_TRACE for a traced value. */
export function variable(value: TensorLike, options: { name?: string; trainable?: boolean; dtype?: DType } = {}): Variable {
  return outsideTrace(() => {
    if (value instanceof Tensor && value.recording !== undefined) {
      throw new WeftError('ERR_TRACE', 'variable: the value is traced, and state must exist before the step that uses it', {
        hint: 'Make the variable outside the traced function, then assign() to it inside',
      })
    }
    const source = value instanceof Tensor ? value : tensor(value, options.dtype ? { dtype: options.dtype } : {})
    const own =
      options.dtype && options.dtype !== source.dtype
        ? castTo(source, options.dtype)
        : value instanceof Tensor
          ? toHost.copy(source)
          : source
    own.buffer!.users++
    const made = new Variable(own, options)
    own.dispose()
    return made
  })
}

assignment.assign = (target: Variable, value: TensorLike): void => {
  let source = asTensor(value, target)
  if (!sameShape(source.shape, target.shape)) {
    throw new WeftError('ERR_SHAPE', `assign: variable '${target.name}' has shape [${target.shape}], the value [${source.shape}]`, {
      shapes: [target.shape, source.shape],
    })
  }
  if (source.dtype !== target.dtype) source = castTo(source, target.dtype)
  const trace = currentTrace()
  if (trace) {
    target.held()
    trace.assign(target, source)
    return
  }
  const to = target.held()
  if (source.device !== target.device) throw otherDevice('assign', source, target.device)
  const key = `assign|${target.device}|${target.signature}`
  let single = singles.get(key)
  if (single === undefined) {
    single = { program: loadSingle({ name: 'identity', shape: () => [] }, [target], {}, [target], target.device), outputs: [] }
    singles.set(key, single)
  }
  single.program.run([source.held()], [to])
}
