// bert: an encoder of whole texts, blocks of attention over all tokens (Devlin et al. 2019), as one Model.
import type { DynamicShape } from '../core/spec.js'
import { checkCall, type OptionTable } from '../core/options.js'
import type { ActivationLike } from '../activations.js'
import type { InitializerLike } from '../initializers/index.js'
import { Dense } from '../layers/dense.js'
import { Dropout } from '../layers/dropout.js'
import { Embedding } from '../layers/embedding.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { LayerNormalization } from '../layers/normalization.js'
import { wholeNumbers } from '../ops/ids.js'
import { TokenAndPositionEmbedding } from '../layers/attention/positional.js'
import { registerLoader } from '../layers/serialize.js'
import { type EncoderInputs, encoderInputs } from './text_inputs.js'
import { scoresOf, valueOf } from '../layers/stored_weights.js'
import { SEEDS_OF_BLOCK, TransformerEncoder } from '../layers/attention/transformer.js'
import { ComposedModel } from '../model/composed.js'
import type { SummaryRow } from '../model/summary.js'
import { add, cast, notEqual, reshape, slice } from '../ops/index.js'
import { Tensor, type Variable } from '../core/tensor.js'
import { checkSizes, type TransformerSizes } from './sizes.js'

export interface BertOptions extends TransformerSizes {
  /** Default 0.1. */
  dropout?: number
  /** Kinds of text in one input, as question and answer. Default 2. */
  numSegments?: number
  /** In the feed-forward networks. Default 'gelu'. */
  activation?: ActivationLike
  /** Default 1e-12. */
  layerNormEpsilon?: number
  /** Where no paddingMask is given, id 0 is padding. Default true. */
  maskZero?: boolean
  /** The output is the logits of every token, to train on hidden ones. Default false. */
  maskedLanguageHead?: boolean
  /** Of all matrices. Default truncatedNormal with standard deviation 0.02. */
  kernelInitializer?: InitializerLike
  /** Of dropout. By default the numbers follow setSeed(). */
  seed?: number
}

/** Ids [batch, steps] alone, or with the kind of text and what is no padding, both [batch, steps]. */
export type BertInputs = EncoderInputs
/** sequenceOutput [batch, steps, hiddenDim], and pooledOutput [batch, hiddenDim] of the first token. */
export interface BertEncoding {
  readonly sequenceOutput: Tensor
  readonly pooledOutput: Tensor
}
/** The encoding, or the logits of the masked-language head. */
export type BertOutputs = Tensor | BertEncoding

/** An encoder of texts. Made by bert(). */
export class Bert<O extends BertOutputs = BertOutputs> extends ComposedModel<BertOptions & LayerOptions, BertInputs, O> {
  static override readonly className: string = 'Bert'
  static override readonly options: OptionTable<BertOptions> = {
    vocabularySize: 'integer',
    sequenceLength: 'integer',
    numLayers: 'integer',
    numHeads: 'integer',
    hiddenDim: 'integer',
    intermediateDim: 'integer',
    dropout: 'number',
    numSegments: 'integer',
    activation: 'any',
    layerNormEpsilon: 'number',
    maskZero: 'boolean',
    maskedLanguageHead: 'boolean',
    kernelInitializer: 'any',
    seed: 'number',
  }

  readonly layers: readonly AnyLayer[]
  private readonly embedding: TokenAndPositionEmbedding
  private readonly segments: Embedding
  private readonly embeddingNorm: LayerNormalization
  private readonly dropout: Dropout | undefined
  private readonly blocks: readonly TransformerEncoder[]
  private readonly pooler: Dense | undefined
  private readonly head: { transform: Dense; norm: LayerNormalization } | undefined
  private headBias: Variable | undefined

  constructor(config: BertOptions & LayerOptions) {
    super(config)
    checkSizes('bert', config)
    const { vocabularySize, sequenceLength, numLayers, numHeads, hiddenDim, dropout = 0.1, numSegments = 2, seed } = config
    const { kernelInitializer = TRUNCATED, layerNormEpsilon: epsilon = 1e-12, activation = 'gelu', maskedLanguageHead = false } = config
    const made = { dtype: this.dtype }
    this.embedding = new TokenAndPositionEmbedding({
      name: 'embedding',
      vocabularySize,
      sequenceLength,
      embeddingDim: hiddenDim,
      embeddingsInitializer: kernelInitializer,
      ...made,
    })
    this.segments = new Embedding({
      name: 'segments',
      inputDim: numSegments,
      outputDim: hiddenDim,
      embeddingsInitializer: kernelInitializer,
      ...made,
    })
    this.embeddingNorm = new LayerNormalization({ name: 'embeddingNorm', epsilon, ...made })
    this.dropout =
      dropout > 0 ? new Dropout({ name: 'dropout', rate: dropout, ...made, ...(seed === undefined ? {} : { seed }) }) : undefined
    this.blocks = Array.from(
      { length: numLayers },
      (_, i) =>
        new TransformerEncoder({
          name: `block${i}`,
          intermediateDim: config.intermediateDim ?? 4 * hiddenDim,
          numHeads,
          dropout,
          activation,
          layerNormEpsilon: epsilon,
          kernelInitializer,
          ...(seed === undefined ? {} : { seed: seed + 1 + SEEDS_OF_BLOCK * i }),
          ...made,
        }),
    )
    const dense = (name: string, units: number, act: ActivationLike): Dense =>
      new Dense({ name, units, activation: act, kernelInitializer, ...made })
    this.pooler = maskedLanguageHead ? undefined : dense('pooler', hiddenDim, 'tanh')
    this.head = maskedLanguageHead
      ? { transform: dense('transform', hiddenDim, activation), norm: new LayerNormalization({ name: 'headNorm', epsilon, ...made }) }
      : undefined
    this.layers = [
      this.embedding,
      this.segments,
      this.embeddingNorm,
      ...(this.dropout ? [this.dropout] : []),
      ...this.blocks,
      ...(this.pooler ? [this.pooler] : []),
      ...(this.head ? [this.head.transform, this.head.norm] : []),
    ]
    this.build([null, sequenceLength])
    if (config.trainable === false) this.trainable = false
  }

