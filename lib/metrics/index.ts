// The names under `metrics`.
export type { BinaryAccuracyOptions, TopKOptions } from './accuracy.js'
export type { AucOptions } from './auc.js'
export type { MetricFunction, MetricLike, MetricName } from './by_name.js'
export type { Average, ConfusionOptions, MeanIoUOptions } from './confusion.js'
export type { CountOptions } from './counts.js'
export * from './factories.js'
export { type Merge, Metric, type MetricOptions, type OwnMetricOptions, type UpdateOptions } from './metric.js'
export type {
  PrecisionAtRecallOptions,
  RecallAtPrecisionOptions,
  SensitivityAtSpecificityOptions,
  SpecificityAtSensitivityOptions,
} from './operating_points.js'
export type { PerplexityOptions } from './perplexity.js'
