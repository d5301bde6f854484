// Callback: functions that fit calls at the begin and end of training, epochs and batches, and awaits.
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { apart, world } from '../distributed/world.js'
import type { AnyModel } from '../model/model.js'
import { CALLBACK, type Memories, type TrainingRun } from '../model/run.js'
import type { Tensor } from '../core/tensor.js'
import type { Logs } from '../model/step.js'

type Result = void | Promise<void>

/** What fit takes as a callback: any of these functions. */
export interface CallbackLike {
  onTrainBegin?(logs: Logs): Result
  /** The last call of every training, also of one that fails or is aborted. */
  onTrainEnd?(logs: Logs): Result
  /** Training fails or is aborted with this error; onTrainEnd follows. */
  onTrainError?(error: unknown): Result
  onEpochBegin?(epoch: number, logs: Logs): Result
  /** `logs`: the figures of the epoch, with val_ ones; keys that are added here reach the history. */
  onEpochEnd?(epoch: number, logs: Logs): Result
  onBatchBegin?(batch: number, logs: Logs): Result
  /** `logs`: the running figures of the epoch. */
  onBatchEnd?(batch: number, logs: Logs): Result
}

/** Base of callbacks that look at the model. */
export class Callback implements CallbackLike {
  /** The model that is being trained. */
  model!: AnyModel
  /** False: onBatchEnd may run while the next steps are under way already. */
  readonly exact: boolean = true

  onTrainBegin?(logs: Logs): Result
  onTrainEnd?(logs: Logs): Result
  onTrainError?(error: unknown): Result
  onEpochBegin?(epoch: number, logs: Logs): Result
  onEpochEnd?(epoch: number, logs: Logs): Result
  onBatchBegin?(batch: number, logs: Logs): Result
  onBatchEnd?(batch: number, logs: Logs): Result

  /**
   * @internal Before each epoch, ahead of all hooks, and before each step but the first of an epoch. Steps may be in
   * flight: run.keep() is what they make of the model.
   */
  beforeStep?(run: TrainingRun): Result
  /** @internal What it remembers from epoch to epoch, as JSON: a training that goes on from a backup calls recall(). */
  memory?(): unknown
  /** @internal Tensors that it keeps from epoch to epoch. */
  keptValues?(): readonly Tensor[]
  /** @internal After onTrainBegin: what memory() and keptValues() gave. The tensors are the callback's then. */
  recall?(memory: unknown, values: readonly Tensor[]): void
}

/** Those that are called on every rank of a distributed run. */
const onEveryRank = new WeakSet<CallbackLike>()

/**
 * In a distributed run callbacks are called on rank 0 alone, and what they change there reaches the other ranks at the
 * end of the epoch. What they evaluate, predict and save is done by rank 0 without the others. This one is called on
 * every rank, and its calls are shared as those outside of callbacks.
 */
export function everyRank<C extends CallbackLike>(callback: C): C {
  checkCall('callbacks.everyRank(callback)', arguments)
  checkCallback(callback)
  onEveryRank.add(callback)
  return callback
}

/** Calls a hook. One that is called on rank 0 alone evaluates, predicts and saves there without the other ranks. */
const calling = <T>(callback: CallbackLike, call: () => T): T => (onEveryRank.has(callback) ? call() : apart(call, true))

/** @internal The callbacks, as fit takes them, that are called on this rank. */
export function onThisRank(given: CallbackLike | readonly CallbackLike[] | undefined): readonly CallbackLike[] {
  const list = given === undefined ? [] : Array.isArray(given) ? (given as readonly CallbackLike[]) : [given as CallbackLike]
  return world().rank === 0 ? list : list.filter((callback) => onEveryRank.has(callback))
}

const HOOKS: OptionTable<CallbackLike> = {
  onTrainBegin: 'function',
  onTrainEnd: 'function',
  onTrainError: 'function',
  onEpochBegin: 'function',
  onEpochEnd: 'function',
  onBatchBegin: 'function',
  onBatchEnd: 'function',
}
const NAMES = Object.keys(HOOKS) as (keyof CallbackLike)[]
/** What a method that looks like a hook, and is none, is called. */
const LIKE_A_HOOK = /^on_?(train|epoch|batch|test|predict|validation)/i

/** Throws unless fit can call it: a misspelt hook would never be called. */
function checkCallback(callback: CallbackLike): void {
  const given: unknown = callback
  const isObject = typeof given === 'object' && given !== null
  for (let level = isObject ? given : null; level !== Object.prototype && level !== null; level = Object.getPrototypeOf(level) as object) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const stranger = LIKE_A_HOOK.test(name) && !NAMES.includes(name as keyof CallbackLike)
      if (stranger && typeof (given as Record<string, unknown>)[name] === 'function') throw unknownName('hook of callbacks', name, NAMES)
    }
  }
  if (isObject && NAMES.some((hook) => typeof callback[hook] === 'function')) return
  const hint = typeof given === 'function' ? { hint: 'Call the factory, as in callbacks.earlyStopping()' } : {}
  throw new WeftError('ERR_ARGUMENT', `callbacks: expected objects with ${NAMES.join(', ')}, got ${show(given)}`, hint)
}

