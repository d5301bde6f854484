// metrics: the factories, and what compile() makes of strings, losses and plain functions.
import { unknownName, WeftError } from '../core/error.js'
import { isLoss, type Loss, lossNames, resolveLoss } from '../losses/index.js'
import type { Tensor } from '../core/tensor.js'
import { accuracy, binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy, topKCategoricalAccuracy } from './accuracy.js'
import { auc } from './auc.js'
import { f1, precision, recall } from './confusion.js'
import { MeanMetric, type Metric, type UpdateOptions } from './metric.js'
import { perplexity } from './perplexity.js'
import { mae, mse, r2, rmse } from './regression.js'

export { accuracy, binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy, topKCategoricalAccuracy } from './accuracy.js'
export { auc } from './auc.js'
export { f1, precision, recall } from './confusion.js'
export { perplexity } from './perplexity.js'
export { mae, mse, r2, rmse } from './regression.js'
export type { Metric, MetricOptions, UpdateOptions } from './metric.js'

export type MetricName =
  | 'accuracy'
  | 'binaryAccuracy'
  | 'categoricalAccuracy'
  | 'sparseCategoricalAccuracy'
  | 'topKCategoricalAccuracy'
  | 'precision'
  | 'recall'
  | 'f1'
  | 'auc'
  | 'mse'
  | 'mae'
  | 'rmse'
  | 'r2'
  | 'perplexity'

const factories: Readonly<Record<MetricName, (options?: never) => Metric>> = {
  accuracy,
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  topKCategoricalAccuracy,
  precision,
  recall,
  f1,
  auc,
  mse,
  mae,
  rmse,
  r2,
  perplexity,
}
const aliases: Readonly<Record<string, MetricName>> = {
  acc: 'accuracy',
  meanSquaredError: 'mse',
  meanAbsoluteError: 'mae',
  rootMeanSquaredError: 'rmse',
}

/** A metric as a function: averaged over the samples. */
export type MetricFunction = (yTrue: Tensor, yPred: Tensor) => Tensor
export type MetricLike = string | Metric | MetricFunction

const isMetric = (value: unknown): value is Metric =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Metric>).update === 'function' &&
  typeof (value as Partial<Metric>).result === 'function'

/** The metric of a name, a factory's result, a factory, a loss or a function. Its key in the logs is the string as given. */
export function resolveMetric(value: unknown, config: object = {}): Metric {
  if (typeof value === 'string') {
    const name = aliases[value] ?? value
    if (Object.hasOwn(factories, name))
      return factories[name as MetricName]({ ...config, name: (config as { name?: string }).name ?? value } as never)
    if (lossNames.includes(value)) return fromLoss(value, resolveLoss(value, config))
    throw unknownName('metric', value, [...Object.keys(factories), ...lossNames])
  }
  if (isMetric(value)) return value
  const factory = Object.values(factories).find((candidate) => candidate === value)
  if (factory) return factory()
  if (isLoss(value)) return fromLoss(value.lossName, value)
  if (typeof value !== 'function') {
    throw new WeftError(
      'ERR_ARGUMENT',
      `metrics: expected names, metrics.* or functions (yTrue, yPred) => Tensor, got ${value === null ? 'null' : typeof value}`,
    )
  }
  return fromFunction(value as MetricFunction)
}

/** A loss per sample, averaged. */
function fromLoss(name: string, loss: Loss): Metric {
  const remade = resolveLoss(loss.lossName, { ...loss.config, reduction: 'none' })
  return new MeanMetric(name, { name }, (yTrue, yPred, { logitsOf }) => {
    const fromLogits = logitsOf !== undefined && loss.logits?.activation === logitsOf && !loss.logits.given
    return (fromLogits ? resolveLoss(loss.lossName, { ...loss.config, reduction: 'none', fromLogits: true }) : remade)(yTrue, yPred)
  })
}

function fromFunction(fn: MetricFunction): Metric {
  const name = fn.name || 'metric'
  return new MeanMetric(name, { name }, (yTrue: Tensor, yPred: Tensor, _: UpdateOptions) => {
    const value = fn(yTrue, yPred)
    // a scalar stands for every sample of the batch
    return value.rank === 0 ? value.broadcastTo([yPred.shape[0] ?? 1]) : value
  })
}
