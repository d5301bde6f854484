// The callbacks of the package.
export { lambda } from './callback.js'
export { earlyStopping } from './early_stopping.js'
export { learningRateScheduler, reduceLrOnPlateau } from './learning_rate.js'
export { modelCheckpoint } from './model_checkpoint.js'
export { csvLogger, terminateOnNan } from './records.js'
