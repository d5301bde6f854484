// The entry 'weftjs/tfjs': the names of TensorFlow.js on Weft, so that a program moves by changing an import.
import './methods.js'
// what reads tensors is methods alone: without this line their types would not be among those of the package
import '../core/read.js'

export { Tensor, Variable } from '../core/tensor.js'
export { tidy } from '../core/tidy.js'
export { keep } from './keep.js'
export { setSeed } from '../core/random.js'
// operations whose arguments are the same in both
export {
  abs,
  add,
  atan2,
  broadcastTo,
  cast,
  ceil,
  concat,
  cos,
  dot,
  elu,
  equal,
  erf,
  exp,
  expandDims,
  expm1,
  floor,
  floorDiv,
  gather,
  greater,
  greaterEqual,
  isFinite,
  isNaN,
  leakyRelu,
  less,
  lessEqual,
  log,
  log1p,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  logSoftmax,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  notEqual,
  onesLike,
  outer as outerProduct,
  pad,
  reciprocal,
  relu,
  relu6,
  reshape,
  reverse,
  round,
  rsqrt,
  selu,
  sigmoid,
  sign,
  sin,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  squaredDifference,
  squeeze,
  stack,
  sub,
  tan,
  tanh,
  tile,
  transpose,
  unstack,
  where,
  zerosLike,
} from '../ops/index.js'
export * from './ops.js'
export * from './create.js'
export * from './environment.js'
export * from './unsupported.js'
export { grad, grads, Optimizer, valueAndGrad, valueAndGrads, variableGrads } from './gradients.js'
export * from './models.js'
export * as callbacks from '../callbacks/index.js'
export * as constraints from '../constraints.js'
export * as data from './data.js'
export * as initializers from './initializers.js'
export * as layers from './layers.js'
export * as losses from './losses.js'
export * as metrics from './metrics.js'
export * as regularizers from '../regularizers.js'
export * as train from './train.js'
export { Reduction } from './losses.js'
export type { DataType } from './dtypes.js'
export { SequentialModel as Sequential } from './models.js'
export type { History } from '../model/history.js'
export type { Logs } from '../model/step.js'
export type { Rank0 as Scalar, Rank1 as Tensor1D, Rank2 as Tensor2D, Rank3 as Tensor3D, Rank4 as Tensor4D } from './dtypes.js'
