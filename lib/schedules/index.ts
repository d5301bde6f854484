// schedules: learning rates as functions of the number of updates made so far, written with ops so that a traced step
// computes them. The names under `schedules`.
export type { ScheduleName } from './by_name.js'
export type {
  CosineDecayOptions,
  ExponentialDecayOptions,
  InverseTimeDecayOptions,
  PiecewiseConstantDecayOptions,
  PolynomialDecayOptions,
} from './decay.js'
export * from './factories.js'
export type { CosineDecayRestartsOptions } from './restarts.js'
export type { Schedule } from './schedule.js'
