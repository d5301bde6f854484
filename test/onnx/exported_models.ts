// Models to export, and data for them: those of examples/, transformers, image networks, sequences.
import { bert, type ExportOnnxOptions, gpt, input, model, sequential, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { AnyLayer } from '../../lib/layers/layer.js'
import type { AnyRecurrent } from '../../lib/layers/recurrent/bidirectional.js'
import type { AnyModel } from '../../lib/model/model.js'
import { values } from '../layers/check.js'
import { operations, own, residual } from './exported_graphs.js'
import type { Feed } from './oracles.js'

/** Numbers below `count`; zeros, where some are wanted, at places all over a row. */
function ids(batch: number, steps: number, { count = 20, zeros = false }: { count?: number; zeros?: boolean } = {}): Tensor {
  const at = (i: number): number => (i * 7919 + 13) % 101
  return tensor(
    Int32Array.from({ length: batch * steps }, (_, i) => (zeros && at(i) % 3 === 0 ? 0 : 1 + (at(i) % (count - 1)))),
    [batch, steps],
  )
}

const all = (feed: Feed): unknown => Object.values(feed)
const named = (feed: Feed): unknown => feed

export interface Case {
  readonly name: string
  readonly make: () => AnyModel
  readonly feeds: () => readonly Feed[]
  readonly form?: (feed: Feed) => unknown
  readonly tolerance?: number
  readonly options?: ExportOnnxOptions
}

const images =
  (size: number, channels: number, name = 'x'): (() => Feed[]) =>
  () =>
    [1, 4].map((batch) => ({ [name]: values([batch, size, size, channels], batch) }))

/** Weights of a size that tells layers apart: those that embeddings begin with are near zero. */
function spread(net: AnyModel): AnyModel {
  net.setWeights(net.weights.map((w, i) => values(w.shape, i + 1).mul(w.rank > 1 ? 0.4 : 0.2)))
  return net
}

/** The recurrent layers, with the options that they share. */
const RECURRENT: Readonly<Record<string, (options: { units: number; returnSequences: boolean; goBackwards?: boolean }) => AnyRecurrent>> = {
  lstm: (options) => layers.lstm(options),
  gru: (options) => layers.gru(options),
  simpleRnn: (options) => layers.simpleRnn(options),
}

export const cases: readonly Case[] = [
  {
    name: 'fashion-cnn',
    make: () =>
      sequential([
        layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
        layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
        layers.flatten(),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: images(28, 1),
  },
  {
    name: 'fashion-pooling, cifar-cnn',
    make: () =>
      sequential([
        layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [32, 32, 3] }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.flatten(),
        layers.dense({ units: 64, activation: 'relu' }),
        layers.dense({ units: 10 }),
      ]),
    feeds: images(32, 3),
  },
  {
    name: 'digits-cnn',
    make: () =>
      sequential([
        layers.conv2d({ filters: 16, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [8, 8, 1] }),
        layers.batchNormalization(),
        layers.maxPooling2d(),
        layers.dropout({ rate: 0.3 }),
        layers.flatten(),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: images(8, 1),
  },
  {
    name: 'mlp',
    make: () =>
      sequential([
        layers.dense({ units: 128, activation: 'relu', inputShape: [100] }),
        layers.dense({ units: 64, activation: 'relu' }),
        layers.dense({ units: 10, activation: 'softmax' }),
      ]),
    feeds: () => [1, 33].map((batch) => ({ x: values([batch, 100], batch) })),
  },
  ...[28, null].map(
    (steps): Case => ({
      name: `births-lstm, ${steps ?? 'any number of'} steps`,
      make: () =>
        sequential([
          layers.lstm({ units: 50, returnSequences: true, inputShape: [steps, 9] }),
          layers.lstm({ units: 50, returnSequences: true }),
          layers.lstm({ units: 50 }),
          layers.dense({ units: 1 }),
        ]),
      feeds: () => [1, 5].map((batch) => ({ x: values([batch, steps ?? 9 * batch, 9], batch) })),
    }),
  ),
  ...[60, null].map(
    (steps): Case => ({
      name: `spam-lstm, ${steps ?? 'any number of'} steps`,
      make: () =>
        spread(
          sequential([
            layers.embedding({ inputDim: 20, outputDim: 16, maskZero: true, inputShape: [steps] }),
            layers.lstm({ units: 12, returnSequences: true }),
            layers.lstm({ units: 8 }),
            layers.dense({ units: 1, activation: 'sigmoid' }),
          ]),
        ),
      // masked steps in front, between and behind; a row of nothing else
      feeds: () => [
        ...[1, 6].map((batch) => ({ x: ids(batch, steps ?? 5 + batch, { zeros: true }) })),
        { x: tensor(new Int32Array(2 * (steps ?? 4)), [2, steps ?? 4]) },
      ],
    }),
  ),
  ...Object.entries(RECURRENT).flatMap(([kind, layer]) =>
    [false, true].map(
      (goBackwards): Case => ({
        name: `masked ${kind}${goBackwards ? ' backwards' : ''}`,
        make: () =>
          spread(
            sequential([
              layers.embedding({ inputDim: 20, outputDim: 6, maskZero: true, inputShape: [null] }),
              layers.bidirectional({ layer: layer({ units: 5, returnSequences: true }) }),
              layer({ units: 4, returnSequences: true, goBackwards }),
              layers.timeDistributed({ layer: layers.dense({ units: 3, activation: 'tanh' }) }),
              layers.globalAveragePooling1d(),
            ]),
          ),
        feeds: () => [...[1, 5].map((batch) => ({ x: ids(batch, 9 + batch, { zeros: true }) })), { x: tensor(new Int32Array(8), [2, 4]) }],
      }),
    ),
  ),
  ...[false, true].flatMap((rotary) =>
    ([{}, { normalization: 'rms', activation: 'silu', tieWeights: false, numKeyValueHeads: 2 }] as const).map(
      (extra): Case => ({
        name: `char-gpt${rotary ? ', rotary' : ''}${'normalization' in extra ? ', rms, grouped queries' : ''}`,
        make: () => spread(gpt({ vocabularySize: 20, sequenceLength: 32, numLayers: 2, numHeads: 4, hiddenDim: 16, rotary, ...extra })),
        feeds: () => [{ ids: ids(1, 5) }, { ids: ids(3, 32) }, { ids: ids(2, 1) }],
      }),
    ),
  ),
  ...[false, true].map(
    (maskedLanguageHead): Case => ({
      name: `bert${maskedLanguageHead ? ' with a language head' : ''}`,
      make: () =>
        spread(bert({ vocabularySize: 20, sequenceLength: 32, numLayers: 2, numHeads: 4, hiddenDim: 16, maskedLanguageHead }) as AnyModel),
      feeds: () =>
        [
          [1, 5],
          [3, 32],
        ].map(([batch, steps]) => ({
          tokenIds: ids(batch!, steps!),
          segmentIds: ids(batch!, steps!, { count: 2 }).sub(1),
          paddingMask: tensor(Array.from({ length: batch! }, (_, i) => Array.from({ length: steps! }, (_, j) => j < steps! - i))),
        })),
      form: named,
    }),
  ),
  {
    name: 'residual images of any size',
    make: residual,
    feeds: () => [{ image: values([1, 16, 16, 3], 1) }, { image: values([2, 17, 24, 3], 2) }],
  },
  {
    name: 'sequences through convolutions, attention and gru',
    make: () => {
      const x = input({ shape: [null, 3], name: 'steps' })
      let h = layers.conv1d({ filters: 4, kernelSize: 3, padding: 'causal', activation: 'relu' }).apply(x)
      h = layers.maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' }).apply(h)
      h = layers.conv1d({ filters: 4, kernelSize: 3, dilationRate: 2, padding: 'same' }).apply(h)
      h = layers.layerNormalization().apply(h)
      h = layers.multiHeadAttention({ numHeads: 2, keyDim: 4 }).apply([h, h]) as Tensor
      h = layers
        .gru({ units: 6, returnSequences: true, resetAfter: false, activation: 'relu', recurrentActivation: 'hardSigmoid' })
        .apply(h)
      h = layers.dense({ units: 5, activation: 'gelu' }).apply(h)
      return model({ inputs: x, outputs: layers.globalMaxPooling1d().apply(h) })
    },
    feeds: () => [{ steps: values([1, 16, 3], 1) }, { steps: values([2, 17, 3], 2) }],
  },
  {
    name: 'sines of positions',
    make: () => {
      const x = input({ shape: [null, 6], name: 'steps' })
      const h = x.add(layers.sinePositionEncoding().apply(x))
      return model({ inputs: x, outputs: layers.transformerEncoder({ intermediateDim: 8, numHeads: 2 }).apply(h) as Tensor })
    },
    feeds: () => [16, 17, 2048].map((steps) => ({ steps: values([1, steps, 6], 1) })),
  },
  {
    // all sizes near each other give one result
    name: 'images of any size under large strides',
    make: () => {
      const conv = (): AnyLayer => layers.conv2d({ filters: 3, kernelSize: 8, strides: 8, padding: 'same' })
      return sequential([layers.inputLayer({ inputShape: [null, null, 2] }), conv(), conv(), layers.reshape({ targetShape: [-1, 3] })])
    },
    feeds: () => [{ x: values([1, 20, 70, 2], 1) }, { x: values([2, 130, 200, 2], 2) }],
  },
  {
    // halves are doubled again and added: other sizes do not fit
    name: 'images whose sides can be halved',
    make: () => {
      const x = input({ shape: [null, null, 2], name: 'x' })
      const half = layers.conv2d({ filters: 2, kernelSize: 3, strides: 2, padding: 'same' }).apply(x)
      const deep = layers.maxPooling2d().apply(half)
      const up = layers.upSampling2d().apply(layers.add().apply([half, layers.upSampling2d().apply(deep)]))
      return model({ inputs: x, outputs: layers.concatenate().apply([x, up]) })
    },
    feeds: () => [{ x: values([1, 8, 12, 2], 1) }, { x: values([2, 20, 4, 2], 2) }],
  },
  {
    name: 'a table of all steps by all, made on the host',
    make: () => {
      const mix = (x: Tensor): Tensor => {
        const t = x.shape[1]!
        const weight = (i: number): number => (i % t <= Math.floor(i / t) ? 1 / (1 + (i % t)) : 0)
        return tensor(
          Float32Array.from({ length: t * t }, (_, i) => weight(i)),
          [t, t],
        ).matMul(x)
      }
      return sequential([layers.inputLayer({ inputShape: [null, 3] }), layers.lambda(mix), layers.dense({ units: 2 })])
    },
    feeds: () => [1, 9, 40].map((steps) => ({ x: values([2, steps, 3], 1) })),
    options: { maxLength: 40 },
  },
  {
    name: 'operations between layers',
    make: operations,
    feeds: () => [
      { a: values([1, 16, 6], 1), b: values([1, 12, 6], 2) },
      { a: values([2, 17, 6], 3), b: values([2, 3, 6], 4) },
    ],
    form: all,
  },
  { name: 'own layers and operations', make: own, feeds: () => [2, 7].map((batch) => ({ x: values([batch, 4], batch) })) },
  {
    name: 'float16',
    make: () =>
      sequential([
        layers.conv2d({ filters: 4, kernelSize: 3, dtype: 'float16', inputShape: [8, 8, 2] }),
        layers.flatten({ dtype: 'float16' }),
        layers.dense({ units: 3, dtype: 'float16', activation: 'softmax' }),
      ]),
    feeds: images(8, 2),
    tolerance: 2e-3,
  },
]
