// csvLogger writes the figures to a CSV file; terminateOnNan ends a training gone wrong.
import { appendFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import { makeFolder } from '../core/make_folder.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'

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
    if (typeof file !== 'string' || file === '') {
      throw new WeftError('ERR_ARGUMENT', `csvLogger: expected the name of a file, got ${show(file)}`, {
        hint: "Write callbacks.csvLogger('log.csv')",
      })
    }
    this.file = file
    this.separator = options.separator ?? ','
    this.append = options.append ?? false
  }

  override async onTrainBegin(): Promise<void> {
    this.keys = undefined
    await this.system(async () => {
      await makeFolder(path.dirname(path.resolve(this.file)))
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