  override build(_inputShape: DynamicShape): void {
    const { sequenceLength, hiddenDim, vocabularySize } = this.config
    for (const layer of [this.embedding, this.segments]) layer.build([null, sequenceLength])
    for (const layer of this.layers.slice(2)) layer.build(layer === this.pooler ? [null, hiddenDim] : [null, null, hiddenDim])
    if (this.head) this.headBias = this.addWeight({ name: 'headBias', shape: [vocabularySize], initializer: 'zeros' })
  }

  override get outputNames(): readonly string[] {
    return this.head ? ['logits'] : ['sequenceOutput', 'pooledOutput']
  }
  override get outputActivations(): readonly undefined[] {
    return this.head ? [undefined] : [undefined, undefined]
  }

  call(x: BertInputs, { mask: carried }: CallOptions): O {
    const { tokenIds, segmentIds, paddingMask } = encoderInputs(x, this.config.sequenceLength, this.error.bind(this))
    const { maskZero = true, hiddenDim } = this.config
    const given = paddingMask && (paddingMask.dtype === 'bool' ? paddingMask : cast(paddingMask, 'bool'))
    const mask = given ?? carried ?? (maskZero ? notEqual(wholeNumbers(tokenIds), 0) : undefined)
    const kinds = segmentIds ? this.segments.apply(segmentIds) : slice(valueOf(this.segments.embeddings), [0, 0], [1, hiddenDim])
    let h = this.embeddingNorm.apply(add(this.embedding.apply(tokenIds), kinds))
    if (this.dropout) h = this.dropout.apply(h)
    for (const block of this.blocks) h = block.apply(h, { mask })
    if (this.head) return withMask(this.logits(h), mask) as O
    const [batch] = h.shape as [number]
    const first = reshape(slice(h, [0, 0, 0], [batch, 1, hiddenDim]), [batch, hiddenDim])
    return { sequenceOutput: withMask(h, mask), pooledOutput: this.pooler!.apply(first) } as O
  }

  private logits(h: Tensor): Tensor {
    const { hiddenDim, vocabularySize } = this.config
    const [batch, steps] = h.shape as [number, number]
    const rows = reshape(this.head!.norm.apply(this.head!.transform.apply(h)), [batch * steps, hiddenDim])
    const scores = add(scoresOf(rows, this.embedding.embeddings), this.headBias!)
    return reshape(scores, [batch, steps, vocabularySize])
  }

  protected summaryRows(): SummaryRow[] {
    const { hiddenDim } = this.config
    return this.layers.map((layer) => ({
      label: `${layer.name} (${layer.className})`,
      shape: layer === this.pooler ? [null, hiddenDim] : [null, null, hiddenDim],
      parameters: layer.countParams(),
    }))
  }
}

const TRUNCATED: InitializerLike = { className: 'TruncatedNormal', config: { stddev: 0.02 } }

/** The tensor with a mask. It is a copy of the view, so that other readers of the value see no mask. */
function withMask(t: Tensor, mask: Tensor | undefined): Tensor {
  if (!mask) return t
  const marked = reshape(t, t.shape)
  marked.mask = mask
  return marked
}

registerLoader('Bert', (config) => new Bert(config as unknown as BertOptions & LayerOptions))

/**
 * An encoder of texts that compiles, fits, saves and loads: ids [batch, steps], or { tokenIds, segmentIds, paddingMask
 * }, →
 * { sequenceOutput, pooledOutput }, or with `maskedLanguageHead` the logits of every token. Apply it in a functional
 * model to put a head of your own on it.
 */
export function bert(config: BertOptions & LayerOptions & { maskedLanguageHead: true }): Bert<Tensor>
export function bert(config: BertOptions & LayerOptions & { maskedLanguageHead?: false }): Bert<BertEncoding>
export function bert(config: BertOptions & LayerOptions): Bert
export function bert(config: BertOptions & LayerOptions): Bert {
  checkCall('bert(options)', arguments)
  return new Bert(config)
}
