// Optimizers by name, and from saved models.
import { unknownName, WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { scheduleFromJson } from '../schedules/by_name.js'
import * as factories from './factories.js'
import { Optimizer } from './optimizer.js'

export type OptimizerName = keyof typeof factories
export type OptimizerLike = OptimizerName | Optimizer

const named: Readonly<Record<OptimizerName, (options?: never) => Optimizer>> = factories

/** The optimizer of a name, or the one given. */
export function resolveOptimizer(value: unknown): Optimizer {
  if (value instanceof Optimizer) return value
  if (typeof value === 'string') {
    if (!Object.hasOwn(named, value)) throw unknownName('optimizer', value, Object.keys(named))
    return named[value as OptimizerName]()
  }
  const factory = Object.values(named).find((candidate) => candidate === value)
  if (factory) return factory()
  throw new WeftError('ERR_ARGUMENT', `optimizer: expected a name or one of optimizers.*, got ${show(value)}`)
}

/** @internal The optimizer that a saved { className, config } describes. */
export function optimizerFromJson(json: { className: string; config: Record<string, unknown> }): Optimizer {
  const { className, config } = json
  if (!Object.hasOwn(named, className)) throw new WeftError('ERR_FORMAT', `unknown optimizer '${className}' in a saved model`)
  const rate = config['learningRate']
  const learningRate = typeof rate === 'object' && rate !== null ? scheduleFromJson(rate as { className: string; config: object }) : rate
  return named[className as OptimizerName]({ ...config, learningRate } as never)
}
