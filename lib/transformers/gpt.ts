// gpt: a causal language model, blocks of self-attention over the tokens so far (Radford et al. 2019), as one Model.
import type { DynamicShape, Shape } from '../core/spec.js'
import type { ActivationLike } from '../activations.js'
import { checkCall, type OptionTable } from '../core/options.js'
import type { InitializerLike } from '../initializers/index.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import { Dense } from '../layers/dense.js'
import { Dropout } from '../layers/dropout.js'
import { Embedding } from '../layers/embedding.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { LayerNormalization } from '../layers/normalization.js'
import { TokenAndPositionEmbedding } from '../layers/attention/positional.js'
import { RmsNormalization } from '../layers/rms_normalization.js'
import type { RotaryOptions } from '../layers/attention/rotary.js'
import { registerLoader } from '../layers/serialize.js'
import { checkIds } from './text_inputs.js'
import { scoresOf } from '../layers/stored_weights.js'
import { SEEDS_OF_BLOCK, TransformerDecoder } from '../layers/attention/transformer.js'
import { ComposedModel } from '../model/composed.js'
import type { SummaryRow } from '../model/summary.js'
import { reshape, zeros } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { Decoder } from './decoder.js'
import { type GenerateOptions, generate, type Prompt } from './generate.js'
import { checkSizes, type TransformerSizes } from './sizes.js'

export interface GptOptions extends TransformerSizes {
  /** Of embeddings, attention weights and sublayers, in training. Default 0.1. */
  dropout?: number
  /** In the feed-forward networks. Default 'gelu'. */
  activation?: ActivationLike
  /** Heads of keys and values, a divisor of numHeads. Default numHeads. */
  numKeyValueHeads?: number
  /** Rotary positions instead of learned ones. Default false. */
  rotary?: boolean | RotaryOptions
  /** Default 'layer'. */
  normalization?: 'layer' | 'rms'
  /** Default 1e-5. */
  layerNormEpsilon?: number
  /** In projections and feed-forward networks. Default true. */
  useBias?: boolean
  /**
   * The output uses the table of token vectors, transposed (Press and Wolf 2017); false: a matrix of its own. Default
   * true.
   */
  tieWeights?: boolean
  /** Of all matrices. Default randomNormal with standard deviation 0.02. */
  kernelInitializer?: InitializerLike
  /** Of dropout. By default the numbers follow setSeed(). */
  seed?: number
}

/**
 * A causal language model: ids [batch, steps] → logits of the next token [batch, steps, vocabularySize]. Made by gpt().
 */
export class Gpt extends ComposedModel<GptOptions & LayerOptions> {
  static override readonly className: string = 'Gpt'
  static override readonly options: OptionTable<GptOptions> = {
    vocabularySize: 'integer',
    sequenceLength: 'integer',
    numLayers: 'integer',
    numHeads: 'integer',
    hiddenDim: 'integer',
    intermediateDim: 'integer',
    dropout: 'number',
    activation: 'any',
    numKeyValueHeads: 'any',
    rotary: 'any',
    normalization: ['layer', 'rms'],
    layerNormEpsilon: 'number',
    useBias: 'boolean',
    tieWeights: 'boolean',
    kernelInitializer: 'any',
    seed: 'number',
  }

  readonly layers: readonly AnyLayer[]
  private readonly embedding: Embedding | TokenAndPositionEmbedding
  private readonly dropout: Dropout | undefined
  private readonly blocks: readonly TransformerDecoder[]
  private readonly norm: LayerNormalization | RmsNormalization
  private readonly head: Dense | undefined
  private readonly idle: Decoder[] = []

  constructor(config: GptOptions & LayerOptions) {
    super(config)
    checkSizes('gpt', config)
    const { numLayers, hiddenDim, sequenceLength, dropout = 0.1, normalization = 'layer', layerNormEpsilon: epsilon = 1e-5 } = config
    const { kernelInitializer = NORMAL, vocabularySize, rotary = false, tieWeights = true, seed } = config
    const made = { dtype: this.dtype }
    this.embedding = rotary
      ? new Embedding({
          name: 'embedding',
          inputDim: vocabularySize,
          outputDim: hiddenDim,
          embeddingsInitializer: kernelInitializer,
          ...made,
        })
      : new TokenAndPositionEmbedding({
          name: 'embedding',
          vocabularySize,
          sequenceLength,
          embeddingDim: hiddenDim,
          embeddingsInitializer: kernelInitializer,
          ...made,
        })
    this.dropout =
      dropout > 0 ? new Dropout({ name: 'dropout', rate: dropout, ...made, ...(seed === undefined ? {} : { seed }) }) : undefined
    this.blocks = Array.from(
      { length: numLayers },
      (_, i) => new TransformerDecoder({ name: `block${i}`, ...blockOptions(config, i), ...made }),
    )
    this.norm =
      normalization === 'rms'
        ? new RmsNormalization({ name: 'norm', epsilon, ...made })
        : new LayerNormalization({ name: 'norm', epsilon, ...made })
    this.head = tieWeights ? undefined : new Dense({ name: 'head', units: vocabularySize, useBias: false, kernelInitializer, ...made })
    this.layers = [this.embedding, ...(this.dropout ? [this.dropout] : []), ...this.blocks, this.norm, ...(this.head ? [this.head] : [])]
    this.build([null, sequenceLength])
    if (config.trainable === false) this.trainable = false
  }

