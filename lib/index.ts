// The public names, nothing else.
export { type TensorOptions, tensor } from './core/create.js'
export { variable } from './core/variable.js'
export { defineOp, loadKernels, type OpDefinition } from './core/define_op.js'
export { memory } from './core/buffer.js'
export { type DeviceInfo, device, devices, setDevice, withDevice } from './core/device.js'
export { synchronize } from './core/flights.js'
export { type Profile, profile } from './core/profile.js'
export { type ErrorCode, WeftError } from './core/error.js'
export { type GradOptions, grad, gradients, valueAndGrad } from './core/grad.js'
export { type GradCheckOptions, gradCheck } from './core/grad_check.js'
export { type JitFunction, type JitOptions, jit, type Precision } from './core/jit.js'
export type { Attrs, Call, Op } from './core/op.js'
export type { DType, DynamicShape, Shape, Spec } from './core/spec.js'
export type { HostArray, NestedArray, NestedValues, TypedArray } from './core/host.js'
export { Tensor, type TensorLike, Variable, type VariableOptions } from './core/tensor.js'
// what reads tensors is methods alone: without this line their types would not be among those of the package
import './core/read.js'
export { tidy } from './core/tidy.js'
export * from './ops/index.js'
export * as callbacks from './callbacks/index.js'
export * as constraints from './constraints.js'
export * as data from './data/index.js'
export * as datasets from './data/datasets/index.js'
export { doctor, type DoctorReport } from './doctor/doctor.js'
export * as initializers from './initializers/index.js'
export { type LoadOptions, loadModel, type PlotOptions } from './io/index.js'
export { type ExportTfjsOptions, type LoadKerasOptions, type LoadTfjsOptions, loadKeras, loadTfjs } from './keras/index.js'
export * as layers from './layers/index.js'
export * as losses from './losses/index.js'
export * as metrics from './metrics/index.js'
export type { ActivationFunction, ActivationLike, ActivationName } from './activations.js'
export type { EvaluateOptions } from './model/evaluate.js'
export type { HostValues, ModelData, Rows, Stream, StreamBatch, StreamSource } from './model/feed.js'
export { type FunctionalModel, type InputOptions, input, type ModelOptions, model, type TensorTree } from './model/functional.js'
export type { History } from './model/history.js'
export { toCategorical } from './model/labels.js'
export type { Model, SaveOptions, TrainOnBatchOptions } from './model/model.js'
export type { CompileOptions } from './model/objective.js'
export type { ClassWeight, ClassWeightLike } from './model/class_weight.js'
export type { PredictOptions } from './model/predict.js'
export type { Verbosity } from './model/progress.js'
export { type Sequential, type SequentialOptions, sequential } from './model/sequential.js'
export type { Figures, Logs } from './model/step.js'
export type { SummaryOptions } from './model/summary.js'
export type { FitOptions, TrainEvent } from './model/training.js'
export type { Kind, OptionTable } from './core/options.js'
export {
  type Bert,
  type BertEncoding,
  type BertInputs,
  type BertOptions,
  bert,
  type GenerateOptions,
  type Gpt,
  type GptOptions,
  generate,
  gpt,
  type Prompt,
} from './transformers/index.js'
export * as optimizers from './optimizers/index.js'
export { clipByGlobalNorm } from './optimizers/clip.js'
export { randomState, setSeed } from './core/random.js'
export * as regularizers from './regularizers.js'
export * as schedules from './schedules/index.js'
export * as text from './text/index.js'
