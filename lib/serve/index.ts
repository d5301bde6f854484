// The entry 'weftjs/serve': models as a service.
export { type Batched, type BatcherOptions, batcher } from './batcher.js'
export type { SchedulerOptions, SubmitOptions } from './scheduler.js'
