// Decoder: what a language model keeps while it writes texts: keys and values of the tokens so far, their number, the
// newest tokens.
import { tensor } from '../core/create.js'
import { withDevice } from '../core/device.js'
import { jit, type JitFunction, type Precision, type Submitted } from '../core/jit.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import { add, dynamicSlice, reshape, sub } from '../ops/index.js'
import { randomState } from '../core/random.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import type { Objective } from '../model/objective.js'
import { type Sampling, type SamplingState, sample } from './sampling.js'

/** Shortest length that prompts are padded to. */
const SHORTEST = 16
/** Ways of sampling whose programs are kept. */
const MOST_KINDS = 4

/** What a decoder asks of a language model. */
export interface CachedModel {
  readonly name: string
  readonly version: number
  readonly device: string
  readonly isCompiled: boolean
  readonly compiled: Objective
  readonly config: { readonly sequenceLength: number; readonly vocabularySize: number }
  /** Empty caches of each block, for texts of up to `length` tokens. */
  makeCaches(batch: number, length: number): AttentionCache[]
  /**
   * The steps ids [batch, steps] from `position` int32 [1] on: hidden states [batch, steps, features].
   * @param more end int32 [1]: where the texts end, as steps behind that are none; padding int32 [batch]: places before
   *   the text of each row, where batch > 1
   */
  callCached(ids: Tensor, caches: readonly AttentionCache[], position: Tensor, more: CallCachedOptions): Tensor
  /** Hidden states [batch, steps, features] → [batch, steps, vocabularySize]. */
  logits(hidden: Tensor): Tensor
}

export interface CallCachedOptions {
  readonly end: Tensor
  readonly padding?: Tensor | undefined
}

interface Programs {
  /** ids [batch, padded length], their number int32 [1] → the next token of each text int32 [batch]. */
  readonly first: JitFunction<[Tensor, Tensor], Tensor>
  readonly next: JitFunction<[], Tensor>
}

/** The precision that predict() uses too. */
const precisionOf = (model: CachedModel): Precision => (model.isCompiled ? model.compiled.precision : 'float32')

export class Decoder {
  private readonly model: CachedModel
  /** Texts written at once. */
  readonly batch: number
  /** Tokens that the caches have places for. */
  readonly length: number
  private readonly version: number
  private readonly precision: Precision
  private readonly device: string
  private readonly caches: readonly AttentionCache[]
  /** int32 [1]: place of the newest token. */
  private readonly position: Variable
  /** int32 [batch, 1] */
  private readonly token: Variable
  /** int32 [batch]: places before each text, where there are several. */
  private readonly padding: Variable | undefined
  private readonly settings: SamplingState
  private readonly kinds = new Map<string, Programs>()

  constructor(model: CachedModel, batch = 1, length: number = model.config.sequenceLength) {
    this.model = model
    this.batch = batch
    this.length = length
    this.version = model.version
    this.precision = precisionOf(model)
    this.device = model.device
    const state = (name: string, values: Int32Array | Float32Array, shape: readonly number[]): Variable =>
      variable(tensor(values, { shape }), { name, trainable: false })
    const made = withDevice(this.device, () => ({
      caches: model.makeCaches(batch, length),
      position: state('position', new Int32Array(1), [1]),
      token: state('token', new Int32Array(batch), [batch, 1]),
      padding: batch > 1 ? state('padding', new Int32Array(batch), [batch]) : undefined,
      settings: {
        random: randomState(0),
        temperature: state('temperature', Float32Array.of(1), []),
        topP: state('topP', Float32Array.of(1), []),
        penalty: state('penalty', Float32Array.of(1), []),
        seen: state('seen', new Float32Array(batch), [batch, 1]),
      },
    }))
    this.caches = made.caches
    this.position = made.position
    this.token = made.token
    this.padding = made.padding
    this.settings = made.settings
  }

  /** Whether it still belongs to the model: not after layers or precision changed, or weights moved. */
  fits(model: CachedModel): boolean {
    return this.model === model && this.version === model.version && this.device === model.device && this.precision === precisionOf(model)
  }

