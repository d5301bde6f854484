// backupAndRestore: copies of a training as it goes on, from which a run that was killed goes on.
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { restoreBackup } from '../io/backup.js'
import { removeModel } from '../io/remove.js'
import { saveBackup } from '../io/save.js'
import { world } from '../distributed/world.js'
import { layerToJson } from '../layers/serialize.js'
import type { TrainingRun } from '../model/run.js'
import { Callback, everyRank } from './callback.js'

export interface BackupAndRestoreOptions {
  /** The folder of the backup, a path or a file: URL. It is for this training alone. */
  dir: Place
  /** A copy after every so many steps. Default: after every epoch. */
  everySteps?: number
  /** Removes the backup when the training has come to its end. Default true. */
  deleteCheckpoint?: boolean
}
const OPTIONS: OptionTable<BackupAndRestoreOptions> = { dir: 'any', everySteps: 'any', deleteCheckpoint: 'boolean' }

/**
 * Keeps a copy of the training in a folder while it goes on. Where there is one when fit begins, fit goes on from the
 * step of that copy, with its weights, optimizer, random numbers, order of the data, running means of the epoch, and
 * what the other callbacks of the package remember: the result is that of a training that was never interrupted, bit
 * for bit on the same device. So the same program is started again after a crash, with the same data and callbacks.
 *
 * Copies are written while the steps go on. One that is due while the last one is still being written is made once that
 * is done. A source of batches of one's own must give the same batches again; what was taken from it is read and left
 * out. Epochs that were done before are not in the history that fit returns.
 *
 * The folder is a saved model too: loadModel(dir). It is removed when the training ends after its last epoch or by
 * stopTraining; it stays after an error, an abort, and a train() loop that was left.
 * Throws ERR_FORMAT for a backup of another model, ERR_ARGUMENT for one of other data, ERR_STATE for a full disk.
 */
export function backupAndRestore(options: BackupAndRestoreOptions): BackupAndRestore {
  checkCall('callbacks.backupAndRestore(options)', arguments, OPTIONS)
  return new BackupAndRestore(options)
}

export class BackupAndRestore extends Callback {
  private readonly dir: string
  private readonly everySteps: number | undefined
  private readonly deletes: boolean
  /** Steps that were submitted when the last copy was made. */
  private copied = 0
  private writing: Promise<void> | undefined
  private failure: { error: unknown } | undefined

  constructor(options: BackupAndRestoreOptions) {
    super()
    everyRank(this)
    const { dir, everySteps, deleteCheckpoint = true } = options ?? {}
    if (dir === undefined || dir === ('' as Place))
      throw new WeftError(
        'ERR_ARGUMENT',
        `callbacks.backupAndRestore: dir must be the name of a folder, got ${dir === undefined ? 'nothing' : show(dir)}`,
        { hint: "Write callbacks.backupAndRestore({ dir: 'backup' })" },
      )
    this.dir = pathOf('backupAndRestore', dir)
    this.everySteps = everySteps === undefined ? undefined : integer('callbacks.backupAndRestore', 'everySteps', everySteps, 1)
    this.deletes = deleteCheckpoint
  }

  override async onTrainBegin(): Promise<void> {
    this.copied = 0
    this.failure = undefined
    // a model that cannot be saved says so before the first step
    layerToJson(this.model)
    const backup = await restoreBackup(this.model, this.dir)
    if (backup) this.model.trainingRun!.resume(backup.run, backup.values)
  }

  override async beforeStep(run: TrainingRun): Promise<void> {
    // every rank of a distributed run goes on from the backup, and rank 0 writes it
    const { optimizer } = this.model
    if (world().rank > 0 && !optimizer.partition.cut) return
    if (this.failure) throw this.failure.error
    const due = this.everySteps === undefined ? run.step === 0 && run.submitted > 0 : run.submitted - this.copied >= this.everySteps
    if (!due || this.copied === run.submitted) return
    if (optimizer.partition.cut) {
      // all ranks give their parts before the same step
      await this.writing
      optimizer.openWholes(true)
      if (world().rank > 0) {
        optimizer.closeWholes(false)
        this.copied = run.submitted
        return
      }
    }
    if (this.writing !== undefined) {
      // an epoch's begin comes once
      if (this.everySteps !== undefined) return
      await this.writing
    }
    this.copied = run.submitted
    const kept = run.keep()
    this.writing = saveBackup(this.model, this.dir, kept)
      .catch((error: unknown) => {
        this.failure = { error }
      })
      .finally(() => {
        kept.release()
        this.writing = undefined
      })
    // what is written was taken already
    optimizer.closeWholes(false)
  }

  override async onTrainEnd(): Promise<void> {
    if (world().rank > 0) return
    await this.writing
    if (this.failure) throw this.failure.error
    if (this.deletes && this.model.trainingRun!.finished) await removeModel(this.dir)
  }
}
