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

/** The values of a file as a tensor in the dtype in which they are computed. */
export function tensorOf({ dtype, shape, bytes }: StoredTensor): Tensor {
  const t = allocate(shape, dtype, device())
  if (t.size > 0) fillFrom(t, bytes)
  const wanted = computedDType(dtype)
  return wanted === dtype ? t : cast(t, wanted)
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
