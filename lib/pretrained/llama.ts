// The Llama family (Touvron et al. 2023) as Hugging Face stores it: Llama, Mistral, Qwen2, Qwen3, Gemma, SmolLM.
import { SelfAttention } from './attention.js'
import { type ConfigReader, MOST_PARTS } from './config.js'
import { type DecoderBlock, type DecoderParts, gated } from './decoder_parts.js'
import type { PartMaker } from './maker.js'
import { ropeOf } from './rope.js'

/** In what a family differs from Llama. */
interface Traits {
  /** Whether query, key and value have biases, and the output; default: attention_bias of the config for all. */
  readonly biases?: readonly [inputs: boolean, output: boolean]
  /** Norms of the heads of queries and keys. */
  readonly headNorms?: boolean
  /** Scales of norms are 1 + weight, and vectors of tokens are multiplied by √width. */
  readonly gemma?: boolean
  /** Norms before and after both sublayers. */
  readonly fourNorms?: boolean
  readonly tied?: boolean
  readonly headDim?: number
  /** Which layers see a window only. */
  readonly windows?: (config: ConfigReader, layers: number) => readonly boolean[]
  readonly softCaps?: boolean
  readonly queryScalar?: boolean
}

const none = (_: ConfigReader, layers: number): boolean[] => new Array<boolean>(layers).fill(false)

/** layer_types of the config, or what the family does without it. */
function layerTypes(config: ConfigReader, layers: number, usual: (i: number) => boolean): boolean[] {
  const given = config.optional('layer_types')
  if (given === undefined) return Array.from({ length: layers }, (_, i) => usual(i))
  if (!Array.isArray(given) || given.length !== layers) throw config.wrong(`layer_types must be a list of ${layers}`)
  return given.map((type: unknown) => {
    if (type === 'sliding_attention' || type === 'full_attention') return type === 'sliding_attention'
    throw config.wrong(`layer_types: '${String(type)}' is not supported`, 'Supported: full_attention, sliding_attention')
  })
}

/** Windows from layer max_window_layers on, where use_sliding_window says so. */
function qwenWindows(config: ConfigReader, layers: number): boolean[] {
  const used = config.flag('use_sliding_window', false)
  const from = config.number('max_window_layers', 28)
  const types = layerTypes(config, layers, (i) => used && i >= from)
  return used ? types : none(config, layers)
}

const FAMILIES: Readonly<Record<string, Traits>> = {
  llama: {},
  mistral: { biases: [false, false], windows: (_, layers) => new Array<boolean>(layers).fill(true) },
  qwen2: { biases: [true, false], windows: qwenWindows },
  qwen3: { headNorms: true, windows: qwenWindows, headDim: 128 },
  gemma: { gemma: true, tied: true, headDim: 256 },
  gemma2: {
    gemma: true,
    tied: true,
    headDim: 256,
    fourNorms: true,
    softCaps: true,
    queryScalar: true,
    windows: (config, layers) => layerTypes(config, layers, (i) => i % 2 === 0),
  },
  gemma3_text: {
    gemma: true,
    tied: true,
    headDim: 256,
    fourNorms: true,
    headNorms: true,
    queryScalar: true,
    softCaps: true,
    windows: (config, layers) => {
      const pattern = config.integer('sliding_window_pattern', 6)
      return layerTypes(config, layers, (i) => (i + 1) % pattern !== 0)
    },
  },
}

/** model_type of the families, for messages. */
export const LLAMA_TYPES: readonly string[] = Object.keys(FAMILIES)

