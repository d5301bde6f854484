// Element types: those of ONNX tensors, and the dtypes that hold their values here.
import { WeftError } from '../core/error.js'
import type { DType } from '../core/spec.js'
import { TensorProto_DataType as Type } from './proto/onnx_pb.js'

export { Type as ElementType }

/** How values of an element type lie in a file, and the dtype they have once they are read. */
export interface ElementFacts {
  /** The specification's name, in small letters. */
  readonly name: string
  /** Bytes of one value in `raw_data`. */
  readonly bytes: number
  /** The dtype that holds every value of the type; undefined where there is none. */
  readonly dtype: DType | undefined
  /** The field that has the values where `raw_data` has not. */
  readonly field: 'floatData' | 'doubleData' | 'int32Data' | 'int64Data' | 'uint64Data' | 'stringData'
}

const FACTS: ReadonlyMap<number, ElementFacts> = new Map<number, ElementFacts>([
  [Type.FLOAT, { name: 'float', bytes: 4, dtype: 'float32', field: 'floatData' }],
  [Type.UINT8, { name: 'uint8', bytes: 1, dtype: 'uint8', field: 'int32Data' }],
  [Type.INT8, { name: 'int8', bytes: 1, dtype: 'int8', field: 'int32Data' }],
  [Type.UINT16, { name: 'uint16', bytes: 2, dtype: 'int32', field: 'int32Data' }],
  [Type.INT16, { name: 'int16', bytes: 2, dtype: 'int32', field: 'int32Data' }],
  [Type.INT32, { name: 'int32', bytes: 4, dtype: 'int32', field: 'int32Data' }],
  [Type.INT64, { name: 'int64', bytes: 8, dtype: 'int64', field: 'int64Data' }],
  [Type.STRING, { name: 'string', bytes: 0, dtype: undefined, field: 'stringData' }],
  [Type.BOOL, { name: 'bool', bytes: 1, dtype: 'bool', field: 'int32Data' }],
  [Type.FLOAT16, { name: 'float16', bytes: 2, dtype: 'float16', field: 'int32Data' }],
  [Type.DOUBLE, { name: 'double', bytes: 8, dtype: 'float64', field: 'doubleData' }],
  [Type.UINT32, { name: 'uint32', bytes: 4, dtype: 'int64', field: 'uint64Data' }],
  [Type.UINT64, { name: 'uint64', bytes: 8, dtype: 'int64', field: 'uint64Data' }],
  [Type.COMPLEX64, { name: 'complex64', bytes: 8, dtype: undefined, field: 'floatData' }],
  [Type.COMPLEX128, { name: 'complex128', bytes: 16, dtype: undefined, field: 'doubleData' }],
  [Type.BFLOAT16, { name: 'bfloat16', bytes: 2, dtype: 'bfloat16', field: 'int32Data' }],
])

const NAMES: readonly string[] = Object.keys(Type).filter((name) => Number.isNaN(Number(name)))

/** The specification's name of a type, in small letters; the number of one that it does not know. */
export const elementTypeName = (type: number): string =>
  FACTS.get(type)?.name ?? NAMES.find((name) => Type[name as keyof typeof Type] === type)?.toLowerCase() ?? `type ${type}`

/** Facts of a type; undefined for those that are not read (float8, 4-bit integers, types of later versions). */
export const elementFacts = (type: number): ElementFacts | undefined => FACTS.get(type)

/** The dtype of values of a type. ERR_FORMAT where there is none. `what` names who asks, for the message. */
export function dtypeOfElements(type: number, what: string): DType {
  const dtype = FACTS.get(type)?.dtype
  if (dtype === undefined) throw new WeftError('ERR_FORMAT', `${what}: elements of ${elementTypeName(type)} have no dtype here`)
  return dtype
}

const TYPES: Readonly<Record<DType, Type>> = {
  bool: Type.BOOL,
  uint8: Type.UINT8,
  int8: Type.INT8,
  int32: Type.INT32,
  int64: Type.INT64,
  float16: Type.FLOAT16,
  bfloat16: Type.BFLOAT16,
  float32: Type.FLOAT,
  float64: Type.DOUBLE,
}

/** The element type of a dtype. */
export const elementTypeOf = (dtype: DType): Type => TYPES[dtype]
