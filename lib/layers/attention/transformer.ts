// Transformer blocks: attention and a feed-forward network, each with a residual connection and a normalization
// (Vaswani et al. 2017).
import { type DynamicShape, type Shape, shapeText } from '../../core/spec.js'
import { shapesIn } from '../input_spec.js'
import type { InputShapes } from '../layer.js'
import { type OptionTable, show } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import type { ActivationLike } from '../../activations.js'
import { WeftError } from '../../core/error.js'
import type { InitializerLike } from '../../initializers/index.js'
import { add, cast } from '../../ops/index.js'
import type { Tensor } from '../../core/tensor.js'
import { type AttentionCache, MultiHeadAttention } from './multi_head.js'
import { Dense } from '../dense.js'
import { Dropout } from '../dropout.js'
import { type ApplyOptions, type CallOptions, Layer, type LayerOptions } from '../layer.js'
import { LayerNormalization } from '../normalization.js'
import { choiceOption, integerOption, rateOption } from '../options.js'
import { RmsNormalization } from '../rms_normalization.js'
import type { RotaryOptions } from './rotary.js'

export interface TransformerBlockOptions {
  /** Features inside the feed-forward network. */
  intermediateDim: number
  /** Heads of attention, a divisor of the input's features. */
  numHeads: number
  /** Share of the values that training drops, of attention weights and before each residual sum. Default 0. */
  dropout?: number
  /** Inside the feed-forward network. Default 'relu'. */
  activation?: ActivationLike
  /** Default 1e-5. */
  layerNormEpsilon?: number
  /** Of all kernels. Default glorotUniform. */
  kernelInitializer?: InitializerLike
  /** Default zeros. */
  biasInitializer?: InitializerLike
  /** Normalizes before attention and feed-forward network instead of after the residual sums. Default false. */
  normalizeFirst?: boolean
  /** Default 'layer'. */
  normalization?: 'layer' | 'rms'
  /** Default true. */
  useBias?: boolean
  /** Heads of keys and values. Default numHeads. */
  numKeyValueHeads?: number
  /** Rotary positions in self-attention. Default false. */
  rotary?: boolean | RotaryOptions
  /** By default the numbers follow setSeed(). */
  seed?: number
}

/** @internal Parts of a block that draw numbers, each with a seed of its own from `seed` on. */
export const SEEDS_OF_BLOCK = 5

const BLOCK_OPTIONS: OptionTable<TransformerBlockOptions> = {
  intermediateDim: 'integer',
  numHeads: 'integer',
  dropout: 'number',
  activation: 'any',
  layerNormEpsilon: 'number',
  kernelInitializer: 'any',
  biasInitializer: 'any',
  normalizeFirst: 'boolean',
  normalization: ['layer', 'rms'],
  useBias: 'boolean',
  numKeyValueHeads: 'any',
  rotary: 'any',
  seed: 'number',
}

/** What stands around a sublayer: x + dropout(sublayer(x)), and a normalization before or after. */
interface Surrounding {
  readonly norm: LayerNormalization | RmsNormalization
  readonly dropout: Dropout | undefined
}

abstract class TransformerBlock<C extends TransformerBlockOptions, I> extends Layer<C, I> {
  protected override readonly supportsMasking: boolean = true
  // inputs keep the masks they carry
  protected override readonly castsInputs: boolean = false
  // in the order of the weights
  protected selfAttention!: MultiHeadAttention
  private selfAttentionNorm!: Surrounding['norm']
  private selfAttentionDropout: Dropout | undefined
  protected crossAttention: MultiHeadAttention | undefined
  private crossAttentionNorm: Surrounding['norm'] | undefined
  private crossAttentionDropout: Dropout | undefined
  private intermediate!: Dense
  private projection!: Dense
  private feedforwardNorm!: Surrounding['norm']
  private feedforwardDropout: Dropout | undefined
  private seeds = 0

  constructor(what: string, config: C & LayerOptions) {
    super(config)
    integerOption(what, 'intermediateDim', config.intermediateDim)
    integerOption(what, 'numHeads', config.numHeads)
    rateOption(what, config.dropout ?? 0)
    choiceOption(what, 'normalization', config.normalization ?? 'layer', ['layer', 'rms'])
    const epsilon = config.layerNormEpsilon ?? 1e-5
    if (typeof epsilon !== 'number' || !(epsilon > 0))
      throw new WeftError('ERR_ARGUMENT', `${what}: layerNormEpsilon must be positive, got ${show(epsilon)}`)
  }

