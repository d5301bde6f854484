// dtypes of TensorFlow.js, and the tensors that its values make.
import { unknownName } from '../core/error.js'
import { tensor as weftTensor } from '../core/create.js'
import type { NestedValues, TypedArray } from '../core/host.js'
import type { Shape } from '../core/spec.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { reshape } from '../ops/index.js'

export type DataType = 'float32' | 'int32' | 'bool'
export type Values = NestedValues | TypedArray

/** TensorFlow.js' names of tensors by rank; the compiler does not tell them apart. */
export type Rank0 = Tensor
export type Rank1 = Tensor
export type Rank2 = Tensor
export type Rank3 = Tensor
export type Rank4 = Tensor

const DTYPES: readonly DataType[] = ['float32', 'int32', 'bool']

/** The dtype as given, or the default. ERR_DTYPE for those of TensorFlow.js that are not numbers. */
export function dtypeOf(what: string, dtype: unknown, otherwise: DataType = 'float32'): DataType {
  if (dtype === undefined) return otherwise
  if (!DTYPES.includes(dtype as DataType)) throw unknownName(`dtype of ${what}`, dtype, DTYPES)
  return dtype as DataType
}

/** Numbers become float32, booleans bool, integer arrays int32; Float64Array is rounded to float32. */
function inferred(values: Values): DataType {
  if (ArrayBuffer.isView(values)) return values instanceof Float32Array || values instanceof Float64Array ? 'float32' : 'int32'
  let first: unknown = values
  while (Array.isArray(first) && first.length > 0) first = first[0]
  return typeof first === 'boolean' ? 'bool' : ArrayBuffer.isView(first) ? inferred(first as TypedArray) : 'float32'
}

/** A tensor of values, in a shape if one is given. A Tensor is cast and reshaped. */
export function make(what: string, values: Values | Tensor, shape: Shape | undefined, dtype: unknown): Tensor {
  if (values instanceof Tensor) {
    const cast = dtype === undefined ? values : values.cast(dtypeOf(what, dtype))
    return shape === undefined ? cast : reshape(cast, [...shape])
  }
  const kind = dtypeOf(what, dtype, inferred(values))
  if (shape === undefined) return weftTensor(values as TensorLike as never, { dtype: kind })
  const flat = weftTensor(values as TensorLike as never, { dtype: kind })
  const shaped = reshape(flat, [...shape])
  flat.dispose()
  return shaped
}
