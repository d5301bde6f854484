// callbacks: the factories. Semantics: Keras 3.
import { Callback, type CallbackLike } from './callback.js'
import { EarlyStopping, type EarlyStoppingOptions } from './early_stopping.js'
import { type EpochSchedule, LearningRateScheduler, ReduceLrOnPlateau, type ReduceLrOnPlateauOptions } from './learning_rate.js'
import { CsvLogger, type CsvLoggerOptions, ModelCheckpoint, type ModelCheckpointOptions, TerminateOnNan } from './records.js'

export { Callback, type CallbackLike } from './callback.js'

/** Ends training when a figure has stopped getting better. */
export const earlyStopping = (options: EarlyStoppingOptions = {}): EarlyStopping => new EarlyStopping(options)

/** Reduces the learning rate when a figure has stopped getting better. */
export const reduceLrOnPlateau = (options: ReduceLrOnPlateauOptions = {}): ReduceLrOnPlateau => new ReduceLrOnPlateau(options)

/** Sets the learning rate at the begin of each epoch to schedule(epoch, present rate). */
export const learningRateScheduler = (schedule: EpochSchedule, options: { verbose?: boolean } = {}): LearningRateScheduler =>
  new LearningRateScheduler(schedule, options.verbose ?? false)

/** Writes the figures of each epoch to a CSV file. */
export const csvLogger = (file: string, options: CsvLoggerOptions = {}): CsvLogger => new CsvLogger(file, options)

/** Ends training when the loss is no longer a finite number. */
export const terminateOnNan = (): TerminateOnNan => new TerminateOnNan()

/** Saves the model after each epoch, or after the best ones. The folder may hold {epoch:02d} and {val_loss:.2f}. */
export const modelCheckpoint = (folder: string, options: ModelCheckpointOptions = {}): ModelCheckpoint =>
  new ModelCheckpoint(folder, options)

/** A callback of the given functions. */
export const lambda = (functions: CallbackLike): Callback => Object.assign(new Callback(), functions)
