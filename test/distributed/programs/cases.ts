// Models and data for trainings on several ranks.
import {
  type FitOptions,
  layers,
  losses,
  type Model,
  optimizers,
  type Sequential,
  sequential,
  type Tensor,
  tensor,
  toCategorical,
} from '../../../lib/index.js'
import { classes } from './small_models.js'

/** A fixed sequence of numbers in [-0.5, 0.5). */
export function numbers(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return state / 2 ** 31 - 0.5
  })
}
const floats = (shape: number[], seed = 3): Tensor =>
  tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    { shape },
  )
const dense = (...between: Parameters<typeof sequential>[0] & unknown[]): Sequential =>
  sequential([
    layers.dense({ units: 16, activation: 'relu', inputShape: [8], kernelRegularizer: 'l2' }),
    ...between,
    layers.dense({ units: 3, activation: 'softmax' }),
  ])

export interface Case {
  net: () => Model
  x: (rows: number) => Tensor
  y: (rows: number) => Tensor
  fit?: (rows: number) => FitOptions
  optimizer?: () => optimizers.Optimizer
  loss?: ReturnType<typeof losses.dice>
}
const x = (rows: number): Tensor => floats([rows, 8])
export const CASES: Record<string, Case> = {
  dense: { net: () => dense(), x, y: classes },
  dropout: { net: () => dense(layers.dropout({ rate: 0.4 }), layers.gaussianNoise({ stddev: 0.1 })), x, y: classes },
  // with adam, gradients that are zero but for rounding would become whole steps
  synchronized: {
    net: () => dense(layers.batchNormalization({ synchronized: true })),
    x,
    y: classes,
    optimizer: () => optimizers.sgd({ learningRate: 0.01 }),
  },
  clipping: { net: () => dense(), x, y: classes, optimizer: () => optimizers.adam({ learningRate: 0.01, globalClipNorm: 0.1 }) },
  weights: {
    net: () => dense(),
    x,
    y: classes,
    fit: (rows) => ({ sampleWeight: numbers(rows, 9).map((v) => v + 0.6), classWeight: { 1: 2 } }),
  },
  // one sum over the samples of all ranks
  batchDice: { net: () => dense(), x, y: (rows) => toCategorical(classes(rows), 3), loss: losses.dice({ axis: 0 }) },
  accumulation: { net: () => dense(), x, y: classes, fit: () => ({ gradientAccumulationSteps: 2 }) },
  convolution: {
    net: () =>
      sequential([
        layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
    x: (rows) => floats([rows, 8, 8, 1]),
    y: classes,
  },
  masked: {
    net: () =>
      sequential([
        layers.embedding({ inputDim: 10, outputDim: 5, maskZero: true, inputShape: [6] }),
        layers.lstm({ units: 7, returnSequences: true }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ]),
    x: (rows) =>
      tensor(
        Int32Array.from({ length: rows * 6 }, (_, i) => (i % 6 < 2 + (Math.floor(i / 6) % 5) ? 1 + ((i * 7) % 9) : 0)),
        { shape: [rows, 6] },
      ),
    y: (rows) => classes(rows * 6).reshape([rows, 6]),
  },
}
