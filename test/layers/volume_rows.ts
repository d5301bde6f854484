// Rows of layerCheck: volumes, sequences of images, and convolutions made of two.
import * as layers from '../../lib/layers/index.js'
import type { LayerRow } from './check.js'

export const volumeRows: readonly LayerRow[] = [
  {
    factory: 'conv3d',
    make: (o) => layers.conv3d({ filters: 2, kernelSize: [2, 3, 2], strides: [2, 1, 1], padding: 'same', activation: 'tanh', ...o }),
    input: [2, 3, 4, 3, 2],
    mask: 'none',
  },
  {
    factory: 'conv3d',
    name: 'dilation, no bias',
    make: (o) => layers.conv3d({ filters: 2, kernelSize: 2, dilationRate: [2, 1, 1], useBias: false, ...o }),
    input: [1, 4, 3, 3, 2],
    mask: 'none',
  },
  {
    factory: 'conv3dTranspose',
    make: (o) => layers.conv3dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', ...o }),
    input: [1, 2, 2, 2, 2],
    mask: 'none',
  },
  {
    factory: 'conv3dTranspose',
    name: 'valid, strides above the kernel',
    make: (o) => layers.conv3dTranspose({ filters: 2, kernelSize: 1, strides: 2, ...o }),
    input: [1, 2, 2, 2, 2],
    mask: 'none',
  },
  { factory: 'maxPooling3d', make: (o) => layers.maxPooling3d({ padding: 'same', ...o }), input: [2, 3, 4, 3, 2], mask: 'none' },
  {
    factory: 'averagePooling3d',
    make: (o) => layers.averagePooling3d({ poolSize: [2, 1, 3], strides: 1, padding: 'same', ...o }),
    input: [2, 3, 3, 4, 2],
    mask: 'none',
  },
  {
    factory: 'separableConv2d',
    make: (o) => layers.separableConv2d({ filters: 3, kernelSize: 2, depthMultiplier: 2, padding: 'same', activation: 'tanh', ...o }),
    input: [2, 3, 4, 2],
    mask: 'none',
  },
  {
    factory: 'convLstm2d',
    make: (o) => layers.convLstm2d({ filters: 2, kernelSize: 2, padding: 'same', returnSequences: true, ...o }),
    input: [2, 3, 3, 2, 2],
    mask: 'drops',
  },
  {
    factory: 'convLstm2d',
    name: 'backwards, last step',
    make: (o) => layers.convLstm2d({ filters: 2, kernelSize: 2, goBackwards: true, useBias: false, ...o }),
    input: [2, 3, 3, 3, 2],
    mask: 'none',
  },
  {
    factory: 'upSampling2d',
    name: 'bilinear',
    make: (o) => layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear', ...o }),
    input: [2, 3, 2, 2],
    mask: 'none',
  },
  { factory: 'resizing', make: (o) => layers.resizing({ height: 4, width: 2, ...o }), input: [2, 3, 3, 2], mask: 'none' },
  { factory: 'centerCrop', make: (o) => layers.centerCrop({ height: 2, width: 3, ...o }), input: [2, 3, 4, 2], mask: 'none' },
  { factory: 'thresholdedRelu', make: (o) => layers.thresholdedRelu({ theta: 0.3, ...o }), input: [3, 4], mask: 'none' },
  { factory: 'alphaDropout', make: (o) => layers.alphaDropout({ rate: 0.3, ...o }), input: [3, 4, 2], mask: 'passes', stochastic: true },
]
