// schedules: learning rates as functions of the number of updates.
export * from './decay.js'
