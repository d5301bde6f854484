// Callback: functions that fit calls at the begin and end of training, epochs and batches, and awaits.
import { WeftError } from '../core/error.js'
import type { AnyModel } from '../model/model.js'
import type { Logs } from '../model/step.js'

type Result = void | Promise<void>

/** What fit takes as a callback: any of these functions. */
export interface CallbackLike {
  onTrainBegin?(logs: Logs): Result
  onTrainEnd?(logs: Logs): Result
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
  onEpochBegin?(epoch: number, logs: Logs): Result
  onEpochEnd?(epoch: number, logs: Logs): Result
  onBatchBegin?(batch: number, logs: Logs): Result
  onBatchEnd?(batch: number, logs: Logs): Result
}

const HOOKS = ['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'] as const

/** @internal The callbacks of one call of fit, in order. */
export class CallbackList {
  private readonly list: readonly CallbackLike[]
  /** Whether somebody looks at every batch: then no step runs ahead. */
  readonly watchesBatches: boolean
  private readonly beginsBatches: boolean
  private readonly endsBatches: boolean

  constructor(model: AnyModel, callbacks: CallbackLike | readonly CallbackLike[] = []) {
    this.list = Array.isArray(callbacks) ? callbacks : [callbacks as CallbackLike]
    for (const callback of this.list) {
      if (typeof callback !== 'object' || callback === null || !HOOKS.some((hook) => typeof callback[hook] === 'function')) {
        throw new WeftError(
          'ERR_ARGUMENT',
          `callbacks: expected objects with ${HOOKS.join(', ')}, got ${callback === null ? 'null' : typeof callback}`,
        )
      }
      if (callback instanceof Callback) callback.model = model
    }
    const watching = this.list.filter((callback) => !(callback instanceof Callback) || callback.exact)
    this.watchesBatches = watching.some((callback) => callback.onBatchBegin !== undefined || callback.onBatchEnd !== undefined)
    this.beginsBatches = this.list.some((callback) => callback.onBatchBegin !== undefined)
    this.endsBatches = this.list.some((callback) => callback.onBatchEnd !== undefined)
  }

  async trainBegin(): Promise<void> {
    for (const callback of this.list) await callback.onTrainBegin?.({})
  }
  async trainEnd(logs: Logs): Promise<void> {
    for (const callback of this.list) await callback.onTrainEnd?.(logs)
  }
  async epochBegin(epoch: number): Promise<void> {
    for (const callback of this.list) await callback.onEpochBegin?.(epoch, {})
  }
  async epochEnd(epoch: number, logs: Logs): Promise<void> {
    for (const callback of this.list) await callback.onEpochEnd?.(epoch, logs)
  }
  /** Undefined when nobody listens, so that a step costs nothing. */
  batchBegin(batch: number): Promise<void> | undefined {
    return this.beginsBatches ? this.each((callback) => callback.onBatchBegin?.(batch, {})) : undefined
  }
  batchEnd(batch: number, logs: Logs): Promise<void> | undefined {
    return this.endsBatches ? this.each((callback) => callback.onBatchEnd?.(batch, logs)) : undefined
  }

  private async each(call: (callback: CallbackLike) => Result | undefined): Promise<void> {
    for (const callback of this.list) await call(callback)
  }
}
