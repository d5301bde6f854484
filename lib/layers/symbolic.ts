// Symbolic tensors of functional models: values with a shape and the node that makes them, but no memory.
import { type DType, type DynamicShape, type Shape, shapeText } from '../core/spec.js'
import { device } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { currentTrace, recording, Trace } from '../core/graph.js'
import { symbolicFunctions } from '../core/symbolic.js'
import { Recording, Tensor } from '../core/tensor.js'
import { isTensor, joinTrees, mapLeaves, mapTree, walk } from '../core/tree.js'
import { inScope } from './context.js'
import type { AnyLayer, InputShapes } from './layer.js'

export interface DynamicSpec {
  readonly shape: DynamicShape
  readonly dtype: DType
}

/** What makes symbolic tensors: a model's input, a layer's call or a call of one of the public functions. */
export interface Node {
  readonly kind: 'input' | 'layer' | 'function'
  /** The layer that is called; undefined for a function. */
  readonly layer: AnyLayer | undefined
  /** The function behind the public one, and the public one. */
  readonly fn: ((...args: never[]) => unknown) | undefined
  readonly called: ((...args: never[]) => unknown) | undefined
  /** A layer's inputs, or a function's arguments; symbolic tensors anywhere inside. */
  readonly args: unknown
  readonly training: boolean | undefined
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
  /** Order of wiring. */
  readonly order: number
}

let nodes = 0

export class SymbolicTensor extends Tensor {
  readonly symbolic = true
  /** `shape` as it is: null for extents that vary. */
  readonly dynamicShape: DynamicShape
  readonly node: Node
  /** Its position among the node's outputs. */
  readonly index: number

  /** @internal Users call input(). */
  constructor(spec: DynamicSpec, node: Node, index: number) {
    // a Tensor says Shape; who may meet symbolic ones reads dynamicShape
    super(spec.shape as Shape, spec.dtype, device(), { origin: { kind: 'input', index }, recording: wiring })
    this.dynamicShape = spec.shape
    this.node = node
    this.index = index
  }

  override held(): never {
    throw new WeftError(
      'ERR_TRACE',
      `this is a symbolic tensor (${this.dtype} ${shapeText(this.dynamicShape)}) of a model: it has no values`,
      {
        hint: 'Make a model({ inputs, outputs }) and call predict() or apply() on data',
      },
    )
  }
}

const wiring = new Recording('functional model')

export const isSymbolic = (value: unknown): value is SymbolicTensor => value instanceof SymbolicTensor

/** The shape with its batch unknown. */
export const withoutBatch = (shape: DynamicShape): DynamicShape => (shape.length === 0 ? shape : [null, ...shape.slice(1)])

function addNode(facts: Omit<Node, 'inputs' | 'outputs' | 'order'>, specs: readonly DynamicSpec[]): Node {
  const inputs: SymbolicTensor[] = []
  walk(facts.args, (t) => {
    if (isSymbolic(t)) inputs.push(t)
  })
  const outputs: SymbolicTensor[] = []
  const node: Node = { ...facts, inputs, outputs, order: nodes++ }
  symbolicFunctions.count++
  specs.forEach((spec, index) => outputs.push(new SymbolicTensor(spec, node, index)))
  return node
}

/** The symbolic tensor of an input layer. */
export function inputNode(layer: AnyLayer, spec: DynamicSpec): SymbolicTensor {
  return addNode({ kind: 'input', layer, fn: undefined, called: undefined, args: undefined, training: undefined }, [spec]).outputs[0]!
}

/** A layer called on symbolic tensors: builds it and returns the tree of its symbolic results. */
export function layerNode(layer: AnyLayer, inputs: unknown, training: boolean | undefined): unknown {
  layer.build(mapTree(inputs, (t) => (isSymbolic(t) ? t.dynamicShape : t.shape)) as InputShapes)
  const tree = inferSpecs(inputs, (values) => layer.apply(values, { training: training ?? false }))
  const result = wire({ kind: 'layer', layer, fn: undefined, called: undefined, args: inputs, training }, tree)
  results.set(layer, [...callsOf(layer), result])
  return result
}

const results = new WeakMap<AnyLayer, readonly unknown[]>()
/** The results of the layer's calls on symbolic tensors. */
export const callsOf = (layer: AnyLayer): readonly unknown[] => results.get(layer) ?? []

symbolicFunctions.record = (fn, args, called) => {
  const tree = inferSpecs(args, (values) => fn(...(values as never[])))
  return wire({ kind: 'function', layer: undefined, fn, called, args, training: undefined }, tree)
}

/** Adds the node and puts its outputs where the specs stand in the tree. */
function wire(facts: Omit<Node, 'inputs' | 'outputs' | 'order'>, tree: unknown): unknown {
  const specs: DynamicSpec[] = []
  const positions = mapSpecs(tree, (spec) => new Position(specs.push(spec) - 1))
  const { outputs } = addNode(facts, specs)
  return mapLeaves(positions, isPosition, ({ index }) => outputs[index])
}

/** Where an output stands in a tree of results. */
class Position {
  readonly index: number
  constructor(index: number) {
    this.index = index
  }
}
const isPosition = (value: unknown): value is Position => value instanceof Position

/** A spec in a tree of results. */
class Inferred implements DynamicSpec {
  readonly shape: DynamicShape
  readonly dtype: DType
  constructor(shape: DynamicShape, dtype: DType) {
    this.shape = shape
    this.dtype = dtype
  }
}

/** A copy of a tree of results with every spec replaced. */
export const mapSpecs = (tree: unknown, replace: (spec: DynamicSpec) => unknown): unknown =>
  mapLeaves(tree, (value): value is Inferred => value instanceof Inferred, replace)

/** Whether shapes are being inferred: unknown extents are then tried with numbers that data need not have. */
export const isInferring = (): boolean => currentTrace()?.inferring ?? false

/**
 * Shapes and dtypes of what `call` makes of tensors like the given ones (symbolic, or anything with shape and
 * dtype): it is traced at two sizes of the unknown extents, and what differs between them is unknown.
 */
export function inferSpecs(args: unknown, call: (values: unknown) => unknown): unknown {
  const results = [0, 1].map((round) => {
    const trace = new Trace('shape inference', device(), { inferring: true })
    const values = mapTree(args, (t) => {
      if (!isSymbolic(t)) return t
      const extent = (e: number | null, axis: number): number => e ?? (axis === 0 ? [2, 3][round]! : [128, 192][round]!)
      return trace.input({ shape: t.dynamicShape.map(extent), dtype: t.dtype })
    })
    return inScope(undefined, () => recording(trace, () => call(values)))
  })
  return joinTrees(results, isTensor, ([a, b]) => {
    const shape = a!.shape.map((extent, axis) => (extent === b?.shape[axis] ? extent : null))
    return new Inferred(shape, a!.dtype)
  })
}

/** A symbolic tensor outside any model, to infer shapes with. */
export function placeholder(spec: DynamicSpec): SymbolicTensor {
  const node: Node = {
    kind: 'input',
    layer: undefined,
    fn: undefined,
    called: undefined,
    args: undefined,
    training: undefined,
    inputs: [],
    outputs: [],
    order: -1,
  }
  return new SymbolicTensor(spec, node, 0)
}
