// The layers: a factory for each class, and the types of what it makes and takes. Options are those of Keras 3 in
// camelCase.
export { type ApplyOptions, type CallOptions, Layer, type LayerOptions } from './layer.js'
export type { LayerClass, LayerFactory } from './declare.js'
export type { InputSpec } from './input_spec.js'
export type { WeightOptions } from './added_weight.js'
export type { KernelOptions, BiasOptions } from './activated.js'
export { type Dense, type DenseOptions, dense } from './dense.js'
export {
  type Conv2d,
  type Conv1d,
  type DepthwiseConv2d,
  type Conv1dLayerOptions,
  type Conv2dLayerOptions,
  type DepthwiseConv2dLayerOptions,
  conv2d,
  conv1d,
  depthwiseConv2d,
} from './convolution.js'
export { type Conv2dTranspose, type Conv2dTransposeLayerOptions, conv2dTranspose } from './transposed_convolution.js'
export {
  type MaxPooling2d,
  type AveragePooling2d,
  type MaxPooling1d,
  type AveragePooling1d,
  type GlobalMaxPooling2d,
  type GlobalAveragePooling2d,
  type GlobalMaxPooling1d,
  type GlobalAveragePooling1d,
  type Pooling2dOptions,
  type Pooling1dOptions,
  type GlobalPoolingOptions,
  maxPooling2d,
  averagePooling2d,
  maxPooling1d,
  averagePooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
  globalAveragePooling3d,
  type GlobalMaxPooling3d,
  type GlobalAveragePooling3d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalAveragePooling1d,
} from './pooling.js'
export {
  type Flatten,
  type Reshape,
  type Permute,
  type RepeatVector,
  type ReshapeOptions,
  type PermuteOptions,
  type RepeatVectorOptions,
  flatten,
  reshape,
  permute,
  repeatVector,
} from './shape.js'
export {
  type Rescaling,
  type Normalization,
  type RescalingOptions,
  type NormalizationOptions,
  rescaling,
  normalization,
} from './scaling.js'
export {
  type TextVectorization,
  type Standardize,
  type VectorizationMode,
  type TextVectorizationOptions,
  textVectorization,
} from './text_vectorization.js'
export {
  type BatchNormalization,
  type LayerNormalization,
  type Affine,
  type BatchNormalizationOptions,
  type LayerNormalizationOptions,
  batchNormalization,
  layerNormalization,
} from './normalization.js'
export { type GroupNormalization, type GroupNormalizationOptions, groupNormalization } from './group_normalization.js'
export { type RmsNormalization, type RmsNormalizationOptions, rmsNormalization } from './rms_normalization.js'
export {
  type Activation,
  type Relu,
  type LeakyRelu,
  type Prelu,
  type Elu,
  type Softmax,
  type ThresholdedRelu,
  type ActivationOptions,
  type ReluOptions,
  type LeakyReluOptions,
  type PreluOptions,
  type EluOptions,
  type SoftmaxOptions,
  type ThresholdedReluOptions,
  activation,
  relu,
  leakyRelu,
  prelu,
  elu,
  softmax,
  thresholdedRelu,
} from './activation.js'
export {
  type Dropout,
  type SpatialDropout1d,
  type SpatialDropout2d,
  type GaussianNoise,
  type GaussianDropout,
  type AlphaDropout,
  type DropoutLayerOptions,
  type SpatialDropoutOptions,
  type GaussianNoiseOptions,
  type AlphaDropoutOptions,
  dropout,
  spatialDropout1d,
  spatialDropout2d,
  gaussianNoise,
  gaussianDropout,
  alphaDropout,
} from './dropout.js'
export type { Range } from './augmentation.js'
export type { FillMode, FillOptions, SamplingInterpolation } from './sampling.js'
export {
  type FlipMode,
  type RandomCrop,
  type RandomCropOptions,
  type RandomFlip,
  type RandomFlipOptions,
  type RandomRotation,
  type RandomRotationOptions,
  type RandomTranslation,
  type RandomTranslationOptions,
  type RandomZoom,
  type RandomZoomOptions,
  randomCrop,
  randomFlip,
  randomRotation,
  randomTranslation,
  randomZoom,
} from './augment_places.js'
export {
  type RandomBrightness,
  type RandomBrightnessOptions,
  type RandomContrast,
  type RandomContrastOptions,
  randomBrightness,
  randomContrast,
} from './augment_values.js'
export { type CutMix, type CutMixOptions, cutMix, type LabelledImages, type MixUp, type MixUpOptions, mixUp } from './augment_mix.js'
export {
  type CenterCrop,
  type CenterCropOptions,
  type Interpolation,
  type Resizing,
  type ResizingOptions,
  type UpSampling2d,
  type UpSampling2dOptions,
  centerCrop,
  resizing,
  upSampling2d,
} from './resampling.js'
export { type CategoryEncoding, type CategoryEncodingOptions, type CategoryMode, categoryEncoding } from './category_encoding.js'
export { type ConvLstm2d, type ConvLstm2dOptions, convLstm2d } from './convolutional_lstm.js'
export { type SeparableConv2d, type SeparableConv2dLayerOptions, separableConv2d } from './separable_convolution.js'
export {
  type AveragePooling3d,
  type Conv3d,
  type Conv3dTranspose,
  type MaxPooling3d,
  type Conv3dLayerOptions,
  type Conv3dTransposeLayerOptions,
  type Pooling3dOptions,
  type Size3,
  averagePooling3d,
  conv3d,
  conv3dTranspose,
  maxPooling3d,
} from './volume.js'
export { type Embedding, type EmbeddingOptions, embedding } from './embedding.js'
export { type Masking, type MaskingOptions, masking } from './masking.js'
export {
  type Add,
  type Subtract,
  type Multiply,
  type Average,
  type Maximum,
  type Minimum,
  type Concatenate,
  type Dot,
  type ConcatenateOptions,
  type DotOptions,
  add,
  subtract,
  multiply,
  average,
  maximum,
  minimum,
  concatenate,
  dot,
} from './merge.js'
export { type Lambda, type LambdaFunction, lambda } from './lambda.js'
export { type InputLayer, type InputLayerOptions, inputLayer } from './input.js'
export {
  type SimpleRnn,
  type Lstm,
  type Gru,
  type SimpleRnnLayerOptions,
  type LstmLayerOptions,
  type GruLayerOptions,
  simpleRnn,
  lstm,
  gru,
} from './recurrent/layers.js'
export {
  type SimpleRnnCell,
  type LstmCell,
  type GruCell,
  type CellOptions,
  type LstmCellOptions,
  type GruCellOptions,
  simpleRnnCell,
  lstmCell,
  gruCell,
} from './recurrent/cells.js'
export { type StackedRnnCells, type Rnn, type StackedRnnCellsOptions, type RnnOptions, stackedRnnCells, rnn } from './recurrent/rnn.js'
export { type Bidirectional, type MergeMode, type BidirectionalOptions, bidirectional } from './recurrent/bidirectional.js'
export { type TimeDistributed, type TimeDistributedOptions, timeDistributed } from './recurrent/time_distributed.js'
export {
  type MultiHeadAttention,
  type GroupedQueryAttention,
  type MultiHeadAttentionOptions,
  type GroupedQueryAttentionOptions,
  multiHeadAttention,
  groupedQueryAttention,
} from './attention/multi_head.js'
export { type Attention, type AttentionLayerOptions, attention } from './attention/dot_product.js'
export {
  type PositionEmbedding,
  type SinePositionEncoding,
  type TokenAndPositionEmbedding,
  type PositionEmbeddingOptions,
  type SinePositionEncodingOptions,
  type TokenAndPositionEmbeddingOptions,
  positionEmbedding,
  sinePositionEncoding,
  tokenAndPositionEmbedding,
} from './attention/positional.js'
export { type RotaryEmbedding, type RotaryOptions, rotaryEmbedding } from './attention/rotary.js'
export {
  type TransformerEncoder,
  type TransformerDecoder,
  type TransformerBlockOptions,
  type TransformerEncoderOptions,
  type EncoderApplyOptions,
  type TransformerDecoderOptions,
  transformerEncoder,
  transformerDecoder,
} from './attention/transformer.js'
export type { AttentionApplyOptions, AttentionInputs, AttentionRecord } from './attention/attention_layer.js'
export { type CellLike, RecurrentCell, type Step, type StepOptions } from './recurrent/cell.js'
export type { Recurrent, RecurrentApplyOptions, SequenceOptions } from './recurrent/recurrent.js'
export {
  type Cropping1d,
  type Cropping1dOptions,
  type Cropping3d,
  type Cropping3dOptions,
  type Ends,
  type Sides3,
  type UpSampling1d,
  type UpSampling1dOptions,
  type UpSampling3d,
  type UpSampling3dOptions,
  type ZeroPadding1d,
  type ZeroPadding1dOptions,
  type ZeroPadding3d,
  type ZeroPadding3dOptions,
  cropping1d,
  cropping3d,
  upSampling1d,
  upSampling3d,
  zeroPadding1d,
  zeroPadding3d,
  type ZeroPadding2d,
  type Cropping2d,
  type Sides,
  type ZeroPadding2dOptions,
  type Cropping2dOptions,
  zeroPadding2d,
  cropping2d,
} from './borders.js'
export { type Discretization, type DiscretizationOptions, discretization } from './discretization.js'
export { type EinsumDense, type EinsumDenseOptions, einsumDense } from './einsum_dense.js'
export { type Hashing, type HashingOptions, hashing } from './hashing.js'
export type { Batches, Nested } from './host_values.js'
export {
  type IntegerLookup,
  type IntegerLookupOptions,
  integerLookup,
  type LookupMode,
  type StringLookup,
  type StringLookupOptions,
  stringLookup,
} from './lookup.js'
export {
  type Conv1dTranspose,
  type Conv1dTransposeLayerOptions,
  conv1dTranspose,
  type SeparableConv1d,
  type SeparableConv1dLayerOptions,
  separableConv1d,
} from './sequence_convolution.js'
export { type SpectralNormalization, type SpectralNormalizationOptions, spectralNormalization } from './spectral_normalization.js'
export { type UnitNormalization, type UnitNormalizationOptions, unitNormalization } from './unit_normalization.js'
export type { LookupOptions } from './vocabulary.js'
