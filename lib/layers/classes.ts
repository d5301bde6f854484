// Classes of layers by the name that saved models use.
import { Activation, Elu, LeakyRelu, Prelu, Relu, Softmax } from './activation.js'
import { Conv1d, Conv2d, Conv2dTranspose, DepthwiseConv2d } from './convolution.js'
import { Dense } from './dense.js'
import { Dropout, GaussianDropout, GaussianNoise, SpatialDropout1d, SpatialDropout2d } from './dropout.js'
import { InputLayer } from './input.js'
import type { AnyLayer } from './layer.js'
import { Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract } from './merge.js'
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
import { Normalization, Rescaling } from './scaling.js'
import { Cropping2d, Flatten, Permute, RepeatVector, Reshape, UpSampling2d, ZeroPadding2d } from './shape.js'

/** A class that can be made again from its config. */
export type LayerClass = new (config: never) => AnyLayer

export const layerClasses: Readonly<Record<string, LayerClass>> = {
  Activation,
  Add,
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
  Flatten,
  GaussianDropout,
  GaussianNoise,
  GlobalAveragePooling1d,
  GlobalAveragePooling2d,
  GlobalMaxPooling1d,
  GlobalMaxPooling2d,
  InputLayer,
  LayerNormalization,
  LeakyRelu,
  Maximum,
  MaxPooling1d,
  MaxPooling2d,
  Minimum,
  Multiply,
  Normalization,
  Permute,
  Prelu,
  Relu,
  RepeatVector,
  Rescaling,
  Reshape,
  Softmax,
  SpatialDropout1d,
  SpatialDropout2d,
  Subtract,
  UpSampling2d,
  ZeroPadding2d,
}
