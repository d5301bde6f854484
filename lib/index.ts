// The public names, nothing else.
export { type TensorOptions, tensor, variable } from './apply.js'
export { type DeviceInfo, device, devices, memory, type Profile, profile, setDevice, synchronize, withDevice } from './device.js'
export { type ErrorCode, WeftError } from './error.js'
export { gradients } from './grad.js'
export { type GradOptions, grad, type JitFunction, type JitOptions, jit, type Precision, valueAndGrad } from './jit.js'
export type { Attrs, Call, DType, Op, Shape, Spec } from './op.js'
export { type HostArray, type NestedArray, Tensor, type TensorLike, tidy, type TypedArray, Variable, type VariableOptions } from './tensor.js'
