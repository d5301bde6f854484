// Constants: tensors of the file as values that are the same in every run.
import { fillFrom } from '../../core/create.js'
import { device } from '../../core/device.js'
import { allocate, type Tensor } from '../../core/tensor.js'
import { cast } from '../../ops/index.js'
import type { StoredTensor } from '../../io/safetensors.js'
import type { TensorProto } from '../proto/onnx_pb.js'
import { storedTensor } from '../stored_tensor.js'
import { lasting } from './lasting.js'
import { computedDType, Value } from './values.js'

/** Tensors of constants by the message that has them, on each device. */
const made = new WeakMap<TensorProto, Map<string, Value>>()

/** int64 as int32: what does not fit becomes the nearest number that does, as the ends of slices ask for. */
function narrowed(bytes: Uint8Array): Uint8Array {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const to = new Int32Array(bytes.byteLength / 8)
  for (let i = 0; i < to.length; i++) {
    const value = from.getBigInt64(8 * i, true)
    to[i] = value > 2147483647n ? 2147483647 : value < -2147483648n ? -2147483648 : Number(value)
  }
  return new Uint8Array(to.buffer)
}

/** The values of a file as a tensor in the dtype in which they are computed. */
export function tensorOf({ dtype, shape, bytes }: StoredTensor): Tensor {
  const wanted = computedDType(dtype)
  const isLong = dtype === 'int64'
  const t = allocate(shape, isLong ? wanted : dtype, device())
  if (t.size > 0) fillFrom(t, isLong ? narrowed(bytes) : bytes)
  return t.dtype === wanted ? t : cast(t, wanted)
}

/** The value of a tensor in the file, made once for each device. */
export function constantOf(tensor: TensorProto, name: string): Value {
  const devices = made.get(tensor) ?? new Map<string, Value>()
  made.set(tensor, devices)
  const id = device()
  let value = devices.get(id)
  if (value === undefined) {
    value = lasting(() => new Value(tensorOf(storedTensor(tensor, `constant '${name}'`)), { type: tensor.dataType }))
    devices.set(id, value)
  }
  return value
}
