// Tensor: what users hold. It has a Buffer with values, or it is a value of a graph being recorded; never both.
import { Buffer } from './buffer.js'
import { refuseClones } from './clone.js'
import { WeftError } from './error.js'
import type { NestedValues, TypedArray } from './host.js'
import type { Call } from './op.js'
import { bytesOf, type DType, type Layout, type Shape, signatureOf, sizeOf } from './spec.js'
import type { IsUnknown, ShapeField, Unknown } from './tensor_types.js'

/** What ops take as an operand. */
export type TensorLike = Tensor | TypedArray | NestedValues

/** How a traced tensor came to be: an argument, a variable or a closed-over tensor of the trace, or a call's result. */
export type Origin =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'state'; readonly variable: Variable }
  | { readonly kind: 'capture'; readonly tensor: Tensor }
  | { readonly kind: 'call'; readonly call: Call; readonly index: number }

/**
 * @internal What a tensor without values belongs to: a trace (lib/core/graph.ts), or the wiring of a functional model.
 */
export class Recording {
  readonly name: string
  constructor(name: string) {
    this.name = name
    refuseClones(this)
  }
}

/** @internal Tensors made inside tidy() calls, the innermost last. */
export const scopes: Set<Tensor>[] = []

declare const known: unique symbol

/** The methods of tensors. Families of operations add theirs, each typed by the tensor that it is called on. */
// biome-ignore lint/suspicious/noEmptyInterface: lib/core/read.ts and lib/ops/ fill it
export interface TensorMethods {}

export interface Tensor<S extends Shape = Unknown, D extends DType = Unknown> extends TensorMethods {
  /** @internal What types know: nothing is there at run time. */
  readonly [known]?: [S, D]
}

/**
 * An array of numbers of one dtype. Its type can say its shape and dtype, as far as they are known when the program is
 * written: Tensor<[number, 784]>, Tensor<[2, 3], 'int32'>. A plain Tensor says nothing, and fits everywhere.
 */
// biome-ignore lint/correctness/noUnusedVariables: the interface uses it
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: families of operations add the methods
export class Tensor<S extends Shape = Unknown, D extends DType = Unknown> {
  readonly shape: ShapeField<S>
  readonly dtype: DType
  /** Id of the device the values live on: 'cpu', 'cuda:0', ... */
  readonly device: string
  /** A bool tensor [batch, time] that says which steps are data. Layers hand it on with the values. */
  mask?: Tensor | undefined
  /** @internal */
  readonly recording: Recording | undefined
  /** @internal */
  buffer: Buffer | undefined
  /** @internal */
  origin: Origin | undefined
  /** @internal Signature: dtype and shape. */
  readonly signature: string

  /** @internal Users call tensor(), zeros(), ... `shape` must be frozen, or nobody else's. */
  constructor(
    shape: Shape,
    dtype: DType,
    device: string,
    at: Buffer | { origin: Origin; recording: Recording },
    signature: string = signatureOf({ shape, dtype }),
  ) {
    this.shape = shape as ShapeField<S>
    this.dtype = dtype
    this.device = device
    this.signature = signature
    if (at instanceof Buffer) {
      this.recording = undefined
      this.buffer = at
      this.origin = undefined
      if (scopes.length > 0) scopes[scopes.length - 1]!.add(this)
    } else {
      this.recording = at.recording
      this.buffer = undefined
      this.origin = at.origin
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

  /** JSON.stringify() cannot wait for values: throws ERR_ARGUMENT that names what can. */
  toJSON(): never {
    throw new WeftError('ERR_ARGUMENT', `JSON.stringify: a tensor (${this.dtype} [${this.shape}]) is not JSON`, {
      hint: 'Write JSON.stringify(await t.array())',
    })
  }

  /** @internal The memory; throws when there is none. */
  held(): Buffer {
    if (this.recording !== undefined) {
      throw new WeftError(
        'ERR_TRACE',
        `the value of this tensor (${this.dtype} [${this.shape}]) is not known while a function is being traced`,
        { hint: 'Return it from the traced function and read it there' },
      )
    }
    if (this.buffer?.storage === undefined) throw new WeftError('ERR_DISPOSED', `this tensor (${this.dtype} [${this.shape}]) was disposed`)
    return this.buffer
  }
}

const disposed: Buffer = Object.assign(Object.create(Buffer.prototype) as Buffer, { storage: undefined, bytes: 0, ticket: 0, users: 0 })
refuseClones(disposed)

/**
 * @internal The recording under way, if any (see lib/core/graph.ts), and the layer whose operations are being called,
 *   for error messages.
 */
export const tracing: { current: Recording | undefined; layer: string | undefined } = { current: undefined, layer: undefined }

export interface VariableOptions {
  /** A name for errors and files. */
  name?: string
  /** False: gradients and optimizers leave it alone. Default true. */
  trainable?: boolean
}

/** What variables have that other tensors have not. */
export interface VariableFacts {
  readonly name: string
  trainable: boolean
}

/** State: a tensor whose value can be replaced. Its memory never moves. Made by variable(), which see for assign(). */
// of unknown shape it is a plain Tensor as well: only types of one name fit where the shape is known
export type Variable<S extends Shape = Unknown, D extends DType = Unknown> =
  IsUnknown<S> extends true ? VariableOf<S, D> & Tensor<S, D> : VariableOf<S, D>

/** A variable as its shape and dtype are known. */
export interface VariableOf<S extends Shape, D extends DType> extends Tensor<S, D>, VariableFacts {}

export const Variable: new <S extends Shape = Unknown, D extends DType = Unknown>(
  value: Tensor<S, D>,
  options?: VariableOptions,
) => Variable<S, D> = class Variable<S extends Shape, D extends DType> extends Tensor<S, D> {
  readonly name: string
  trainable: boolean

  constructor(value: Tensor<S, D>, options: VariableOptions = {}) {
    super(value.shape, value.dtype, value.device, value.held())
    this.name = options.name ?? 'variable'
    this.trainable = options.trainable ?? true
  }
} as never

/** @internal Programs are kept by signature: throws ERR_ARGUMENT for a tensor whose facts were changed from outside. */
export function checkUnchanged(t: Tensor): void {
  if (t.signature !== signatureOf(t))
    throw new WeftError('ERR_ARGUMENT', `the shape or dtype of a tensor was changed by hand: it is ${t.signature}`, {
      hint: 'Use reshape() or cast()',
    })
}

/** @internal A fresh tensor of the device's memory, contents undefined. `shape` must be frozen, or nobody else's. */
export function allocate(shape: Shape, dtype: DType, device: string): Tensor {
  checkStored(dtype, device)
  return new Tensor(shape, dtype, device, new Buffer(sizeOf(shape) * bytesOf(dtype), device))
}

/** @internal A fresh tensor of a kind that is made again and again. */
export const allocateAs = ({ shape, dtype, signature, bytes }: Layout, device: string): Tensor =>
  new Tensor(shape, dtype, device, new Buffer(bytes, device), signature)

/** @internal Throws ERR_DTYPE for a dtype that a device does not compute in. */
export function checkStored(dtype: DType, device: string): void {
  if (dtype === 'float64' && device !== 'cpu') {
    throw new WeftError('ERR_DTYPE', `float64 cannot be used on ${device}`, { hint: "cast('float32') first, or use the device 'cpu'" })
  }
}
