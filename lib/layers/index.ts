// The layers: a factory for each class. Options are those of Keras 3 in camelCase.
import {
  Activation,
  type ActivationOptions,
  Elu,
  type EluOptions,
  LeakyRelu,
  type LeakyReluOptions,
  Prelu,
  type PreluOptions,
  Relu,
  type ReluOptions,
  Softmax,
  type SoftmaxOptions,
} from './activation.js'
import {
  GroupedQueryAttention,
  type GroupedQueryAttentionOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from './attention/multi_head.js'
import {
  Conv1d,
  type Conv1dOptions,
  Conv2d,
  type Conv2dLayerOptions,
  Conv2dTranspose,
  type Conv2dTransposeOptions,
  DepthwiseConv2d,
  type DepthwiseConv2dOptions,
} from './convolution.js'
import { Dense, type DenseOptions } from './dense.js'
import { Attention, type AttentionLayerOptions } from './attention/dot_product.js'
import {
  Dropout,
  type DropoutOptions,
  GaussianDropout,
  GaussianNoise,
  type GaussianNoiseOptions,
  SpatialDropout1d,
  SpatialDropout2d,
  type SpatialDropoutOptions,
} from './dropout.js'
import { Embedding, type EmbeddingOptions } from './embedding.js'
import { GroupNormalization, type GroupNormalizationOptions } from './group_normalization.js'
import { InputLayer, type InputLayerOptions } from './input.js'
import { Lambda, type LambdaFunction } from './lambda.js'
import type { LayerOptions } from './layer.js'
import { Masking, type MaskingOptions } from './masking.js'
import { Add, Average, Concatenate, type ConcatenateOptions, Dot, type DotOptions, Maximum, Minimum, Multiply, Subtract } from './merge.js'
import { BatchNormalization, type BatchNormalizationOptions, LayerNormalization, type LayerNormalizationOptions } from './normalization.js'
import {
  AveragePooling1d,
  AveragePooling2d,
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  type GlobalPoolingOptions,
  MaxPooling1d,
  MaxPooling2d,
  type Pooling1dOptions,
  type Pooling2dOptions,
} from './pooling.js'
import type { Tensor } from '../core/tensor.js'
import type { Recurrent } from './recurrent/recurrent.js'
import { Bidirectional, type BidirectionalOptions } from './recurrent/bidirectional.js'
import { type CellOptions, GruCell, type GruCellOptions, LstmCell, type LstmCellOptions, SimpleRnnCell } from './recurrent/cells.js'
import { Gru, type GruOptions, Lstm, type LstmOptions, SimpleRnn, type SimpleRnnOptions } from './recurrent/layers.js'
import { Rnn, type RnnOptions, StackedRnnCells, type StackedRnnCellsOptions } from './recurrent/rnn.js'
import { TimeDistributed, type TimeDistributedOptions } from './recurrent/time_distributed.js'
import {
  PositionEmbedding,
  type PositionEmbeddingOptions,
  SinePositionEncoding,
  type SinePositionEncodingOptions,
  TokenAndPositionEmbedding,
  type TokenAndPositionEmbeddingOptions,
} from './attention/positional.js'
import { RmsNormalization, type RmsNormalizationOptions } from './rms_normalization.js'
import { RotaryEmbedding, type RotaryOptions } from './attention/rotary.js'
import { Normalization, type NormalizationOptions, Rescaling, type RescalingOptions } from './scaling.js'
import {
  Cropping2d,
  type Cropping2dOptions,
  Flatten,
  Permute,
  type PermuteOptions,
  RepeatVector,
  type RepeatVectorOptions,
  Reshape,
  type ReshapeOptions,
  UpSampling2d,
  type UpSampling2dOptions,
  ZeroPadding2d,
  type ZeroPadding2dOptions,
} from './shape.js'
import { TextVectorization, type TextVectorizationOptions } from './text_vectorization.js'
import {
  TransformerDecoder,
  type TransformerDecoderOptions,
  TransformerEncoder,
  type TransformerEncoderOptions,
} from './attention/transformer.js'

export { type ApplyOptions, type CallOptions, Layer, type LayerOptions } from './layer.js'
export { RecurrentCell, type Step, type StepOptions } from './recurrent/cell.js'

/** activation(x · kernel + bias) over the last axis: [batch, ..., features] → [batch, ..., units]. */
export const dense = (config: DenseOptions & LayerOptions): Dense => new Dense(config)

/** Convolution of sequences [batch, steps, channels] → [batch, steps', filters]. */
export const conv1d = (config: Conv1dOptions & LayerOptions): Conv1d => new Conv1d(config)
/** Convolution of images [batch, height, width, channels] → [batch, height', width', filters]. */
export const conv2d = (config: Conv2dLayerOptions & LayerOptions): Conv2d => new Conv2d(config)
/** Convolution of each channel by itself: [batch, height, width, channels] → [batch, height', width', channels · depthMultiplier]. */
export const depthwiseConv2d = (config: DepthwiseConv2dOptions & LayerOptions): DepthwiseConv2d => new DepthwiseConv2d(config)
/** Transposed convolution, which enlarges by the strides: [batch, height, width, channels] → [batch, height', width', filters]. */
export const conv2dTranspose = (config: Conv2dTransposeOptions & LayerOptions): Conv2dTranspose => new Conv2dTranspose(config)

/** The largest value of each window of steps. */
export const maxPooling1d = (config: Pooling1dOptions & LayerOptions = {}): MaxPooling1d => new MaxPooling1d(config)
/** The largest value of each window of an image. */
export const maxPooling2d = (config: Pooling2dOptions & LayerOptions = {}): MaxPooling2d => new MaxPooling2d(config)
/** The mean of each window of steps, over the places inside. */
export const averagePooling1d = (config: Pooling1dOptions & LayerOptions = {}): AveragePooling1d => new AveragePooling1d(config)
/** The mean of each window of an image, over the places inside. */
export const averagePooling2d = (config: Pooling2dOptions & LayerOptions = {}): AveragePooling2d => new AveragePooling2d(config)
/** The largest value of each channel: [batch, steps, channels] → [batch, channels]. */
export const globalMaxPooling1d = (config: GlobalPoolingOptions & LayerOptions = {}): GlobalMaxPooling1d => new GlobalMaxPooling1d(config)
/** The largest value of each channel: [batch, height, width, channels] → [batch, channels]. */
export const globalMaxPooling2d = (config: GlobalPoolingOptions & LayerOptions = {}): GlobalMaxPooling2d => new GlobalMaxPooling2d(config)
/** The mean of each channel over the steps, those that are data where there is a mask. */
export const globalAveragePooling1d = (config: GlobalPoolingOptions & LayerOptions = {}): GlobalAveragePooling1d =>
  new GlobalAveragePooling1d(config)
/** The mean of each channel: [batch, height, width, channels] → [batch, channels]. */
export const globalAveragePooling2d = (config: GlobalPoolingOptions & LayerOptions = {}): GlobalAveragePooling2d =>
  new GlobalAveragePooling2d(config)

/** [batch, ...] → [batch, values of a sample]. */
export const flatten = (config: LayerOptions = {}): Flatten => new Flatten(config)
/** Samples in another shape. */
export const reshape = (config: ReshapeOptions & LayerOptions): Reshape => new Reshape(config)
/** Axes of samples in another order. */
export const permute = (config: PermuteOptions & LayerOptions): Permute => new Permute(config)
/** [batch, features] → [batch, n, features]. */
export const repeatVector = (config: RepeatVectorOptions & LayerOptions): RepeatVector => new RepeatVector(config)
/** Zeros around images. */
export const zeroPadding2d = (config: ZeroPadding2dOptions & LayerOptions = {}): ZeroPadding2d => new ZeroPadding2d(config)
/** Images without their borders. */
export const cropping2d = (config: Cropping2dOptions & LayerOptions = {}): Cropping2d => new Cropping2d(config)
/** Images with each row and column repeated. */
export const upSampling2d = (config: UpSampling2dOptions & LayerOptions = {}): UpSampling2d => new UpSampling2d(config)

/** x · scale + offset, as for bytes: { scale: 1 / 255 }. */
export const rescaling = (config: RescalingOptions & LayerOptions): Rescaling => new Rescaling(config)
/** (x - mean) / √variance of the data given to adapt(). */
export const normalization = (config: NormalizationOptions & LayerOptions = {}): Normalization => new Normalization(config)
/** Texts as ids or counts of tokens, with the vocabulary given to adapt(); apply(['...']) gives a Tensor. */
export const textVectorization = (config: TextVectorizationOptions & LayerOptions = {}): TextVectorization => new TextVectorization(config)
/** Features normalized over the batch (Ioffe and Szegedy 2015). */
export const batchNormalization = (config: BatchNormalizationOptions & LayerOptions = {}): BatchNormalization =>
  new BatchNormalization(config)
/** Samples normalized by themselves (Ba et al. 2016). */
export const layerNormalization = (config: LayerNormalizationOptions & LayerOptions = {}): LayerNormalization =>
  new LayerNormalization(config)

/** An activation by name, or a function. */
export const activation = (config: ActivationOptions & LayerOptions): Activation => new Activation(config)
/** max(x, 0), with options. */
export const relu = (config: ReluOptions & LayerOptions = {}): Relu => new Relu(config)
/** x above 0, negativeSlope · x below. */
export const leakyRelu = (config: LeakyReluOptions & LayerOptions = {}): LeakyRelu => new LeakyRelu(config)
/** x above 0, a learned slope times x below. */
export const prelu = (config: PreluOptions & LayerOptions = {}): Prelu => new Prelu(config)
/** x above 0, alpha · (eˣ - 1) below. */
export const elu = (config: EluOptions & LayerOptions = {}): Elu => new Elu(config)
/** Probabilities along an axis. */
export const softmax = (config: SoftmaxOptions & LayerOptions = {}): Softmax => new Softmax(config)

/** Drops values while training. */
export const dropout = (config: DropoutOptions & LayerOptions): Dropout => new Dropout(config)
/** Drops channels of sequences while training. */
export const spatialDropout1d = (config: SpatialDropoutOptions & LayerOptions): SpatialDropout1d => new SpatialDropout1d(config)
/** Drops channels of images while training. */
export const spatialDropout2d = (config: SpatialDropoutOptions & LayerOptions): SpatialDropout2d => new SpatialDropout2d(config)
/** Adds normal noise while training. */
export const gaussianNoise = (config: GaussianNoiseOptions & LayerOptions): GaussianNoise => new GaussianNoise(config)
/** Multiplies by normal noise of mean 1 while training. */
export const gaussianDropout = (config: SpatialDropoutOptions & LayerOptions): GaussianDropout => new GaussianDropout(config)

/** Vectors of ids: [batch, time] → [batch, time, outputDim]. */
export const embedding = (config: EmbeddingOptions & LayerOptions): Embedding => new Embedding(config)
/** Steps whose features all equal maskValue are no data. */
export const masking = (config: MaskingOptions & LayerOptions = {}): Masking => new Masking(config)

/** What a recurrent layer gives: with returnState an array of the output and the last states. */
type Result<C> = C extends { returnState: true } ? Tensor[] : Tensor
/** Long short-term memory (Hochreiter and Schmidhuber 1997): [batch, time, features] → [batch, units], with returnSequences [batch, time, units]. */
export const lstm = <const C extends LstmOptions & LayerOptions>(config: C): Lstm<Result<C>> => new Lstm(config)
/** Gated recurrent units (Cho et al. 2014): [batch, time, features] → [batch, units], with returnSequences [batch, time, units]. */
export const gru = <const C extends GruOptions & LayerOptions>(config: C): Gru<Result<C>> => new Gru(config)
/** A simple recurrent network (Elman 1990): [batch, time, features] → [batch, units], with returnSequences [batch, time, units]. */
export const simpleRnn = <const C extends SimpleRnnOptions & LayerOptions>(config: C): SimpleRnn<Result<C>> => new SimpleRnn(config)
/** A cell of any kind over sequences: [batch, time, features] → [batch, outputSize], with returnSequences [batch, time, outputSize]. */
export const rnn = <const C extends RnnOptions & LayerOptions>(config: C): Rnn<Result<C>> => new Rnn(config)
/** One step of lstm; states h and c. */
export const lstmCell = (config: LstmCellOptions & LayerOptions): LstmCell => new LstmCell(config)
/** One step of gru. */
export const gruCell = (config: GruCellOptions & LayerOptions): GruCell => new GruCell(config)
/** One step of simpleRnn. */
export const simpleRnnCell = (config: CellOptions & LayerOptions): SimpleRnnCell => new SimpleRnnCell(config)
/** Cells one above the other as one. */
export const stackedRnnCells = (config: StackedRnnCellsOptions & LayerOptions): StackedRnnCells => new StackedRnnCells(config)
/** A recurrent layer in both directions. */
export const bidirectional = <const C extends BidirectionalOptions & LayerOptions>(
  config: C,
): Bidirectional<C extends { mergeMode: null } ? Tensor[] : C['layer'] extends Recurrent<object, infer O> ? O : Tensor> =>
  new Bidirectional(config)
/** A layer applied to every step by itself: [batch, time, ...] → [batch, time, ...]. */
export const timeDistributed = (config: TimeDistributedOptions & LayerOptions): TimeDistributed => new TimeDistributed(config)

/** The sum of the inputs; apply([a, b]). */
export const add = (config: LayerOptions = {}): Add => new Add(config)
/** The first of two inputs less the second. */
export const subtract = (config: LayerOptions = {}): Subtract => new Subtract(config)
/** The product of the inputs. */
export const multiply = (config: LayerOptions = {}): Multiply => new Multiply(config)
/** The mean of the inputs. */
export const average = (config: LayerOptions = {}): Average => new Average(config)
/** The largest of the inputs, element by element. */
export const maximum = (config: LayerOptions = {}): Maximum => new Maximum(config)
/** The smallest of the inputs, element by element. */
export const minimum = (config: LayerOptions = {}): Minimum => new Minimum(config)
/** The inputs joined along an axis. */
export const concatenate = (config: ConcatenateOptions & LayerOptions = {}): Concatenate => new Concatenate(config)
/** Products of two inputs summed along an axis. */
export const dot = (config: DotOptions & LayerOptions): Dot => new Dot(config)

/** A function of tensors as a layer; not saved. */
export const lambda = (fn: LambdaFunction, config: LayerOptions = {}): Lambda => new Lambda(fn, config)
/** The place where data enter a sequential model. */
export const inputLayer = (config: InputLayerOptions & Omit<LayerOptions, 'inputShape' | 'dtype'>): InputLayer => new InputLayer(config)

/** Attention of several heads with learned projections: apply(x), or apply([query, value, key]) → [batch, queries, features]. */
export const multiHeadAttention = (config: MultiHeadAttentionOptions & LayerOptions): MultiHeadAttention => new MultiHeadAttention(config)
/** Attention whose groups of query heads share keys and values. */
export const groupedQueryAttention = (config: GroupedQueryAttentionOptions & LayerOptions): GroupedQueryAttention =>
  new GroupedQueryAttention(config)
/** Attention without learned projections: apply([query, value]). */
export const attention = (config: AttentionLayerOptions & LayerOptions = {}): Attention => new Attention(config)
/** A learned vector for each position, in the shape of the input. */
export const positionEmbedding = (config: PositionEmbeddingOptions & LayerOptions): PositionEmbedding => new PositionEmbedding(config)
/** Sines and cosines of each position, in the shape of the input. */
export const sinePositionEncoding = (config: SinePositionEncodingOptions & LayerOptions = {}): SinePositionEncoding =>
  new SinePositionEncoding(config)
/** Pairs of features turned by their position. */
export const rotaryEmbedding = (config: RotaryOptions & LayerOptions = {}): RotaryEmbedding => new RotaryEmbedding(config)
/** Ids [batch, steps] → vectors of tokens and positions [batch, steps, embeddingDim]. */
export const tokenAndPositionEmbedding = (config: TokenAndPositionEmbeddingOptions & LayerOptions): TokenAndPositionEmbedding =>
  new TokenAndPositionEmbedding(config)
/** Features divided by their root mean square (Zhang and Sennrich 2019). */
export const rmsNormalization = (config: RmsNormalizationOptions & LayerOptions = {}): RmsNormalization => new RmsNormalization(config)
/** Groups of features normalized by themselves (Wu and He 2018). */
export const groupNormalization = (config: GroupNormalizationOptions & LayerOptions = {}): GroupNormalization =>
  new GroupNormalization(config)
/** Self-attention and a feed-forward network: [batch, steps, features] → the same shape. */
export const transformerEncoder = (config: TransformerEncoderOptions & LayerOptions): TransformerEncoder => new TransformerEncoder(config)
/** Causal self-attention, attention over an encoder's output, and a feed-forward network: apply(x) or apply([x, encoded]). */
export const transformerDecoder = (config: TransformerDecoderOptions & LayerOptions): TransformerDecoder => new TransformerDecoder(config)
