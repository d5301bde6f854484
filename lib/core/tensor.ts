// Tensor: what users hold. It either has a Buffer (concrete) or stands for a value of a graph being recorded; never both.
import { inspect } from 'node:util'
import { Buffer } from './buffer.js'
import { native, resolveDevice } from './device.js'
import { bytesOnHost, copyTo, download, finishedSync, lastTicket, upload } from './program.js'
import { WeftError } from './error.js'
import { bytesOf, type Call, type DType, isFloat, type Shape, sizeOf } from './op.js'

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
export type HostArray = Float32Array | Int32Array | Uint8Array | Float64Array | BigInt64Array | Int8Array
export type NestedArray = number | boolean | readonly NestedArray[]
/** What ops take as an operand. */
export type TensorLike = Tensor | TypedArray | NestedArray

/** How a traced tensor came to be: an argument, a variable or a closed-over tensor of the trace, or a call's result. */
export type Origin =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'state'; readonly variable: Variable }
  | { readonly kind: 'capture'; readonly tensor: Tensor }
  | { readonly kind: 'call'; readonly call: Call; readonly index: number }

/** @internal The recording a traced tensor belongs to; see lib/core/graph.ts. */
export interface Recording {
  readonly name: string
}

export class Tensor {
  readonly shape: Shape
  readonly dtype: DType
  /** Id of the device the values live on: 'cpu', 'cuda:0', ... */
  readonly device: string
  /** A bool tensor [batch, time] that says which steps are data; carried beside the values by layers. */
  mask?: Tensor | undefined
  /** @internal */
  buffer: Buffer | undefined
  /** @internal */
  origin: Origin | undefined
  /** @internal */
  readonly recording: Recording | undefined
  /** @internal Signature: dtype and shape. */
  readonly signature: string

  /** @internal Users call tensor(), zeros(), ... */
  constructor(shape: Shape, dtype: DType, device: string, at: Buffer | { origin: Origin; recording: Recording }) {
    this.shape = shape
    this.dtype = dtype
    this.device = device
    this.signature = `${dtype}[${shape.join(',')}]`
    if (at instanceof Buffer) {
      this.buffer = at
      this.origin = undefined
      this.recording = undefined
      if (scopes.length > 0) scopes[scopes.length - 1]!.add(this)
    } else {
      this.buffer = undefined
      this.origin = at.origin
      this.recording = at.recording
    }
  }

  get size(): number {
    return sizeOf(this.shape)
  }
  get rank(): number {
    return this.shape.length
  }
  get isDisposed(): boolean {
    return this.recording === undefined && this.buffer?.storage === undefined
  }

  /** The values, row-major, as a copy: Float32Array (also of float16, bfloat16), Int32Array, Uint8Array (also of bool), Float64Array, BigInt64Array, Int8Array. Resolves when the device gets there. */
  async data(): Promise<HostArray> {
    const source = this.snapshot()
    const bytes = await bytesOnHost(source.held())
    return shown(this, source, bytes)
  }

  /** data(), blocking this thread until the device gets there. */
  dataSync(): HostArray {
    const source = this.snapshot()
    const buffer = source.held()
    const { ticket, bytes } = buffer.visible ? { ticket: buffer.ticket, bytes: undefined } : download(buffer)
    finishedSync(ticket)
    if (buffer.fault) throw buffer.fault
    return shown(this, source, bytes ?? buffer.view())
  }

  /** Nested arrays of the values; bools as booleans. */
  async array(): Promise<NestedArray> {
    return nest(await this.data(), this.shape, this.dtype)
  }
  arraySync(): NestedArray {
    return nest(this.dataSync(), this.shape, this.dtype)
  }

  /** The only value of a tensor of size 1. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new WeftError('ERR_SHAPE', `item: the tensor has ${this.size} values, shape [${this.shape}]`, { hint: 'Use data() or array()' })
    return Number((await this.data())[0])
  }

  /** Prints dtype, shape and values to the standard output. */
  async print(): Promise<void> {
    const values = await this.array()
    console.log(`${this.dtype} [${this.shape}] ${inspect(values, { depth: 10, breakLength: 120 })}`)
  }

  /** The tensor on another device; itself when it is there already. ERR_NO_DEVICE with the reason when the device cannot be used. */
  to(id: string): Tensor {
    const target = resolveDevice(id)
    if (target === this.device) return this
    const buffer = this.held()
    if (tracing.current !== undefined) {
      throw new WeftError('ERR_TRACE', 'to: a traced function runs on one device', { hint: 'Move the tensor before the call' })
    }
    checkStored(this.dtype, target)
    // what later runs may write to is copied first
    const source = this instanceof Variable && buffer.device === 0 ? toHost.copy(this) : this
    const moved = new Tensor(this.shape, this.dtype, target, copyTo(source.held(), target))
    if (source !== this) source.dispose()
    return moved
  }

