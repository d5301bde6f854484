// optimizers: one factory per rule. Formulas and defaults: Keras 3.
import { checkOptions, unknownName, WeftError } from '../core/error.js'
import { type Schedule, scheduleFromJson } from '../schedules/index.js'
import { clipOptionNames } from './clip.js'
import { Optimizer, type OptimizerOptions, type Rule } from './optimizer.js'

export { clipByGlobalNorm } from './clip.js'
export { Optimizer, type OptimizerOptions } from './optimizer.js'

const COMMON = ['learningRate', 'weightDecay', ...clipOptionNames]

/** Checks the options' names and that every rate of decay lies in [0, 1). */
function make(
  rule: Omit<Rule, 'op'> & { op?: string },
  options: OptimizerOptions,
  defaults: OptimizerOptions & Record<string, unknown>,
): Optimizer {
  const own = Object.keys(defaults)
  checkOptions(`optimizers.${rule.name}`, options, [...COMMON, ...own])
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings = { ...defaults, ...given } as OptimizerOptions & Record<string, unknown> & { learningRate: number | Schedule }
  for (const name of own) {
    if (name === 'learningRate') continue
    const [value, fallback] = [settings[name], defaults[name]]
    if (typeof value !== typeof fallback || (typeof value === 'number' && !(Number.isFinite(value) && value >= 0))) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `${rule.name}: ${name} must be a ${typeof fallback === 'boolean' ? 'boolean' : 'number of at least 0'}, got ${String(value)}`,
      )
    }
    if (RATES.includes(name) && (value as number) >= 1)
      throw new WeftError('ERR_ARGUMENT', `${rule.name}: ${name} must be less than 1, got ${String(value)}`)
  }
  return new Optimizer({ op: rule.name, ...rule }, settings)
}
const RATES = ['beta1', 'beta2', 'rho']

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. */
  momentum?: number
  /** Looks ahead along the velocity. Default false. */
  nesterov?: boolean
}

/** w += velocity, velocity = momentum · velocity - learningRate · g. learningRate 0.01. */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false } = options
  const slots = momentum > 0 ? ['velocity'] : []
  return make({ name: 'sgd', attrs: { momentum, nesterov }, slots }, options, { learningRate: 0.01, momentum: 0, nesterov: false })
}

export interface AdamOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.999. */
  beta2?: number
  /** Default 1e-7. */
  epsilon?: number
  /** Uses the largest second moment so far. Default false. */
  amsgrad?: boolean
}

const adamSlots = (amsgrad: boolean): string[] => (amsgrad ? ['m', 'v', 'vmax'] : ['m', 'v'])
const ADAM = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }

/** Moving averages of the gradient and its square. learningRate 0.001. Kingma and Ba, 2014. */
export function adam(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false } = options
  return make({ name: 'adam', attrs: { beta1, beta2, epsilon, amsgrad }, slots: adamSlots(amsgrad) }, options, { ...ADAM, amsgrad: false })
}

/** Adam with decoupled weight decay, by default 0.004. Loshchilov and Hutter, 2017. */
export function adamw(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false } = options
  return make({ name: 'adamw', op: 'adam', attrs: { beta1, beta2, epsilon, amsgrad }, slots: adamSlots(amsgrad) }, options, {
    ...ADAM,
    amsgrad: false,
    weightDecay: 0.004,
  })
}

export interface RmspropOptions extends OptimizerOptions {
  /** Default 0.9. */
  rho?: number
  /** Default 0. */
  momentum?: number
  /** Default 1e-7, inside the square root. */
  epsilon?: number
  /** Divides by the estimated variance instead of the second moment. Default false. */
  centered?: boolean
}

/** Divides the gradient by the root of a moving average of its square. learningRate 0.001. */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  const { rho = 0.9, momentum = 0, epsilon = 1e-7, centered = false } = options
  const slots = ['v', ...(momentum > 0 ? ['momentum'] : []), ...(centered ? ['mean'] : [])]
  return make({ name: 'rmsprop', attrs: { rho, momentum, epsilon, centered }, slots }, options, {
    learningRate: 0.001,
    rho: 0.9,
    momentum: 0,
    epsilon: 1e-7,
    centered: false,
  })
}

