// Attention of loaded models: queries, keys and values of a module, over a text or over a cache of the text so far.
import { applyOne } from '../core/apply.js'
import { advance, randomState } from '../core/random.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import {
  add,
  arange,
  broadcastTo,
  cast,
  div,
  dropout as dropped,
  dynamicSlice,
  expandDims,
  gather,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  matMul,
  maximum,
  mul,
  reshape,
  rotary,
  scaledDotProductAttention,
  slice,
  softmax,
  sub,
  tanh,
  transpose,
  where,
} from '../ops/index.js'
import { CacheUpdate } from '../ops/update_slice.js'
import type { Linear, Norm } from './parts.js'
import { type Rope, ropeOfPositions, ropeTable } from './rope.js'

/** Where the steps of a call stand. */
export interface Places {
  /** Whether the call is part of training. */
  readonly training: boolean
  /** True where a step is data: bool [batch, keys]. Default: everywhere. */
  readonly mask?: Tensor | undefined
  /** int32 [1]: the first step, among the steps that caches have. Default 0, and no caches. */
  readonly position?: Tensor | undefined
  /** int32 [1]: where the texts end: steps behind are none; with `position`. */
  readonly end?: Tensor | undefined
  /** int32 [batch]: steps before the text of each row, which are no data; with `position`. Default 0. */
  readonly padding?: Tensor | undefined
}

export interface AttentionFacts {
  readonly heads: number
  /** Heads of keys and values. */
  readonly shared: number
  /** Features of a head. */
  readonly width: number
  readonly causal: boolean
  /** Factor of the scores. Default 1/√width. */
  readonly scale?: number
  /** A query looks at so many keys, itself the last. Default: all. */
  readonly window?: number | undefined
  /** Scores are softCap · tanh(score / softCap) (Gemma 2). Default: as they are. */
  readonly softCap?: number | undefined
  readonly rope?: Rope | undefined
  /** Share of the weights that training drops. */
  readonly dropout: number
}

export interface AttentionParts {
  /** Query, key and value; or one module for all three, in this order. */
  readonly inputs: readonly [Linear, Linear, Linear] | readonly [Linear]
  readonly output: Linear
  /** Norms of the heads of queries and keys. */
  readonly norms?: readonly [Norm, Norm] | undefined
}

export class SelfAttention {
  readonly facts: AttentionFacts
  private readonly parts: AttentionParts
  /** What dropout draws from; the model keeps it. */
  readonly state: Variable | undefined

  constructor(facts: AttentionFacts, parts: AttentionParts) {
    this.facts = facts
    this.parts = parts
    this.state = facts.dropout > 0 ? randomState() : undefined
  }

  /** x [batch, steps, features] → the same shape. */
  attend(x: Tensor, places: Places, cache?: AttentionCache): Tensor {
    const { heads, shared, width } = this.facts
    const [batch, steps] = x.shape as [number, number, number]
    const [q, k, v] = this.projected(x).map((t, i) => {
      const count = i === 0 ? heads : shared
      const split = reshape(t, [batch, steps, count, width])
      const norm = i < 2 ? this.parts.norms?.[i] : undefined
      return norm ? norm.apply(split) : split
    }) as [Tensor, Tensor, Tensor]
    const turned = cache ? this.turnedCached(q, k, v, places, cache) : { q: this.turned(q), k: this.turned(k), v }
    const y = this.over(turned.q, turned.k, turned.v, places)
    return this.parts.output.apply(reshape(y, [batch, steps, heads * width]))
  }

  private projected(x: Tensor): Tensor[] {
    const { inputs } = this.parts
    if (inputs.length === 3) return inputs.map((part) => part.apply(x))
    const all = inputs[0].apply(x)
    const { heads, shared, width } = this.facts
    const [batch, steps] = all.shape as [number, number, number]
    let at = 0
    return [heads, shared, shared].map((count) => {
      const part = slice(all, [0, 0, at], [batch, steps, count * width])
      at += count * width
      return part
    })
  }

  /** Steps 0, 1, ... of every row. */
  private turned(t: Tensor): Tensor {
    const { rope } = this.facts
    if (!rope) return t
    const steps = t.shape[1]!
    return rotary(t, ...ropeTable(rope, steps, steps, t.device))
  }

  /** Queries, and the keys and values of all steps so far. */
  private turnedCached(q: Tensor, k: Tensor, v: Tensor, places: Places, cache: AttentionCache): { q: Tensor; k: Tensor; v: Tensor } {
    const { rope } = this.facts
    const position = places.position!
    const length = cache.keys.shape[1]!
    const [batch, steps] = q.shape as [number, number]
    const store = (keys: Tensor): Tensor => {
      cache.keys.assign(applyOne(CacheUpdate, [cache.keys, keys, position], { axis: 1 }))
      cache.values.assign(applyOne(CacheUpdate, [cache.values, v, position], { axis: 1 }))
      return cache.keys
    }
    if (!rope) return { q, k: store(k), v: cache.values }
    if (rope.ratesOf === undefined && !places.padding) {
      const [cosines, sines] = ropeTable(rope, length, length, q.device).map((table) =>
        dynamicSlice(table, position, { axis: 0, size: steps }),
      ) as [Tensor, Tensor]
      return { q: rotary(q, cosines, sines), k: store(rotary(k, cosines, sines)), v: cache.values }
    }
    const own = stepsOf(batch, steps, position, places.padding, q.device) // [batch, steps]
    if (rope.ratesOf === undefined) {
      const [cosines, sines] = ropeTable(rope, length, length, q.device).map((table) =>
        gather(table, reshape(own, [batch * steps]), 0),
      ) as [Tensor, Tensor]
      const turn = (t: Tensor): Tensor => turnRows(t, cosines, sines)
      return { q: turn(q), k: store(turn(k)), v: cache.values }
    }
    // the rates change as the text grows: keys are kept as they are, and turned when they are looked at
    const keys = store(k)
    const ends = places.padding ? sub(places.end!, places.padding) : places.end!
    const whole = broadcastTo(cast(ends, 'float32'), [batch])
    const each = (count: number): Tensor => reshape(broadcastTo(reshape(whole, [batch, 1]), [batch, count]), [batch * count])
    const start = sub(position, position)
    const all = stepsOf(batch, length, start, places.padding, q.device)
    const turn = (t: Tensor, at: Tensor, count: number): Tensor =>
      turnRows(t, ...ropeOfPositions(rope, cast(reshape(at, [batch * count]), 'float32'), each(count)))
    return { q: turn(q, own, steps), k: turn(keys, all, length), v: cache.values }
  }

