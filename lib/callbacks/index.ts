// callbacks: the factories, and the base of a user's own. Semantics: Keras 3.
export type { BackupAndRestore, BackupAndRestoreOptions } from './backup_and_restore.js'
export { Callback, type CallbackLike, everyRank } from './callback.js'
export type { Dashboard, DashboardOptions } from './dashboard.js'
export type { EarlyStopping, EarlyStoppingOptions } from './early_stopping.js'
export * from './factories.js'
export type {
  EpochSchedule,
  LearningRateScheduler,
  LearningRateSchedulerOptions,
  ReduceLrOnPlateau,
  ReduceLrOnPlateauOptions,
} from './learning_rate.js'
export type { MonitorMode } from './monitor.js'
export type { ModelCheckpoint, ModelCheckpointOptions } from './model_checkpoint.js'
export type { CsvLogger, CsvLoggerOptions, TerminateOnNan } from './records.js'
export type { TensorBoard, TensorBoardOptions } from './tensor_board.js'
