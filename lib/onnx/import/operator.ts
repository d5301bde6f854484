// Operators of ONNX: what a table of them says of each, and the call of one that its function sees.
import { device } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { type DType, type Shape, sizeOf } from '../../core/spec.js'
import { Tensor, type Variable } from '../../core/tensor.js'
import type { AttributeProto, GraphProto } from '../proto/onnx_pb.js'
import type { Graph, GraphNode } from './graph.js'
import { lasting } from './lasting.js'
import { type Entry, type Remember, Sequence, Value } from './values.js'

/** One result, or a list of them in the order of the node's outputs. */
export type Result = Tensor | Entry | readonly (Tensor | Entry)[]

/** Steps of a run that need the values of a tensor on the host before they go on: whoever drives them fetches these. */
export type Steps<T> = Generator<Value, T, void>

/** What is known of an operator. */
export interface Operator {
  /** The first version of its domain that has it. Default 1. */
  readonly since?: number
  /** Inputs whose values decide on shapes or on what is computed: they must be known when the model is traced. */
  readonly reads?: readonly number[] | 'all'
  /** It draws random numbers from a state of the model. */
  readonly draws?: boolean
  /** Why a node cannot be computed, from its attributes alone; undefined where it can. */
  readonly refuses?: (node: GraphNode) => string | undefined
  /** Computes the results. */
  readonly run: (call: Call) => Result | Steps<Result>
}

export type OperatorTable = Readonly<Record<string, Operator>>

/** What is made of weights that do not change, for all programs of a model. */
export interface Frozen {
  /** Weights, constants, and what was made of them alone. */
  readonly lasting: WeakSet<Value>
  readonly results: Map<number, Result>
  readonly tensors: Map<string, Tensor>
}

/** What holds for a whole run of a graph. */
export interface Run {
  readonly training: boolean
  /** States of nodes that draw random numbers, by the node's number. */
  readonly states: ReadonlyMap<number, Variable>
  /** What was made of weights and constants alone, by node; undefined where weights may change between runs. */
  readonly frozen: Frozen | undefined
  /** Counts the nodes that are run. */
  readonly count: { nodes: number }
  /** Runs a graph inside a node, whose names see those of `scope`. */
  readonly within: (graph: Graph, inputs: readonly Entry[], scope: Scope) => Steps<Entry[]>
}

