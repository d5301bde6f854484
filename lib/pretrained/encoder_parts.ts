// The parts of BERT (Devlin et al. 2019), RoBERTa (Liu et al. 2019) and DistilBERT (Sanh et al. 2019), under the names
// of their files.
import type { Dropout } from '../layers/dropout.js'
import { add } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type Places, SelfAttention } from './attention.js'
import { type ConfigReader, MOST_PARTS } from './config.js'
import type { PartMaker } from './maker.js'
import type { Linear, Norm, Table } from './parts.js'

export interface EncoderBlock {
  readonly attention: SelfAttention
  readonly attentionDropout: Dropout | undefined
  readonly attentionNorm: Norm
  readonly first: Linear
  readonly second: Linear
  readonly dropout: Dropout | undefined
  readonly norm: Norm
}

export interface EncoderParts {
  readonly words: Table
  readonly positions: Table
  readonly segments: Table | undefined
  readonly embeddingNorm: Norm
  readonly embeddingDropout: Dropout | undefined
  readonly blocks: readonly EncoderBlock[]
  readonly activation: (x: Tensor) => Tensor
  readonly width: number
  readonly vocabulary: number
  readonly epsilon: number
  readonly prefix: string
  /** Positions count from behind this id, and padding has it as its position (RoBERTa). */
  readonly paddingId: number | undefined
  readonly padId: number
  readonly dropoutRate: number
}

/** What the three families call their fields and modules. */
interface Naming {
  readonly prefix: string
  readonly fields: Readonly<Record<'width' | 'heads' | 'layers' | 'inner' | 'activation' | 'dropout' | 'attentionDropout', string>>
  readonly block: string
  readonly modules: Readonly<Record<'query' | 'key' | 'value' | 'output' | 'attentionNorm' | 'first' | 'second' | 'norm', string>>
  readonly segments: boolean
}

const BERT: Naming = {
  prefix: 'bert.',
  fields: {
    width: 'hidden_size',
    heads: 'num_attention_heads',
    layers: 'num_hidden_layers',
    inner: 'intermediate_size',
    activation: 'hidden_act',
    dropout: 'hidden_dropout_prob',
    attentionDropout: 'attention_probs_dropout_prob',
  },
  block: 'encoder.layer',
  modules: {
    query: 'attention.self.query',
    key: 'attention.self.key',
    value: 'attention.self.value',
    output: 'attention.output.dense',
    attentionNorm: 'attention.output.LayerNorm',
    first: 'intermediate.dense',
    second: 'output.dense',
    norm: 'output.LayerNorm',
  },
  segments: true,
}

const NAMINGS: Readonly<Record<string, Naming>> = {
  bert: BERT,
  roberta: { ...BERT, prefix: 'roberta.' },
  'xlm-roberta': { ...BERT, prefix: 'roberta.' },
  distilbert: {
    prefix: 'distilbert.',
    fields: {
      width: 'dim',
      heads: 'n_heads',
      layers: 'n_layers',
      inner: 'hidden_dim',
      activation: 'activation',
      dropout: 'dropout',
      attentionDropout: 'attention_dropout',
    },
    block: 'transformer.layer',
    modules: {
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      output: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      first: 'ffn.lin1',
      second: 'ffn.lin2',
      norm: 'output_layer_norm',
    },
    segments: false,
  },
}

export const ENCODER_TYPES: readonly string[] = Object.keys(NAMINGS)

/** Positions that a text may have: RoBERTa's count from behind the id of padding. */
export function encoderLength(config: ConfigReader): number {
  const positions = config.integer('max_position_embeddings', 512)
  return config.text('model_type').includes('roberta') ? positions - config.number('pad_token_id', 1) - 1 : positions
}