  override build(_inputShape: DynamicShape): void {
    const { sequenceLength, hiddenDim } = this.config
    this.embedding.build([null, sequenceLength])
    for (const layer of this.layers.slice(1)) layer.build([null, null, hiddenDim])
  }

  /** Shape of one sample; shorter ones fit as well. */
  get inputShape(): Shape {
    return [this.config.sequenceLength]
  }

  override get outputActivations(): readonly undefined[] {
    return [undefined]
  }
  override get outputNames(): readonly string[] {
    return ['logits']
  }

  call(x: Tensor, { mask }: CallOptions): Tensor {
    checkIds(x, this.config.sequenceLength, this.error.bind(this))
    const embedded = this.embedding.apply(x)
    let h = this.dropout ? this.dropout.apply(embedded) : embedded
    for (const block of this.blocks) h = block.apply(h, { mask })
    const logits = this.logits(h)
    if (mask) logits.mask = mask
    return logits
  }

  /**
   * @internal call() on the steps from `position` int32 [1] on, with the caches of the blocks: hidden states [batch,
   * steps, hiddenDim].
   */
  callCached(ids: Tensor, caches: readonly AttentionCache[], position: Tensor): Tensor {
    const embedded = this.embedding instanceof Embedding ? this.embedding.apply(ids) : this.embedding.embed(ids, position)
    return this.blocks.reduce((h, block, i) => block.callCached(h, caches[i]!, position), embedded)
  }

  /** @internal Hidden states [batch, steps, hiddenDim] → logits [batch, steps, vocabularySize]. */
  logits(h: Tensor): Tensor {
    const normal = this.norm.apply(h)
    if (this.head) return this.head.apply(normal)
    const [batch, steps, features] = normal.shape as [number, number, number]
    const rows = reshape(normal, [batch * steps, features])
    return reshape(scoresOf(rows, this.embedding.embeddings), [batch, steps, this.config.vocabularySize])
  }

  /** @internal Empty caches for each block. */
  makeCaches(batch: number, length: number): AttentionCache[] {
    return this.blocks.map((block) => {
      const { keys, values } = block.cacheShapes(batch, length)
      const made = { dtype: this.dtype, trainable: false }
      return {
        keys: variable(zeros(keys, { dtype: this.dtype }), { ...made, name: `${block.name}/keys` }),
        values: variable(zeros(values, { dtype: this.dtype }), { ...made, name: `${block.name}/values` }),
      }
    })
  }

  /**
   * Tokens that continue the prompt, one at a time:
   * `for await (const id of net.generate(ids, { maxTokens: 200, topP: 0.9 }))`. See generate().
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<number, void, void> {
    return generate(this, prompt, options)
  }

  /** @internal A decoder that nobody uses. */
  takeDecoder(): Decoder {
    for (let decoder = this.idle.pop(); decoder; decoder = this.idle.pop()) {
      if (decoder.fits(this)) return decoder
      decoder.dispose()
    }
    return new Decoder(this)
  }
  /** @internal Keeps it for the next text. */
  returnDecoder(decoder: Decoder): void {
    if (this.idle.length < 2 && decoder.fits(this)) this.idle.push(decoder)
    else decoder.dispose()
  }

  protected summaryRows(): SummaryRow[] {
    const { hiddenDim, vocabularySize } = this.config
    return this.layers.map((layer) => ({
      label: `${layer.name} (${layer.className})`,
      shape: [null, null, layer === this.head ? vocabularySize : hiddenDim],
      parameters: layer.countParams(),
    }))
  }

  override dispose(): void {
    for (const decoder of this.idle.splice(0)) decoder.dispose()
    super.dispose()
  }
}

const NORMAL: InitializerLike = { className: 'RandomNormal', config: { stddev: 0.02 } }

/** The options of the block at an index. */
function blockOptions({ hiddenDim, ...o }: GptOptions, index: number): ConstructorParameters<typeof TransformerDecoder>[0] {
  return {
    intermediateDim: o.intermediateDim ?? 4 * hiddenDim,
    numHeads: o.numHeads,
    dropout: o.dropout ?? 0.1,
    activation: o.activation ?? 'gelu',
    layerNormEpsilon: o.layerNormEpsilon ?? 1e-5,
    kernelInitializer: o.kernelInitializer ?? NORMAL,
    normalizeFirst: true,
    normalization: o.normalization ?? 'layer',
    useBias: o.useBias ?? true,
    rotary: o.rotary ?? false,
    ...(o.numKeyValueHeads === undefined ? {} : { numKeyValueHeads: o.numKeyValueHeads }),
    ...(o.seed === undefined ? {} : { seed: o.seed + 1 + SEEDS_OF_BLOCK * index }),
  }
}

registerLoader('Gpt', (config) => new Gpt(config as unknown as GptOptions & LayerOptions))

/**
 * A causal language model that compiles, fits, saves, loads and generates: ids [batch, steps] → logits [batch, steps,
 * vocabularySize]. Train it on x and the same ids one step later as y, with losses.sparseCategoricalCrossentropy({
 * fromLogits: true }).
 */
export function gpt(config: GptOptions & LayerOptions): Gpt {
  checkCall('gpt(options)', arguments)
  return new Gpt(config)
}