  /** Frees the memory once the runs in flight are done. Using the tensor afterwards throws ERR_DISPOSED. */
  dispose(): void {
    if (this.buffer?.storage === undefined) return
    const buffer = this.buffer
    // a closed block of its own: other tensors may still see the memory with another shape
    this.buffer = disposed
    buffer.release()
  }
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** @internal The memory; throws when there is none. */
  held(): Buffer {
    if (this.recording !== undefined) {
      throw new WeftError(
        'ERR_TRACE',
        `the value of this tensor (${this.dtype} [${this.shape}]) is not known while a function is being traced`,
        {
          hint: 'Return it from the traced function and read it there',
        },
      )
    }
    if (this.buffer?.storage === undefined) throw new WeftError('ERR_DISPOSED', `this tensor (${this.dtype} [${this.shape}]) was disposed`)
    return this.buffer
  }

  /** @internal A tensor whose memory later runs leave alone and whose dtype the host can show. */
  snapshot(): Tensor {
    const buffer = this.held()
    if (this.dtype === 'float16' || this.dtype === 'bfloat16') return toHost.cast(this)
    // where the host reads the memory itself, later runs must not write to it meanwhile
    if (this instanceof Variable && buffer.device === 0 && native.status[0]! < lastTicket()) return toHost.copy(this)
    if (tracing.current !== undefined) {
      throw new WeftError('ERR_TRACE', 'data(), item() and array() cannot be used inside a traced function', {
        hint: 'Return the tensor and read it outside',
      })
    }
    return buffer && this
  }
}

/** A copy of the bytes of `source`, a snapshot of `t`, as data() shows it. */
function shown(t: Tensor, source: Tensor, bytes: Uint8Array): HostArray {
  const copy = bytes.slice().buffer
  if (source !== t) source.dispose()
  return hostView(source.dtype, copy)
}

/** What console.log shows: dtype, shape, device, and values that are already on the host. */
function describe(t: Tensor): string {
  const facts = `${t instanceof Variable ? 'Variable' : 'Tensor'} ${t.dtype} [${t.shape}] ${t.device}`
  if (t.recording !== undefined) return `${facts} (traced)`
  if (t.isDisposed) return `${facts} (disposed)`
  if (t.size > 1000 || bytesOf(t.dtype) === 2 || t.buffer!.fault || native.status[0]! < t.buffer!.ticket || !t.buffer!.visible) return facts
  return `${facts} ${inspect(nest(hostView(t.dtype, t.buffer!.view().slice().buffer), t.shape, t.dtype), { depth: 10 })}`
}

Object.defineProperty(Tensor.prototype, inspect.custom, {
  value: function (this: Tensor): string {
    return describe(this)
  },
})

const disposed: Buffer = Object.assign(Object.create(Buffer.prototype) as Buffer, { storage: undefined, bytes: 0, ticket: 0, users: 0 })

/** @internal What reading needs of the ops; set by lib/ops/cast. */
export const toHost: { cast: (x: Tensor) => Tensor; copy: (x: Tensor) => Tensor } = {
  cast: (x) => x,
  copy: (x) => x,
}

/** @internal The recording under way, if any (see lib/core/graph.ts), and the layer whose operations are being called, for error messages. */
export const tracing: { current: Recording | undefined; layer: string | undefined } = { current: undefined, layer: undefined }

export interface VariableOptions {
  name?: string
  /** False: gradients and optimizers leave it alone. Default true. */
  trainable?: boolean
}

/** State: a tensor whose value can be replaced. Its memory never moves. Made by variable(). */
export class Variable extends Tensor {
  readonly name: string
  trainable: boolean

  constructor(value: Tensor, options: VariableOptions = {}) {
    super(value.shape, value.dtype, value.device, value.held())
    this.name = options.name ?? 'variable'
    this.trainable = options.trainable ?? true
  }

  /** @internal This variable itself on another device. Functions that were traced with it must be traced anew. */
  moveTo(id: string): void {
    if (id === this.device) return
    checkStored(this.dtype, id)
    const old = this.held()
    const source = old.device === 0 ? toHost.copy(this) : this
    const memory = copyTo(source.held(), id)
    if (source !== this) source.dispose()
    old.release()
    Object.assign(this, { device: id, buffer: memory })
  }

