// Heads of text encoders: what is made of the hidden states for a task.
import type { Dropout } from '../layers/dropout.js'
import { maximum, mul, reshape, rsqrt, slice, sum, tanh, where, relu, max, div, cast } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import type { ConfigReader } from './config.js'
import type { EncoderParts } from './encoder_parts.js'
import type { PartMaker } from './maker.js'
import type { Pooling, PretrainedTask } from './pretrained_model.js'

/** What a head is told beside the hidden states. */
export interface HeadInputs {
  readonly training: boolean
  /** True where a token is text: bool [batch, steps]. */
  readonly mask: Tensor | undefined
}

export interface Head {
  /** Hidden states [batch, steps, width] → the output. */
  readonly run: (hidden: Tensor, inputs: HeadInputs) => Tensor
  /** Names of its weights. */
  readonly weights: RegExp
  /** Names in files that stand for weights of other names. */
  readonly aliases: Readonly<Record<string, string>>
}

/** The first token's vector: [batch, width]. */
export function firstOf(hidden: Tensor): Tensor {
  const [batch, , width] = hidden.shape as [number, number, number]
  return reshape(slice(hidden, [0, 0, 0], [batch, 1, width]), [batch, width])
}

/** The head of a task. `pooled` makes BERT's vector of the first token, where the model has a pooler. */
export function headOf(
  task: PretrainedTask,
  config: ConfigReader,
  make: PartMaker,
  parts: EncoderParts,
  labels: number,
  pooled: ((hidden: Tensor) => Tensor) | undefined,
): Head | undefined {
  const type = config.text('model_type')
  if (task === 'maskedLanguageModel') return masked(type, make, parts)
  const given = config.optional(type === 'distilbert' ? 'seq_classif_dropout' : 'classifier_dropout')
  const rate = typeof given === 'number' ? given : type === 'distilbert' && task === 'sequenceClassification' ? 0.2 : parts.dropoutRate
  if (task === 'tokenClassification') {
    const dropout = make.dropout('dropout', rate)
    const classifier = make.linear('classifier', parts.width, labels, true)
    return { run: (h, { training }) => classifier.apply(dropped(h, dropout, training)), weights: /^classifier\./, aliases: {} }
  }
  if (task !== 'sequenceClassification') return undefined
  return classification(type, make, parts, labels, rate, pooled)
}

const dropped = (x: Tensor, layer: Dropout | undefined, training: boolean): Tensor => (layer ? layer.apply(x, { training }) : x)

function classification(
  type: string,
  make: PartMaker,
  { width }: EncoderParts,
  labels: number,
  rate: number,
  pooled: ((hidden: Tensor) => Tensor) | undefined,
): Head {
  const dropout = make.dropout('dropout', rate)
  const weights = /^(pre_)?classifier\./
  if (type === 'bert') {
    const classifier = make.linear('classifier', width, labels, true)
    return { run: (h, { training }) => classifier.apply(dropped(pooled!(h), dropout, training)), weights, aliases: {} }
  }
  const [first, last] =
    type === 'distilbert'
      ? [make.linear('pre_classifier', width, width, true), make.linear('classifier', width, labels, true)]
      : [make.linear('classifier.dense', width, width, true), make.linear('classifier.out_proj', width, labels, true)]
  return {
    run: (h, { training }) => {
      if (type === 'distilbert') return last.apply(dropped(relu(first.apply(firstOf(h))), dropout, training))
      const inner = tanh(first.apply(dropped(firstOf(h), dropout, training)))
      return last.apply(dropped(inner, dropout, training))
    },
    weights,
    aliases: {},
  }
}

/** Logits of every token, by the table of words. */
function masked(type: string, make: PartMaker, parts: EncoderParts): Head {
  const { width, vocabulary, epsilon, words, activation } = parts
  const [transform, norm, bias] =
    type === 'bert'
      ? ['cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions']
      : type === 'distilbert'
        ? ['vocab_transform', 'vocab_layer_norm', 'vocab_projector']
        : ['lm_head.dense', 'lm_head.layer_norm', 'lm_head']
  const dense = make.linear(transform, width, width, true)
  const normal = make.norm(norm, width, 'layer', epsilon)
  const biases = make.values(bias, { bias: [vocabulary] })
  const table = `${words.name}.weight`
  const matrix =
    type === 'distilbert' ? 'vocab_projector.weight' : type === 'bert' ? 'cls.predictions.decoder.weight' : 'lm_head.decoder.weight'
  const again = type === 'distilbert' ? {} : { [matrix.replace(/weight$/, 'bias')]: `${bias}.bias` }
  return {
    run: (hidden) => {
      const h = normal.apply(activation(dense.apply(hidden)))
      return biases.apply(words.scores(h))
    },
    weights: /^(cls\.predictions|vocab_|lm_head)/,
    aliases: { [matrix]: table, ...again },
  }
}

/** One vector for each text: [batch, width] (Reimers and Gurevych 2019). */
export function pool(hidden: Tensor, mask: Tensor | undefined, { mode, normalize }: Pooling): Tensor {
  const [batch, steps] = hidden.shape as [number, number]
  const flags = mask && reshape(mask, [batch, steps, 1])
  let vectors: Tensor
  if (mode === 'cls') vectors = firstOf(hidden)
  else if (mode === 'max') vectors = max(flags ? where(flags, hidden, -1e9) : hidden, 1)
  else {
    const counted = flags ? mul(hidden, cast(flags, 'float32')) : hidden
    const count = flags ? maximum(sum(cast(flags, 'float32'), 1), 1e-9) : steps
    vectors = div(sum(counted, 1), count)
  }
  if (!normalize) return vectors
  const squares = sum(mul(vectors, vectors), -1, { keepDims: true })
  return mul(vectors, rsqrt(maximum(squares, 1e-24)))
}
