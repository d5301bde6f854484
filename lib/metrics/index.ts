// The names under `metrics`.
export type { BinaryAccuracyOptions, TopKOptions } from './accuracy.js'
export type { AucOptions } from './auc.js'
export type { MetricFunction, MetricLike, MetricName } from './by_name.js'
export type { Average, ConfusionOptions, MeanIoUOptions } from './confusion.js'
export * from './factories.js'
export type { Metric, MetricOptions, UpdateOptions } from './metric.js'
export type { PerplexityOptions } from './perplexity.js'
