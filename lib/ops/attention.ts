// Scaled dot-product attention (Vaswani et al. 2017) without a matrix of queries by keys in memory (Dao et al. 2022).
import { apply } from '../core/apply.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import { advance, callState } from '../core/random.js'
import { drawnForRows, sharing } from '../core/share.js'
import type { Spec } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import { Tensor, type TensorLike, Variable } from '../core/tensor.js'
import { add, mul, sub } from './arithmetic.js'
import { broadcastTo } from './broadcast.js'
import { cast } from './cast.js'
import { lessEqual, logicalAnd, where } from './compare.js'
import { arange, isZeros, ones, zeros } from './creation.js'
import { Dropout } from './dropout.js'
import { matMul } from './matmul.js'
import { indexOperand } from './ids.js'
import { checkRank, numberOf, sameFloats } from './operands.js'
import { sum } from './reduce.js'
import { expandDims, reshape } from './reshape.js'
import { softmax } from './softmax.js'
import { transpose } from './transpose.js'

type AttentionAttrs = {
  readonly scale: number
  readonly causal: boolean
  readonly rate: number
  readonly masked: boolean
  readonly positioned: boolean
}

/**
 * (q [b, tq, h, d], k [b, tk, hk, d], v [b, tk, hk, dv], (mask), (offset), (state)) → y [b, tq, h, dv], logSum [b, h,
 * tq].
 */
export const Attention: Op<AttentionAttrs> = registerOp<AttentionAttrs>({
  name: 'attention',
  shape: ([q, , v]) => {
    const [b, tq, h] = q!.shape as [number, number, number]
    return [
      { shape: [b, tq, h, v!.shape[3]!], dtype: q!.dtype },
      { shape: [b, h, tq], dtype: q!.dtype === 'float64' ? 'float64' : 'float32' },
    ]
  },
  grad: ([g, gLogSum], { inputs: [q, k, v, ...rest], outputs: [y, logSum], attrs }) => {
    const [dq, dk, dv] = apply(AttentionGrad, [g!, q!, k!, v!, y!, logSum!, ...rest], attrs)
    if (isZeros(gLogSum!)) return [dq, dk, dv]
    const { weights } = attend(q!, k!, rest, attrs)
    const [moreQ, moreK] = scoreGradients(mul(weights, cast(expandDims(gLogSum!, -1), q!.dtype)), q!, k!, attrs.scale)
    return [add(dq!, moreQ), add(dk!, moreK), dv]
  },
})

/** (g, q, k, v, y, logSum, (mask), (offset), (state)) → gradients of q, k and v. */
export const AttentionGrad: Op<AttentionAttrs> = registerOp<AttentionAttrs>({
  name: 'attentionGrad',
  shape: ([, q, k, v]) => [q!, k!, v!].map(({ shape, dtype }) => ({ shape, dtype })),
  // y and logSum follow from q, k and v: derivatives go through those alone
  compose: ([g, q, k, v, , , ...rest], attrs) => {
    const heads = q!.shape[2]!
    const { weights, state } = attend(q!, k!, rest, attrs)
    const drop = (x: Tensor): Tensor => (state ? apply(Dropout, [x, state], { rate: attrs.rate })[0]! : x)
    const gradient = headsFirst(g!) // [b, h, tq, dv]
    const dv = matMul(drop(weights), gradient, { transposeA: true }) // [b, h, tk, dv]
    const dWeights = drop(matMul(gradient, repeated(v!, heads), { transposeB: true })) // [b, h, tq, tk]
    const dScores = mul(weights, sub(dWeights, sum(mul(dWeights, weights), -1, { keepDims: true })))
    return [...scoreGradients(dScores, q!, k!, attrs.scale), grouped(dv, v!)]
  },
})

/** [b, t, h, d] → [b, h, t, d], and back. */
const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3])

/** Keys or values [b, t, hk, d] as the heads of queries see them: [b, h, t, d]. */
function repeated(x: Tensor, heads: number): Tensor {
  const [b, t, own, d] = x.shape as [number, number, number, number]
  const first = headsFirst(x)
  if (own === heads) return first
  return reshape(broadcastTo(expandDims(first, 2), [b, own, heads / own, t, d]), [b, heads, t, d])
}

/** The gradient of keys or values from that of `repeated`. */
function grouped(g: Tensor, like: Spec): Tensor {
  const [b, t, own, d] = like.shape as [number, number, number, number]
  const heads = g.shape[1]!
  return headsFirst(own === heads ? g : sum(reshape(g, [b, own, heads / own, t, d]), 2))
}

