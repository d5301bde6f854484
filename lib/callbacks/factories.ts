// The callbacks of the package.
export { lambda } from './callback.js'
export { earlyStopping } from './early_stopping.js'
export { learningRateScheduler, reduceLrOnPlateau } from './learning_rate.js'
export { csvLogger, modelCheckpoint, terminateOnNan } from './records.js'
