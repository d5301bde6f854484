// PretrainedVit: the vision transformer of a Hugging Face folder (Dosovitskiy et al. 2021).
import type { Tensor } from '../core/tensor.js'
import type { Dropout } from '../layers/dropout.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { registerLoader } from '../layers/serialize.js'
import { add, broadcastTo, concat, matMul, reshape, tanh, transpose } from '../ops/index.js'
import { SelfAttention } from './attention.js'
import { type ConfigReader, MOST_PARTS } from './config.js'
import { type DecoderBlock, runBlock } from './decoder_parts.js'
import { firstOf } from './encoder_heads.js'
import type { EncoderConfig, EncoderEncoding } from './encoder_model.js'
import { PartMaker } from './maker.js'
import type { Linear, Norm, Values } from './parts.js'
import { PretrainedModel, type PretrainedTask } from './pretrained_model.js'

/** The task of a config, or the one asked for. */
export function imageTask(
  config: ConfigReader,
  architecture: string | undefined,
  wanted: PretrainedTask | undefined,
): { task: PretrainedTask } {
  const known = architecture === undefined || architecture === 'ViTModel' ? 'imageEncoder' : undefined
  const task = wanted ?? (architecture === 'ViTForImageClassification' ? 'imageClassification' : known)
  if (task === undefined)
    throw config.wrong(`the architecture ${architecture} is not supported`, "Say which head you want: { task: 'imageEncoder' }")
  if (task !== 'imageEncoder' && task !== 'imageClassification')
    throw config.wrong(`the task '${task}' is not supported for vit`, 'Supported: imageEncoder, imageClassification')
  return { task }
}

/** Images [batch, height, width, channels] → logits [batch, labels], or { sequenceOutput, pooledOutput }. */
export class PretrainedVit<O extends Tensor | EncoderEncoding = Tensor> extends PretrainedModel<Tensor, O> {
  static override readonly className: string = 'PretrainedVit'
  readonly layers: readonly AnyLayer[]
  readonly aliases: Readonly<Record<string, string>> = {}
  readonly prefix: string = 'vit.'
  readonly buffers: RegExp = /(?!)/
  override readonly otherHeads: RegExp = /^((vit\.)?pooler|classifier)\./
  override readonly headWeights: RegExp = /^classifier\./
  /** Shape of one image. */
  readonly inputShape: readonly [number, number, number]
  private readonly tokens: Values
  private readonly patches: Values
  private readonly patch: number
  private readonly width: number
  private readonly embeddingDropout: Dropout | undefined
  private readonly blocks: readonly DecoderBlock[]
  private readonly norm: Norm
  private readonly pooler: Linear | undefined
  private readonly classifier: Linear | undefined

