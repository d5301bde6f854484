// PretrainedEncoder: a text encoder of a Hugging Face folder, with the head of its task.
import { Tensor } from '../core/tensor.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { registerLoader } from '../layers/serialize.js'
import { type EncoderInputs, encoderInputs } from '../transformers/text_inputs.js'
import { add, arange, broadcastTo, cast, cumSum, mul, notEqual, reshape, slice, tanh } from '../ops/index.js'
import { wholeNumbers } from '../ops/ids.js'
import { type EncoderParts, encoderParts, runEncoderBlock } from './encoder_parts.js'
import { type Head, firstOf, headOf, pool } from './encoder_heads.js'
import { PartMaker } from './maker.js'
import { computed } from './parts.js'
import { type PretrainedConfig, PretrainedModel } from './pretrained_model.js'

export type { EncoderInputs }
/** sequenceOutput [batch, steps, width], and pooledOutput [batch, width] where the model has a pooler. */
export interface EncoderEncoding {
  readonly sequenceOutput: Tensor
  readonly pooledOutput?: Tensor
}
/**
 * The encoding; logits [batch, labels], [batch, steps, labels] or [batch, steps, vocabularySize]; vectors [batch,
 * width].
 */
export type EncoderOutputs = Tensor | EncoderEncoding

export interface EncoderConfig extends PretrainedConfig {
  /** Whether the weights have BERT's pooler. */
  readonly pooler?: boolean
}

export class PretrainedEncoder<O extends EncoderOutputs = Tensor> extends PretrainedModel<EncoderInputs, O> {
  static override readonly className: string = 'PretrainedEncoder'
  readonly layers: readonly AnyLayer[]
  readonly aliases: Readonly<Record<string, string>>
  readonly prefix: string
  readonly buffers: RegExp = /(^|\.)embeddings\.position_ids$/
  override readonly otherHeads: RegExp
  override readonly headWeights: RegExp
  private readonly parts: EncoderParts
  private readonly head: Head | undefined
  private readonly pooled: ((hidden: Tensor) => Tensor) | undefined

  constructor(config: EncoderConfig & LayerOptions) {
    super(config)
    const make = new PartMaker(config.storage)
    const parts = encoderParts(this.reader, make)
    this.parts = parts
    if (config.pooler) {
      const dense = make.linear(`${parts.prefix}pooler.dense`, parts.width, parts.width, true)
      this.pooled = (hidden) => tanh(dense.apply(firstOf(hidden)))
    }
    this.head = headOf(config.task, this.reader, make, parts, config.numLabels ?? 2, this.pooled)
    this.reader.finish(config.ignore)
    this.layers = make.layers
    this.prefix = parts.prefix
    this.aliases = this.head?.aliases ?? {}
    // BERT classifies what its pooler gives, which models of masked words lack
    this.headWeights = new RegExp(`${(this.head?.weights ?? /(?!)/).source}|^${parts.prefix}pooler\\.`)
    this.otherHeads = new RegExp(
      `^(${parts.prefix.replace('.', '\\.')})?pooler\\.|^(cls|classifier|pre_classifier|lm_head|vocab_\\w+|qa_outputs)\\.`,
    )
    for (const [i, { attention }] of parts.blocks.entries())
      if (attention.state) this.addState(`attention.${i}.randomState`, attention.state)
    this.build([null, config.sequenceLength])
    if (config.trainable === false) this.trainable = false
  }

  override get outputNames(): readonly string[] {
    const { task } = this.config
    if (task === 'encoder') return ['sequenceOutput', ...(this.pooled ? ['pooledOutput'] : [])]
    return [task === 'sentenceEmbedding' ? 'embedding' : 'logits']
  }
  override get outputActivations(): readonly undefined[] {
    return this.outputNames.map(() => undefined)
  }

  call(x: EncoderInputs, { mask: carried, training }: CallOptions): O {
    const { tokenIds, segmentIds, paddingMask } = encoderInputs(x, this.config.sequenceLength, this.error.bind(this))
    if (segmentIds && !this.parts.segments) throw this.error('ERR_ARGUMENT', 'segmentIds: this model knows no kinds of text')
    const { padId } = this.parts
    const ids = wholeNumbers(tokenIds)
    const given = paddingMask && (paddingMask.dtype === 'bool' ? paddingMask : cast(paddingMask, 'bool'))
    const mask = given ?? carried ?? notEqual(ids, padId)
    const hidden = this.hidden(ids, segmentIds, mask, training)
    const { task, pooling = { mode: 'mean', normalize: false } } = this.config
    if (this.head) {
      const y = this.head.run(hidden, { training, mask })
      return (task === 'sequenceClassification' ? y : withMask(y, mask)) as O
    }
    if (task === 'sentenceEmbedding') return pool(hidden, mask, pooling) as O
    return {
      sequenceOutput: withMask(hidden, mask),
      ...(this.pooled ? { pooledOutput: this.pooled(hidden) } : {}),
    } as O
  }

  private hidden(ids: Tensor, segmentIds: Tensor | undefined, mask: Tensor, training: boolean): Tensor {
    const { words, positions, segments, embeddingNorm, embeddingDropout, blocks, activation } = this.parts
    let h = add(words.apply(ids), positions.apply(this.positionsOf(ids)))
    if (segments) {
      const { width } = this.parts
      h = add(h, segmentIds ? segments.apply(segmentIds) : computed(slice(segments.weight, [0, 0], [1, width])))
    }
    h = embeddingNorm.apply(h)
    if (embeddingDropout) h = embeddingDropout.apply(h, { training })
    return blocks.reduce((x, block) => runEncoderBlock(block, x, { training, mask }, activation), h)
  }

  /** Positions of the tokens int32 [batch, steps]. */
  private positionsOf(ids: Tensor): Tensor {
    const [batch, steps] = ids.shape as [number, number]
    const { paddingId } = this.parts
    if (paddingId === undefined)
      return broadcastTo(reshape(arange(0, steps, 1, { dtype: 'int32', device: ids.device }), [1, steps]), [batch, steps])
    const text = cast(notEqual(ids, paddingId), 'int32')
    return add(mul(cumSum(text, 1), text), paddingId)
  }
}

/** The tensor with a mask. It is a copy of the view, so that other readers of the value see no mask. */
function withMask(t: Tensor, mask: Tensor): Tensor {
  const marked = reshape(t, t.shape)
  marked.mask = mask
  return marked
}

registerLoader('PretrainedEncoder', (config) => new PretrainedEncoder(config as unknown as EncoderConfig & LayerOptions))
