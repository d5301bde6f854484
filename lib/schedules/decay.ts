// schedules: learning rates as functions of the number of updates made so far, written with ops so that a traced step computes them.
import { checkOptions, WeftError } from '../core/error.js'
import { asTensor } from '../core/apply.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { minimum, where } from '../ops/index.js'

/** A learning rate that changes with the number of updates. */
export interface Schedule {
  /** The rate at `step`, a float32 scalar, as a float32 scalar. */
  call(step: Tensor): Tensor
  /** The same on the host. */
  at(step: number): number
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
}

const positive = (what: string, name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a positive number, got ${value}`)
}
const rate = (what: string, name: string, value: number): number => {
  if (Number.isFinite(value) && value >= 0) return value
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be a number of at least 0, got ${value}`)
}

const schedule = (className: string, config: object, call: (step: Tensor) => Tensor, at: (step: number) => number): Schedule => ({
  className,
  config: { ...config },
  call,
  at,
})

export interface ExponentialDecayOptions {
  initialLearningRate: number
  decaySteps: number
  decayRate: number
  /** Whole multiples of decaySteps only. Default false. */
  staircase?: boolean
}

/** initialLearningRate · decayRate^(step / decaySteps) */
export function exponentialDecay(options: ExponentialDecayOptions): Schedule {
  checkOptions('schedules.exponentialDecay', options, ['initialLearningRate', 'decaySteps', 'decayRate', 'staircase'])
  const initial = rate('exponentialDecay', 'initialLearningRate', options.initialLearningRate)
  const steps = positive('exponentialDecay', 'decaySteps', options.decaySteps)
  const decay = positive('exponentialDecay', 'decayRate', options.decayRate)
  const { staircase = false } = options
  return schedule(
    'exponentialDecay',
    options,
    (step) => {
      const passed = step.div(steps)
      return (staircase ? passed.floor() : passed).mul(Math.log(decay)).exp().mul(initial)
    },
    (step) => initial * decay ** (staircase ? Math.floor(step / steps) : step / steps),
  )
}

export interface InverseTimeDecayOptions {
  initialLearningRate: number
  decaySteps: number
  decayRate: number
  staircase?: boolean
}

/** initialLearningRate / (1 + decayRate · step / decaySteps) */
export function inverseTimeDecay(options: InverseTimeDecayOptions): Schedule {
  checkOptions('schedules.inverseTimeDecay', options, ['initialLearningRate', 'decaySteps', 'decayRate', 'staircase'])
  const initial = rate('inverseTimeDecay', 'initialLearningRate', options.initialLearningRate)
  const steps = positive('inverseTimeDecay', 'decaySteps', options.decaySteps)
  const decay = rate('inverseTimeDecay', 'decayRate', options.decayRate)
  const { staircase = false } = options
  return schedule(
    'inverseTimeDecay',
    options,
    (step) => {
      const passed = step.div(steps)
      return (staircase ? passed.floor() : passed).mul(decay).add(1).reciprocal().mul(initial)
    },
    (step) => initial / (1 + decay * (staircase ? Math.floor(step / steps) : step / steps)),
  )
}

export interface PolynomialDecayOptions {
  initialLearningRate: number
  decaySteps: number
  /** Default 0.0001. */
  endLearningRate?: number
  /** Default 1: a straight line. */
  power?: number
  /** Starts over, with a longer period, instead of staying at the end. Default false. */
  cycle?: boolean
}

/** (initial - end) · (1 - step / decaySteps)^power + end */
export function polynomialDecay(options: PolynomialDecayOptions): Schedule {
  checkOptions('schedules.polynomialDecay', options, ['initialLearningRate', 'decaySteps', 'endLearningRate', 'power', 'cycle'])
  const initial = rate('polynomialDecay', 'initialLearningRate', options.initialLearningRate)
  const steps = positive('polynomialDecay', 'decaySteps', options.decaySteps)
  const end = rate('polynomialDecay', 'endLearningRate', options.endLearningRate ?? 0.0001)
  const power = positive('polynomialDecay', 'power', options.power ?? 1)
  const { cycle = false } = options
  return schedule(
    'polynomialDecay',
    options,
    (step) => {
      const passed = step.div(steps)
      const share = cycle ? passed.div(passed.ceil().maximum(1)) : minimum(passed, 1)
      const left = share.neg().add(1)
      return (power === 1 ? left : left.pow(power)).mul(initial - end).add(end)
    },
    (step) => {
      const passed = step / steps
      const share = cycle ? passed / Math.max(1, Math.ceil(passed)) : Math.min(passed, 1)
      return (initial - end) * (1 - share) ** power + end
    },
  )
}

