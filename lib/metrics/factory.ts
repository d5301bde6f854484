// defineMetric: the public factory of a metric, with its checks, and whether more of the figure is better.
import { checkCall, type OptionTable } from '../core/options.js'
import { checkCallOptions } from '../losses/loss.js'
import { seeingToMasks } from '../ops/masks.js'
import type { Metric, MetricOptions } from './metric.js'

export interface MetricFactory<O extends MetricOptions = MetricOptions> {
  (options?: O): Metric
  /** More of it is better. */
  readonly rising: boolean
}

/** How a metric is declared. */
export interface MetricDefinition<O extends MetricOptions> {
  /** The factory's name: 'auc'. */
  readonly name: string
  /** More of it is better. */
  readonly rising: boolean
  /** Every option of its own with its kind; the option that a single number most likely means comes first. */
  readonly options: Omit<OptionTable<O>, keyof MetricOptions>
  /** Makes one from checked options. Every metric can be made without options. */
  make(options: O): Metric
}

export function defineMetric<O extends MetricOptions>({ name, rising, options: own, make }: MetricDefinition<O>): MetricFactory<O> {
  const table = { ...own, name: 'string' } as unknown as OptionTable<O>
  const factory = (...args: readonly [O?]): Metric => {
    checkCall(`metrics.${name}(options)`, args, table)
    const made = make(args[0] ?? ({} as O))
    const update = made.update.bind(made)
    // the mask of the predictions is among the weights
    return Object.assign(made, {
      rising,
      update: (...batch: Parameters<Metric['update']>): void => {
        if (batch[2] !== undefined) checkCallOptions(name, batch[2])
        seeingToMasks(() => update(...batch))
      },
    })
  }
  return Object.defineProperty(factory, 'rising', { value: rising, enumerable: true }) as unknown as MetricFactory<O>
}
