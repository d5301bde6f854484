// Values of an ONNX graph while it runs: tensors with the order their axes are stored in, and sequences of them.
import { tensor } from '../../core/create.js'
import { currentTrace, outsideTrace } from '../../core/graph.js'
import type { DType, Shape } from '../../core/spec.js'
import { type Tensor, Variable } from '../../core/tensor.js'
import { cast, reshape, transpose } from '../../ops/index.js'
import { elementTypeOf, type ElementType } from '../element_types.js'
import { lasting } from './lasting.js'

/** The axes of [n, c, ...space] as [n, ...space, c], and back. */
const toLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]
const toFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]

const permuted = (shape: Shape, order: readonly number[]): number[] => order.map((axis) => shape[axis]!)

/** The tensor with its axes in another order: only seen in another shape where no value moves. */
function reordered(t: Tensor, order: readonly number[]): Tensor {
  const long = order.filter((axis) => t.shape[axis] !== 1)
  const moves = long.some((axis, i) => i > 0 && axis < long[i - 1]!)
  return moves ? transpose(t, order) : reshape(t, permuted(t.shape, order))
}

/** The dtype in which values of an element's dtype are computed: integers but uint8 in int32. */
export const computedDType = (dtype: DType): DType => (dtype === 'int8' || dtype === 'int64' ? 'int32' : dtype)

/** Keeps what is made of values that stay the same: made at the first call with this key. */
export type Remember = (key: string, make: () => Tensor) => Tensor

/** The node that makes something of a value: what it may keep, and whether its own result has one reader alone. */
export interface Asker {
  readonly remember: Remember | undefined
  readonly isReadOnce: boolean
}

/** How a linear function of weights becomes another one, at no price: its result has one reader, who asks for it. */
export interface Affine {
  /** The axis of the value along which factors and shifts differ, and its extent. */
  readonly axis: number
  readonly channels: number
  /** factor·value + shift; one number or one for each channel. */
  readonly apply: (factor: Tensor | undefined, shift: Tensor | undefined, asker: Asker) => Value
}

/**
 * A value as factor·base + shift, numbers that stay the same: a convolution that reads it takes them into its weights.
 */
export interface Linear {
  readonly base: Value
  readonly factor: Tensor
  readonly shift: Tensor | undefined
}

interface ValueFacts {
  isLast?: boolean
  type?: ElementType
  isFrozen?: boolean
  affine?: Affine
  linear?: Linear
}

/** One tensor of a graph. Its shape is the one that the graph speaks of, wherever the channels are stored. */
export class Value {
  /** The values as they are stored. */
  readonly stored: Tensor
  /** Whether `stored` has its channels last: [n, ...space, c] for a shape [n, c, ...space]. */
  readonly isLast: boolean
  /** The element type in the graph: int8 and int64 are computed in int32. */
  readonly type: ElementType
  /** How a product and a sum that follow become a part of what made the value. */
  readonly affine: Affine | undefined
  readonly linear: Linear | undefined
  /** A weight that does not change as long as the program is used. */
  private readonly isFrozen: boolean
  private other: Tensor | undefined
  private read: readonly number[] | undefined

  constructor(stored: Tensor, { isLast = false, type = elementTypeOf(stored.dtype), isFrozen = false, affine, linear }: ValueFacts = {}) {
    this.stored = stored
    this.isLast = isLast && stored.rank > 2
    this.type = type
    this.isFrozen = isFrozen
    this.affine = affine
    this.linear = linear
  }

  get dtype(): DType {
    return this.stored.dtype
  }
  get rank(): number {
    return this.stored.rank
  }
  get shape(): Shape {
    return this.isLast ? permuted(this.stored.shape, toFirst(this.rank)) : this.stored.shape
  }
  get size(): number {
    return this.stored.size
  }

  /** The tensor with its axes as in the graph. */
  get plain(): Tensor {
    if (!this.isLast) return this.stored
    return (this.other ??= this.kept(() => reordered(this.stored, toFirst(this.rank))))
  }

  /** The tensor with its channels last; the tensor itself where there is no space. */
  get last(): Tensor {
    if (this.isLast || this.rank < 3) return this.stored
    return (this.other ??= this.kept(() => reordered(this.stored, toLast(this.rank))))
  }

  /** What is made of a constant is a constant too: it outlives the recording under way. */
  private kept(make: () => Tensor): Tensor {
    return this.isConstant ? lasting(make) : make()
  }

  private get isConstant(): boolean {
    return this.stored.recording === undefined && (this.isFrozen || !(this.stored instanceof Variable))
  }

  /** Whether the values are there and stay: not while a function is traced, and not those of weights. */
  get isKnown(): boolean {
    return this.read !== undefined || this.isConstant
  }

  /** The values where they need not be waited for: constants of a recording, and what was read before. */
  get atHand(): readonly number[] | undefined {
    return this.read ?? (this.isConstant && currentTrace() !== undefined ? this.numbers : undefined)
  }

  /** The values, in order, where they are known already. Blocks until the device gets there. */
  get numbers(): readonly number[] | undefined {
    if (this.read === undefined && this.stored.recording === undefined)
      this.read = outsideTrace(() => Array.from(this.plain.dataSync() as Iterable<number | bigint>, Number))
    return this.read
  }

  /** Reads the values without blocking, so that `numbers` has them. */
  async load(): Promise<void> {
    if (this.read === undefined && this.stored.recording === undefined)
      this.read = Array.from((await this.plain.data()) as Iterable<number | bigint>, Number)
  }
}

/** A sequence of tensors of a graph. */
export class Sequence {
  readonly items: readonly Value[]
  constructor(items: readonly Value[]) {
    this.items = items
  }
}

/** What a name of a graph stands for; undefined: an optional value that is not there. */
export type Entry = Value | Sequence | undefined

/** Numbers as a tensor of the device, a constant of whatever is recorded. */
export const numbersTensor = (values: readonly number[], shape: Shape, dtype: DType): Tensor =>
  lasting(() => {
    const array =
      dtype === 'float64' ? Float64Array.from(values) : dtype.startsWith('float') ? Float32Array.from(values) : Int32Array.from(values)
    const t = dtype === 'float64' ? tensor(array, { dtype }) : tensor(array)
    return reshape(cast(t, dtype), shape)
  })

/** The axes of a kernel [out, in, ...space] as [...space, in, out], as convolutions take it; and back. */
const kernelOrder = (rank: number): number[] => [...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1, 0]
const kernelBack = (rank: number): number[] => [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)]

/** The kernel of a convolution as it is stored: [...space, in, out] for [out, in, ...space]. */
export const kernelTensor = (t: Tensor): Tensor => transpose(t, kernelOrder(t.rank))

/** A weight that is the kernel of convolutions, stored as they take it. */
export class KernelValue extends Value {
  override get shape(): Shape {
    return permuted(this.stored.shape, kernelBack(this.rank))
  }
  override get plain(): Tensor {
    return transpose(this.stored, kernelBack(this.rank))
  }
  override get last(): Tensor {
    return new Value(this.plain).last
  }
}

/** The kernel [...space, in, out] that a value is. */
export const kernelOf = (value: Value): Tensor => (value instanceof KernelValue ? value.stored : kernelTensor(value.plain))
