// What is in an ONNX file, without making a model of it.
import { pathOf, type Place } from '../core/place.js'
import { sizeOf } from '../core/spec.js'
import { elementTypeName } from './element_types.js'
import { problemsOf } from './import/checked_model.js'
import { withInitializers } from './import/weights.js'
import { readModelFile } from './model_file.js'
import type { ValueInfoProto } from './proto/onnx_pb.js'
import { shapeOfTensor } from './stored_tensor.js'

/** An input or output of a file. */
export interface OnnxPort {
  readonly name: string
  /** The element type by the specification's name: 'float', 'int64', ... */
  readonly type: string
  /**
   * Extents, or the names of those that vary (null: without a name); undefined where the file does not say the rank.
   */
  readonly shape: readonly (number | string | null)[] | undefined
}

/** A node of a file. */
export interface OnnxNode {
  readonly op: string
  readonly domain: string
  readonly name: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/** What is in an ONNX file. */
export interface OnnxFacts {
  readonly irVersion: number
  /** Versions of the operators by domain; '' is that of ONNX itself. */
  readonly opsets: Readonly<Record<string, number>>
  readonly producer: string
  readonly inputs: readonly OnnxPort[]
  readonly outputs: readonly OnnxPort[]
  /** The nodes of the graph, without constants. */
  readonly nodes: readonly OnnxNode[]
  /** Number of values in the stored tensors. */
  readonly parameters: number
  /** Bytes of the file, and of data beside it. */
  readonly bytes: number
  /** A line for each node that importOnnx cannot compute. */
  readonly unsupported: readonly string[]
}

/** readOnnx, once its arguments are checked. */
export async function factsOf(place: Place): Promise<OnnxFacts> {
  const path = pathOf('readOnnx', place, 'file')
  const { model, bytes } = await readModelFile(path)
  const graph = withInitializers(model.graph!)
  const stored = new Set(graph.initializer.map(({ name }) => name))
  const parameters = graph.initializer.reduce((sum, tensor) => sum + sizeOf(shapeOfTensor(tensor, `${path}: tensor '${tensor.name}'`)), 0)
  return {
    irVersion: Number(model.irVersion),
    opsets: Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domain === 'ai.onnx' ? '' : domain, Number(version)])),
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    inputs: graph.input.filter(({ name }) => !stored.has(name)).map(describe),
    outputs: graph.output.map(describe),
    nodes: graph.node.map(({ opType, domain, name, input, output }) => ({ op: opType, domain, name, inputs: input, outputs: output })),
    parameters,
    bytes,
    unsupported: problemsOf(model, path),
  }
}

function describe({ name, type }: ValueInfoProto): OnnxPort {
  const kind = type?.value
  if (kind?.case !== 'tensorType') return { name, type: kind?.case?.replace('Type', '') ?? 'unknown', shape: undefined }
  const { elemType, shape } = kind.value
  const extents = shape?.dim.map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : value.case === 'dimParam' && value.value !== '' ? value.value : null,
  )
  return { name, type: elementTypeName(elemType), shape: extents }
}
