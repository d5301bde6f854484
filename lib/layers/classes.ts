// Classes of layers by the name that saved models use.
import { Activation, Elu, LeakyRelu, Prelu, Relu, Softmax } from './activation.js'
import { GroupedQueryAttention, MultiHeadAttention } from './attention/multi_head.js'
import { Conv1d, Conv2d, Conv2dTranspose, DepthwiseConv2d } from './convolution.js'
import { Dense } from './dense.js'
import { Attention } from './attention/dot_product.js'
import { Dropout, GaussianDropout, GaussianNoise, SpatialDropout1d, SpatialDropout2d } from './dropout.js'
import { Embedding } from './embedding.js'
import { GroupNormalization } from './group_normalization.js'
import { InputLayer } from './input.js'
import type { AnyLayer } from './layer.js'
import { Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract } from './merge.js'
import { Masking } from './masking.js'
import { BatchNormalization, LayerNormalization } from './normalization.js'
import {
  AveragePooling1d,
  AveragePooling2d,
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  MaxPooling1d,
  MaxPooling2d,
} from './pooling.js'
import type { CellLike } from './recurrent/cell.js'
import { GruCell, LstmCell, SimpleRnnCell } from './recurrent/cells.js'
import { Gru, Lstm, SimpleRnn } from './recurrent/layers.js'
import { PositionEmbedding, SinePositionEncoding, TokenAndPositionEmbedding } from './attention/positional.js'
import { RmsNormalization } from './rms_normalization.js'
import { RotaryEmbedding } from './attention/rotary.js'
import { Normalization, Rescaling } from './scaling.js'
import { Cropping2d, Flatten, Permute, RepeatVector, Reshape, UpSampling2d, ZeroPadding2d } from './shape.js'
import { TextVectorization } from './text_vectorization.js'
import { TransformerDecoder, TransformerEncoder } from './attention/transformer.js'

/** A class that can be made again from its config. */
export type LayerClass = new (config: never) => AnyLayer | CellLike

export const layerClasses: Readonly<Record<string, LayerClass>> = {
  Activation,
  Add,
  Attention,
  Average,
  AveragePooling1d,
  AveragePooling2d,
  BatchNormalization,
  Concatenate,
  Conv1d,
  Conv2d,
  Conv2dTranspose,
  Cropping2d,
  Dense,
  DepthwiseConv2d,
  Dot,
  Dropout,
  Elu,
  Embedding,
  Flatten,
  GaussianDropout,
  GaussianNoise,
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  GroupedQueryAttention,
  GroupNormalization,
  Gru,
  GruCell,
  InputLayer,
  LayerNormalization,
  LeakyRelu,
  Lstm,
  LstmCell,
  Masking,
  Maximum,
  MaxPooling1d,
  MaxPooling2d,
  Minimum,
  MultiHeadAttention,
  Multiply,
  Normalization,
  Permute,
  PositionEmbedding,
  Prelu,
  Relu,
  RepeatVector,
  Rescaling,
  Reshape,
  RmsNormalization,
  RotaryEmbedding,
  SimpleRnn,
  SimpleRnnCell,
  SinePositionEncoding,
  Softmax,
  SpatialDropout1d,
  SpatialDropout2d,
  Subtract,
  TextVectorization,
  TokenAndPositionEmbedding,
  TransformerDecoder,
  TransformerEncoder,
  UpSampling2d,
  ZeroPadding2d,
}
