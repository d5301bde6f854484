// Rows of layerCheck for attention, positions, transformer blocks and the normalizations that go with them.
import { add, type Shape, type Tensor, tensor } from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import type { LayerRow } from './check.js'

/** x plus the sine encoding of its positions, which alone does not depend on x. */
class Encoded extends layers.Layer {
  private readonly encoding = layers.sinePositionEncoding({ name: 'encoding', dtype: this.dtype })

  call(x: Tensor): Tensor {
    return add(x, this.encoding.apply(x))
  }
}

/** The same tokens whatever the input is, whose values are no ids. */
class Tokens extends layers.Layer {
  private readonly embedding = layers.tokenAndPositionEmbedding({
    vocabularySize: 7,
    sequenceLength: 5,
    embeddingDim: 4,
    name: 'embedding',
    dtype: this.dtype,
  })

  override build(inputShape: Shape): void {
    this.embedding.build(inputShape.slice(0, 2))
  }
  call(x: Tensor): Tensor {
    const ids = [3, 6, 0, 1, 3]
    return this.embedding.apply(
      tensor(
        new Int32Array(x.shape[0]! * 3).map((_, i) => ids[i % 5]!),
        { shape: [x.shape[0]!, 3] },
      ),
    )
  }
}

const [queries, keys] = [
  [2, 3, 4],
  [2, 5, 3],
]

export const attentionRows: readonly LayerRow[] = [
  {
    factory: 'multiHeadAttention',
    make: (o) => layers.multiHeadAttention({ numHeads: 2, keyDim: 3, ...o }),
    input: [2, 4, 3],
    mask: 'passes',
  },
  {
    factory: 'multiHeadAttention',
    name: 'causal, rotary, dropout, no bias',
    make: (o) =>
      layers.multiHeadAttention({ numHeads: 2, keyDim: 4, useCausalMask: true, rotary: true, dropout: 0.3, useBias: false, ...o }),
    input: [2, 4, 3],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'multiHeadAttention',
    name: 'query, value and key; valueDim, outputShape',
    make: (o) => layers.multiHeadAttention({ numHeads: 2, keyDim: 3, valueDim: 2, outputShape: 5, ...o }),
    input: [queries, keys, [2, 5, 2]],
    mask: 'none',
  },
  {
    factory: 'groupedQueryAttention',
    make: (o) => layers.groupedQueryAttention({ headDim: 2, numQueryHeads: 4, numKeyValueHeads: 2, ...o }),
    input: [queries, keys],
    mask: 'none',
  },
  { factory: 'attention', make: (o) => layers.attention({ useScale: true, ...o }), input: [queries, [2, 5, 4]], mask: 'none' },
  {
    factory: 'attention',
    name: 'self, causal, dropout',
    make: (o) => layers.attention({ useCausalMask: true, dropout: 0.3, ...o }),
    input: [[2, 4, 3]],
    mask: 'passes',
    stochastic: true,
  },
  { factory: 'positionEmbedding', make: (o) => layers.positionEmbedding({ sequenceLength: 5, ...o }), input: [2, 3, 4], mask: 'passes' },
  {
    factory: 'sinePositionEncoding',
    make: (o) => new Encoded(o),
    input: [2, 3, 4],
    mask: 'drops',
    classes: { Encoded },
  },
  { factory: 'rotaryEmbedding', make: (o) => layers.rotaryEmbedding({ ...o }), input: [2, 3, 4], mask: 'passes' },
  {
    factory: 'rotaryEmbedding',
    name: 'heads, interleaved',
    make: (o) => layers.rotaryEmbedding({ interleaved: true, maxWavelength: 100, ...o }),
    input: [2, 3, 2, 4],
    mask: 'passes',
  },
  { factory: 'tokenAndPositionEmbedding', make: (o) => new Tokens(o), input: [2, 3, 4], mask: 'drops', classes: { Tokens } },
  { factory: 'rmsNormalization', make: (o) => layers.rmsNormalization({ ...o }), input: [2, 3, 4], mask: 'passes' },
  {
    factory: 'rmsNormalization',
    name: 'axis 1',
    make: (o) => layers.rmsNormalization({ axis: 1, ...o }),
    input: [2, 3, 4],
    mask: 'passes',
  },
  { factory: 'groupNormalization', make: (o) => layers.groupNormalization({ groups: 2, ...o }), input: [2, 3, 2, 4], mask: 'none' },
  {
    factory: 'groupNormalization',
    name: 'axis 1, one group per feature, no scale',
    make: (o) => layers.groupNormalization({ groups: -1, axis: 1, scale: false, ...o }),
    input: [2, 3, 4],
    mask: 'passes',
  },
  {
    factory: 'transformerEncoder',
    make: (o) => layers.transformerEncoder({ intermediateDim: 5, numHeads: 2, activation: 'tanh', ...o }),
    input: [2, 3, 4],
    mask: 'passes',
  },
  {
    factory: 'transformerEncoder',
    name: 'normalized first, rms, dropout, gelu',
    make: (o) =>
      layers.transformerEncoder({
        intermediateDim: 5,
        numHeads: 2,
        activation: 'gelu',
        normalizeFirst: true,
        normalization: 'rms',
        dropout: 0.2,
        ...o,
      }),
    input: [2, 3, 4],
    mask: 'passes',
    stochastic: true,
  },
  {
    factory: 'transformerDecoder',
    make: (o) => layers.transformerDecoder({ intermediateDim: 5, numHeads: 2, activation: 'gelu', normalizeFirst: true, ...o }),
    input: [2, 3, 4],
    mask: 'passes',
  },
  {
    factory: 'transformerDecoder',
    name: "with an encoder's output, rotary, grouped",
    make: (o) =>
      layers.transformerDecoder({
        intermediateDim: 5,
        numHeads: 2,
        activation: 'tanh',
        rotary: true,
        numKeyValueHeads: 1,
        useBias: false,
        ...o,
      }),
    input: [queries, [2, 5, 3]],
    mask: 'none',
  },
]
