// The parts of a causal language model, as its family puts them together.
import type { Tensor } from '../core/tensor.js'
import { add, mul } from '../ops/index.js'
import type { Dropout } from '../layers/dropout.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import type { Places, SelfAttention } from './attention.js'
import type { Linear, Norm, Table } from './parts.js'

/**
 * A block: x + attention(norm(x)), then x + feedForward(norm(x)). Some families normalize the sublayers' results too.
 */
export interface DecoderBlock {
  readonly before: Norm
  readonly attention: SelfAttention
  readonly after?: Norm | undefined
  readonly attentionDropout?: Dropout | undefined
  readonly beforeFeedForward: Norm
  readonly feedForward: (x: Tensor) => Tensor
  readonly afterFeedForward?: Norm | undefined
  readonly feedForwardDropout?: Dropout | undefined
}

export interface DecoderParts {
  readonly tokens: Table
  /** Learned positions. */
  readonly positions?: Table
  /** Factor of the vectors of tokens. Default 1. */
  readonly embeddingScale?: number
  readonly embeddingDropout?: Dropout | undefined
  readonly blocks: readonly DecoderBlock[]
  readonly norm: Norm
  /** undefined: the table of tokens. */
  readonly head: Linear | undefined
  /** Logits are logitCap · tanh(logit / logitCap). */
  readonly logitCap?: number | undefined
  /** What the names of weights begin with. */
  readonly prefix: string
  /** Tensors of files that are no weights. */
  readonly buffers: RegExp
}

/** The block on x [batch, steps, features]. */
export function runBlock(block: DecoderBlock, x: Tensor, places: Places, cache?: AttentionCache): Tensor {
  const finished = (y: Tensor, norm: Norm | undefined, drop: Dropout | undefined): Tensor => {
    const normal = norm ? norm.apply(y) : y
    return drop ? drop.apply(normal, { training: places.training }) : normal
  }
  const attended = block.attention.attend(block.before.apply(x), places, cache)
  const h = add(x, finished(attended, block.after, block.attentionDropout))
  const fed = block.feedForward(block.beforeFeedForward.apply(h))
  return add(h, finished(fed, block.afterFeedForward, block.feedForwardDropout))
}

/** act(gate(x)) · up(x), then down (Shazeer 2020). */
export const gated =
  (gate: Linear, up: Linear, down: Linear, activation: (x: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
  (x) =>
    down.apply(mul(activation(gate.apply(x)), up.apply(x)))