/** The parts of a config of one of these families. */
export function llamaParts(config: ConfigReader, make: PartMaker): DecoderParts {
  const type = config.text('model_type')
  const traits = FAMILIES[type]!
  const { gemma = false, fourNorms = false } = traits
  const width = config.integer('hidden_size')
  const heads = config.integer('num_attention_heads', undefined, MOST_PARTS)
  const shared = config.integer('num_key_value_heads', heads)
  const headWidth = config.integer('head_dim', traits.headDim ?? width / heads, MOST_PARTS)
  const inner = config.integer('intermediate_size')
  const layers = config.integer('num_hidden_layers', undefined, MOST_PARTS)
  const vocabulary = config.integer('vocab_size')
  const positions = config.integer('max_position_embeddings', 2048)
  const epsilon = config.number('rms_norm_eps', 1e-6)
  const dropout = config.rate('attention_dropout', 0)
  if (heads % shared !== 0) throw config.wrong(`num_key_value_heads ${shared} does not divide num_attention_heads ${heads}`)
  const usual = config.optional('attention_bias') === true
  const [inputBias, outputBias] = traits.biases ?? [usual, usual]
  const mlpBias = config.flag('mlp_bias', false)
  const act = config.optional('hidden_act')
  // Gemma's first configs have hidden_act 'gelu' alone, and mean its approximation
  const activation = gemma ? config.activation('hidden_activation', 'gelu_pytorch_tanh') : config.activation('hidden_act', 'silu')
  if (gemma && act !== undefined) config.only('hidden_act', 'gelu', 'gelu_pytorch_tanh')
  const scalar = traits.queryScalar ? config.number('query_pre_attn_scalar', 256) : headWidth
  const softCap = traits.softCaps ? optionalNumber(config, 'attn_logit_softcapping', type === 'gemma2' ? 50 : undefined) : undefined
  const logitCap = traits.softCaps ? optionalNumber(config, 'final_logit_softcapping', type === 'gemma2' ? 30 : undefined) : undefined
  config.only('partial_rotary_factor', 1)
  config.only('use_bidirectional_attention', false)
  const seen = (traits.windows ?? none)(config, layers)
  const window = config.optional('sliding_window')
  if (window !== undefined && !(Number.isInteger(window) && (window as number) > 0))
    throw config.wrong(`sliding_window must be an integer of at least 1, got ${String(window)}`)
  const rope = ropeOf(config, headWidth, positions)
  const localBase = type === 'gemma3_text' ? config.number('rope_local_base_freq', 10_000) : undefined
  const localRope = localBase === undefined ? rope : ropeOf(config, headWidth, positions, localBase, true)

  const prefix = 'model.'
  const norm = (path: string, size = width) => make.norm(path, size, 'rms', epsilon, gemma)
  const tokens = make.table(`${prefix}embed_tokens`, vocabulary, width)
  const blocks = Array.from({ length: layers }, (_, i): DecoderBlock => {
    const path = `${prefix}layers.${i}`
    const projection = (name: string, count: number) => make.linear(`${path}.self_attn.${name}`, width, count * headWidth, inputBias)
    const inputs = [projection('q_proj', heads), projection('k_proj', shared), projection('v_proj', shared)] as const
    const output = make.linear(`${path}.self_attn.o_proj`, heads * headWidth, width, outputBias)
    const norms = traits.headNorms
      ? ([norm(`${path}.self_attn.q_norm`, headWidth), norm(`${path}.self_attn.k_norm`, headWidth)] as const)
      : undefined
    const feed = (name: string, from: number, to: number) => make.linear(`${path}.mlp.${name}`, from, to, mlpBias)
    const [gate, up, down] = [feed('gate_proj', width, inner), feed('up_proj', width, inner), feed('down_proj', inner, width)] as const
    return {
      before: norm(`${path}.input_layernorm`),
      attention: new SelfAttention(
        {
          heads,
          shared,
          width: headWidth,
          causal: true,
          scale: 1 / Math.sqrt(scalar),
          softCap,
          dropout,
          rope: seen[i] ? localRope : rope,
          window: seen[i] ? (window as number | undefined) : undefined,
        },
        { inputs, output, norms },
      ),
      after: fourNorms ? norm(`${path}.post_attention_layernorm`) : undefined,
      beforeFeedForward: norm(`${path}.${fourNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'}`),
      feedForward: gated(gate, up, down, activation),
      afterFeedForward: fourNorms ? norm(`${path}.post_feedforward_layernorm`) : undefined,
    }
  })
  const last = norm(`${prefix}norm`)
  const tied = config.flag('tie_word_embeddings', traits.tied ?? false)
  return {
    tokens,
    ...(gemma ? { embeddingScale: Math.sqrt(width) } : {}),
    blocks,
    norm: last,
    head: tied ? undefined : make.linear('lm_head', width, vocabulary, false),
    logitCap,
    prefix,
    buffers: /(^|\.)rotary_emb\.inv_freq$/,
  }
}

const optionalNumber = (config: ConfigReader, name: string, otherwise: number | undefined): number | undefined =>
  config.optional(name) === undefined ? (Object.hasOwn(config.json, name) ? undefined : otherwise) : config.number(name)
