// Weights: which of a model's stored tensors are trained, which are kept as they are, and which are constants of its
// graph.
import { create } from '@bufbuild/protobuf'
import { isFloat, type Shape, sizeOf } from '../../core/spec.js'
import { elementFacts } from '../element_types.js'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '../proto/onnx_pb.js'
import { shapeOfTensor } from '../stored_tensor.js'
import { changed } from './changed.js'
import type { Graph, GraphNode } from './graph.js'

/** Whole numbers up to this many are constants, more of them weights that are not trained. */
const MOST_CONSTANTS = 1024

/** Operators whose floats are parameters, be it a single one. */
const PARAMETRIC: ReadonlySet<string> = new Set(
  'Conv ConvTranspose Gemm MatMul BatchNormalization InstanceNormalization LayerNormalization GroupNormalization PRelu LSTM GRU RNN'.split(
    ' ',
  ),
)
/** Inputs that are statistics or scales: kept as they are. */
const UNTRAINED: ReadonlyMap<string, readonly number[]> = new Map([
  ['BatchNormalization', [3, 4]],
  ...['QuantizeLinear', 'DequantizeLinear', 'QLinearConv', 'QLinearMatMul', 'ConvInteger', 'MatMulInteger'].map(
    (op): [string, readonly number[]] => [op, [0, 1, 2, 3, 4, 5, 6, 7, 8]],
  ),
])

/** A stored tensor that is a weight of the model. */
export interface StoredWeight {
  readonly name: string
  readonly tensor: TensorProto
  readonly shape: Shape
  readonly trainable: boolean
  /** Only convolutions read it: it is stored as they take it, [...space, in, out]. */
  readonly isKernel: boolean
}

interface Use {
  readonly node: GraphNode
  readonly input: number
  readonly isInside: boolean
}

function usesOf(graph: Graph, isInside = false, found: Map<string, Use[]> = new Map()): Map<string, Use[]> {
  for (const node of graph.nodes) {
    node.inputs.forEach((name, input) => {
      if (name !== '') found.set(name, [...(found.get(name) ?? []), { node, input, isInside }])
    })
    for (const inner of node.graphs.values()) usesOf(inner, true, found)
  }
  return found
}

/** Names whose values decide on shapes: those that are read, and those that they are computed from. */
function readNames(graph: Graph): Set<string> {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name): [string, GraphNode] => [name, node])))
  const found = new Set<string>()
  const pending: string[] = []
  const visit = (nodes: readonly GraphNode[]): void => {
    for (const node of nodes) {
      const { reads = [] } = node.operator
      pending.push(...node.inputs.filter((name, i) => name !== '' && (reads === 'all' || reads.includes(i))))
      for (const inner of node.graphs.values()) visit(inner.nodes)
    }
  }
  visit(graph.nodes)
  while (pending.length > 0) {
    const name = pending.pop()!
    if (found.has(name)) continue
    found.add(name)
    const maker = makers.get(name)
    if (maker !== undefined && !['Shape', 'Size'].includes(maker.op)) pending.push(...maker.inputs.filter((input) => input !== ''))
  }
  return found
}

/** The weights of a graph. It depends on shapes and types alone, so that a saved model finds the same ones. */
export function weightsOf(graph: Graph, what: string): StoredWeight[] {
  const uses = usesOf(graph)
  const read = readNames(graph)
  return graph.initializers.flatMap((tensor): StoredWeight[] => {
    const { name } = tensor
    const own = uses.get(name) ?? []
    const dtype = elementFacts(tensor.dataType)?.dtype
    if (dtype === undefined || read.has(name)) return []
    const shape = shapeOfTensor(tensor, `${what}: tensor '${name}'`)
    const size = sizeOf(shape)
    if (size === 0 || (own.length === 0 && !graph.outputs.some((output) => output.name === name))) return []
    const isParameter = isFloat(dtype) && own.some(({ node, input }) => input > 0 && PARAMETRIC.has(node.op))
    if (!isParameter && size <= (isFloat(dtype) ? 1 : MOST_CONSTANTS)) return []
    const isKept = own.some(({ node, input }) => UNTRAINED.get(node.op)?.includes(input))
    const isKernel =
      isFloat(dtype) &&
      shape.length > 2 &&
      own.length > 0 &&
      own.every(({ node, input, isInside }) => input === 1 && !isInside && (node.op === 'Conv' || node.op === 'ConvTranspose'))
    return [{ name, tensor, shape, trainable: (dtype === 'float32' || dtype === 'float64') && !isKept, isKernel }]
  })
}

/** A graph whose constant nodes are initializers. */
export function withInitializers(graph: GraphProto): GraphProto {
  const constants: TensorProto[] = []
  const node = graph.node.filter(({ opType, domain, attribute, output }) => {
    const tensor =
      (domain === '' || domain === 'ai.onnx') && opType === 'Constant' ? attribute.find(({ name }) => name === 'value')?.t : undefined
    if (tensor === undefined || elementFacts(tensor.dataType)?.dtype === undefined || output.length !== 1) return true
    constants.push(changed(tensor, { name: output[0]! }))
    return false
  })
  return changed(graph, { node, initializer: [...graph.initializer, ...constants] })
}

/** The model without the values of its weights, which are saved as weights are, and without what is not needed. */
export function withoutWeights({ irVersion, opsetImport, functions, graph }: ModelProto, weights: readonly StoredWeight[]): ModelProto {
  const names = new Set(weights.map(({ name }) => name))
  const { node, name, input, output } = graph!
  const initializer = graph!.initializer.map((tensor) =>
    names.has(tensor.name) ? create(TensorProtoSchema, { name: tensor.name, dims: tensor.dims, dataType: tensor.dataType }) : tensor,
  )
  return create(ModelProtoSchema, {
    irVersion,
    opsetImport,
    functions,
    graph: create(GraphProtoSchema, { node, name, input, output, initializer }),
  })
}
