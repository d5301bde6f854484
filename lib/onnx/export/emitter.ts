// Emitter: values of the model and where they are in the ONNX graph. A value is known by the tensor it is stored in,
// whose axes may be in another order (NCHW for NHWC), and whose shape may be that before a reshape. Transposes and
// reshapes are written only where an operator needs another form than there is.
import type { Tensor } from '../../core/tensor.js'
import { cast, reshape, transpose } from '../../ops/index.js'
import type { DType } from '../../core/spec.js'
import { type Constants, halfOf, uniformValue } from './constants.js'
import { type Extent, fixedExtent, identityOrder, isIdentity, isOne, sameExtents, sameOrder } from './extent.js'
import type { NodeList, OnnxNode } from './nodes.js'
import type { Overlaid, Value } from './probe.js'
import { Sizes } from './sizes.js'

/**
 * Where a value is: axis i of the tensor is axis `order[i]` of something of the shape `base`, which has the value's
 * elements in their order.
 */
export interface Stored {
  readonly name: string
  readonly base: readonly Extent[]
  readonly order: readonly number[]
}

/** Where a value is, in its own shape. */
export interface Plain {
  readonly name: string
  readonly order: readonly number[]
}

/** The graph of a step, as nodes. */
export interface Body {
  readonly name: string
  readonly inputs: readonly BodyPort[]
  readonly outputs: readonly BodyPort[]
  readonly nodes: readonly OnnxNode[]
}
export interface BodyPort {
  readonly name: string
  readonly dtype: DType
}

export class Emitter {
  readonly nodes: NodeList
  readonly constants: Constants
  readonly sizes: Sizes
  /** How often each value is read. */
  readonly readers: ReadonlyMap<Value, number>
  private readonly places = new Map<Value, Stored>()
  private readonly forms = new Map<Value, Map<string, object | string>>()
  private readonly names: (v: Value) => string

  /** Writes the graph of a step. */
  readonly body: (graph: Overlaid) => Body

  /** `names`: what a constant is called. */
  constructor(
    nodes: NodeList,
    constants: Constants,
    readers: ReadonlyMap<Value, number>,
    names: (v: Value) => string,
    body: (graph: Overlaid) => Body,
  ) {
    this.body = body
    this.nodes = nodes
    this.constants = constants
    this.readers = readers
    this.names = names
    this.sizes = new Sizes(nodes)
  }

  /** Says where a value is. By default it is there as it is. */
  define(v: Value, name: string, { base = v.extents, order = identityOrder(base.length) }: Partial<Stored> = {}): void {
    this.places.set(v, { name, base, order })
    this.sizes.know(
      name,
      order.map((axis) => base[axis]!),
    )
  }

  /** The tensor of a constant. */
  constant(v: Value): Tensor | undefined {
    return this.constants.tensors.get(v)
  }

  /** The number that all elements are, where that is known. */
  uniform(v: Value): number | undefined {
    return uniformValue(v)
  }

  isConstant(v: Value): boolean {
    return this.constant(v) !== undefined || this.uniform(v) !== undefined
  }

  /** Where a value that is computed is. */
  stored(v: Value): Stored {
    const place = this.places.get(v)
    if (place) return place
    return { name: this.ordered(v, identityOrder(v.extents.length)), base: v.extents, order: identityOrder(v.extents.length) }
  }

  /** A constant in another form; `key` tells forms apart. */
  reformed(v: Value, key: string, form: (t: Tensor) => Tensor): string {
    return this.shared(v, `constant ${key}`, () => {
      const whole = this.constant(v)!
      const half = halfOf(whole)
      const made = form(whole)
      // weights of 16 bits are stored so
      return half ? this.cast(this.nodes.tensor(this.names(v), cast(made, half)), made.dtype) : this.nodes.tensor(this.names(v), made)
    })
  }

  /** The value as it is. */
  natural(v: Value): string {
    return this.ordered(v, identityOrder(v.extents.length))
  }

  /** The value in its own shape, in whatever order of axes it has already. */
  plain(v: Value): Plain {
    const place = this.places.get(v)
    if (place === undefined) return { name: this.natural(v), order: identityOrder(v.extents.length) }
    if (sameExtents(place.base, v.extents)) return place
    const kept = keptAxes(place, v)
    const order = kept ? withOnes(kept, v.extents) : identityOrder(v.extents.length)
    return { name: this.ordered(v, order), order }
  }

