// Metrics by name: what compile() makes of strings, losses and plain functions.
import { unknownName, WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isLoss, type LossName, lossNames, resolveLoss } from '../losses/by_name.js'
import { alignOwn, type Loss } from '../losses/loss.js'
import * as factories from './factories.js'
import { MeanMetric, type Metric } from './metric.js'

export type MetricName = keyof typeof factories

const named: Readonly<Record<MetricName, ((options?: never) => Metric) & { readonly rising: boolean }>> = factories
/** Other names for some of them. */
const aliases = { acc: 'accuracy', meanSquaredError: 'mse', meanAbsoluteError: 'mae', rootMeanSquaredError: 'rmse' } as const
const ALIASES: ReadonlyMap<string, MetricName> = new Map(Object.entries(aliases))

/** A metric as a function: averaged over the samples. */
export type MetricFunction = (yTrue: Tensor, yPred: Tensor) => Tensor
/** A name, also of a loss; one of metrics.*, or a function. */
export type MetricLike = MetricName | keyof typeof aliases | LossName | Metric | MetricFunction

const isMetric = (value: unknown): value is Metric =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Metric>).update === 'function' &&
  typeof (value as Partial<Metric>).result === 'function'

/**
 * The metric of a name, a factory's result, a factory, a loss or a function. Its key in the logs is the string as
 * given.
 */
export function resolveMetric(value: unknown, config: object = {}): Metric {
  const metric = resolved(value, config)
  // logs are records, in which this is no key
  // the loss has a figure of this name
  if (metric.name === '__proto__' || metric.name === 'loss')
    throw new WeftError('ERR_ARGUMENT', `metrics: '${metric.name}' cannot be the name of a metric`)
  return metric
}

function resolved(value: unknown, config: object): Metric {
  if (typeof value === 'string') {
    const name = ALIASES.get(value) ?? value
    if (Object.hasOwn(named, name))
      return named[name as MetricName]({ ...config, name: (config as { name?: string }).name ?? value } as never)
    if (lossNames.includes(value)) {
      const { name: key = value, ...own } = config as { name?: string }
      return fromLoss(key, resolveLoss(value, own))
    }
    throw unknownName('metric', value, [...Object.keys(named), ...lossNames])
  }
  if (isMetric(value)) return value
  const factory = Object.values(named).find((candidate) => candidate === value)
  if (factory) return factory()
  if (isLoss(value)) return fromLoss(value.lossName, value)
  if (typeof value !== 'function')
    throw new WeftError('ERR_ARGUMENT', `metrics: expected names, metrics.* or functions (yTrue, yPred) => Tensor, got ${show(value)}`)
  return fromFunction(value as MetricFunction)
}

/**
 * Whether more of the figure of this name is better; undefined: not known. 'val_', an output's name and the like may
 * come before.
 */
export function risingByName(key: string): boolean | undefined {
  const ends = (name: string): boolean => key.toLowerCase().endsWith(name.toLowerCase())
  const found = [...Object.keys(named), ...ALIASES.keys()].filter(ends).sort((a, b) => b.length - a.length)[0]
  if (found !== undefined) return named[ALIASES.get(found) ?? (found as MetricName)].rising
  return [...lossNames, 'loss', 'error', 'crossentropy'].some(ends) ? false : undefined
}

/**
 * A loss per sample, averaged. It is computed from what the loss is computed from: from logits, where there are logits.
 */
function fromLoss(name: string, loss: Loss): Metric {
  const remake = (more: object): Loss => resolveLoss(loss.lossName, { ...loss.config, reduction: 'none', ...more })
  const plain = loss.saved ? remake({}) : loss
  const activation = loss.logits?.activation
  const metric = new MeanMetric(name, { name }, (yTrue, yPred, { logitsOf, logits }) => {
    if (logits && logits.activation === activation) return remake({ fromLogits: true })(yTrue, logits.values)
    return (logitsOf !== undefined && logitsOf === activation ? remake({ fromLogits: true }) : plain)(yTrue, yPred)
  })
  return Object.assign(metric, { rising: false, own: !loss.saved })
}

function fromFunction(fn: MetricFunction): Metric {
  const name = fn.name || 'metric'
  const metric = new MeanMetric(name, { name }, (yTrue, yPred) => {
    const value = fn(alignOwn(name, yTrue, yPred), yPred)
    if (!(value instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `metric ${name}: expected a Tensor as result, got ${show(value)}`)
    // a scalar counts once for every sample of the batch
    return value.rank === 0 ? value.broadcastTo([yPred.shape[0] ?? 1]) : value
  })
  return Object.assign(metric, { own: true })
}
