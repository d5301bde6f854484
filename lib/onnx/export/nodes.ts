// The nodes and constants of an ONNX graph that is being written, with unique names.
import { keep, type Kept } from '../../core/keep.js'
import { outsideTrace } from '../../core/graph.js'
import { withDevice } from '../../core/device.js'
import { bytesOf, type DType, type Shape, sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import { full } from '../../ops/index.js'

/** A value of a node's attribute, by what ONNX calls its type. */
export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly graph: InnerGraph }

/** A graph inside a node. */
export interface InnerGraph {
  readonly name: string
  readonly inputs: readonly { readonly name: string; readonly dtype: DType }[]
  readonly outputs: readonly { readonly name: string; readonly dtype: DType }[]
  readonly nodes: readonly OnnxNode[]
}

export interface OnnxNode {
  readonly op: string
  readonly name: string
  /** '': an input that is left out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** A constant: values as of when it was added, or bytes. */
export interface Initializer {
  readonly name: string
  /** The name that it has if no other constant takes it. */
  readonly wanted: string
  readonly dtype: DType
  readonly shape: Shape
  readonly size: number
  readonly data: Kept | Uint8Array
}

export class NodeList {
  readonly opset: number
  nodes: OnnxNode[] = []
  readonly initializers: Map<string, Initializer> = new Map()
  /** The layer whose operations are being written: names begin with it. */
  layer: string | undefined
  private readonly device: string
  private readonly names = new Set<string>()
  private readonly shared = new Map<string, string>()

  /** `reserved`: names of the graph's inputs and outputs. */
  constructor(opset: number, device: string, reserved: readonly string[]) {
    this.opset = opset
    this.device = device
    for (const name of reserved) this.names.add(name)
  }

  /** The name, with a number where it is taken. */
  unique(name: string): string {
    let found = name
    for (let i = 1; this.names.has(found); i++) found = `${name}_${i}`
    this.names.add(found)
    return found
  }

  /** Adds a node of one output; returns the output's name. */
  add(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.addMany(op, inputs, attributes, 1)[0]!
  }

  /** Adds a node; returns the names of its outputs. */
  addMany(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>, count: number): string[] {
    const name = this.unique(this.layer === undefined ? op : `${this.layer}/${op}`)
    const outputs = Array.from({ length: count }, (_, i) => this.unique(count === 1 ? `${name}_output` : `${name}_output_${i}`))
    this.nodes.push({ op, name, inputs, outputs, attributes })
    return outputs
  }

  /** A constant int64 vector. */
  ints(values: readonly number[]): string {
    return this.once(`ints ${values.join()}`, () => {
      const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
      return this.constant({ name: 'shape', dtype: 'int64', shape: [values.length], data: bytes })
    })
  }

  /** A constant int64 scalar. */
  int(value: number): string {
    return this.once(`int ${value}`, () => {
      const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
      return this.constant({ name: 'index', dtype: 'int64', shape: [], data: bytes })
    })
  }

  /** A constant of rank 0. */
  scalar(value: number, dtype: DType): string {
    return this.once(`scalar ${dtype} ${Object.is(value, -0) ? '-0' : value}`, () =>
      this.tensor(
        'constant',
        outsideTrace(() => withDevice(this.device, () => full([], value, { dtype }))),
      ),
    )
  }

  /** The values of a tensor as of now. */
  tensor(name: string, t: Tensor): string {
    return this.constant({ name, dtype: t.dtype, shape: t.shape, data: keep(t) })
  }

  private constant({ name, dtype, shape, data }: Omit<Initializer, 'size' | 'wanted'>): string {
    const own = this.unique(name)
    this.initializers.set(own, { name: own, wanted: name, dtype, shape, data, size: sizeOf(shape) * bytesOf(dtype) })
    return own
  }

  private once(key: string, make: () => string): string {
    let name = this.shared.get(key)
    if (name === undefined) this.shared.set(key, (name = make()))
    return name
  }

  /** Leaves out what the outputs do not need. */
  prune(outputs: readonly string[]): void {
    const needed = new Set(outputs)
    const kept: OnnxNode[] = []
    for (const node of this.nodes.toReversed()) {
      if (!node.outputs.some((name) => needed.has(name))) continue
      kept.push(node)
      for (const name of readBy(node)) needed.add(name)
    }
    this.nodes = kept.reverse()
    for (const [name, { data }] of this.initializers) {
      if (needed.has(name)) continue
      this.initializers.delete(name)
      this.names.delete(name)
      release(data)
    }
    this.nameConstants()
  }

  /** Gives constants the names that those left out had taken. */
  private nameConstants(): void {
    const left = [...this.initializers.values()]
    this.initializers.clear()
    for (const { name } of left) this.names.delete(name)
    const renamed = new Map<string, string>()
    for (const constant of left) {
      const name = this.unique(constant.wanted)
      renamed.set(constant.name, name)
      this.initializers.set(name, { ...constant, name })
    }
    this.rename((name) => renamed.get(name) ?? name)
  }

  /** Gives values other names. */
  rename(current: (name: string) => string): void {
    this.nodes = this.nodes.map((node) => renamed(node, current))
  }

  /** Lets go of the values that constants have kept. */
  release(): void {
    for (const { data } of this.initializers.values()) release(data)
    this.initializers.clear()
  }
}

function release(data: Kept | Uint8Array): void {
  if (!(data instanceof Uint8Array)) data.release()
}

/** The graphs inside a node. */
const graphsIn = ({ attributes }: OnnxNode): InnerGraph[] =>
  Object.values(attributes).flatMap((value) => ('graph' in value ? [value.graph] : []))

/** Names that a node reads, the nodes of graphs inside it included. */
const readBy = (node: OnnxNode): string[] => [...node.inputs, ...graphsIn(node).flatMap(({ nodes }) => nodes.flatMap(readBy))]

function renamed(node: OnnxNode, current: (name: string) => string): OnnxNode {
  const attributes = Object.entries(node.attributes).map(([key, value]): [string, Attribute] =>
    'graph' in value
      ? [key, { graph: { ...value.graph, nodes: value.graph.nodes.map((inner) => renamed(inner, current)) } }]
      : [key, value],
  )
  return { ...node, inputs: node.inputs.map(current), outputs: node.outputs.map(current), attributes: Object.fromEntries(attributes) }
}