/** softmax(scale·q·kᵀ) [b, h, tq, tk], zero where a query may not look; and the state that dropout draws from. */
function attend(q: Tensor, k: Tensor, rest: readonly Tensor[], attrs: AttentionAttrs): { weights: Tensor; state: Tensor | undefined } {
  const [, tq, heads] = q.shape as [number, number, number]
  const tk = k.shape[1]!
  const scores = mul(matMul(headsFirst(q), repeated(k, heads), { transposeB: true }), attrs.scale)
  const given = [...rest]
  let allowed = attrs.masked ? given.shift() : undefined
  const offset = attrs.positioned ? given.shift() : undefined
  if (attrs.causal) {
    const where = { dtype: 'int32', device: q.device } as const
    const row = reshape(arange(0, tq, 1, where), [tq, 1])
    const past = lessEqual(arange(0, tk, 1, where), offset ? add(row, offset) : row) // [tq, tk]
    allowed = allowed ? logicalAnd(allowed, past) : past
  }
  const state = attrs.rate > 0 ? given.shift() : undefined
  if (!allowed) return { weights: softmax(scores), state }
  // a finite number far below any score: a row that may look at nothing is then even, not NaN, and is set to zero
  const hidden = q.dtype === 'float16' ? -3e4 : -1e30
  const visible = broadcastTo(allowed, scores.shape)
  return { weights: where(visible, softmax(where(visible, scores, hidden)), 0), state }
}

/** @internal The weights [b, h, tq, tk] of a recorded call of Attention, without dropout. */
export const attentionWeights = ([q, k, , ...rest]: readonly Tensor[], attrs: AttentionAttrs): Tensor => attend(q!, k!, rest, attrs).weights

/**
 * Attention of the rows of a shared batch, whose weights are dropped as one process would drop those of the whole
 * batch. The weights are held in memory, and the draws of all rows.
 */
function droppedAlike(q: Tensor, k: Tensor, v: Tensor, rest: readonly Tensor[], drawn: Tensor, attrs: AttentionAttrs): Tensor {
  const { weights } = attend(q, k, rest, { ...attrs, rate: 0 })
  const { rate } = attrs
  const kept = drawnForRows(
    weights.shape,
    (shape) => apply(Dropout, [ones(shape, { dtype: q.dtype, device: q.device }), drawn], { rate })[0]!,
  )
  return headsFirst(matMul(mul(weights, kept), repeated(v, q.shape[2]!)))
}

/** Gradients of q and k from that of the scaled scores [b, h, tq, tk]. */
function scoreGradients(g: Tensor, q: Tensor, k: Tensor, scale: number): [Tensor, Tensor] {
  const scaled = mul(g, scale)
  const dq = headsFirst(matMul(scaled, repeated(k, q.shape[2]!)))
  return [dq, grouped(matMul(scaled, headsFirst(q), { transposeA: true }), k)]
}

export interface AttentionOptions {
  /** True where a query may look: bool [b, tk], or of rank 4 and extents 1 or those of [b, h, tq, tk]. */
  mask?: TensorLike
  /** Query i looks at keys 0 … i + offset only. Default false. */
  causal?: boolean
  /**
   * Position of the first query among the keys, with causal: a number, or an int32 tensor of one element. Default 0.
   */
  offset?: number | Tensor
  /** Factor of the scores. Default 1/√d. */
  scale?: number
  /**
   * Weights are dropped with probability `rate`, the others divided by 1 - rate; `seed` and `state` as in dropout().
   * Default: none are.
   */
  dropout?: { rate: number; seed?: number; state?: Tensor }
}

const OPTIONS: OptionTable<AttentionOptions> = { mask: 'any', causal: 'any', offset: 'any', scale: 'any', dropout: 'any' }
const DROPOUT_OPTIONS: OptionTable<NonNullable<AttentionOptions['dropout']>> = { rate: 'any', seed: 'any', state: 'object' }

function checkShapes(op: string, q: Tensor, k: Tensor, v: Tensor): void {
  const layout = 'The layout is [batch, time, heads, features]'
  for (const [name, x] of [['q', q] as const, ['k', k] as const, ['v', v] as const]) checkRank(op, name, x, 4, layout)
  const [b, , h, d] = q.shape
  const [bk, tk, hk, dk] = k.shape
  const fits = b === bk && d === dk && v.shape[0] === b && v.shape[1] === tk && v.shape[2] === hk
  if (fits && (hk === 0 ? h === 0 : h! % hk! === 0)) return
  throw new WeftError(
    'ERR_SHAPE',
    `${op}: q [${q.shape}], k [${k.shape}] and v [${v.shape}] do not fit: they are [b, tq, h, d], [b, tk, hk, d] and [b, tk, hk, dv], hk a divisor of h`,
    { op, shapes: [q.shape, k.shape, v.shape], hint: layout },
  )
}