export interface AdagradOptions extends OptimizerOptions {
  /** Default 0.1. */
  initialAccumulatorValue?: number
  /** Default 1e-7. */
  epsilon?: number
}

/** Divides the gradient by the root of the sum of all its squares. learningRate 0.001. */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { initialAccumulatorValue = 0.1, epsilon = 1e-7 } = options
  return make({ name: 'adagrad', attrs: { epsilon }, slots: ['accumulator'], start: initialAccumulatorValue }, options, {
    learningRate: 0.001,
    initialAccumulatorValue: 0.1,
    epsilon: 1e-7,
  })
}

export interface AdadeltaOptions extends OptimizerOptions {
  /** Default 0.95. */
  rho?: number
  /** Default 1e-7. */
  epsilon?: number
}

/** Steps in the ratio of moving averages of past updates and gradients. learningRate 0.001. Zeiler, 2012. */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  const { rho = 0.95, epsilon = 1e-7 } = options
  return make({ name: 'adadelta', attrs: { rho, epsilon }, slots: ['gradients', 'updates'] }, options, {
    learningRate: 0.001,
    rho: 0.95,
    epsilon: 1e-7,
  })
}

export interface MomentsOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.999. */
  beta2?: number
  /** Default 1e-7. */
  epsilon?: number
}

/** Adam with the largest gradient so far instead of the second moment. learningRate 0.001. */
export function adamax(options: MomentsOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = options
  return make({ name: 'adamax', attrs: { beta1, beta2, epsilon }, slots: ['m', 'u'] }, options, ADAM)
}

/** Adam that looks ahead as Nesterov's momentum does. learningRate 0.001. Dozat, 2015. */
export function nadam(options: MomentsOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = options
  return make({ name: 'nadam', attrs: { beta1, beta2, epsilon }, slots: ['m', 'v'], shared: 'product' }, options, ADAM)
}

export interface LionOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.99. */
  beta2?: number
}

/** The sign of a moving average of the gradient. learningRate 0.001. Chen et al., 2023. */
export function lion(options: LionOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.99 } = options
  return make({ name: 'lion', attrs: { beta1, beta2 }, slots: ['m'] }, options, { learningRate: 0.001, beta1: 0.9, beta2: 0.99 })
}

export type OptimizerName = 'sgd' | 'adam' | 'adamw' | 'rmsprop' | 'adagrad' | 'adadelta' | 'adamax' | 'nadam' | 'lion'

const factories: Readonly<Record<OptimizerName, (options?: never) => Optimizer>> = {
  sgd,
  adam,
  adamw,
  rmsprop,
  adagrad,
  adadelta,
  adamax,
  nadam,
  lion,
}

export type OptimizerLike = OptimizerName | Optimizer

/** The optimizer of a name, or the one given. */
export function resolveOptimizer(value: unknown): Optimizer {
  if (value instanceof Optimizer) return value
  if (typeof value === 'string') {
    if (!Object.hasOwn(factories, value)) throw unknownName('optimizer', value, Object.keys(factories))
    return factories[value as OptimizerName]()
  }
  const factory = Object.values(factories).find((candidate) => candidate === value)
  if (factory) return factory()
  throw new WeftError('ERR_ARGUMENT', `optimizer: expected a name or one of optimizers.*, got ${value === null ? 'null' : typeof value}`)
}

/** @internal The optimizer that a saved { className, config } describes. */
export function optimizerFromJson(json: { className: string; config: Record<string, unknown> }): Optimizer {
  const { className, config } = json
  if (!Object.hasOwn(factories, className)) throw new WeftError('ERR_FORMAT', `unknown optimizer '${className}' in a saved model`)
  const rate = config['learningRate']
  const learningRate = typeof rate === 'object' && rate !== null ? scheduleFromJson(rate as { className: string; config: object }) : rate
  return factories[className as OptimizerName]({ ...config, learningRate } as never)
}
