// Tensors of ONNX files: their values as little-endian bytes of a dtype, wherever the file keeps them.
import { WeftError } from '../core/error.js'
import { bytesOf, type Shape, sizeOf } from '../core/spec.js'
import type { StoredTensor } from '../io/safetensors.js'
import { elementFacts, ElementType, elementTypeName } from './element_types.js'
import { TensorProto_DataLocation, type TensorProto } from './proto/onnx_pb.js'

/** The most values of one tensor, as in the kernels. */
const MOST_VALUES = 2 ** 40
const MOST_AXES = 64

export const wrongFile = (what: string, reason: string, hint?: string): WeftError =>
  new WeftError('ERR_FORMAT', `${what}: ${reason}`, hint === undefined ? {} : { hint })

/** The shape of a tensor in a file. ERR_FORMAT for extents that are negative, or more than memory can hold. */
export function shapeOfTensor(tensor: TensorProto, what: string): Shape {
  const shape = tensor.dims.map(Number)
  if (shape.length > MOST_AXES) throw wrongFile(what, `${shape.length} axes, at most ${MOST_AXES} are read`)
  if (shape.some((extent) => !(extent >= 0))) throw wrongFile(what, `the shape [${shape}] has a negative extent`)
  // an extent of 0 must not hide huge ones beside it
  if (!(sizeOf(shape.map((extent) => extent || 1)) <= MOST_VALUES)) throw wrongFile(what, `the shape [${shape}] is too large`)
  return shape
}

/**
 * The values of a tensor, from raw data or typed fields. 16- and 32-bit unsigned integers are widened. ERR_FORMAT when
 * their number does not fit the shape; nothing is allocated before that is known.
 * @param what names the tensor in errors
 */
export function storedTensor(tensor: TensorProto, what: string): StoredTensor {
  const facts = elementFacts(tensor.dataType)
  if (facts?.dtype === undefined) throw wrongFile(what, `values of ${elementTypeName(tensor.dataType)} cannot be read`)
  if (tensor.segment !== undefined) throw wrongFile(what, 'a tensor stored in segments cannot be read')
  const shape = shapeOfTensor(tensor, what)
  const count = sizeOf(shape)
  const { dtype } = facts
  const raw = rawBytes(tensor, what, count * facts.bytes)
  if (raw !== undefined) return { dtype, shape, bytes: widened(raw, tensor.dataType, count, what) }
  const values = tensor[facts.field] as readonly (number | bigint)[]
  if (values.length !== count) throw wrongFile(what, `${values.length} values for the shape [${shape}]`)
  return { dtype, shape, bytes: packed(values, tensor.dataType, what) }
}

function rawBytes(tensor: TensorProto, what: string, bytes: number): Uint8Array | undefined {
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) throw wrongFile(what, 'its data are in another file, which was not read')
  if (tensor.rawData.length === 0) return undefined
  if (tensor.rawData.length !== bytes)
    throw wrongFile(what, `${tensor.rawData.length} bytes for the shape [${tensor.dims}]: it takes ${bytes}`)
  return tensor.rawData
}

/** Raw bytes with types that no dtype has widened to one that holds their values. */
function widened(raw: Uint8Array, type: ElementType, count: number, what: string): Uint8Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const read = {
    [ElementType.UINT16]: (i: number) => view.getUint16(2 * i, true),
    [ElementType.INT16]: (i: number) => view.getInt16(2 * i, true),
    [ElementType.UINT32]: (i: number) => view.getUint32(4 * i, true),
    [ElementType.UINT64]: (i: number) => view.getBigUint64(8 * i, true),
  }[type as number]
  if (read === undefined) return raw
  return packed(
    Array.from({ length: count }, (_, i) => read(i)),
    type,
    what,
  )
}

const MOST_INT64 = 2n ** 63n - 1n

/** Values of a typed field as bytes. 16-bit floats stand in it as the integers of their bits. */
function packed(values: readonly (number | bigint)[], type: ElementType, what: string): Uint8Array {
  const { dtype } = elementFacts(type)!
  const bytes = new Uint8Array(values.length * bytesOf(dtype!))
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    if (dtype === 'float32') view.setFloat32(4 * i, value as number, true)
    else if (dtype === 'float64') view.setFloat64(8 * i, value as number, true)
    else if (dtype === 'int64') {
      const integer = BigInt(value)
      if (integer > MOST_INT64) throw wrongFile(what, `${integer} does not fit into int64`)
      view.setBigInt64(8 * i, integer, true)
    } else if (dtype === 'float16' || dtype === 'bfloat16') view.setUint16(2 * i, Number(value), true)
    else if (dtype === 'int32') view.setInt32(4 * i, Number(value), true)
    else if (dtype === 'bool') view.setUint8(i, Number(value) === 0 ? 0 : 1)
    else view.setUint8(i, Number(value))
  })
  return bytes
}
