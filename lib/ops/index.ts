// The operations: every public function of every family.
export * from './arithmetic.js'
export * from './activation.js'
export { argMax, argMin } from './arg_reduce.js'
export { type AttentionOptions, scaledDotProductAttention } from './attention.js'
export { batchNorm, type NormalizationOptions } from './batch_norm.js'
export { broadcastTo } from './broadcast.js'
export { cast, identity, stopGradient } from './cast.js'
export * from './compare.js'
export { concat, stack, unstack } from './concat.js'
export {
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTransposeOptions,
  conv1d,
  conv2d,
  conv2dTranspose,
  type DepthwiseOptions,
  depthwiseConv2d,
} from './conv.js'
export {
  arange,
  type CreationOptions,
  type EyeOptions,
  eye,
  full,
  fullLike,
  type LinspaceOptions,
  linspace,
  ones,
  onesLike,
  zeros,
  zerosLike,
} from './creation.js'
export { softmaxCrossEntropy, sparseSoftmaxCrossEntropy } from './cross_entropy.js'
export { type CumSumOptions, cumProd, cumSum } from './cumsum.js'
export { type DenseOptions, dense, type FusedActivation } from './dense.js'
export { type DropoutOptions, dropout } from './dropout.js'
export { einsum } from './einsum.js'
export { type Complex, fft, fft2, type Fft2Options, type FftNorm, type FftOptions, ifft, ifft2, irfft, rfft, type Signal } from './fft.js'
export { gather, gatherAlong, scatterAdd, takeBatch } from './gather.js'
export { layerNorm } from './layer_norm.js'
export { dot, type MatMulOptions, matMul, outer } from './matmul.js'
export * from './math.js'
export { type OneHotOptions, oneHot } from './one_hot.js'
import './optimizers.js'
export { pad } from './pad.js'
export { averagePool1d, averagePool2d, maxPool1d, maxPool2d, type Pool1dOptions, type Pool2dOptions } from './pool.js'
export {
  bernoulli,
  type DrawOptions,
  type NormalOptions,
  type RandomOptions,
  randomInteger,
  randomNormal,
  randomUniform,
  truncatedNormal,
  type UniformOptions,
} from './random.js'
export { gru, type GruOptions } from './gru.js'
export { lstm, type LstmOptions, type LstmResult } from './lstm.js'
export type { GatedOptions, RecurrentOptions, RecurrentResult } from './recurrent.js'
export type { RecurrentActivation } from './recurrent_steps.js'
export { simpleRnn } from './simple_rnn.js'
export { all, any, max, mean, min, prod, type ReduceOptions, sum } from './reduce.js'
export { expandDims, flatten, reshape, squeeze } from './reshape.js'
export { type Interpolation, type ResizeOptions, resize } from './resize.js'
export { type RmsNormOptions, rmsNorm } from './rms_norm.js'
export { type RotaryOptions, rotary } from './rotary.js'
export { reverse, slice, split } from './slice.js'
export { logSoftmax, softmax } from './softmax.js'
export { argSort, type SortOptions, sort, topK } from './sort.js'
export { logSumExp, type Moments, moments, type NormOptions, norm, standardDeviation, variance } from './statistics.js'
export { tile } from './tile.js'
export { moveAxis, transpose } from './transpose.js'
export { type DynamicSliceOptions, dynamicSlice, type UpdateSliceOptions, updateSlice } from './update_slice.js'
export type { Padding } from './window.js'
