// Callbacks that write down: a CSV file of the figures, the model itself after epochs; and the one that ends a training
// gone wrong.
import { appendFile, mkdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import { MODES, Monitor, type MonitorMode } from './monitor.js'

export interface CsvLoggerOptions {
  /** Default ','. */
  separator?: string
  /** Goes on at the end of an existing file. Default false. */
  append?: boolean
}
const CSV_OPTIONS: OptionTable<CsvLoggerOptions> = { separator: 'string', append: 'boolean' }

/** Writes the figures of each epoch to a CSV file. */
export function csvLogger(file: string, options: CsvLoggerOptions = {}): CsvLogger {
  checkCall('callbacks.csvLogger(file, options)', arguments, CSV_OPTIONS)
  return new CsvLogger(file, options)
}

export class CsvLogger extends Callback {
  private readonly file: string
  private readonly separator: string
  private readonly append: boolean
  private keys: string[] | undefined

  constructor(file: string, options: CsvLoggerOptions) {
    super()
    if (typeof file !== 'string' || file === '') throw new WeftError('ERR_ARGUMENT', 'csvLogger: expected the name of a file')
    this.file = file
    this.separator = options.separator ?? ','
    this.append = options.append ?? false
  }

  override async onTrainBegin(): Promise<void> {
    this.keys = undefined
    await this.system(async () => {
      await mkdir(path.dirname(path.resolve(this.file)), { recursive: true })
      if (!this.append) await writeFile(this.file, '')
    })
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    if (this.keys === undefined) {
      this.keys = Object.keys(logs).sort()
      const empty = (await stat(this.file).catch(() => undefined))?.size ?? 0
      if (empty === 0) await this.write(['epoch', ...this.keys])
    }
    await this.write([String(epoch), ...this.keys.map((key) => (logs[key] === undefined ? 'NA' : String(logs[key])))])
  }

  private write(cells: readonly string[]): Promise<void> {
    return this.system(() => appendFile(this.file, `${cells.join(this.separator)}\n`))
  }

  private system(write: () => Promise<void>): Promise<void> {
    return write().catch((error: unknown) => {
      throw systemError(`csvLogger: '${this.file}' cannot be written`, error, 'ERR_ARGUMENT')
    })
  }
}

/** Ends training when the loss is no longer a finite number. */
export function terminateOnNan(): TerminateOnNan {
  checkCall('callbacks.terminateOnNan()', arguments)
  return new TerminateOnNan()
}

export class TerminateOnNan extends Callback {
  override readonly exact = false

  override onBatchEnd(batch: number, logs: Logs): void {
    const { loss } = logs
    if (loss === undefined || Number.isFinite(loss) || this.model.stopTraining) return
    console.log(`Batch ${batch}: the loss is ${loss}, training ends`)
    this.model.stopTraining = true
  }
}

export interface ModelCheckpointOptions {
  /** Default 'val_loss'. */
  monitor?: string
  /** Whether 'max' or 'min' is better. Default 'auto': known from the figure. */
  mode?: MonitorMode
  /** Saves only when the figure is the best so far. Default false. */
  saveBestOnly?: boolean
}
const CHECKPOINT_OPTIONS: OptionTable<ModelCheckpointOptions> = { monitor: 'string', mode: MODES, saveBestOnly: 'boolean' }

/** Saves the model after each epoch, or after the best ones. The folder may hold {epoch:02d} and {val_loss:.2f}. */
export function modelCheckpoint(folder: string, options: ModelCheckpointOptions = {}): ModelCheckpoint {
  checkCall('callbacks.modelCheckpoint(folder, options)', arguments, CHECKPOINT_OPTIONS)
  return new ModelCheckpoint(folder, options)
}

export class ModelCheckpoint extends Callback {
  private readonly folder: string
  private readonly monitor: Monitor | undefined
  /** Of all trainings so far. */
  private best: number | undefined

  constructor(folder: string, options: ModelCheckpointOptions) {
    super()
    if (typeof folder !== 'string' || folder === '') throw new WeftError('ERR_ARGUMENT', 'modelCheckpoint: expected the name of a folder')
    this.folder = folder
    this.monitor = options.saveBestOnly
      ? new Monitor('modelCheckpoint', options.monitor ?? 'val_loss', options.mode ?? 'auto', 0)
      : undefined
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
    await this.model.save(named(this.folder, epoch, logs))
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
