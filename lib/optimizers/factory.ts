// optimizer: the public factory of a rule, with its checks.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { isSchedule } from '../schedules/schedule.js'
import { Optimizer, type OptimizerOptions } from './optimizer.js'
import { ownSettings, type Rule, type Settings } from './rule.js'

/** Options of O that are not common to all optimizers, with the values they have when they are not given. */
export type Defaults<O> = { readonly [K in Exclude<keyof O, keyof OptimizerOptions>]-?: NonNullable<O[K]> } & {
  readonly learningRate: number
  readonly weightDecay?: number
}

export interface OptimizerFactory<O extends OptimizerOptions> {
  (options?: O): Optimizer
  /** @internal The formula, for tests of its kernel. */
  readonly rule: Rule
}

const COMMON: OptionTable<OptimizerOptions> = {
  learningRate: 'any',
  weightDecay: 'number',
  clipNorm: 'number',
  clipValue: 'number',
  globalClipNorm: 'number',
  gradientAccumulationSteps: 'integer',
  useEma: 'boolean',
  emaMomentum: 'number',
  emaOverwriteFrequency: 'any',
}
/** Options that must be less than 1. */
const DECAY_RATES = ['beta1', 'beta2', 'rho', 'adamBeta1', 'adamBeta2']
/** Options that may be below 0. */
const OF_ANY_SIGN = ['beta2Decay', 'muonB']

/**
 * The factory of a rule: it checks the options and fills in the defaults. Every optimizer can be made without options.
 */
export function optimizer<O extends OptimizerOptions>(rule: Rule<Defaults<O>>): OptimizerFactory<O> {
  const what = `optimizers.${rule.name}`
  const own: Settings = ownSettings(rule as unknown as Rule, rule.defaults as unknown as Settings)
  const table = { ...COMMON, ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, typeof value])) } as OptionTable<O>
  const make = (...args: readonly [O?]): Optimizer => {
    const [options = {}] = args
    if (isSchedule(options))
      throw new WeftError('ERR_ARGUMENT', `${what}: options are an object, got a schedule`, {
        hint: `Write ${what}({ learningRate: schedules.${options.className}(...) })`,
      })
    // where no options object was given, a number most likely means the rate
    checkCall(`${what}(options)`, args, typeof options === 'object' ? table : { ...table, learningRate: 'number' })
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    for (const name of Object.keys(own)) {
      const value = given[name] as unknown
      if (typeof value !== 'number') continue
      if (!(Number.isFinite(value) && (value >= 0 || OF_ANY_SIGN.includes(name))))
        throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a number of at least 0, got ${show(value)}`)
      if (DECAY_RATES.includes(name) && value >= 1)
        throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be less than 1, got ${show(value)}`)
    }
    return new Optimizer(
      rule as unknown as Rule,
      { ...rule.defaults, ...given } as Required<Pick<OptimizerOptions, 'learningRate'>> & OptimizerOptions,
    )
  }
  return Object.assign(make, { rule: rule as unknown as Rule })
}