  /** The value with its axes in an order: axis i of the result is axis `order[i]` of the value. */
  ordered(v: Value, order: readonly number[]): string {
    return this.shared(v, order.join(), () => {
      const place = this.places.get(v)
      if (place !== undefined) return this.moved(v, place, order)
      const uniform = this.uniform(v)
      if (uniform !== undefined && this.constant(v) === undefined)
        return this.nodes.add('Expand', [this.nodes.scalar(uniform, v.dtype), this.sizes.shape(order.map((axis) => v.extents[axis]!))])
      return this.reformed(v, isIdentity(order) ? '' : order.join(), (t) => (isIdentity(order) ? t : transpose(t, order)))
    })
  }

  private moved(v: Value, place: Stored, order: readonly number[]): string {
    if (sameExtents(place.base, v.extents) && sameOrder(place.order, order)) return place.name
    const kept = keptAxes(place, v)
    if (kept === undefined) {
      const natural = this.transposed(
        place.name,
        place.order,
        place.base.map((_, axis) => place.order.indexOf(axis)),
      )
      const shaped = this.nodes.add(
        'Reshape',
        [natural, ...this.sizes.target(place.base, v.extents)],
        this.sizes.reshapeAttributes(v.extents),
      )
      return isIdentity(order) ? shaped : this.nodes.add('Transpose', [shaped], { perm: { ints: order } })
    }
    const wanted = order.filter((axis) => !isOne(v.extents[axis]!))
    const current = sameOrder(kept, wanted) ? order : withOnes(kept, v.extents)
    const spaced = this.spaced(place, v, current)
    return sameOrder(current, order)
      ? spaced
      : this.nodes.add('Transpose', [spaced], { perm: { ints: order.map((axis) => current.indexOf(axis)) } })
  }

  private transposed(name: string, order: readonly number[], perm: readonly number[]): string {
    return isIdentity(order) ? name : this.nodes.add('Transpose', [name], { perm: { ints: perm } })
  }

  /** The tensor with its axes of extent 1 as the value has them in this order. */
  private spaced(place: Stored, v: Value, order: readonly number[]): string {
    const from = place.order.map((axis) => place.base[axis]!)
    const to = order.map((axis) => v.extents[axis]!)
    if (sameExtents(from, to)) return place.name
    const ones = (extents: readonly Extent[]): number[] => extents.flatMap((extent, i) => (isOne(extent) ? [i] : []))
    const [removed, inserted] = [ones(from), ones(to)]
    if (removed.length > 0 && inserted.length > 0 && sameExtents(place.base, v.extents))
      return this.nodes.add('Transpose', [place.name], { perm: { ints: order.map((axis) => place.order.indexOf(axis)) } })
    const squeezed = removed.length > 0 ? this.nodes.add('Squeeze', [place.name, this.nodes.ints(removed)]) : place.name
    return inserted.length > 0 ? this.nodes.add('Unsqueeze', [squeezed, this.nodes.ints(inserted)]) : squeezed
  }

  /** The tensor in another dtype. */
  cast(name: string, to: DType): string {
    return this.nodes.add('Cast', [name], { to: { int: ONNX_TYPES[to] } })
  }

  /** What is made of a value once, by a key. */
  shared<T extends object | string>(v: Value, key: string, make: () => T): T {
    let forms = this.forms.get(v)
    if (!forms) this.forms.set(v, (forms = new Map()))
    let made = forms.get(key) as T | undefined
    if (made === undefined) forms.set(key, (made = make()))
    return made
  }
}

/** A constant seen with another shape and order. */
export const arranged = (t: Tensor, shape: readonly number[], order: readonly number[]): Tensor => {
  const shaped = reshape(t, shape)
  return isIdentity(order) ? shaped : transpose(shaped, order)
}

/**
 * The value's axes of other extents than 1, in the order in which they are stored; undefined where the stored axes are
 * not those of the value.
 */
function keptAxes({ base, order }: Stored, v: Value): number[] | undefined {
  const [from, to] = [base, v.extents].map((extents) => extents.flatMap((extent, axis) => (isOne(extent) ? [] : [axis]))) as [
    number[],
    number[],
  ]
  const same = sameExtents(
    from.map((axis) => base[axis]!),
    to.map((axis) => v.extents[axis]!),
  )
  return same ? order.filter((axis) => !isOne(base[axis]!)).map((axis) => to[from.indexOf(axis)]!) : undefined
}

/** The order with the axes of extent 1, each behind the axis before it. */
function withOnes(kept: readonly number[], extents: readonly Extent[]): number[] {
  const order = [...kept]
  extents.forEach((extent, axis) => {
    if (isOne(extent)) order.splice(order.indexOf(axis - 1) + 1, 0, axis)
  })
  return order
}

/** Numbers of dtypes in ONNX files (TensorProto.DataType). */
export const ONNX_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
}

export const fixedOf = (extents: readonly Extent[]): number[] | undefined => {
  const fixed = extents.map(fixedExtent)
  return fixed.includes(undefined) ? undefined : (fixed as number[])
}
