// modelCheckpoint: saves the model after epochs, under names with the figures, and keeps the last of them.
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
   * The folder, a path or a file: URL. It may hold {epoch}, counted from 1, and figures of the epoch: {epoch:02d},
   * {val_loss:.2f}.
   */
  path: string
  /** The figure that saveBestOnly looks at. Default 'val_loss'. */
  monitor?: string
  /** Whether 'max' or 'min' is better. Default 'auto': known from the figure. */
  mode?: MonitorMode
  /** Saves only when the figure is the best so far. Default false. */
  saveBestOnly?: boolean
  /** How many of the saved models stay: the last ones, which with saveBestOnly are the best ones. Default: all. */
  keep?: number
}
const OPTIONS: OptionTable<ModelCheckpointOptions> = {
  path: 'string',
  monitor: 'string',
  mode: MODES,
  saveBestOnly: 'boolean',
  keep: 'any',
}

/**
 * Saves the model after each epoch, or after the best ones. `keep` removes the files of older models that this callback
 * saved; other files in their folders stay.
 */
export function modelCheckpoint(options: ModelCheckpointOptions): ModelCheckpoint {
  checkCall('callbacks.modelCheckpoint(options)', arguments, OPTIONS)
  return new ModelCheckpoint(options)
}

export class ModelCheckpoint extends Callback {
  private readonly path: string
  private readonly monitor: Monitor | undefined
  private readonly keep: number
  /** Of all trainings so far. */
  private best: number | undefined
  /** The folders that were saved to, the latest last. */
  private saved: string[] = []

  constructor(options: ModelCheckpointOptions) {
    super()
    const { path, monitor = 'val_loss', mode = 'auto', saveBestOnly = false, keep } = options ?? {}
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
    this.keep = keep === undefined ? Number.POSITIVE_INFINITY : integer('callbacks.modelCheckpoint', 'keep', keep, 1)
  }

  override onTrainBegin(): void {
    this.monitor?.begin(this.model)
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    if (this.monitor) {
      const value = this.monitor.read(logs)
      if (value === undefined || !this.monitor.better(value, this.best ?? this.monitor.worst)) return
      this.best = value
    }
    const folder = pathOf('modelCheckpoint', named(this.path, epoch, logs))
    await this.model.save(folder)
    this.saved = [...this.saved.filter((other) => other !== folder), folder]
    while (this.saved.length > this.keep) await removeModel(this.saved.shift()!)
  }
}

/** Fills in {epoch:02d} (from 1) and {val_loss:.2f}. */
function named(template: string, epoch: number, logs: Logs): string {
  return template.replace(/\{(\w+)(?::(?:0?(\d+)d|\.(\d+)f))?\}/g, (whole, key: string, width?: string, digits?: string) => {
    const value = key === 'epoch' ? epoch + 1 : Object.hasOwn(logs, key) ? logs[key] : undefined
    if (value === undefined)
      throw new WeftError(
        'ERR_ARGUMENT',
        `modelCheckpoint: there is no '${key}' in the logs for '${whole}'; there are epoch, ${Object.keys(logs).join(', ')}`,
      )
    return digits === undefined ? String(value).padStart(Number(width ?? 0), '0') : value.toFixed(Number(digits))
  })
}