  private over(q: Tensor, k: Tensor, v: Tensor, places: Places): Tensor {
    const { causal, width, scale = 1 / Math.sqrt(width), softCap, dropout } = this.facts
    const mask = this.maskOf(q, k, places)
    const rate = places.training ? dropout : 0
    if (softCap !== undefined) return this.capped(q, k, v, places, mask, scale, softCap)
    return scaledDotProductAttention(q, k, v, {
      scale,
      causal,
      ...(places.position ? { offset: places.position } : {}),
      ...(mask ? { mask } : {}),
      ...(rate > 0 ? { dropout: { rate, state: this.state! } } : {}),
    })
  }

  /**
   * What is hidden beside the future: padding, and what lies before the window. bool [batch or 1, 1, queries or 1,
   * keys]
   */
  private maskOf(q: Tensor, k: Tensor, { mask, position, padding }: Places): Tensor | undefined {
    const { window } = this.facts
    const [batch, steps, keys] = [q.shape[0]!, q.shape[1]!, k.shape[1]!]
    const column = arange(0, keys, 1, { dtype: 'int32', device: q.device })
    const found: Tensor[] = []
    if (mask) found.push(reshape(mask, [batch, 1, 1, keys]))
    if (padding) found.push(greaterEqual(reshape(column, [1, 1, 1, keys]), reshape(padding, [batch, 1, 1, 1])))
    if (window !== undefined && keys > window) {
      const row = rowsOf(steps, position, q.device)
      found.push(greater(reshape(column, [1, 1, 1, keys]), sub(reshape(row, [1, 1, steps, 1]), window)))
    }
    return found.length === 0 ? undefined : found.reduce((all, one) => logicalAnd(all, one))
  }

  /** Attention with capped scores, written out. */
  private capped(q: Tensor, k: Tensor, v: Tensor, places: Places, mask: Tensor | undefined, scale: number, softCap: number): Tensor {
    const { causal, dropout } = this.facts
    const [batch, steps, heads] = q.shape as [number, number, number, number]
    const [, keys, shared] = k.shape as [number, number, number]
    const each = heads / shared
    const first = (t: Tensor): Tensor => {
      const turned = transpose(t, [0, 2, 1, 3])
      return each === 1
        ? turned
        : reshape(broadcastTo(expandDims(turned, 2), [batch, shared, each, keys, t.shape[3]!]), [batch, heads, keys, t.shape[3]!])
    }
    const scores = mul(matMul(transpose(q, [0, 2, 1, 3]), first(k), { transposeB: true }), scale)
    const capped = mul(tanh(div(scores, softCap)), softCap)
    let allowed = mask
    if (causal) {
      const row = reshape(rowsOf(steps, places.position, q.device), [steps, 1])
      const past = reshape(lessEqual(arange(0, keys, 1, { dtype: 'int32', device: q.device }), row), [1, 1, steps, keys])
      allowed = allowed ? logicalAnd(allowed, past) : past
    }
    const weights = softmax(allowed ? where(broadcastTo(allowed, scores.shape), capped, -1e30) : capped)
    const kept = places.training && dropout > 0 ? dropped(weights, dropout, { state: advance(this.state!) }) : weights
    return transpose(matMul(kept, first(v)), [0, 2, 1, 3])
  }
}

/** int32 [steps]: the places of the steps among those of a cache. */
const rowsOf = (steps: number, position: Tensor | undefined, device: string): Tensor => {
  const row = arange(0, steps, 1, { dtype: 'int32', device })
  return position ? add(row, position) : row
}

/** int32 [batch, steps]: the places of the steps in their texts, which begin behind the padding; 0 in the padding. */
export function stepsOf(batch: number, steps: number, position: Tensor | undefined, padding: Tensor | undefined, device: string): Tensor {
  const row = broadcastTo(reshape(rowsOf(steps, position, device), [1, steps]), [batch, steps])
  return padding ? maximum(sub(row, reshape(padding, [batch, 1])), 0) : row
}

/** t [batch, steps, heads, features] turned by cosines and sines [batch · steps, half]. */
function turnRows(t: Tensor, cosines: Tensor, sines: Tensor): Tensor {
  const [batch, steps, heads, features] = t.shape as [number, number, number, number]
  return reshape(rotary(reshape(t, [1, batch * steps, heads, features]), cosines, sines), t.shape)
}
