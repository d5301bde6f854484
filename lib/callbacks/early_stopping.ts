// earlyStopping: ends training when a figure has stopped getting better.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Logs } from '../model/step.js'
import type { Tensor } from '../core/tensor.js'
import { Callback } from './callback.js'
import { MODES, Monitor, type MonitorMode } from './monitor.js'

export interface EarlyStoppingOptions {
  /** Default 'val_loss'. */
  monitor?: string
  /** Least change that counts as better. Default 0. */
  minDelta?: number
  /** Epochs without getting better after which training stops. Default 0. */
  patience?: number
  /** Default 'auto': as the metric says. */
  mode?: MonitorMode
  /** Not better than this counts as not getting better. */
  baseline?: number
  /** At the end, puts back the weights of the best epoch. Default false. */
  restoreBestWeights?: boolean
  /** First epoch that is looked at. Default 0. */
  startFromEpoch?: number
  /** Says on the console when training is stopped, and which weights are put back. Default false. */
  verbose?: boolean | 0 | 1
}
const EARLY_STOPPING_OPTIONS: OptionTable<EarlyStoppingOptions> = {
  patience: 'integer',
  monitor: 'string',
  minDelta: 'number',
  mode: MODES,
  baseline: 'number',
  restoreBestWeights: 'boolean',
  startFromEpoch: 'integer',
  verbose: 'any',
}

/** Ends training when a figure has stopped getting better. */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  checkCall('callbacks.earlyStopping(options)', arguments, EARLY_STOPPING_OPTIONS)
  return new EarlyStopping(options)
}

export class EarlyStopping extends Callback {
  private readonly options: EarlyStoppingOptions
  private readonly monitor: Monitor
  private wait = 0
  private best = 0
  private kept: Tensor[] | undefined
  /** The epoch at which training was stopped. */
  stoppedEpoch: number | undefined
  /** The epoch with the best figure. */
  bestEpoch = 0

  constructor(options: EarlyStoppingOptions) {
    super()
    const { verbose } = options
    if (verbose !== undefined && ![true, false, 0, 1].includes(verbose))
      throw new WeftError('ERR_ARGUMENT', `callbacks.earlyStopping: verbose is true or false, got ${show(verbose)}`)
    this.options = options
    this.monitor = new Monitor('earlyStopping', options.monitor ?? 'val_loss', options.mode ?? 'auto', options.minDelta ?? 0)
  }

  override onTrainBegin(): void {
    this.monitor.begin(this.model)
    this.wait = 0
    this.best = this.monitor.worst
    this.bestEpoch = 0
    this.stoppedEpoch = undefined
    this.forget()
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const { patience = 0, baseline, restoreBestWeights = false, startFromEpoch = 0 } = this.options
    const value = this.monitor.read(logs)
    if (value === undefined || epoch < startFromEpoch) return
    if (restoreBestWeights && this.kept === undefined) this.keep()
    this.wait++
    if (this.monitor.better(value, this.best)) {
      this.best = value
      this.bestEpoch = epoch
      if (restoreBestWeights) this.keep()
      // a figure that beats the last one but not the baseline does not count
      if (baseline === undefined || this.monitor.better(value, baseline)) this.wait = 0
      return
    }
    if (this.wait >= patience && epoch > 0) {
      this.stoppedEpoch = epoch
      this.model.stopTraining = true
    }
  }

  override memory(): unknown {
    const { wait, best, bestEpoch } = this
    return { wait, best: Number.isFinite(best) ? best : null, bestEpoch }
  }
  override keptValues(): readonly Tensor[] {
    return this.kept ?? []
  }
  override recall(memory: unknown, values: readonly Tensor[]): void {
    const { wait, best, bestEpoch } = memory as { wait: number; best: number | null; bestEpoch: number }
    this.wait = wait
    this.best = best ?? this.best
    this.bestEpoch = bestEpoch
    if (values.length > 0) this.kept = [...values]
  }

  /** The weights stay those of the last step. */
  override onTrainError(): void {
    this.forget()
  }

  override onTrainEnd(): void {
    const { verbose } = this.options
    if (verbose && this.stoppedEpoch !== undefined) console.log(`Epoch ${this.stoppedEpoch + 1}: training is stopped early`)
    if (this.kept) this.model.setWeights(this.kept)
    if (verbose && this.kept) console.log(`The weights are those of epoch ${this.bestEpoch + 1}, the best one`)
    this.forget()
  }

  private keep(): void {
    this.forget()
    this.kept = this.model.getWeights()
  }
  private forget(): void {
    for (const weight of this.kept ?? []) weight.dispose()
    this.kept = undefined
  }
}
