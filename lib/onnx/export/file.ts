// ONNX files: a graph as a protobuf message, its constants in it or in a file beside it.
import { createHash } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { flushFolder, realPlace, type Sink, writeNew } from '../../io/folder.js'
import { stagingName } from '../../io/leftovers.js'
import { CHUNK_BYTES } from '../../io/regular_file.js'
import { replaceFile } from '../../io/replace_file.js'
import { writeAll } from '../../io/safetensors.js'
import {
  AttributeProto_AttributeType as AttributeType,
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../proto/onnx_pb.js'
import { ONNX_TYPES } from './emitter.js'
import type { OnnxGraph, Port } from './graph.js'
import type { Attribute, Initializer, InnerGraph } from './nodes.js'

/** The version of the file format that a version of the operators came with. */
const IR_VERSIONS: Readonly<Record<number, bigint>> = { 17: 8n, 18: 8n, 19: 9n, 20: 9n, 21: 10n }

/** A protobuf message has at most 2 GiB: from here on constants go into a file beside it. */
const MOST_INLINE = 2 ** 31 - 2 ** 24
/** Smaller constants, such as shapes, stay in the model file: runtimes look at them before they open another. */
const LEAST_EXTERNAL = 1024
/** Where data in a file beside the model begin, so that they can be mapped into memory. */
const ALIGNMENT = 4096

function attributeProto(name: string, value: Attribute): AttributeProto {
  const of = (type: AttributeType, rest: object): AttributeProto => create(AttributeProtoSchema, { name, type, ...rest })
  if ('int' in value) return of(AttributeType.INT, { i: BigInt(value.int) })
  if ('ints' in value) return of(AttributeType.INTS, { ints: value.ints.map(BigInt) })
  if ('float' in value) return of(AttributeType.FLOAT, { f: value.float })
  if ('floats' in value) return of(AttributeType.FLOATS, { floats: [...value.floats] })
  if ('text' in value) return of(AttributeType.STRING, { s: Buffer.from(value.text) })
  if ('graph' in value) return of(AttributeType.GRAPH, { g: graphProto(value.graph, []) })
  return of(AttributeType.STRINGS, { strings: value.texts.map((text) => Buffer.from(text)) })
}

/** The number of texts in ONNX files (TensorProto.DataType). */
const STRING = 8

function portProto({ name, dtype, shape }: Omit<Port, 'shape'> & Partial<Port>): ValueInfoProto {
  const dim = shape?.map((extent) => ({
    value:
      typeof extent === 'number'
        ? { case: 'dimValue' as const, value: BigInt(extent) }
        : extent === undefined
          ? { case: undefined }
          : { case: 'dimParam' as const, value: extent },
  }))
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: { case: 'tensorType', value: { elemType: dtype === 'string' ? STRING : ONNX_TYPES[dtype], ...(dim && { shape: { dim } }) } },
    },
  })
}

function graphProto({ name, inputs, outputs, nodes }: InnerGraph | WholeGraph, tensors: TensorProto[]): GraphProto {
  return create(GraphProtoSchema, {
    name,
    input: inputs.map(portProto),
    output: outputs.map(portProto),
    initializer: tensors,
    node: nodes.map(({ op, name: own, inputs: from, outputs: to, attributes }) =>
      create(NodeProtoSchema, {
        ...operatorOf(op),
        name: own,
        input: [...from],
        output: [...to],
        attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
      }),
    ),
  })
}

/** 'ai.onnx.ml.Scaler': an operator of another domain than ONNX's own. */
function operatorOf(op: string): { opType: string; domain: string } {
  const end = op.lastIndexOf('.')
  return { opType: op.slice(end + 1), domain: op.slice(0, Math.max(0, end)) }
}

/** The operators of classical models, in the version that came with those of version 15. */
const ML = { domain: 'ai.onnx.ml', version: 3n }

type WholeGraph = Omit<OnnxGraph, 'nodes'> & Pick<InnerGraph, 'nodes'>

