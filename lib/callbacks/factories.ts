// The callbacks of the package.
export { backupAndRestore } from './backup_and_restore.js'
export { lambda } from './callback.js'
export { dashboard } from './dashboard.js'
export { earlyStopping } from './early_stopping.js'
export { learningRateScheduler, reduceLrOnPlateau } from './learning_rate.js'
export { modelCheckpoint } from './model_checkpoint.js'
export { csvLogger, terminateOnNan } from './records.js'
export { tensorBoard } from './tensor_board.js'
