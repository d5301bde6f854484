// Decoder: what a language model keeps while it writes one text: keys and values of the tokens so far, their number,
// the newest token.
import { tensor } from '../core/create.js'
import { withDevice } from '../core/device.js'
import { jit, type JitFunction, type Precision, type Submitted } from '../core/jit.js'
import type { AttentionCache } from '../layers/attention/multi_head.js'
import { add, dynamicSlice, reshape, sub } from '../ops/index.js'
import { randomState } from '../core/random.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import type { Gpt } from './gpt.js'
import { type Sampling, type SamplingState, sample } from './sampling.js'

/** Shortest length that prompts are padded to. */
const SHORTEST = 16
/** Ways of sampling whose programs are kept. */
const MOST_KINDS = 4

interface Programs {
  /** ids [1, padded length], their number int32 [1] → the next token int32 [1]. */
  readonly first: JitFunction<[Tensor, Tensor], Tensor>
  readonly next: JitFunction<[], Tensor>
}

/** The precision that predict() uses too. */
const precisionOf = (model: Gpt): Precision => (model.isCompiled ? model.compiled.precision : 'float32')

export class Decoder {
  private readonly model: Gpt
  private readonly version: number
  private readonly precision: Precision
  private readonly device: string
  private readonly caches: readonly AttentionCache[]
  /** int32 [1]: place of the newest token. */
  private readonly position: Variable
  /** int32 [1, 1] */
  private readonly token: Variable
  private readonly settings: SamplingState
  private readonly kinds = new Map<string, Programs>()

  constructor(model: Gpt) {
    this.model = model
    this.version = model.version
    this.precision = precisionOf(model)
    this.device = model.device
    const state = (name: string, values: Int32Array | Float32Array, shape: readonly number[]): Variable =>
      variable(tensor(values, { shape }), { name, trainable: false })
    const made = withDevice(this.device, () => ({
      caches: model.makeCaches(),
      position: state('position', new Int32Array(1), [1]),
      token: state('token', new Int32Array(1), [1, 1]),
      settings: {
        random: randomState(0),
        temperature: state('temperature', Float32Array.of(1), []),
        topP: state('topP', Float32Array.of(1), []),
      },
    }))
    this.caches = made.caches
    this.position = made.position
    this.token = made.token
    this.settings = made.settings
  }

  /** Whether it still belongs to the model: not after layers or precision changed, or weights moved. */
  fits(model: Gpt): boolean {
    return this.model === model && this.version === model.version && this.device === model.device && this.precision === precisionOf(model)
  }

  /** Settings of the text that begins. Without a seed the numbers follow setSeed(). */
  prepare(temperature: number, topP: number, seed: number | undefined): void {
    withDevice(this.device, () => {
      this.settings.temperature.assign(temperature)
      this.settings.topP.assign(topP)
      const fresh = randomState(seed)
      this.settings.random.assign(fresh)
      fresh.dispose()
    })
  }

  /** Takes in all tokens in one call, from an empty cache; gives the token that follows. */
  first(ids: ArrayLike<number>, how: Sampling): Submitted<Tensor> {
    const { sequenceLength } = this.model.config
    // few lengths, few programs: what stands behind the last token is seen by none, and is overwritten
    let length = SHORTEST
    while (length < ids.length) length *= 2
    const padded = new Int32Array(Math.min(length, sequenceLength))
    padded.set(Array.from(ids))
    return withDevice(this.device, () => {
      const given = tensor(padded, [1, padded.length])
      const count = tensor(Int32Array.of(ids.length))
      const run = this.programs(how).first.submit(given, count)
      given.dispose()
      count.dispose()
      return run
    })
  }

  /** Takes in the token that came last, and gives the one that follows. */
  next(how: Sampling): Submitted<Tensor> {
    return withDevice(this.device, () => this.programs(how).next.submit())
  }

  /** Logits [vocabularySize] of the token after the newest one; nothing moves on. */
  logits(): Tensor {
    const { model, caches, position, token } = this
    const peek = jit(() => reshape(model.logits(model.callCached(token, caches, position)), [model.config.vocabularySize]))
    return withDevice(this.device, () => peek())
  }

  private programs(how: Sampling): Programs {
    const key = JSON.stringify(how)
    const found = this.kinds.get(key)
    if (found) return found
    const { model, caches, position, token, settings } = this
    const follow = (hidden: Tensor): Tensor => {
      const id = sample(reshape(model.logits(hidden), [1, model.config.vocabularySize]), how, settings)
      token.assign(reshape(id, [1, 1]))
      return id
    }
    const named = { name: `generate of ${model.name}`, precision: this.precision }
    const made: Programs = {
      first: jit((ids: Tensor, count: Tensor) => {
        const start = sub(count, count)
        const hidden = model.callCached(ids, caches, start)
        position.assign(count)
        return follow(dynamicSlice(hidden, sub(count, 1), { axis: 1, size: 1 }))
      }, named),
      next: jit(() => {
        const hidden = model.callCached(token, caches, position)
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
      ...(Object.values(this.settings) as Variable[]),
      ...this.caches.flatMap(({ keys, values }) => [keys, values]),
    ])
      t.dispose()
  }
}