  /** Replaces the value. In a traced function it takes effect when the step succeeds; reads after it, in the same function, see the new value. */
  assign(value: TensorLike): this {
    assignment.assign(this, value)
    return this
  }
}

/** @internal Set by lib/core/apply.ts. */
export const assignment: { assign: (variable: Variable, value: TensorLike) => void } = { assign: () => undefined }

const scopes: Set<Tensor>[] = []

/** Runs fn and disposes every tensor it made, except variables and those it returns (also inside arrays and records). */
export function tidy<T>(fn: () => T): T {
  const scope = new Set<Tensor>()
  scopes.push(scope)
  let result: T
  try {
    result = fn()
    if (result instanceof Promise)
      throw new WeftError('ERR_ARGUMENT', 'tidy: the function must be synchronous', {
        hint: 'Dispose tensors by hand, or with `using`, around await',
      })
  } catch (error) {
    scopes.pop()
    for (const t of scope) if (!(t instanceof Variable)) t.dispose()
    throw error
  }
  scopes.pop()
  const kept = new Set<Tensor>()
  walk(result, (t) => {
    kept.add(t)
    if (t.mask) kept.add(t.mask)
  })
  const outer = scopes[scopes.length - 1]
  for (const t of scope) {
    if (kept.has(t)) outer?.add(t)
    else if (!(t instanceof Variable)) t.dispose()
  }
  return result
}

/** @internal Visits every Tensor in nested arrays and plain records. */
export function walk(tree: unknown, visit: (t: Tensor) => void): void {
  if (tree instanceof Tensor) visit(tree)
  else if (Array.isArray(tree)) for (const item of tree) walk(item, visit)
  else if (isRecord(tree)) for (const item of Object.values(tree)) walk(item, visit)
}

/** @internal A copy of the tree with every Tensor replaced. */
export function mapTree(tree: unknown, replace: (t: Tensor) => unknown): unknown {
  if (tree instanceof Tensor) return replace(tree)
  if (Array.isArray(tree)) return tree.map((item) => mapTree(item, replace))
  if (isRecord(tree)) return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, mapTree(item, replace)]))
  return tree
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === Object.prototype || prototype === null
}

/** @internal A typed array over the bytes, as data() shows the dtype. */
export function hostView(dtype: DType, buffer: ArrayBufferLike, offset = 0, length?: number): HostArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, offset, length)
    case 'float64':
      return new Float64Array(buffer, offset, length)
    case 'int32':
      return new Int32Array(buffer, offset, length)
    case 'int64':
      return new BigInt64Array(buffer, offset, length)
    case 'int8':
      return new Int8Array(buffer, offset, length)
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer, offset, length)
    default:
      throw new WeftError('ERR_DTYPE', `${dtype} has no typed array on the host`, { hint: "cast('float32') first" })
  }
}

function nest(values: HostArray, shape: Shape, dtype: DType): NestedArray {
  const at = (i: number): number | boolean => (dtype === 'bool' ? values[i] !== 0 : Number(values[i]))
  const build = (axis: number, offset: number, stride: number): NestedArray => {
    if (axis === shape.length) return at(offset)
    const inner = shape[axis]! === 0 ? 0 : stride / shape[axis]!
    return Array.from({ length: shape[axis]! }, (_, i) => build(axis + 1, offset + i * inner, inner))
  }
  return build(0, 0, values.length)
}

/** @internal A fresh tensor of the device's memory, contents undefined. */
export function allocate(shape: Shape, dtype: DType, device: string): Tensor {
  checkStored(dtype, device)
  return new Tensor(shape, dtype, device, new Buffer(sizeOf(shape) * bytesOf(dtype), device))
}

/** @internal Puts values into a fresh tensor. The bytes must not change afterwards. */
export function fillFrom(t: Tensor, bytes: Uint8Array): void {
  const buffer = t.held()
  if (buffer.device === 0) buffer.view().set(bytes)
  else upload(buffer, bytes)
}

/** @internal Throws ERR_DTYPE for a dtype that a device does not compute in. */
export function checkStored(dtype: DType, device: string): void {
  if (dtype === 'float64' && device !== 'cpu') {
    throw new WeftError('ERR_DTYPE', `float64 cannot be used on ${device}`, { hint: "cast('float32') first, or use the device 'cpu'" })
  }
}

/** @internal The dtype a value takes beside `like`: a number takes the tensor's dtype; a fraction with an integer tensor gives float32. */
export function numberDType(value: number, like: DType): DType {
  if (isFloat(like)) return like
  return Number.isInteger(value) && like !== 'bool' ? like : Number.isInteger(value) ? 'int32' : 'float32'
}
