// Sampling: one token id drawn from logits, by ops, so that it is part of the step that computed them.
import {
  add,
  argMax,
  cumSum,
  div,
  expandDims,
  gatherAlong,
  greater,
  less,
  log,
  maximum,
  mul,
  neg,
  oneHot,
  randomUniform,
  reshape,
  softmax,
  topK,
  where,
} from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'

/** What is done to the logits; the numbers that may change from text to text are tensors. */
export interface Sampling {
  /** The likeliest token always. */
  readonly greedy: boolean
  /** Of the k likeliest tokens only; 0: of all. */
  readonly topK: number
  /** Of the likeliest tokens that make up the share topP only (Holtzman et al. 2020). */
  readonly nucleus: boolean
  /** Tokens of the text so far are made less likely (Keskar et al. 2019). */
  readonly penalized?: boolean
}

export interface SamplingState {
  /** float32 []: logits are divided by it. */
  readonly temperature: Variable
  /** float32 [] in (0, 1]. */
  readonly topP: Variable
  /** float32 []: what logits of tokens that were seen are divided by, or multiplied with where they are negative. */
  readonly penalty: Variable
  /** float32 [batch, vocabulary]: 1 for the tokens of each text; of 1 column where there is no penalty. */
  seen: Variable
  /** int32 [3], see randomState(). */
  readonly random: Variable
}

/**
 * A token id of each row int32 [batch], drawn with probabilities softmax(logits / temperature), logits [batch,
 * vocabulary].
 */
export function sample(given: Tensor, how: Sampling, state: SamplingState): Tensor {
  if (!how.penalized) return choose(given, how, state)
  const { seen, penalty } = state
  const lowered = where(greater(given, 0), div(given, penalty), mul(given, penalty))
  const id = choose(where(greater(seen, 0), lowered, given), how, state)
  seen.assign(maximum(seen, oneHot(id, given.shape[1]!)))
  return id
}

function choose(logits: Tensor, how: Sampling, { temperature, topP, random }: SamplingState): Tensor {
  if (how.greedy) return argMax(logits, -1)
  const scaled = div(logits, temperature)
  const draw = (scores: Tensor): Tensor => {
    // the largest of scores plus Gumbel noise is a draw from their softmax (Gumbel 1954); no u is 0
    const u = maximum(randomUniform(scores.shape, { state: random }), 1e-20)
    return argMax(add(scores, neg(log(neg(log(u))))), -1)
  }
  const vocabulary = logits.shape[1]!
  if (how.topK === 0 && !how.nucleus) return draw(scaled)
  const { values, indices } = topK(scaled, how.topK === 0 ? vocabulary : Math.min(how.topK, vocabulary))
  let scores = values
  if (how.nucleus) {
    // a token stays when those before it do not make up topP yet: the likeliest always does
    const before = cumSum(softmax(values), -1, { exclusive: true })
    scores = where(less(before, topP), values, -1e30)
  }
  return reshape(gatherAlong(indices, expandDims(draw(scores), -1)), [logits.shape[0]!])
}
