// Callbacks that change the learning rate: by a function of the epoch, or when a figure has stopped getting better.
import { checkOptions, WeftError } from '../core/error.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import { Monitor, type MonitorMode } from './monitor.js'

export interface ReduceLrOnPlateauOptions {
  /** Default 'val_loss'. */
  monitor?: string
  /** The rate is multiplied by it. Default 0.1. */
  factor?: number
  /** Epochs without getting better after which the rate is reduced. Default 10. */
  patience?: number
  mode?: MonitorMode
  /** Default 0.0001. */
  minDelta?: number
  /** Epochs to wait after a reduction. Default 0. */
  cooldown?: number
  /** Default 0. */
  minLr?: number
  /** Prints a line at each reduction. Default false. */
  verbose?: boolean | 0 | 1
}

export class ReduceLrOnPlateau extends Callback {
  private readonly options: ReduceLrOnPlateauOptions
  private readonly monitor: Monitor
  private best: number
  private wait = 0
  private cooling = 0

  constructor(options: ReduceLrOnPlateauOptions) {
    super()
    checkOptions('reduceLrOnPlateau', options, ['monitor', 'factor', 'patience', 'mode', 'minDelta', 'cooldown', 'minLr', 'verbose'])
    const { factor = 0.1 } = options
    if (!(factor > 0 && factor < 1)) throw new WeftError('ERR_ARGUMENT', `reduceLrOnPlateau: factor must lie in (0, 1), got ${factor}`)
    this.options = options
    this.monitor = new Monitor('reduceLrOnPlateau', options.monitor ?? 'val_loss', options.mode ?? 'auto', options.minDelta ?? 1e-4)
    this.best = this.monitor.worst
  }

  override onTrainBegin(): void {
    this.best = this.monitor.worst
    this.wait = 0
    this.cooling = 0
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const { factor = 0.1, patience = 10, cooldown = 0, minLr = 0, verbose } = this.options
    const { optimizer } = this.model
    logs['learningRate'] = optimizer.learningRate
    const value = this.monitor.read(logs)
    if (value === undefined) return
    if (this.cooling > 0) {
      this.cooling--
      this.wait = 0
    }
    if (this.monitor.better(value, this.best)) {
      this.best = value
      this.wait = 0
      return
    }
    if (this.cooling > 0 || ++this.wait < patience || optimizer.learningRate <= minLr) return
    optimizer.learningRate = Math.max(optimizer.learningRate * factor, minLr)
    if (verbose) console.log(`Epoch ${epoch + 1}: the learning rate is now ${optimizer.learningRate}`)
    this.cooling = cooldown
    this.wait = 0
  }
}

export type EpochSchedule = (epoch: number, learningRate: number) => number

export class LearningRateScheduler extends Callback {
  private readonly schedule: EpochSchedule
  private readonly verbose: boolean

  constructor(schedule: EpochSchedule, verbose: boolean) {
    super()
    if (typeof schedule !== 'function')
      throw new WeftError(
        'ERR_ARGUMENT',
        `learningRateScheduler: expected a function (epoch, learningRate) => number, got ${typeof schedule}`,
      )
    this.schedule = schedule
    this.verbose = verbose
  }

  override onEpochBegin(epoch: number): void {
    const { optimizer } = this.model
    const rate = this.schedule(epoch, optimizer.learningRate)
    if (typeof rate !== 'number')
      throw new WeftError('ERR_ARGUMENT', `learningRateScheduler: the function must return a number, got ${typeof rate}`)
    optimizer.learningRate = rate
    if (this.verbose) console.log(`Epoch ${epoch + 1}: the learning rate is now ${rate}`)
  }

  override onEpochEnd(_: number, logs: Logs): void {
    logs['learningRate'] = this.model.optimizer.learningRate
  }
}
