// Callbacks that change the learning rate: by a function of the epoch, or when a figure has stopped getting better.
import { WeftError } from '../core/error.js'
import { checkCall, isClass, type OptionTable, show } from '../core/options.js'
import type { AnyModel } from '../model/model.js'
import { isSchedule } from '../schedules/schedule.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import { MODES, Monitor, type MonitorMode } from './monitor.js'

export interface ReduceLrOnPlateauOptions {
  /** Default 'val_loss'. */
  monitor?: string
  /** The rate is multiplied by it. Default 0.1. */
  factor?: number
  /** Epochs without getting better after which the rate is reduced. Default 10. */
  patience?: number
  /** Whether 'max' or 'min' is better. Default 'auto': known from the figure. */
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
const PLATEAU_OPTIONS: OptionTable<ReduceLrOnPlateauOptions> = {
  factor: 'number',
  patience: 'integer',
  monitor: 'string',
  mode: MODES,
  minDelta: 'number',
  cooldown: 'integer',
  minLr: 'number',
  verbose: 'any',
}

/** Reduces the learning rate when a figure has stopped getting better. */
export function reduceLrOnPlateau(options: ReduceLrOnPlateauOptions = {}): ReduceLrOnPlateau {
  checkCall('callbacks.reduceLrOnPlateau(options)', arguments, PLATEAU_OPTIONS)
  checkVerbose('reduceLrOnPlateau', options.verbose)
  return new ReduceLrOnPlateau(options)
}

function checkVerbose(what: string, verbose: unknown): void {
  if (verbose !== undefined && typeof verbose !== 'boolean' && verbose !== 0 && verbose !== 1)
    throw new WeftError('ERR_ARGUMENT', `${what}: verbose is a boolean, got ${show(verbose)}`)
}

/** Throws, before the first epoch, where the optimizer's rate cannot be set. */
function checkSettable(what: string, { optimizer }: AnyModel): void {
  if (!optimizer.isScheduled) return
  throw new WeftError('ERR_STATE', `${what}: the learning rate of ${optimizer.name} follows a schedule and cannot be set`, {
    hint: `Give the optimizer a number as learningRate, or leave ${what} out`,
  })
}

export class ReduceLrOnPlateau extends Callback {
  private readonly options: ReduceLrOnPlateauOptions
  private readonly monitor: Monitor
  private best = 0
  private wait = 0
  private cooling = 0

  constructor(options: ReduceLrOnPlateauOptions) {
    super()
    const { factor = 0.1 } = options
    if (!(factor > 0 && factor < 1))
      throw new WeftError('ERR_ARGUMENT', `reduceLrOnPlateau: factor must lie in (0, 1), got ${show(factor)}`)
    this.options = options
    this.monitor = new Monitor('reduceLrOnPlateau', options.monitor ?? 'val_loss', options.mode ?? 'auto', options.minDelta ?? 1e-4)
  }

  override onTrainBegin(): void {
    checkSettable('reduceLrOnPlateau', this.model)
    this.monitor.begin(this.model)
    this.best = this.monitor.worst
    this.wait = 0
    this.cooling = 0
  }

  override memory(): unknown {
    const { best, wait, cooling } = this
    return { wait, cooling, best: Number.isFinite(best) ? best : null }
  }
  override recall(memory: unknown): void {
    const { best, wait, cooling } = memory as { best: number | null; wait: number; cooling: number }
    this.best = best ?? this.best
    this.wait = wait
    this.cooling = cooling
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
export interface LearningRateSchedulerOptions {
  /** Prints a line at each epoch. Default false. */
  verbose?: boolean | 0 | 1
}
const SCHEDULER_OPTIONS: OptionTable<LearningRateSchedulerOptions> = { verbose: 'any' }

/** Sets the learning rate at the begin of each epoch to schedule(epoch, present rate). */
export function learningRateScheduler(schedule: EpochSchedule, options: LearningRateSchedulerOptions = {}): LearningRateScheduler {
  checkCall('callbacks.learningRateScheduler(schedule, options)', arguments, SCHEDULER_OPTIONS)
  checkVerbose('learningRateScheduler', options.verbose)
  if (typeof schedule !== 'function' || isClass(schedule)) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `learningRateScheduler: expected a function (epoch, learningRate) => number, got ${show(schedule)}`,
      isSchedule(schedule) ? { hint: 'Schedules go to the optimizer: optimizers.adam({ learningRate: schedules... })' } : {},
    )
  }
  return new LearningRateScheduler(schedule, Boolean(options.verbose))
}

export class LearningRateScheduler extends Callback {
  private readonly schedule: EpochSchedule
  private readonly verbose: boolean

  constructor(schedule: EpochSchedule, verbose: boolean) {
    super()
    this.schedule = schedule
    this.verbose = verbose
  }

  override onTrainBegin(): void {
    checkSettable('learningRateScheduler', this.model)
  }

  override onEpochBegin(epoch: number): void {
    const { optimizer } = this.model
    const rate = this.schedule(epoch, optimizer.learningRate)
    if (typeof rate !== 'number')
      throw new WeftError('ERR_ARGUMENT', `learningRateScheduler: the function must return a number, got ${show(rate)}`)
    optimizer.learningRate = rate
    if (this.verbose) console.log(`Epoch ${epoch + 1}: the learning rate is now ${rate}`)
  }

  override onEpochEnd(_: number, logs: Logs): void {
    logs['learningRate'] = this.model.optimizer.learningRate
  }
}
