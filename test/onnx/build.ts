// ONNX models made in tests: from nodes and tensors to the bytes of a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { ElementType } from '../../lib/onnx/element_types.js'
import {
  AttributeProto_AttributeType as Kind,
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../../lib/onnx/proto/onnx_pb.js'

type AttributeValue = number | string | readonly number[] | GraphProto | TensorProto

/** A float attribute, where the number alone would be taken for a whole one. */
export class Float {
  constructor(readonly value: number) {}
}

function attribute(name: string, value: AttributeValue | Float): AttributeProto {
  if (value instanceof Float) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.value })
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) })
  if (typeof value === 'string') return create(AttributeProtoSchema, { name, type: Kind.STRING, s: Buffer.from(value) })
  if (Array.isArray(value)) return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: (value as number[]).map(BigInt) })
  const message = value as GraphProto | TensorProto
  if (message.$typeName === 'onnx.GraphProto') return create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: message })
  return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: message as TensorProto })
}

export const node = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue | Float>> = {},
  name = '',
): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    name,
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  })

/** A value of a graph; extents are numbers, or names of those that vary. */
export const port = (name: string, shape: readonly (number | string)[], elemType: ElementType = ElementType.FLOAT): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType,
          shape: {
            dim: shape.map((extent) =>
              create(TensorShapeProto_DimensionSchema, {
                value: typeof extent === 'number' ? { case: 'dimValue', value: BigInt(extent) } : { case: 'dimParam', value: extent },
              }),
            ),
          },
        },
      },
    },
  })

export const floats = (name: string, dims: readonly number[], values: readonly number[]): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: ElementType.FLOAT,
    rawData: new Uint8Array(Float32Array.from(values).buffer),
  })

export const integers = (name: string, dims: readonly number[], values: readonly number[]): TensorProto =>
  create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: ElementType.INT64, int64Data: values.map(BigInt) })

export interface Parts {
  readonly nodes: readonly NodeProto[]
  readonly inputs: readonly ValueInfoProto[]
  readonly outputs: readonly ValueInfoProto[]
  readonly tensors?: readonly TensorProto[]
  readonly opset?: number
}

export const graph = ({ nodes, inputs, outputs, tensors = [] }: Parts): GraphProto =>
  create(GraphProtoSchema, { name: 'graph', node: [...nodes], input: [...inputs], output: [...outputs], initializer: [...tensors] })

export const model = (parts: Parts): ModelProto =>
  create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: BigInt(parts.opset ?? 17) }],
    graph: graph(parts),
  })

export const bytesOf = (made: ModelProto): Uint8Array => toBinary(ModelProtoSchema, made)

/** Runs fn with a temporary folder. */
export async function inFolder<T>(fn: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-onnx-'))
  try {
    return await fn(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Writes a model and gives its path. */
export function write(folder: string, made: ModelProto | Uint8Array, name = 'model.onnx'): string {
  const file = path.join(folder, name)
  writeFileSync(file, made instanceof Uint8Array ? made : bytesOf(made))
  return file
}