function modelBytes({ nodes, ...rest }: OnnxGraph, tensors: TensorProto[], version: string): Uint8Array {
  const graph = graphProto({ ...rest, nodes: nodes.nodes }, tensors)
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: IR_VERSIONS[nodes.opset]!,
      producerName: 'weftjs',
      producerVersion: version,
      opsetImport: [{ domain: '', version: BigInt(nodes.opset) }, ...(graph.node.some(({ domain }) => domain === ML.domain) ? [ML] : [])],
      graph,
    }),
  )
}

const tensorProto = ({ name, dtype, shape }: Initializer, rest: object): TensorProto =>
  create(TensorProtoSchema, { name, dataType: ONNX_TYPES[dtype], dims: shape.map(BigInt), ...rest })

/** The bytes of a constant. */
async function bytesOf({ data, size }: Initializer): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data
  const bytes = new Uint8Array(size)
  await data.read(0, bytes)
  return bytes
}

/** Writes a constant piece by piece. */
async function writeData({ data, size }: Initializer, sink: Sink, hash: ReturnType<typeof createHash>): Promise<void> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size))
  for (let at = 0; at < size; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, size - at))
    if (data instanceof Uint8Array) part.set(data.subarray(at, at + part.length))
    else await data.read(at, part)
    await writeAll(sink, part, hash)
  }
}

/** Writes constants into a file in the folder, named by what is in it. Returns its name and their places. */
async function writeExternal(
  folder: string,
  stem: string,
  list: readonly Initializer[],
): Promise<{ name: string; places: Map<Initializer, number> }> {
  const places = new Map<Initializer, number>()
  const prepared = path.join(folder, stagingName())
  const hash = createHash('sha256')
  try {
    await writeNew(prepared, async (sink) => {
      let at = 0
      for (const constant of list) {
        const gap = Math.ceil(at / ALIGNMENT) * ALIGNMENT - at
        if (gap > 0) await writeAll(sink, new Uint8Array(gap), hash)
        places.set(constant, at + gap)
        await writeData(constant, sink, hash)
        at += gap + constant.size
      }
    })
    const name = `${stem}-${hash.digest('hex').slice(0, 12)}.data`
    await rename(prepared, path.join(folder, name))
    await flushFolder(folder)
    return { name, places }
  } catch (error) {
    await rm(prepared, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Data files of this model that an earlier export has left. */
async function removeOld(folder: string, stem: string, kept: string | undefined): Promise<void> {
  const names = await readdir(folder).catch((): string[] => [])
  const isOld = (name: string): boolean =>
    name.startsWith(`${stem}-`) && /^-[0-9a-f]{12}\.data$/.test(name.slice(stem.length)) && name !== kept
  for (const name of names.filter(isOld)) await rm(path.join(folder, name), { force: true }).catch(() => undefined)
}

/**
 * Writes the graph to a file. Both files are written aside and renamed, the data before the model that names them:
 * whoever opens the model meanwhile has the old one or the new one, with its data.
 */
export async function writeOnnx(
  file: string,
  graph: OnnxGraph,
  { external, version }: { external: boolean; version: string },
): Promise<void> {
  const list = [...graph.nodes.initializers.values()]
  const total = list.reduce((sum, { size }) => sum + size, 0)
  const apart = external || total > MOST_INLINE ? list.filter(({ size }) => size >= LEAST_EXTERNAL) : []
  let data: string | undefined
  let place = file
  await replaceFile('exportOnnx', file, async (prepared) => {
    place = await realPlace(file)
    const written = apart.length > 0 ? await writeExternal(path.dirname(place), path.basename(place, '.onnx'), apart) : undefined
    data = written?.name
    const tensors: TensorProto[] = []
    for (const constant of list) {
      const at = written?.places.get(constant)
      const entries = { location: data, offset: at, length: constant.size }
      tensors.push(
        at === undefined
          ? tensorProto(constant, { rawData: await bytesOf(constant) })
          : tensorProto(constant, {
              dataLocation: TensorProto_DataLocation.EXTERNAL,
              externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })),
            }),
      )
    }
    const bytes = modelBytes(graph, tensors, version)
    await writeNew(prepared, async (handle) => {
      await writeAll(handle, bytes, createHash('sha256'))
    })
  })
  await removeOld(path.dirname(place), path.basename(place, '.onnx'), data)
}
