// The operations: every public function of every family.
export * from './arithmetic.js'
export * from './activation.js'
export { argMax, argMin } from './arg_reduce.js'
export { type AttentionOptions, scaledDotProductAttention } from './attention.js'
export { batchNorm } from './batch_norm.js'
export { broadcastTo } from './broadcast.js'
export { cast, identity, stopGradient } from './cast.js'
export * from './compare.js'
export { concat, stack } from './concat.js'
export { conv1d, conv2d, conv2dTranspose, depthwiseConv2d } from './convolution.js'
export { arange, type CreationOptions, eye, full, fullLike, ones, onesLike, zeros, zerosLike } from './creation.js'
export { softmaxCrossEntropy, sparseSoftmaxCrossEntropy } from './cross_entropy.js'
export { cumSum } from './cumsum.js'
export { dense } from './dense.js'
export { dropout } from './dropout.js'
export { gather, gatherAlong, scatterAdd, takeBatch } from './gather.js'
export { layerNorm } from './layer_norm.js'
export { matMul } from './matmul.js'
export * from './math.js'
export { oneHot } from './one_hot.js'
import './optimizers.js'
export { pad } from './pad.js'
export { averagePool1d, averagePool2d, maxPool1d, maxPool2d } from './pool.js'
export { bernoulli, randomInteger, randomNormal, randomUniform, truncatedNormal } from './random.js'
export {
  gru,
  type GruOptions,
  lstm,
  type LstmOptions,
  type LstmResult,
  type RecurrentOptions,
  type RecurrentResult,
  simpleRnn,
} from './recurrence.js'
export type { RecurrentActivation } from './recurrent_compose.js'
export { all, any, max, mean, min, prod, sum } from './reduce.js'
export { expandDims, flatten, reshape, squeeze } from './reshape.js'
export { rmsNorm } from './rms_norm.js'
export { rotary } from './rotary.js'
export { reverse, slice, split } from './slice.js'
export { logSoftmax, softmax } from './softmax.js'
export { argSort, sort, topK } from './sort.js'
export { logSumExp, norm, standardDeviation, variance } from './statistics.js'
export { tile } from './tile.js'
export { moveAxis, transpose } from './transpose.js'
export { dynamicSlice, updateSlice } from './update_slice.js'