/** Names and what they stand for; those of the graph around are seen too. */
export class Scope {
  private readonly entries = new Map<string, Entry>()
  private readonly outer: Scope | undefined
  constructor(outer?: Scope) {
    this.outer = outer
  }
  get(name: string): Entry {
    return this.entries.has(name) ? this.entries.get(name) : this.outer?.get(name)
  }
  set(name: string, entry: Entry): void {
    this.entries.set(name, entry)
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** Attributes of a node by name, each with the default that the operator's text gives. */
export class Attributes {
  private readonly found: ReadonlyMap<string, AttributeProto>
  constructor(attributes: readonly AttributeProto[]) {
    this.found = new Map(attributes.map((attribute) => [attribute.name, attribute]))
  }
  has(name: string): boolean {
    return this.found.has(name)
  }
  get(name: string): AttributeProto | undefined {
    return this.found.get(name)
  }
  int(name: string, standard: number): number {
    const attribute = this.found.get(name)
    return attribute === undefined ? standard : Number(attribute.i)
  }
  float(name: string, standard: number): number {
    return this.found.get(name)?.f ?? standard
  }
  string(name: string, standard: string): string {
    const attribute = this.found.get(name)
    return attribute === undefined ? standard : text(attribute.s)
  }
  ints(name: string): number[] | undefined {
    return this.found.get(name)?.ints.map(Number)
  }
  floats(name: string): number[] | undefined {
    return this.found.get(name)?.floats.slice()
  }
  strings(name: string): string[] | undefined {
    return this.found.get(name)?.strings.map(text)
  }
  graph(name: string): GraphProto | undefined {
    return this.found.get(name)?.g
  }
}

const MOST_HOST = 2 ** 24
const MOST_GROWN = 2 ** 27

/** A node that is being computed, with its inputs. */
export class Call {
  readonly node: GraphNode
  readonly inputs: readonly Entry[]
  readonly run: Run
  readonly scope: Scope

  constructor(node: GraphNode, inputs: readonly Entry[], run: Run, scope: Scope) {
    this.node = node
    this.inputs = inputs
    this.run = run
    this.scope = scope
  }

  get attributes(): Attributes {
    return this.node.attributes
  }
  /** The version of the operator's domain that the model is written in. */
  get opset(): number {
    return this.node.opset
  }
  get training(): boolean {
    return this.run.training
  }
  /** Number of results that the node names. */
  get outputs(): number {
    return this.node.outputs.length
  }
  wants(output: number): boolean {
    return (this.node.outputs[output] ?? '') !== ''
  }

  has(input: number): boolean {
    return this.inputs[input] !== undefined
  }

  /** An input that is one tensor. */
  value(input: number): Value {
    const entry = this.inputs[input]
    if (entry instanceof Value) return entry
    throw this.error(entry === undefined ? `input ${input} is missing` : `input ${input} is a sequence, a tensor is expected`)
  }
  sequence(input: number): readonly Value[] {
    const entry = this.inputs[input]
    if (entry instanceof Sequence) return entry.items
    throw this.error(`input ${input} is no sequence`)
  }
  optional(input: number): Value | undefined {
    return this.has(input) ? this.value(input) : undefined
  }
  /** An input with its axes as in the graph. */
  tensor(input: number): Tensor {
    return this.value(input).plain
  }
  /** All inputs that are there. */
  values(): Value[] {
    return this.inputs.flatMap((entry, i) => (entry === undefined ? [] : [this.value(i)]))
  }

  /** The values of an input. ERR_TRACE where they are not known while the model is traced. */
  numbers(input: number): readonly number[] {
    const numbers = this.value(input).numbers
    if (numbers === undefined) throw this.unknown(`input ${input} ('${this.node.inputs[input]}')`)
    return numbers
  }
  number(input: number, standard: number): number {
    if (!this.has(input)) return standard
    const [value] = this.numbers(input)
    if (value === undefined) throw this.error(`input ${input} has no value`)
    return value
  }

  /** An attribute that later versions have as an input. */
  listOf(attribute: string, input: number): readonly number[] | undefined {
    return this.has(input) ? this.numbers(input) : this.attributes.ints(attribute)
  }

  /** A number of values that are made on the host. ERR_SHAPE for more than any real model has. */
  host(count: number, what: string, most: number = MOST_HOST): number {
    if (!(count >= 0 && count <= most)) throw this.error(`${count} ${what}, at most ${most} are computed`)
    return count
  }

  /**
   * A shape that is larger than that of the input it is made from. ERR_SHAPE for what a small file must not ask for:
   * more than 2^27 values that are not there already.
   */
  grown(shape: readonly number[], from = 0): readonly number[] {
    const size = sizeOf(shape)
    if (!(size <= Math.max(MOST_GROWN, 8 * from))) throw this.error(`a result of shape [${shape}], which has ${size} values`)
    return shape
  }

  /** An axis counted from the front. */
  axis(axis: number, rank: number): number {
    const from = axis < 0 ? axis + rank : axis
    if (!(from >= 0 && from < rank)) throw this.error(`axis ${axis} is out of range for rank ${rank}`)
    return from
  }

  /** Keeps tensors of this node for all programs, where these inputs stay the same; undefined where they may change. */
  remember(inputs: readonly number[]): Remember | undefined {
    const { frozen } = this.run
    if (frozen === undefined || !inputs.every((input) => !this.has(input) || frozen.lasting.has(this.value(input)))) return undefined
    return (key, make) => {
      const name = `${this.node.id}:${key}`
      let made = frozen.tensors.get(name)
      if (made === undefined) frozen.tensors.set(name, (made = lasting(make)))
      return made
    }
  }

  /** The state from which the node draws random numbers. */
  get state(): Variable | undefined {
    return this.run.states.get(this.node.id)
  }

  graphOf(attribute: string): Graph {
    const graph = this.node.graphs.get(attribute)
    if (graph === undefined) throw this.error(`attribute '${attribute}' has no graph`)
    return graph
  }

  error(reason: string, shapes: readonly Shape[] = []): WeftError {
    return new WeftError('ERR_SHAPE', `onnx ${nodeText(this.node)}: ${reason}`, { op: this.node.op, shapes })
  }
  unknown(what: string): WeftError {
    return new NotKnown(`onnx ${nodeText(this.node)}: the values of ${what} decide on shapes, and are not known while a function is traced`)
  }
}

/** Values that are needed while a function is traced. Such a model runs node by node instead. */
export class NotKnown extends WeftError {
  constructor(message: string) {
    super('ERR_TRACE', message, { hint: 'predict() runs such a model node by node; it cannot be trained' })
  }
}

/** Whether an error says so, or the one that it is made of. */
export function isNotKnown(error: unknown): boolean {
  for (let at = error; at instanceof WeftError; at = at.cause) if (at instanceof NotKnown) return true
  return false
}

/** How errors name a node. */
export const nodeText = ({ op, name, outputs }: { op: string; name: string; outputs: readonly string[] }): string =>
  name === '' ? `${op} (of output '${outputs.find((output) => output !== '') ?? ''}')` : `${op} '${name}'`

/** A result as an entry. */
export const entryOf = (result: Tensor | Entry): Entry => (result instanceof Tensor ? new Value(result) : result)

/** A table of operators that differ in one function of one tensor; results keep the order of axes and the type. */
export function pointwise(
  functions: Readonly<Record<string, (x: Tensor, call: Call) => Tensor>>,
  facts: Omit<Operator, 'run'> = {},
): OperatorTable {
  return Object.fromEntries(
    Object.entries(functions).map(([name, fn]): [string, Operator] => [
      name,
      { ...facts, run: (call) => alike(call.value(0), (x) => fn(x, call)) },
    ]),
  )
}

/** A function of a tensor that treats every value alike, on a value in whatever order its axes are stored. */
export function alike(value: Value, fn: (x: Tensor) => Tensor): Value {
  const result = fn(value.stored)
  return new Value(result, { isLast: value.isLast, ...(result.dtype === value.dtype ? { type: value.type } : {}) })
}

/** What tensors are made with on the device of the run. */
export const made = (dtype: DType): { dtype: DType; device: string } => ({ dtype, device: device() })