/** A callback of the given functions. */
export function lambda(functions: CallbackLike): Callback {
  checkCall('callbacks.lambda(functions)', arguments, HOOKS)
  return Object.assign(new Callback(), functions)
}

/** @internal The callbacks of one call of fit, in order. */
export class CallbackList implements Memories {
  private readonly list: readonly CallbackLike[]
  /** Those whose onTrainBegin was called. */
  private readonly begun = new Set<CallbackLike>()
  /** Whether somebody looks at every batch: then no step runs ahead. */
  readonly watchesBatches: boolean
  private readonly beginsBatches: boolean
  private readonly endsBatches: boolean
  private readonly keepers: readonly Callback[]

  constructor(model: AnyModel, callbacks: CallbackLike | readonly CallbackLike[] = []) {
    this.list = Array.isArray(callbacks) ? callbacks : [callbacks as CallbackLike]
    for (const callback of this.list) {
      checkCallback(callback)
      if (callback instanceof Callback) callback.model = model
    }
    const watching = this.list.filter((callback) => !(callback instanceof Callback) || callback.exact)
    this.watchesBatches = watching.some((callback) => callback.onBatchBegin !== undefined || callback.onBatchEnd !== undefined)
    this.keepers = this.list.filter((callback): callback is Callback => callback instanceof Callback && callback.beforeStep !== undefined)
    this.beginsBatches = this.list.some((callback) => callback.onBatchBegin !== undefined)
    this.endsBatches = this.list.some((callback) => callback.onBatchEnd !== undefined)
  }

  /** Undefined when nobody listens. */
  beforeStep(run: TrainingRun): Promise<void> | undefined {
    return this.keepers.length > 0 ? this.all(this.keepers, (callback) => callback.beforeStep?.(run)) : undefined
  }
  /** What the callbacks remember, in their order. */
  memories(): unknown[] {
    return this.list.map((callback) => (callback instanceof Callback ? (callback.memory?.() ?? null) : null))
  }
  /** The tensors they keep, by names. */
  values(): Map<string, Tensor> {
    const kept = this.list.map((callback) => (callback instanceof Callback ? (callback.keptValues?.() ?? []) : []))
    return new Map(kept.flatMap((values, i) => values.map((t, k) => [`${CALLBACK}${i}/${k}`, t] as const)))
  }
  private recall({ remembered, rememberedValues }: TrainingRun): void {
    // other ranks of a distributed run have not all of the callbacks
    if (world().rank > 0) return
    const left = new Map(rememberedValues)
    this.list.forEach((callback, i) => {
      if (!(callback instanceof Callback) || (remembered[i] ?? null) === null || !callback.recall) return
      const own = [...left].filter(([name]) => name.startsWith(`${CALLBACK}${i}/`))
      for (const [name] of own) left.delete(name)
      const place = (name: string): number => Number(name.slice(name.lastIndexOf('/') + 1))
      callback.recall(
        remembered[i],
        own.sort(([a], [b]) => place(a) - place(b)).map(([, t]) => t),
      )
    })
    for (const t of left.values()) t.dispose()
  }

  async trainBegin(run?: TrainingRun): Promise<void> {
    for (const callback of this.list) {
      this.begun.add(callback)
      await calling(callback, () => callback.onTrainBegin?.({}))
    }
    if (run) this.recall(run)
  }
  /** Every callback that has begun hears of the end, whatever the others do; the first error of theirs is thrown. */
  async trainEnd(logs: Logs): Promise<void> {
    await this.toAll((callback) => callback.onTrainEnd?.(logs))
  }
  /** What callbacks throw meanwhile is dropped: the error that they are told of is the one that fit rejects with. */
  async trainError(error: unknown): Promise<void> {
    await this.toAll((callback) => callback.onTrainError?.(error)).catch(() => undefined)
  }
  async epochBegin(epoch: number): Promise<void> {
    for (const callback of this.list) await calling(callback, () => callback.onEpochBegin?.(epoch, {}))
  }
  async epochEnd(epoch: number, logs: Logs): Promise<void> {
    for (const callback of this.list) await calling(callback, () => callback.onEpochEnd?.(epoch, logs))
  }
  /** Undefined when nobody listens, so that a step costs nothing. */
  batchBegin(batch: number): Promise<void> | undefined {
    return this.beginsBatches ? this.each((callback) => callback.onBatchBegin?.(batch, {})) : undefined
  }
  batchEnd(batch: number, logs: Logs): Promise<void> | undefined {
    return this.endsBatches ? this.each((callback) => callback.onBatchEnd?.(batch, logs)) : undefined
  }

  private async toAll(call: (callback: CallbackLike) => Result | undefined): Promise<void> {
    const errors: unknown[] = []
    for (const callback of this.list) {
      if (!this.begun.has(callback)) continue
      try {
        await calling(callback, () => call(callback))
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  private each(call: (callback: CallbackLike) => Result | undefined): Promise<void> {
    return this.all(this.list, call)
  }
  private async all<T extends CallbackLike>(list: readonly T[], call: (callback: T) => Result | undefined): Promise<void> {
    for (const callback of list) await calling(callback, () => call(callback))
  }
}