export interface CosineDecayOptions {
  initialLearningRate: number
  /** Updates from the start, or from the end of the warm-up, to the end of the decay. */
  decaySteps: number
  /** The end of the decay, as a share of where it starts. Default 0. */
  alpha?: number
  /** With warmupSteps: the rate climbs in a line from initialLearningRate to this first. */
  warmupTarget?: number
  /** Default 0. */
  warmupSteps?: number
}

/** Half a cosine from the initial rate down to alpha times it, after an optional warm-up. Loshchilov and Hutter, 2016. */
export function cosineDecay(options: CosineDecayOptions): Schedule {
  checkOptions('schedules.cosineDecay', options, ['initialLearningRate', 'decaySteps', 'alpha', 'warmupTarget', 'warmupSteps'])
  const initial = rate('cosineDecay', 'initialLearningRate', options.initialLearningRate)
  const steps = positive('cosineDecay', 'decaySteps', options.decaySteps)
  const alpha = rate('cosineDecay', 'alpha', options.alpha ?? 0)
  const warmup = options.warmupTarget === undefined ? 0 : rate('cosineDecay', 'warmupSteps', options.warmupSteps ?? 0)
  const top = options.warmupTarget === undefined ? initial : rate('cosineDecay', 'warmupTarget', options.warmupTarget)
  return schedule(
    'cosineDecay',
    options,
    (step) => {
      const passed = minimum(step.sub(warmup).div(steps), 1)
      const decayed = passed
        .mul(Math.PI)
        .cos()
        .add(1)
        .mul(0.5 * (1 - alpha))
        .add(alpha)
        .mul(top)
      return warmup === 0 ? decayed : where(step.less(warmup), step.mul((top - initial) / warmup).add(initial), decayed)
    },
    (step) => {
      if (step < warmup) return initial + ((top - initial) * step) / warmup
      const passed = Math.min((step - warmup) / steps, 1)
      return top * ((1 - alpha) * 0.5 * (1 + Math.cos(Math.PI * passed)) + alpha)
    },
  )
}

export interface PiecewiseConstantDecayOptions {
  /** Numbers of updates, rising. */
  boundaries: readonly number[]
  /** One more than the boundaries: values[i] holds up to and including boundaries[i]. */
  values: readonly number[]
}

/** A constant rate between boundaries. */
export function piecewiseConstantDecay(options: PiecewiseConstantDecayOptions): Schedule {
  checkOptions('schedules.piecewiseConstantDecay', options, ['boundaries', 'values'])
  const { boundaries, values } = options
  if (values.length !== boundaries.length + 1) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `piecewiseConstantDecay: ${boundaries.length} boundaries need ${boundaries.length + 1} values, got ${values.length}`,
    )
  }
  if (boundaries.some((boundary, i) => i > 0 && !(boundary > boundaries[i - 1]!))) {
    throw new WeftError('ERR_ARGUMENT', `piecewiseConstantDecay: boundaries must rise, got ${boundaries.join(', ')}`)
  }
  for (const value of values) rate('piecewiseConstantDecay', 'values', value)
  return schedule(
    'piecewiseConstantDecay',
    options,
    (step) => {
      let result: TensorLike = values.at(-1)!
      for (let i = boundaries.length - 1; i >= 0; i--) result = where(step.lessEqual(boundaries[i]!), values[i]!, result)
      return asTensor(result)
    },
    (step) => values[boundaries.findIndex((boundary) => step <= boundary)] ?? values.at(-1)!,
  )
}

const factories: Readonly<Record<string, (options: never) => Schedule>> = {
  exponentialDecay,
  inverseTimeDecay,
  polynomialDecay,
  cosineDecay,
  piecewiseConstantDecay,
}

/** @internal The schedule that a saved { className, config } describes. */
export function scheduleFromJson(json: { className: string; config: object }): Schedule {
  const factory = Object.hasOwn(factories, json.className) ? factories[json.className] : undefined
  if (!factory) throw new WeftError('ERR_FORMAT', `unknown schedule '${json.className}' in a saved optimizer`)
  return factory(json.config as never)
}

export const isSchedule = (value: unknown): value is Schedule =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Schedule>).call === 'function' &&
  typeof (value as Partial<Schedule>).at === 'function'