  /** Settings of the text that begins. Without a seed the numbers follow setSeed(). */
  prepare(temperature: number, topP: number, seed: number | undefined, repetitionPenalty = 1): void {
    withDevice(this.device, () => {
      this.settings.temperature.assign(temperature)
      this.settings.topP.assign(topP)
      this.settings.penalty.assign(repetitionPenalty)
      const fresh = randomState(seed)
      this.settings.random.assign(fresh)
      fresh.dispose()
    })
  }

  /**
   * Takes in all tokens of the texts in one call, from an empty cache; gives the token that follows each. Texts of
   * different lengths end at the same place.
   */
  first(texts: readonly ArrayLike<number>[], how: Sampling): Submitted<Tensor> {
    const { batch, padding } = this
    const longest = texts.reduce((most, text) => Math.max(most, text.length), 0)
    // few lengths, few programs: what stands behind the last token is seen by none, and is overwritten
    let length = SHORTEST
    while (length < longest) length *= 2
    const columns = Math.min(length, this.length)
    const padded = new Int32Array(batch * columns)
    for (const [row, text] of texts.entries()) padded.set(Array.from(text), row * columns + longest - text.length)
    return withDevice(this.device, () => {
      if (how.penalized) this.see(texts)
      const given = tensor(padded, [batch, columns])
      const count = tensor(Int32Array.of(longest))
      padding?.assign(Int32Array.from(texts, (text) => longest - text.length))
      const run = this.programs(how).first.submit(given, count)
      given.dispose()
      count.dispose()
      return run
    })
  }

  /** Marks the tokens of the texts as seen. */
  private see(texts: readonly ArrayLike<number>[]): void {
    const { vocabularySize } = this.model.config
    const { batch, settings } = this
    const marks = new Float32Array(batch * vocabularySize)
    for (const [row, text] of texts.entries()) for (const id of Array.from(text)) marks[row * vocabularySize + id] = 1
    const fresh = tensor(marks, [batch, vocabularySize])
    if (settings.seen.shape[1] === vocabularySize) settings.seen.assign(fresh)
    else {
      settings.seen.dispose()
      settings.seen = variable(fresh, { name: 'seen', trainable: false })
    }
    fresh.dispose()
  }

  /** Takes in the token that came last, and gives the one that follows. */
  next(how: Sampling): Submitted<Tensor> {
    return withDevice(this.device, () => this.programs(how).next.submit())
  }

  /** Logits [vocabularySize] of the token after the newest one; nothing moves on. */
  logits(): Tensor {
    const { model, caches, position, token, padding } = this
    const peek = jit(() =>
      reshape(model.logits(model.callCached(token, caches, position, { end: add(position, 1), padding })), [model.config.vocabularySize]),
    )
    return withDevice(this.device, () => peek())
  }

  private programs(how: Sampling): Programs {
    const key = JSON.stringify(how)
    const found = this.kinds.get(key)
    if (found) return found
    const { model, batch, caches, position, token, padding, settings } = this
    const follow = (hidden: Tensor): Tensor => {
      const id = sample(reshape(model.logits(hidden), [batch, model.config.vocabularySize]), how, settings)
      token.assign(reshape(id, [batch, 1]))
      return id
    }
    const named = { name: `generate of ${model.name}`, precision: this.precision }
    const made: Programs = {
      first: jit((ids: Tensor, count: Tensor) => {
        const start = sub(count, count)
        const hidden = model.callCached(ids, caches, start, { end: count, padding })
        position.assign(count)
        return follow(dynamicSlice(hidden, sub(count, 1), { axis: 1, size: 1 }))
      }, named),
      next: jit(() => {
        const hidden = model.callCached(token, caches, position, { end: add(position, 1), padding })
        position.assign(add(position, 1))
        return follow(hidden)
      }, named),
    }
    if (this.kinds.size >= MOST_KINDS) {
      const [oldest, programs] = this.kinds.entries().next().value!
      this.kinds.delete(oldest)
      programs.first.dispose()
      programs.next.dispose()
    }
    this.kinds.set(key, made)
    return made
  }

  dispose(): void {
    for (const { first, next } of this.kinds.values()) {
      first.dispose()
      next.dispose()
    }
    this.kinds.clear()
    for (const t of [
      this.position,
      this.token,
      ...(this.padding ? [this.padding] : []),
      ...(Object.values(this.settings) as Variable[]),
      ...this.caches.flatMap(({ keys, values }) => [keys, values]),
    ])
      t.dispose()
  }
}
