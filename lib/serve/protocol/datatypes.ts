// Datatypes of the Open Inference Protocol: their sizes, and the dtypes that hold them.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import type { DType } from '../../core/spec.js'

export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'BF16'
  | 'FP32'
  | 'FP64'
  | 'BYTES'

interface Facts {
  /** Bytes of an element; 0: each has its own length. */
  readonly bytes: number
  readonly dtype?: DType
}

const FACTS: Readonly<Record<Datatype, Facts>> = {
  BOOL: { bytes: 1, dtype: 'bool' },
  UINT8: { bytes: 1, dtype: 'uint8' },
  UINT16: { bytes: 2 },
  UINT32: { bytes: 4 },
  UINT64: { bytes: 8 },
  INT8: { bytes: 1, dtype: 'int8' },
  INT16: { bytes: 2 },
  INT32: { bytes: 4, dtype: 'int32' },
  INT64: { bytes: 8, dtype: 'int64' },
  FP16: { bytes: 2, dtype: 'float16' },
  BF16: { bytes: 2, dtype: 'bfloat16' },
  FP32: { bytes: 4, dtype: 'float32' },
  FP64: { bytes: 8, dtype: 'float64' },
  BYTES: { bytes: 0 },
}

export const DATATYPES: readonly Datatype[] = Object.keys(FACTS) as Datatype[]

/** Bytes of an element; 0 for BYTES. */
export const elementBytes = (datatype: Datatype): number => FACTS[datatype].bytes

/** The dtype of the same values; undefined where there is none. */
export const dtypeOfDatatype = (datatype: Datatype): DType | undefined => FACTS[datatype].dtype

export const datatypeOf = (dtype: DType): Datatype => DATATYPES.find((datatype) => FACTS[datatype].dtype === dtype)!

export function checkDatatype(what: string, value: unknown): Datatype {
  if (typeof value === 'string' && Object.hasOwn(FACTS, value)) return value as Datatype
  throw new WeftError('ERR_ARGUMENT', `${what}: unknown datatype ${show(value)}`, { hint: `Known: ${DATATYPES.join(', ')}` })
}