/** The mask as the op takes it, of rank 4. */
function maskOperand(op: string, value: TensorLike, full: readonly number[], device: string): Tensor {
  const mask = value instanceof Tensor ? value : tensor(value, { device })
  if (mask.dtype !== 'bool') {
    throw new WeftError('ERR_DTYPE', `${op}: the mask must be bool, true where a query may look, got ${mask.dtype}`, {
      op,
      hint: "Use cast('bool'), or compare",
    })
  }
  const [b, , , tk] = full as [number, number, number, number]
  const wide = mask.rank === 2 ? [mask.shape[0]!, 1, 1, mask.shape[1]!] : mask.shape
  if (wide.length !== 4 || wide[3] !== tk || wide.some((extent, i) => extent !== full[i] && extent !== 1)) {
    throw new WeftError(
      'ERR_SHAPE',
      `${op}: a mask of shape [${mask.shape}] fits neither [batch, keys] = [${b}, ${tk}] nor [batch, heads, queries, keys] = [${full}], where all but the keys may be 1`,
      { op, shapes: [mask.shape, full] },
    )
  }
  return mask.rank === 2 ? reshape(mask, wide) : mask
}

function offsetOperand(op: string, offset: number | Tensor, device: string): Tensor {
  if (typeof offset === 'number' && !Number.isInteger(offset)) {
    throw new WeftError('ERR_ARGUMENT', `${op}: the offset must be an integer, got ${offset}`, { op })
  }
  const position = typeof offset === 'number' ? tensor(new Int32Array([offset]), { device }) : indexOperand(op, offset)
  if (position.size !== 1) {
    throw new WeftError('ERR_SHAPE', `${op}: the offset must be one number, got shape [${position.shape}]`, {
      op,
      shapes: [position.shape],
    })
  }
  return position.rank === 1 ? position : reshape(position, [1])
}

function dropoutRate(op: string, dropout: NonNullable<AttentionOptions['dropout']>): number {
  checkOptions(`${op}'s dropout`, dropout, DROPOUT_OPTIONS)
  const { rate } = dropout
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
    throw new WeftError('ERR_ARGUMENT', `${op}: the rate of dropout is a number in [0, 1], got ${rate}`, { op })
  return rate
}

/**
 * softmax(scale·q·kᵀ)·v for each head, over the keys that a query may look at; zeros for a query that may look at none.
 * @param q queries [b, tq, h, d]
 * @param k keys [b, tk, hk, d]; hk divides h, and head i reads head ⌊i·hk/h⌋ of k and v (grouped queries, Ainslie et
 *   al. 2023)
 * @param v values [b, tk, hk, dv]
 * @returns [b, tq, h, dv]
 */
export const scaledDotProductAttention: (q: TensorLike, k: TensorLike, v: TensorLike, options?: AttentionOptions) => Tensor = func(
  'scaledDotProductAttention(q, k, v, options)',
  OPTIONS,
  (q, k, v, options = {}) => {
    const op = 'scaledDotProductAttention'
    const [query, key, value] = sameFloats(op, [q, k, v]) as [Tensor, Tensor, Tensor]
    checkShapes(op, query, key, value)
    const { mask, causal = false, offset = 0, dropout } = options
    const { device, dtype } = query
    const [b, tq, h, d] = query.shape as [number, number, number, number]
    const scale = numberOf(op, 'scale', options.scale ?? (d === 0 ? 1 : 1 / Math.sqrt(d)))
    if (typeof causal !== 'boolean') throw new WeftError('ERR_ARGUMENT', `${op}: causal is true or false, got ${show(causal)}`, { op })
    if (!causal && offset !== 0) {
      throw new WeftError('ERR_ARGUMENT', `${op}: an offset is for causal attention`, { op, hint: 'Set causal: true' })
    }
    const rest: Tensor[] = []
    const masked = mask !== undefined
    if (masked) rest.push(maskOperand(op, mask, [b, h, tq, key.shape[1]!], device))
    const positioned = offset !== 0
    if (positioned) rest.push(offsetOperand(op, offset, device))
    const rate = dropout === undefined ? 0 : dropoutRate(op, dropout)
    if (rate === 1) return zeros([b, tq, h, value.shape[3]!], { dtype, device })
    if (rate > 0) {
      const { seed, state } = dropout!
      const drawn = state === undefined ? callState(seed) : state instanceof Variable ? advance(state) : state
      if (sharing() !== undefined) return droppedAlike(query, key, value, rest, drawn, { scale, causal, rate, masked, positioned })
      rest.push(drawn)
    }
    return apply(Attention, [query, key, value, ...rest], { scale, causal, rate, masked, positioned })[0]!
  },
)
