// Rows of layerCheck: every layer, with the options that change what it does.
import { mul, type Shape, type Tensor, type Variable } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { attentionRows } from './attention_rows.js'
import { augmentRows } from './augment_rows.js'
import { recurrentRows } from './recurrent_rows.js'
import { volumeRows } from './volume_rows.js'
import type { LayerRow } from './check.js'

class Scale extends layers.Layer<{ by: number }> {
  scale!: Variable

  override build(inputShape: Shape): void {
    this.scale = this.addWeight({ name: 'scale', shape: [inputShape.at(-1)!], initializer: 'ones' })
  }
  call(x: Tensor): Tensor {
    return mul(mul(x, this.scale), this.config.by)
  }
}

export const rows: readonly LayerRow[] = [
  { factory: 'dense', make: (o) => layers.dense({ units: 3, ...o }), input: [4, 5], mask: 'none' },
  {
    factory: 'dense',
    name: 'sequences, tanh, no bias',
    make: (o) => layers.dense({ units: 3, activation: 'tanh', useBias: false, ...o }),
    input: [2, 3, 4],
    mask: 'passes',
  },
  { factory: 'dense', name: 'softmax', make: (o) => layers.dense({ units: 3, activation: 'softmax', ...o }), input: [4, 5], mask: 'none' },
  {
    factory: 'conv1d',
    make: (o) => layers.conv1d({ filters: 2, kernelSize: 3, padding: 'causal', activation: 'sigmoid', ...o }),
    input: [2, 5, 3],
    mask: 'drops',
  },
  {
    factory: 'conv1d',
    name: 'strides, same',
    make: (o) => layers.conv1d({ filters: 2, kernelSize: [3], strides: 2, padding: 'same', ...o }),
    input: [2, 5, 3],
    mask: 'drops',
  },
  {
    factory: 'conv2d',
    make: (o) => layers.conv2d({ filters: 2, kernelSize: 3, activation: 'tanh', ...o }),
    input: [2, 5, 4, 2],
    mask: 'none',
  },
  {
    factory: 'conv2d',
    name: 'groups, strides, same',
    make: (o) => layers.conv2d({ filters: 4, kernelSize: [3, 2], strides: 2, padding: 'same', groups: 2, ...o }),
    input: [2, 5, 4, 2],
    mask: 'none',
  },
  {
    factory: 'conv2d',
    name: 'dilation, no bias',
    make: (o) => layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2, useBias: false, ...o }),
    input: [1, 5, 4, 2],
    mask: 'none',
  },
  {
    factory: 'depthwiseConv2d',
    make: (o) => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same', ...o }),
    input: [2, 4, 4, 2],
    mask: 'none',
  },
  {
    factory: 'conv2dTranspose',
    make: (o) => layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', ...o }),
    input: [2, 3, 2, 2],
    mask: 'none',
  },
  {
    factory: 'conv2dTranspose',
    name: 'valid',
    make: (o) => layers.conv2dTranspose({ filters: 2, kernelSize: 2, ...o }),
    input: [1, 3, 2, 2],
    mask: 'none',
  },
  { factory: 'maxPooling1d', make: (o) => layers.maxPooling1d({ poolSize: 2, ...o }), input: [2, 5, 2], mask: 'drops' },
  { factory: 'maxPooling2d', make: (o) => layers.maxPooling2d({ ...o }), input: [2, 5, 4, 2], mask: 'none' },
  {
    factory: 'maxPooling2d',
    name: 'overlapping, same',
    make: (o) => layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same', ...o }),
    input: [2, 5, 4, 2],
    mask: 'none',
  },
  {
    factory: 'averagePooling1d',
    make: (o) => layers.averagePooling1d({ poolSize: 3, strides: 1, padding: 'same', ...o }),
    input: [2, 5, 2],
    mask: 'drops',
  },
  { factory: 'averagePooling2d', make: (o) => layers.averagePooling2d({ poolSize: [2, 3], ...o }), input: [2, 5, 6, 2], mask: 'none' },
  { factory: 'globalMaxPooling1d', make: (o) => layers.globalMaxPooling1d({ ...o }), input: [2, 5, 2], mask: 'drops' },
  { factory: 'globalMaxPooling3d', make: (o) => layers.globalMaxPooling3d(o), input: [2, 2, 3, 2, 2], mask: 'none' },
  {
    factory: 'globalAveragePooling3d',
    make: (o) => layers.globalAveragePooling3d({ keepDims: true, ...o }),
    input: [2, 2, 2, 3, 2],
    mask: 'none',
  },
  { factory: 'globalMaxPooling2d', make: (o) => layers.globalMaxPooling2d({ keepDims: true, ...o }), input: [2, 3, 2, 2], mask: 'none' },
  { factory: 'globalAveragePooling1d', make: (o) => layers.globalAveragePooling1d({ ...o }), input: [2, 5, 2], mask: 'uses' },
  { factory: 'globalAveragePooling2d', make: (o) => layers.globalAveragePooling2d({ ...o }), input: [2, 3, 2, 2], mask: 'none' },
  { factory: 'flatten', make: (o) => layers.flatten({ ...o }), input: [2, 3, 2], mask: 'drops' },
  { factory: 'reshape', make: (o) => layers.reshape({ targetShape: [2, -1], ...o }), input: [3, 4, 2], mask: 'drops' },
  { factory: 'permute', make: (o) => layers.permute({ dims: [2, 1], ...o }), input: [2, 3, 4], mask: 'drops' },
  { factory: 'repeatVector', make: (o) => layers.repeatVector({ n: 3, ...o }), input: [2, 4], mask: 'none' },
  {
    factory: 'zeroPadding2d',
    make: (o) =>
      layers.zeroPadding2d({
        padding: [
          [1, 0],
          [2, 1],
        ],
        ...o,
      }),
    input: [2, 3, 2, 2],
    mask: 'none',
  },
  {
    factory: 'cropping2d',
    make: (o) =>
      layers.cropping2d({
        cropping: [
          [1, 0],
          [1, 1],
        ],
        ...o,
      }),
    input: [2, 3, 4, 2],
    mask: 'none',
  },
  { factory: 'upSampling2d', make: (o) => layers.upSampling2d({ size: [2, 3], ...o }), input: [2, 3, 2, 2], mask: 'none' },
  { factory: 'rescaling', make: (o) => layers.rescaling({ scale: 0.5, offset: [1, 2, 3], ...o }), input: [2, 4, 3], mask: 'passes' },
  {
    factory: 'normalization',
    make: (o) => layers.normalization({ mean: [0.5, 1, 2], variance: [4, 1, 2], ...o }),
    input: [3, 3],
    mask: 'none',
  },
  {
    factory: 'normalization',
    name: 'to be adapted',
    make: (o) => layers.normalization({ axis: null, ...o }),
    input: [2, 4, 3],
    mask: 'drops',
  },
  { factory: 'batchNormalization', make: (o) => layers.batchNormalization({ ...o }), input: [4, 3], mask: 'none', stochastic: true },
  {
    factory: 'batchNormalization',
    name: 'axis 1, no scale',
    make: (o) => layers.batchNormalization({ axis: 1, scale: false, ...o }),
    input: [3, 2, 4],
    mask: 'passes',
    stochastic: true,
  },
  { factory: 'layerNormalization', make: (o) => layers.layerNormalization({ ...o }), input: [2, 3, 4], mask: 'passes' },
  {
    factory: 'layerNormalization',
    name: 'axes [1, 2]',
    make: (o) => layers.layerNormalization({ axis: [1, 2], ...o }),
    input: [2, 3, 2],
    mask: 'passes',
  },
  { factory: 'activation', make: (o) => layers.activation({ activation: 'silu', ...o }), input: [2, 3, 2], mask: 'passes' },
  {
    factory: 'relu',
    make: (o) => layers.relu({ maxValue: 1.4, negativeSlope: 0.1, threshold: 0.4, ...o }),
    input: [2, 3, 2],
    mask: 'passes',
  },
  { factory: 'leakyRelu', make: (o) => layers.leakyRelu({ ...o }), input: [2, 3, 2], mask: 'passes' },
  { factory: 'prelu', make: (o) => layers.prelu({ sharedAxes: [1], alphaInitializer: 'ones', ...o }), input: [2, 3, 2], mask: 'passes' },
  { factory: 'elu', make: (o) => layers.elu({ alpha: 0.7, ...o }), input: [2, 3, 2], mask: 'passes' },
  { factory: 'softmax', make: (o) => layers.softmax({ ...o }), input: [2, 3, 4], mask: 'passes' },
  { factory: 'dropout', make: (o) => layers.dropout({ rate: 0.4, ...o }), input: [3, 4, 2], mask: 'passes', stochastic: true },
  {
    factory: 'dropout',
    name: 'noiseShape',
    make: (o) => layers.dropout({ rate: 0.4, noiseShape: [null, 1, null], ...o }),
    input: [3, 4, 2],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'spatialDropout1d',
    make: (o) => layers.spatialDropout1d({ rate: 0.4, ...o }),
    input: [3, 4, 2],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'spatialDropout2d',
    make: (o) => layers.spatialDropout2d({ rate: 0.4, ...o }),
    input: [3, 2, 2, 3],
    mask: 'none',
    stochastic: true,
  },
  {
    factory: 'gaussianNoise',
    make: (o) => layers.gaussianNoise({ stddev: 0.5, ...o }),
    input: [3, 4, 2],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'gaussianDropout',
    make: (o) => layers.gaussianDropout({ rate: 0.3, ...o }),
    input: [3, 4, 2],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'add',
    make: (o) => layers.add({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
      [2, 1, 2],
    ],
    mask: 'none',
  },
  {
    factory: 'add',
    name: 'two',
    make: (o) => layers.add({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'subtract',
    make: (o) => layers.subtract({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'multiply',
    make: (o) => layers.multiply({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'average',
    make: (o) => layers.average({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'maximum',
    make: (o) => layers.maximum({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'minimum',
    make: (o) => layers.minimum({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 2],
    ],
    mask: 'merges',
  },
  {
    factory: 'concatenate',
    make: (o) => layers.concatenate({ ...o }),
    input: [
      [2, 3, 2],
      [2, 3, 4],
    ],
    mask: 'merges',
  },
  {
    factory: 'dot',
    make: (o) => layers.dot({ axes: 1, normalize: true, ...o }),
    input: [
      [2, 3],
      [2, 3],
    ],
    mask: 'none',
  },
  {
    factory: 'dot',
    name: 'sequences',
    make: (o) => layers.dot({ axes: [2, 1], ...o }),
    input: [
      [2, 3, 4],
      [2, 4, 2],
    ],
    mask: 'drops',
  },
  { factory: 'lambda', make: (o) => layers.lambda((x) => x.square(), o), input: [2, 3, 2], mask: 'passes', saves: false },
  {
    factory: 'inputLayer',
    make: ({ name, dtype = 'float32' }) => layers.inputLayer({ inputShape: [3, 2], dtype, ...(name === undefined ? {} : { name }) }),
    input: [2, 3, 2],
    mask: 'passes',
  },
  {
    factory: 'Layer',
    name: 'a class of the user',
    make: (o) => new Scale({ by: 2, ...o }),
    input: [2, 3, 2],
    mask: 'drops',
    classes: { Scale },
  },
  ...attentionRows,
  ...recurrentRows,
  ...volumeRows,
  ...augmentRows,
]
