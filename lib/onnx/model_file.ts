// ONNX model files: the message in the file, and the values of its tensors.
import path from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { sizeOf } from '../core/spec.js'
import { RegularFile } from '../io/regular_file.js'
import { elementFacts } from './element_types.js'
import { readExternalData } from './external_data.js'
import { type ModelProto, ModelProtoSchema, TensorProto_DataLocation } from './proto/onnx_pb.js'
import { shapeOfTensor, wrongFile } from './stored_tensor.js'

/** A protobuf message has at most 2 GiB: larger models keep their values in files beside them. */
const MOST_BYTES = 2 ** 31

/** A model that was read. */
export interface OnnxFile {
  readonly model: ModelProto
  /** The path, for errors. */
  readonly what: string
  /** Bytes of the model file, and of data beside it. */
  readonly bytes: number
}

/**
 * Reads an ONNX model. Data in files beside it become raw data of their tensors. ERR_FORMAT for what is no such model.
 * @param file the path
 */
export async function readModelFile(file: string): Promise<OnnxFile> {
  const bytes = await bytesOfFile(file)
  const model = parseModel(bytes, file)
  const external = await readExternalData(model, path.dirname(file), file, (tensor, what) => {
    const size = elementFacts(tensor.dataType)?.bytes
    if (!size) throw wrongFile(what, 'its element type cannot be in external data')
    return sizeOf(shapeOfTensor(tensor, what)) * size
  })
  const total = [...external.values()].reduce((sum, { length }) => sum + length, bytes.length)
  for (const [tensor, rawData] of external)
    Object.assign(tensor, { rawData, externalData: [], dataLocation: TensorProto_DataLocation.DEFAULT })
  return { model, what: file, bytes: total }
}

async function bytesOfFile(file: string): Promise<Uint8Array> {
  return RegularFile.use(file, async (opened) => {
    if (opened.size > MOST_BYTES) throw wrongFile(file, `${opened.size} bytes, an ONNX model file has at most ${MOST_BYTES}`)
    const bytes = new Uint8Array(opened.size)
    await opened.read(bytes, 0)
    return bytes
  })
}

/** The model in memory that came from bytes; bytes of tensors are parts of them. */
export function parseModel(bytes: Uint8Array, what: string): ModelProto {
  let model: ModelProto
  try {
    model = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false })
  } catch (error) {
    throw wrongFile(what, `not an ONNX model: ${(error as Error).message}`)
  }
  if (model.graph === undefined) throw wrongFile(what, 'not an ONNX model: it has no graph')
  if (model.opsetImport.length === 0) throw wrongFile(what, 'not an ONNX model: it names no version of the operators')
  return model
}
