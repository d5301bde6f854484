// modelCheckpoint: saves the model after epochs or steps, under names with the figures, and keeps the last of them.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { integer } from '../core/checks.js'
import { pathOf } from '../core/place.js'
import { removeModel } from '../io/remove.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import { MODES, Monitor, type MonitorMode } from './monitor.js'

export interface ModelCheckpointOptions {
  /**
   * The folder, a path or a file: URL. It may hold {epoch} and {batch} of the epoch, counted from 1, {step}, the
   * steps of this training so far, and figures of the epoch: {epoch:02d}, {val_loss:.2f}.
   */
  path: string
  /** The figure that saveBestOnly looks at. Default 'val_loss'. */
  monitor?: string
  /** Whether 'max' or 'min' is better. Default 'auto': known from the figure. */
  mode?: MonitorMode
  /** Saves only when the figure is the best so far. Default false. */
  saveBestOnly?: boolean
  /**
   * Saves after every so many steps instead of after epochs; the figures are then those of the epoch so far, without
   * val_ ones. No step runs ahead of the one that is looked at.
   */
  everySteps?: number
  /** How many of the saved models stay: the last ones, which with saveBestOnly are the best ones. Default: all. */
  keep?: number
}
const OPTIONS: OptionTable<ModelCheckpointOptions> = {
  path: 'string',
  monitor: 'string',
  mode: MODES,
  saveBestOnly: 'boolean',
  everySteps: 'any',
  keep: 'any',
}

/**
 * Saves the model after each epoch, or every so many steps, or after the best of these. `keep` removes the files of
 * older models that this callback saved; other files in their folders stay.
 */
export function modelCheckpoint(options: ModelCheckpointOptions): ModelCheckpoint {
  checkCall('callbacks.modelCheckpoint(options)', arguments, OPTIONS)
  return new ModelCheckpoint(options)
}

export class ModelCheckpoint extends Callback {
  private readonly path: string
  private readonly monitor: Monitor | undefined
  private readonly keep: number
  private readonly everySteps: number | undefined
  override readonly exact: boolean
  /** Of all trainings so far. */
  private best: number | undefined
  /** The folders that were saved to, the latest last. */
  private saved: string[] = []
  private epoch = 0
  /** Of this training. */
  private steps = 0

  constructor(options: ModelCheckpointOptions) {
    super()
    const { path, monitor = 'val_loss', mode = 'auto', saveBestOnly = false, everySteps, keep } = options ?? {}
    if (typeof path !== 'string' || path === '')
      throw new WeftError(
        'ERR_ARGUMENT',
        `callbacks.modelCheckpoint: path must be the name of a folder, got ${path === undefined ? 'nothing' : show(path)}`,
        {
          hint: "Write callbacks.modelCheckpoint({ path: 'best-{epoch}' })",
        },
      )
    this.path = path
    this.monitor = saveBestOnly ? new Monitor('modelCheckpoint', monitor, mode, 0) : undefined
    this.everySteps = everySteps === undefined ? undefined : integer('callbacks.modelCheckpoint', 'everySteps', everySteps, 1)
    this.exact = this.everySteps !== undefined
    // a step costs nothing where nobody counts it
    if (!this.exact && !/\{step[:}]/.test(path)) Object.defineProperty(this, 'onBatchEnd', { value: undefined })
    if (this.exact && this.monitor?.key.startsWith('val_'))
      throw new WeftError('ERR_ARGUMENT', `callbacks.modelCheckpoint: '${monitor}' is not known after a step, only after an epoch`, {
        hint: "Write monitor: 'loss', or leave everySteps out",
      })
    this.keep = keep === undefined ? Number.POSITIVE_INFINITY : integer('callbacks.modelCheckpoint', 'keep', keep, 1)
  }

  override onTrainBegin(): void {
    this.monitor?.begin(this.model)
    this.steps = 0
  }

  override memory(): unknown {
    return { best: this.best ?? null, saved: this.saved, steps: this.steps }
  }
  override recall(memory: unknown): void {
    const { best, saved, steps } = memory as { best: number | null; saved: string[]; steps: number }
    this.best = best ?? undefined
    this.saved = saved
    this.steps = steps
  }

  override onEpochBegin(epoch: number): void {
    this.epoch = epoch
  }

  override async onBatchEnd(batch: number, logs: Logs): Promise<void> {
    this.steps++
    if (this.everySteps !== undefined && this.steps % this.everySteps === 0) await this.save(logs, batch)
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    this.epoch = epoch
    if (this.everySteps === undefined) await this.save(logs, undefined)
  }

  private async save(logs: Logs, batch: number | undefined): Promise<void> {
    if (this.monitor) {
      const value = this.monitor.read(logs)
      if (value === undefined || !this.monitor.better(value, this.best ?? this.monitor.worst)) return
      this.best = value
    }
    const folder = pathOf(
      'modelCheckpoint',
      named(this.path, { ...logs, epoch: this.epoch + 1, step: this.steps, ...(batch === undefined ? {} : { batch: batch + 1 }) }),
    )
    await this.model.save(folder)
    this.saved = [...this.saved.filter((other) => other !== folder), folder]
    while (this.saved.length > this.keep) await removeModel(this.saved.shift()!)
  }
}

/** Fills in {epoch:02d} and {val_loss:.2f}. */
function named(template: string, figures: Logs): string {
  return template.replace(/\{(\w+)(?::(?:0?(\d+)d|\.(\d+)f))?\}/g, (whole, key: string, width?: string, digits?: string) => {
    const value = Object.hasOwn(figures, key) ? figures[key] : undefined
    if (value === undefined)
      throw new WeftError(
        'ERR_ARGUMENT',
        `modelCheckpoint: there is no '${key}' in the logs for '${whole}'; there are ${Object.keys(figures).join(', ')}`,
      )
    return digits === undefined ? String(value).padStart(Number(width ?? 0), '0') : value.toFixed(Number(digits))
  })
}