export function encoderParts(config: ConfigReader, make: PartMaker): EncoderParts {
  const type = config.text('model_type')
  const { prefix, fields, block, modules, segments } = NAMINGS[type]!
  const width = config.integer(fields.width, 768)
  const heads = config.integer(fields.heads, 12)
  const layers = config.integer(fields.layers, 12, MOST_PARTS)
  const inner = config.integer(fields.inner, 3072)
  const vocabulary = config.integer('vocab_size', 30_522)
  const places = config.integer('max_position_embeddings', 512)
  const epsilon = type === 'distilbert' ? 1e-12 : config.number('layer_norm_eps', 1e-12)
  const rate = config.rate(fields.dropout, 0.1)
  const attentionRate = config.rate(fields.attentionDropout, 0.1)
  const activation = config.activation(fields.activation, 'gelu')
  if (width % heads !== 0) throw config.wrong(`${fields.width} ${width} cannot be cut into ${heads} heads`)
  config.only('position_embedding_type', 'absolute')
  config.only('is_decoder', false)
  config.only('add_cross_attention', false)
  // DistilBERT's positions may be made by sines, and are stored all the same
  for (const name of ['sinusoidal_pos_embds', 'tie_weights_', 'qa_dropout', 'seq_classif_dropout', 'pooler_fc_size', 'type_vocab_size'])
    config.optional(name)
  for (const name of ['pooler_num_attention_heads', 'pooler_num_fc_layers', 'pooler_size_per_head', 'pooler_type', 'directionality'])
    config.optional(name)

  const embedding = (name: string) => `${prefix}embeddings.${name}`
  const words = make.table(embedding('word_embeddings'), vocabulary, width)
  const positions = make.table(embedding('position_embeddings'), places, width)
  const kinds = segments ? make.table(embedding('token_type_embeddings'), config.integer('type_vocab_size', 2), width) : undefined
  const embeddingNorm = make.norm(embedding('LayerNorm'), width, 'layer', epsilon)
  const embeddingDropout = make.dropout(embedding('dropout'), rate)
  const blocks = Array.from({ length: layers }, (_, i): EncoderBlock => {
    const path = (name: keyof Naming['modules']) => `${prefix}${block}.${i}.${modules[name]}`
    const square = (name: keyof Naming['modules']) => make.linear(path(name), width, width, true)
    const inputs = [square('query'), square('key'), square('value')] as const
    const output = square('output')
    return {
      attention: new SelfAttention(
        { heads, shared: heads, width: width / heads, causal: false, dropout: attentionRate },
        { inputs, output },
      ),
      attentionDropout: make.dropout(`${path('output')}_dropout`, rate),
      attentionNorm: make.norm(path('attentionNorm'), width, 'layer', epsilon),
      first: make.linear(path('first'), width, inner, true),
      second: make.linear(path('second'), inner, width, true),
      dropout: make.dropout(`${path('second')}_dropout`, rate),
      norm: make.norm(path('norm'), width, 'layer', epsilon),
    }
  })
  const padId = config.number('pad_token_id', type.includes('roberta') ? 1 : 0)
  return {
    words,
    positions,
    segments: kinds,
    embeddingNorm,
    embeddingDropout,
    blocks,
    activation,
    width,
    vocabulary,
    epsilon,
    prefix,
    paddingId: type.includes('roberta') ? padId : undefined,
    padId,
    dropoutRate: rate,
  }
}

/** A block of BERT: each sublayer's sum is normalized after it. x [batch, steps, width] */
export function runEncoderBlock(block: EncoderBlock, x: Tensor, places: Places, activation: (x: Tensor) => Tensor): Tensor {
  const told = { training: places.training }
  const drop = (y: Tensor, layer: Dropout | undefined): Tensor => (layer ? layer.apply(y, told) : y)
  const h = block.attentionNorm.apply(add(x, drop(block.attention.attend(x, places), block.attentionDropout)))
  const fed = block.second.apply(activation(block.first.apply(h)))
  return block.norm.apply(add(h, drop(fed, block.dropout)))
}