  constructor(config: EncoderConfig & LayerOptions) {
    super(config)
    const { reader } = this
    const make = new PartMaker(config.storage)
    const width = reader.integer('hidden_size', 768)
    const heads = reader.integer('num_attention_heads', 12)
    const inner = reader.integer('intermediate_size', 3072)
    const layers = reader.integer('num_hidden_layers', 12, MOST_PARTS)
    const size = reader.integer('image_size', 224)
    const patch = reader.integer('patch_size', 16)
    const channels = reader.integer('num_channels', 3)
    const epsilon = reader.number('layer_norm_eps', 1e-12)
    const bias = reader.flag('qkv_bias', true)
    const activation = reader.activation('hidden_act', 'gelu')
    const rate = reader.rate('hidden_dropout_prob', 0)
    const attentionRate = reader.rate('attention_probs_dropout_prob', 0)
    // of pretraining by hidden patches alone
    reader.optional('encoder_stride')
    const poolerAct = reader.text('pooler_act', 'tanh')
    if (poolerAct !== 'tanh') throw reader.wrong(`pooler_act: '${poolerAct}' is not supported`, "Supported: 'tanh'")
    reader.only('pooler_output_size', width)
    if (size % patch !== 0 || width % heads !== 0)
      throw reader.wrong(`image_size ${size} is not cut by patch_size ${patch}, or hidden_size ${width} by ${heads} heads`)
    const count = (size / patch) ** 2
    this.inputShape = [size, size, channels]
    this.patch = patch
    this.width = width
    this.tokens = make.values('vit.embeddings', { cls_token: [1, 1, width], position_embeddings: [1, count + 1, width] })
    this.patches = make.values('vit.embeddings.patch_embeddings.projection', { weight: [width, channels, patch, patch], bias: [width] })
    this.embeddingDropout = make.dropout('vit.embeddings.dropout', rate)
    this.blocks = Array.from({ length: layers }, (_, i): DecoderBlock => {
      const path = `vit.encoder.layer.${i}`
      const square = (name: string) => make.linear(`${path}.attention.attention.${name}`, width, width, bias)
      const inputs = [square('query'), square('key'), square('value')] as const
      const output = make.linear(`${path}.attention.output.dense`, width, width, true)
      const attentionDropout = make.dropout(`${path}.attention.output.dropout`, rate)
      const first = make.linear(`${path}.intermediate.dense`, width, inner, true)
      const second = make.linear(`${path}.output.dense`, inner, width, true)
      return {
        before: make.norm(`${path}.layernorm_before`, width, 'layer', epsilon),
        attention: new SelfAttention(
          { heads, shared: heads, width: width / heads, causal: false, dropout: attentionRate },
          { inputs, output },
        ),
        attentionDropout,
        beforeFeedForward: make.norm(`${path}.layernorm_after`, width, 'layer', epsilon),
        feedForward: (x) => second.apply(activation(first.apply(x))),
        feedForwardDropout: make.dropout(`${path}.output.dropout`, rate),
      }
    })
    this.norm = make.norm('vit.layernorm', width, 'layer', epsilon)
    const classifies = config.task === 'imageClassification'
    this.pooler = config.pooler && !classifies ? make.linear('vit.pooler.dense', width, width, true) : undefined
    this.classifier = classifies ? make.linear('classifier', width, config.numLabels ?? 2, true) : undefined
    reader.finish(config.ignore)
    this.layers = make.layers
    for (const [i, { attention }] of this.blocks.entries())
      if (attention.state) this.addState(`attention.${i}.randomState`, attention.state)
    this.build([null, ...this.inputShape])
    if (config.trainable === false) this.trainable = false
  }

  override get outputNames(): readonly string[] {
    return this.classifier ? ['logits'] : ['sequenceOutput', ...(this.pooler ? ['pooledOutput'] : [])]
  }
  override get outputActivations(): readonly undefined[] {
    return this.outputNames.map(() => undefined)
  }

  call(images: Tensor, { training }: CallOptions): O {
    const [height, across, channels] = this.inputShape
    if (images.rank !== 4 || images.shape[1] !== height || images.shape[2] !== across || images.shape[3] !== channels)
      throw this.error('ERR_SHAPE', `expected images of shape [batch, ${this.inputShape.join(', ')}], received [${images.shape}]`, [
        images.shape,
      ])
    const batch = images.shape[0]!
    const cls = broadcastTo(this.tokens.get('cls_token'), [batch, 1, this.width])
    let h = add(concat([cls, this.embedded(images)], 1), this.tokens.get('position_embeddings'))
    if (this.embeddingDropout) h = this.embeddingDropout.apply(h, { training })
    for (const block of this.blocks) h = runBlock(block, h, { training })
    h = this.norm.apply(h)
    if (this.classifier) return this.classifier.apply(firstOf(h)) as O
    return { sequenceOutput: h, ...(this.pooler ? { pooledOutput: tanh(this.pooler.apply(firstOf(h))) } : {}) } as O
  }

  /** Patches as rows, times the kernel of the convolution: [batch, patches, width]. */
  private embedded(images: Tensor): Tensor {
    const { patch, width } = this
    const [batch, height, across, channels] = images.shape as [number, number, number, number]
    const [rows, columns] = [height / patch, across / patch]
    const cut = reshape(images, [batch, rows, patch, columns, patch, channels])
    const ordered = transpose(cut, [0, 1, 3, 5, 2, 4]) // [batch, rows, columns, channels, patch, patch]
    const flat = reshape(ordered, [batch * rows * columns, channels * patch * patch])
    const kernel = reshape(this.patches.get('weight'), [width, channels * patch * patch])
    return reshape(add(matMul(flat, kernel, { transposeB: true }), this.patches.get('bias')), [batch, rows * columns, width])
  }
}

registerLoader('PretrainedVit', (config) => new PretrainedVit(config as unknown as EncoderConfig & LayerOptions))
