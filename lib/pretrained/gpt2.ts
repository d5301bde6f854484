// GPT-2 (Radford et al. 2019) as Hugging Face stores it: one module for query, key and value, matrices [inputs,
// outputs].
import { SelfAttention } from './attention.js'
import { type ConfigReader, MOST_PARTS } from './config.js'
import type { DecoderParts } from './decoder_parts.js'
import type { PartMaker } from './maker.js'

/** The parts of a config of model_type gpt2. */
export function gpt2Parts(config: ConfigReader, make: PartMaker): DecoderParts {
  const width = config.integer('n_embd')
  const heads = config.integer('n_head')
  const epsilon = config.number('layer_norm_epsilon', 1e-5)
  const inner = config.integer('n_inner', 4 * width)
  const activation = config.activation('activation_function', 'gelu_new')
  const vocabulary = config.integer('vocab_size')
  const positions = config.integer('n_positions', 1024)
  const layers = config.integer('n_layer', undefined, MOST_PARTS)
  const byLayer = config.flag('scale_attn_by_inverse_layer_idx', false)
  const [residual, embedding, attention] = ['resid_pdrop', 'embd_pdrop', 'attn_pdrop'].map((name) => config.rate(name, 0.1)) as [
    number,
    number,
    number,
  ]
  if (width % heads !== 0) throw config.wrong(`n_embd ${width} cannot be cut into ${heads} heads`)
  config.only('scale_attn_weights', true)
  config.only('add_cross_attention', false)
  // the order of the computation alone, which is in float32 here anyway
  config.optional('reorder_and_upcast_attn')
  for (const name of ['summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type', 'summary_use_proj'])
    config.optional(name)
  const headWidth = width / heads
  const prefix = 'transformer.'
  const tokens = make.table(`${prefix}wte`, vocabulary, width)
  const places = make.table(`${prefix}wpe`, positions, width)
  const embeddingDropout = make.dropout(`${prefix}drop`, embedding)
  const blocks = Array.from({ length: layers }, (_, i) => {
    const path = `${prefix}h.${i}`
    const before = make.norm(`${path}.ln_1`, width, 'layer', epsilon)
    const fused = make.linear(`${path}.attn.c_attn`, width, 3 * width, true, true)
    const output = make.linear(`${path}.attn.c_proj`, width, width, true, true)
    const attentionDropout = make.dropout(`${path}.attn.resid_dropout`, residual)
    const beforeFeedForward = make.norm(`${path}.ln_2`, width, 'layer', epsilon)
    const first = make.linear(`${path}.mlp.c_fc`, width, inner, true, true)
    const second = make.linear(`${path}.mlp.c_proj`, inner, width, true, true)
    return {
      before,
      attention: new SelfAttention(
        {
          heads,
          shared: heads,
          width: headWidth,
          causal: true,
          scale: 1 / Math.sqrt(headWidth) / (byLayer ? i + 1 : 1),
          dropout: attention,
        },
        { inputs: [fused], output },
      ),
      attentionDropout,
      beforeFeedForward,
      feedForward: (x: Parameters<typeof activation>[0]) => second.apply(activation(first.apply(x))),
      feedForwardDropout: make.dropout(`${path}.mlp.dropout`, residual),
    }
  })
  const norm = make.norm(`${prefix}ln_f`, width, 'layer', epsilon)
  const tied = config.flag('tie_word_embeddings', true)
  const head = tied ? undefined : make.linear('lm_head', width, vocabulary, false)
  // masks that old versions stored
  const buffers = /(^|\.)attn\.(bias|masked_bias)$/
  return { tokens, positions: places, embeddingDropout, blocks, norm, head, prefix, buffers }
}
