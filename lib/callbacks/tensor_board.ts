// tensorBoard writes the figures of a training, and histograms of its weights, to files that TensorBoard reads.
import os from 'node:os'
import path from 'node:path'
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { makeFolder } from '../core/make_folder.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { systemError } from '../core/system_error.js'
import type { Logs } from '../model/step.js'
import { Callback } from './callback.js'
import type { EventFile } from './event_file.js'
import { histogramOf, type Summary } from './histogram.js'

export interface TensorBoardOptions {
  /** A folder; files go to `train` and `validation` in it. Default 'logs'. */
  logDir?: Place
  /** Histograms of all weights every so many epochs. Default 0: never. */
  histogramFreq?: number
  /** Figures of single steps too: of each ('batch'), or of one in so many. Default 'epoch': none. */
  updateFreq?: 'epoch' | 'batch' | number
}
const OPTIONS: OptionTable<TensorBoardOptions> = { logDir: 'any', histogramFreq: 'integer', updateFreq: 'any' }

/** Writes event files for `tensorboard --logdir logs`, with the tags of Keras: epoch_loss, epoch_accuracy, ... */
export function tensorBoard(options: TensorBoardOptions = {}): TensorBoard {
  checkCall('callbacks.tensorBoard(options)', arguments, OPTIONS)
  return new TensorBoard(options)
}

type Part = 'train' | 'validation'
/** Files made by this process: names must differ. */
let files = 0

export class TensorBoard extends Callback {
  override readonly exact = false
  private readonly folder: string
  private readonly histogramFreq: number
  private readonly every: number
  private readonly open = new Map<Part, Promise<EventFile>>()
  private step = 0

  constructor(options: TensorBoardOptions) {
    super()
    const { updateFreq = 'epoch' } = options
    this.folder = pathOf('callbacks.tensorBoard', options.logDir ?? 'logs')
    this.histogramFreq = integer('callbacks.tensorBoard', 'histogramFreq', options.histogramFreq ?? 0, 0)
    if (updateFreq !== 'epoch' && updateFreq !== 'batch' && !(Number.isInteger(updateFreq) && updateFreq >= 1))
      throw new WeftError(
        'ERR_ARGUMENT',
        `callbacks.tensorBoard: updateFreq is 'epoch', 'batch' or a number of steps, got ${show(updateFreq)}`,
      )
    this.every = updateFreq === 'epoch' ? 0 : updateFreq === 'batch' ? 1 : updateFreq
  }

  override async onTrainBegin(): Promise<void> {
    this.step = 0
    // a folder that cannot be written is told before the first epoch
    await this.file('train')
  }

  override async onBatchEnd(_batch: number, logs: Logs): Promise<void> {
    const step = this.step++
    if (this.every > 0 && step % this.every === 0) await this.write('train', step, named('batch', Object.entries(logs)))
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    const entries = Object.entries(logs)
    const isValidation = ([key]: [string, number]): boolean => key.startsWith('val_')
    const { learningRate } = this.model.optimizer
    const rate: [string, number][] = typeof learningRate === 'number' ? [['learning_rate', learningRate]] : []
    await this.write('train', epoch, named('epoch', [...entries.filter((entry) => !isValidation(entry)), ...rate]))
    const validation = entries.filter(isValidation).map(([key, value]): [string, number] => [key.slice(4), value])
    if (validation.length > 0) await this.write('validation', epoch, named('epoch', validation))
    if (this.histogramFreq > 0 && epoch % this.histogramFreq === 0) await this.write('train', epoch, await this.weights())
  }

  override async onTrainEnd(): Promise<void> {
    const opened = [...this.open.values()]
    this.open.clear()
    for (const file of opened) await file.then((own) => own.close())
  }

  private async weights(): Promise<Summary[]> {
    const found: Summary[] = []
    for (const layer of this.model.layers)
      for (const [i, weight] of layer.weights.entries()) {
        const value = histogramOf(Array.from(await weight.data(), Number))
        const { name } = weight
        if (value) found.push({ tag: name.startsWith(`${layer.name}/`) ? name : `${layer.name}/${name === 'variable' ? i : name}`, value })
      }
    return found
  }

  private async write(part: Part, step: number, summaries: readonly Summary[]): Promise<void> {
    if (summaries.length === 0) return
    const file = await this.file(part)
    await this.system(file.write(Date.now() / 1000, step, summaries))
  }

  private file(part: Part): Promise<EventFile> {
    const known = this.open.get(part)
    if (known) return known
    const folder = path.join(this.folder, part)
    const seconds = Date.now() / 1000
    const name = `events.out.tfevents.${Math.floor(seconds)}.${os.hostname()}.${process.pid}.${files++}`
    const create = async (): Promise<EventFile> => {
      await makeFolder(folder)
      // protobuf is loaded by those alone who write event files
      const { EventFile } = await import('./event_file.js')
      return EventFile.create(path.join(folder, name), seconds)
    }
    const made = this.system(create())
    this.open.set(part, made)
    made.catch(() => this.open.delete(part))
    return made
  }

  private system<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      throw systemError(`callbacks.tensorBoard: '${this.folder}' cannot be written`, error, 'ERR_ARGUMENT')
    })
  }
}

const named = (prefix: string, entries: readonly [string, number][]): Summary[] =>
  entries.map(([key, value]) => ({ tag: `${prefix}_${key}`, value }))