  /**
   * Makes the sublayers for inputs [batch, steps, features]; `encoded`: those of the encoder's output, for
   * cross-attention.
   */
  protected assemble(features: number, causal: boolean, encoded?: number): void {
    const o: TransformerBlockOptions = this.config
    if (features % o.numHeads !== 0)
      throw this.error(
        'ERR_SHAPE',
        `${features} features cannot be cut into ${o.numHeads} heads`,
        [],
        'Choose numHeads so that it divides them',
      )
    const steps = [null, null, features]
    this.selfAttention = this.attention('selfAttention', features, causal)
    this.selfAttention.build(steps)
    ;({ norm: this.selfAttentionNorm, dropout: this.selfAttentionDropout } = this.surrounding('selfAttention', steps))
    if (encoded !== undefined) {
      this.crossAttention = this.attention('crossAttention', features, false)
      this.crossAttention.build([steps, [null, null, encoded]])
      ;({ norm: this.crossAttentionNorm, dropout: this.crossAttentionDropout } = this.surrounding('crossAttention', steps))
    }
    this.intermediate = this.dense('intermediate', o.intermediateDim, o.activation ?? 'relu')
    this.projection = this.dense('projection', features, 'linear')
    this.intermediate.build(steps)
    this.projection.build([null, null, o.intermediateDim])
    ;({ norm: this.feedforwardNorm, dropout: this.feedforwardDropout } = this.surrounding('feedforward', steps))
  }

  private attention(name: string, features: number, causal: boolean): MultiHeadAttention {
    const { numHeads, dropout = 0, useBias = true, numKeyValueHeads, rotary, ...o } = this.config as TransformerBlockOptions
    return new MultiHeadAttention({
      name,
      dtype: this.dtype,
      numHeads,
      keyDim: features / numHeads,
      dropout,
      useBias,
      useCausalMask: causal,
      kernelInitializer: o.kernelInitializer ?? 'glorotUniform',
      biasInitializer: o.biasInitializer ?? 'zeros',
      ...(numKeyValueHeads ? { numKeyValueHeads } : {}),
      ...(rotary && name === 'selfAttention' ? { rotary } : {}),
      ...this.nextSeed(),
    })
  }

  private dense(name: string, units: number, activation: ActivationLike): Dense {
    const { useBias = true, kernelInitializer = 'glorotUniform', biasInitializer = 'zeros' } = this.config as TransformerBlockOptions
    return new Dense({ name, dtype: this.dtype, units, activation, useBias, kernelInitializer, biasInitializer })
  }

  private surrounding(name: string, inputShape: DynamicShape): Surrounding {
    const { layerNormEpsilon: epsilon = 1e-5, normalization = 'layer', dropout: rate = 0 } = this.config as TransformerBlockOptions
    const made = { name: `${name}Norm`, dtype: this.dtype, epsilon }
    const norm = normalization === 'rms' ? new RmsNormalization(made) : new LayerNormalization(made)
    norm.build(inputShape)
    if (rate === 0) return { norm, dropout: undefined }
    const dropout = new Dropout({ name: `${name}Dropout`, dtype: this.dtype, rate, ...this.nextSeed() })
    dropout.build(inputShape)
    return { norm, dropout }
  }

  /** A seed of its own for each part that draws numbers. */
  private nextSeed(): { seed?: number } {
    const { seed } = this.config as TransformerBlockOptions
    return seed === undefined ? {} : { seed: seed + this.seeds++ }
  }

  /** The block on x, with self- and cross-attention computed by the functions given. */
  protected run(x: Tensor, attend: (x: Tensor) => Tensor, cross?: (x: Tensor) => Tensor): Tensor {
    const { normalizeFirst = false } = this.config as TransformerBlockOptions
    const around = (value: Tensor, { norm, dropout }: Surrounding, inner: (x: Tensor) => Tensor): Tensor => {
      const y = inner(normalizeFirst ? norm.apply(value) : value)
      const sum = add(value, dropout ? dropout.apply(y) : y)
      return normalizeFirst ? sum : norm.apply(sum)
    }
    let value = x.dtype === this.dtype ? x : cast(x, this.dtype)
    value = around(value, { norm: this.selfAttentionNorm, dropout: this.selfAttentionDropout }, attend)
    if (cross) value = around(value, { norm: this.crossAttentionNorm!, dropout: this.crossAttentionDropout }, cross)
    return around(value, { norm: this.feedforwardNorm, dropout: this.feedforwardDropout }, (h) =>
      this.projection.apply(this.intermediate.apply(h)),
    )
  }

  protected checkSequences(shapes: readonly DynamicShape[]): void {
    for (const shape of shapes) {
      if (shape.length !== 3)
        throw this.error('ERR_SHAPE', `expected inputs of shape [batch, steps, features], received ${shapeText(shape)}`, [shape])
    }
  }
}

export interface TransformerEncoderOptions extends TransformerBlockOptions {
  /** Step i looks at steps 0 to i only. Default false. */
  useCausalMask?: boolean
}

