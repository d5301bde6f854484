// PretrainedDecoder: a causal language model of a Hugging Face folder: it computes, trains, saves and writes texts.
import { checkCall } from '../core/options.js'
import type { DynamicShape, Shape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { registerLoader } from '../layers/serialize.js'
import { checkIds } from '../transformers/text_inputs.js'
import { add, div, mul, tanh, zeros } from '../ops/index.js'
import { type CachedModel, type CallCachedOptions, Decoder } from '../transformers/decoder.js'
import { type GenerateOptions, generate, generateBatch, type Prompt } from '../transformers/generate.js'
import { type Places, stepsOf } from './attention.js'
import { type DecoderParts, runBlock } from './decoder_parts.js'
import { gpt2Parts } from './gpt2.js'
import { LLAMA_TYPES, llamaParts } from './llama.js'
import { PartMaker } from './maker.js'
import { type PretrainedConfig, PretrainedModel } from './pretrained_model.js'

/** model_type of the decoders that are known. */
export const DECODER_TYPES: readonly string[] = ['gpt2', ...LLAMA_TYPES]

/** Shortest caches that are made. */
const SHORTEST_CACHE = 128
/** Most decoders that are kept for the next texts. */
const MOST_IDLE = 2

/** Ids [batch, steps] → logits of the next token [batch, steps, vocabularySize]. Made by loadPretrained(). */
export class PretrainedDecoder extends PretrainedModel implements CachedModel {
  static override readonly className: string = 'PretrainedDecoder'
  readonly layers: readonly AnyLayer[]
  readonly aliases: Readonly<Record<string, string>>
  readonly prefix: string
  readonly buffers: RegExp
  /** What generate() takes where an option is not given: what generation_config.json says. */
  generationDefaults: GenerateOptions
  private readonly parts: DecoderParts
  private readonly idle: Decoder[] = []

  constructor(config: PretrainedConfig & LayerOptions) {
    super(config)
    this.generationDefaults = config.generation ?? { temperature: 0 }
    const make = new PartMaker(config.storage)
    this.parts = config.json['model_type'] === 'gpt2' ? gpt2Parts(this.reader, make) : llamaParts(this.reader, make)
    this.reader.finish(config.ignore)
    this.layers = make.layers
    this.prefix = this.parts.prefix
    this.buffers = this.parts.buffers
    this.aliases = this.parts.head ? {} : { 'lm_head.weight': `${this.parts.tokens.name}.weight` }
    for (const [i, { attention }] of this.parts.blocks.entries())
      if (attention.state) this.addState(`attention.${i}.randomState`, attention.state)
    this.build([null, config.sequenceLength])
    if (config.trainable === false) this.trainable = false
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

  call(ids: Tensor, { mask, training }: CallOptions): Tensor {
    checkIds(ids, this.config.sequenceLength, this.error.bind(this))
    const places = { training, mask }
    const logits = this.logits(this.hidden(ids, places))
    if (mask) logits.mask = mask
    return logits
  }

  /** @internal */
  callCached(ids: Tensor, caches: readonly AttentionCache[], position: Tensor, { end, padding }: CallCachedOptions): Tensor {
    return this.hidden(ids, { training: false, position, end, padding }, caches)
  }

  /** @internal Hidden states [batch, steps, features] → logits. */
  logits(hidden: Tensor): Tensor {
    const { norm, head, tokens, logitCap } = this.parts
    const normal = norm.apply(hidden)
    const logits = head ? head.apply(normal) : tokens.scores(normal)
    return logitCap === undefined ? logits : mul(tanh(div(logits, logitCap)), logitCap)
  }

  private hidden(ids: Tensor, places: Places, caches?: readonly AttentionCache[]): Tensor {
    const { tokens, positions, embeddingScale, embeddingDropout, blocks } = this.parts
    const [batch, steps] = ids.shape as [number, number]
    let h = tokens.apply(ids)
    if (positions) h = add(h, positions.apply(stepsOf(batch, steps, places.position, places.padding, ids.device)))
    if (embeddingScale !== undefined) h = mul(h, embeddingScale)
    if (embeddingDropout) h = embeddingDropout.apply(h, { training: places.training })
    return blocks.reduce((x, block, i) => runBlock(block, x, places, caches?.[i]), h)
  }

  /** @internal */
  makeCaches(batch: number, length: number): AttentionCache[] {
    return this.parts.blocks.map(({ attention: { facts } }, i) => {
      const shape = [batch, length, facts.shared, facts.width]
      const made = (name: string) => variable(zeros(shape), { name: `${i}/${name}`, trainable: false })
      return { keys: made('keys'), values: made('values') }
    })
  }

  /**
   * Tokens that continue the prompt, one at a time, as generate() says. Options that are not given are those of
   * generation_config.json; without `do_sample` there, the likeliest token is taken.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<number, void, void> {
    return generate(this, prompt, options)
  }

  /** The tokens that continue each of several prompts, written together. Prompts may differ in length. */
  generateBatch(prompts: readonly ArrayLike<number>[], options: GenerateOptions = {}): Promise<number[][]> {
    checkCall('generateBatch(prompts, options)', arguments)
    return generateBatch(this, prompts, options)
  }

  /** @internal A decoder whose caches are long enough, of few lengths. */
  makeDecoder(batch: number, tokens: number): Decoder {
    const { sequenceLength } = this.config
    let length = SHORTEST_CACHE
    while (length < tokens) length *= 2
    return new Decoder(this, batch, Math.min(length, sequenceLength))
  }
  /** @internal */
  takeDecoder(tokens: number = this.config.sequenceLength): Decoder {
    const wanted = Math.min(tokens, this.config.sequenceLength)
    for (const decoder of this.idle.filter((one) => !one.fits(this))) {
      this.idle.splice(this.idle.indexOf(decoder), 1)
      decoder.dispose()
    }
    const found = this.idle.findIndex((decoder) => decoder.length >= wanted)
    return found >= 0 ? this.idle.splice(found, 1)[0]! : this.makeDecoder(1, wanted)
  }
  /** @internal */
  returnDecoder(decoder: Decoder): void {
    if (decoder.fits(this)) this.idle.push(decoder)
    else decoder.dispose()
    if (this.idle.length > MOST_IDLE) this.idle.shift()!.dispose()
  }

  override dispose(): void {
    for (const decoder of this.idle.splice(0)) decoder.dispose()
    super.dispose()
  }
  override computeOutputShape(inputShape: DynamicShape): DynamicShape {
    return [...inputShape, this.config.vocabularySize]
  }
}

registerLoader('PretrainedDecoder', (config) => new PretrainedDecoder(config as unknown as PretrainedConfig & LayerOptions))