export interface EncoderApplyOptions extends ApplyOptions {
  /** True where a step may look at another: [steps, steps], [batch, steps, steps] or [batch, heads, steps, steps]. */
  attentionMask?: Tensor
}

/**
 * Self-attention and a feed-forward network: [batch, steps, features] → the same shape. Steps that the mask calls
 * padding are not looked at.
 */
export class TransformerEncoder extends TransformerBlock<TransformerEncoderOptions, Tensor | readonly [Tensor, Tensor]> {
  static override readonly className: string = 'TransformerEncoder'
  static override readonly options: OptionTable<TransformerEncoderOptions> = { ...BLOCK_OPTIONS, useCausalMask: 'boolean' }

  constructor(config: TransformerEncoderOptions & LayerOptions) {
    super('layers.transformerEncoder', config)
  }

  override build(inputShape: InputShapes): void {
    const shape = shapesIn(inputShape)[0]!
    this.checkSequences([shape])
    this.assemble(this.extentOf(shape, 2), this.config.useCausalMask ?? false)
  }

  /** The block on x. The attention mask may also be given in a list: apply([x, attentionMask]). */
  override apply(x: Tensor | readonly [Tensor, Tensor], options: EncoderApplyOptions = {}): Tensor {
    const { attentionMask, ...rest } = options
    return super.apply(attentionMask && !Array.isArray(x) ? [x as Tensor, attentionMask] : x, rest)
  }

  call(x: Tensor | readonly [Tensor, Tensor], { mask }: CallOptions): Tensor {
    const [value, attentionMask] = (Array.isArray(x) ? x : [x]) as [Tensor, Tensor?]
    return this.run(value, (h) => this.selfAttention.apply(h, { mask, ...(attentionMask ? { attentionMask } : {}) }))
  }
}

/** Self-attention and a feed-forward network: [batch, steps, features] → the same shape. */
export const transformerEncoder: LayerFactory<typeof TransformerEncoder> = layer(TransformerEncoder)

export interface TransformerDecoderOptions extends TransformerBlockOptions {
  /** Step i of the decoder's sequence looks at steps 0 to i only. Default true. */
  useCausalMask?: boolean
}

/**
 * Causal self-attention, attention over an encoder's output where there is one, and a feed-forward network:
 * apply(sequence) or apply([sequence, encoded]) → the shape of the sequence. It is built for one of the two.
 */
export class TransformerDecoder extends TransformerBlock<TransformerDecoderOptions, Tensor | readonly Tensor[]> {
  static override readonly className: string = 'TransformerDecoder'
  static override readonly options: OptionTable<TransformerDecoderOptions> = { ...BLOCK_OPTIONS, useCausalMask: 'boolean' }

  constructor(config: TransformerDecoderOptions & LayerOptions) {
    super('layers.transformerDecoder', config)
  }

  override build(inputShape: InputShapes): void {
    const shapes = shapesIn(inputShape)
    if (shapes.length > 2)
      throw this.error('ERR_ARGUMENT', `takes a sequence and an encoder's output, got a list of ${shapes.length}`, shapes)
    this.checkSequences(shapes)
    const encoded = shapes[1] && this.extentOf(shapes[1], 2)
    this.assemble(this.extentOf(shapes[0]!, 2), this.config.useCausalMask ?? true, encoded)
  }

  call(x: Tensor | readonly Tensor[], { mask }: CallOptions): Tensor {
    const [value, encoded] = (Array.isArray(x) ? x : [x]) as [Tensor, Tensor?]
    const { crossAttention } = this
    if ((encoded === undefined) !== (crossAttention === undefined)) {
      throw this.error(
        'ERR_ARGUMENT',
        encoded ? 'was built without an encoder, and now gets its output' : "was built with an encoder's output, and now gets none",
        [],
        'Make two layers',
      )
    }
    const cross = encoded && ((h: Tensor): Tensor => crossAttention!.apply([h, encoded]))
    return this.run(value, (h) => this.selfAttention.apply(h, { mask }), cross)
  }

  /**
   * @internal The steps x from `position` on, with keys and values of those before in the cache; for blocks without
   * cross-attention.
   */
  callCached(x: Tensor, cache: AttentionCache, position: Tensor): Tensor {
    return this.run(x, (h) => this.selfAttention.callCached(h, cache, position))
  }

  /** @internal */
  cacheShapes(batch: number, length: number): { keys: Shape; values: Shape } {
    return this.selfAttention.cacheShapes(batch, length)
  }
}

/**
 * Causal self-attention, attention over an encoder's output, and a feed-forward network: apply(x) or apply([x,
 * encoded]).
 */
export const transformerDecoder: LayerFactory<typeof TransformerDecoder> = layer(TransformerDecoder)
