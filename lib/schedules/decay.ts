// Schedules by decay: exponential, inverse, polynomial, cosine, piecewise constant. Formulas: Keras 3.
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { TensorLike } from '../core/tensor.js'
import { minimum, where } from '../ops/index.js'
import { checkSchedule, positive, rate, type Schedule, schedule } from './schedule.js'

export interface ExponentialDecayOptions {
  /** The rate at step 0. */
  initialLearningRate: number
  /** Steps after which the rate was multiplied by decayRate. */
  decaySteps: number
  /** The factor of decaySteps steps. */
  decayRate: number
  /** Whole multiples of decaySteps only. Default false. */
  staircase?: boolean
}
const EXPONENTIAL: OptionTable<ExponentialDecayOptions> = {
  initialLearningRate: 'number',
  decaySteps: 'number',
  decayRate: 'number',
  staircase: 'boolean',
}

/** initialLearningRate · decayRate^(step / decaySteps) */
export function exponentialDecay(options: ExponentialDecayOptions): Schedule {
  checkSchedule('exponentialDecay', arguments, EXPONENTIAL)
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
  /** The rate at step 0. */
  initialLearningRate: number
  /** Steps that count as one unit of time. */
  decaySteps: number
  /** How much the divisor grows in one unit of time. */
  decayRate: number
  /** Whole units of time only. Default false. */
  staircase?: boolean
}
const INVERSE_TIME: OptionTable<InverseTimeDecayOptions> = EXPONENTIAL

/** initialLearningRate / (1 + decayRate · step / decaySteps) */
export function inverseTimeDecay(options: InverseTimeDecayOptions): Schedule {
  checkSchedule('inverseTimeDecay', arguments, INVERSE_TIME)
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
  /** The rate at step 0. */
  initialLearningRate: number
  /** Steps to the end of the decay. */
  decaySteps: number
  /** Default 0.0001. */
  endLearningRate?: number
  /** Default 1: a straight line. */
  power?: number
  /** Starts over, with a longer period, instead of staying at the end. Default false. */
  cycle?: boolean
}
const POLYNOMIAL: OptionTable<PolynomialDecayOptions> = {
  initialLearningRate: 'number',
  decaySteps: 'number',
  endLearningRate: 'number',
  power: 'number',
  cycle: 'boolean',
}

/** (initial - end) · (1 - step / decaySteps)^power + end */
export function polynomialDecay(options: PolynomialDecayOptions): Schedule {
  checkSchedule('polynomialDecay', arguments, POLYNOMIAL)
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
  /** The rate at step 0. */
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
const COSINE: OptionTable<CosineDecayOptions> = {
  initialLearningRate: 'number',
  decaySteps: 'number',
  alpha: 'number',
  warmupTarget: 'number',
  warmupSteps: 'number',
}

/**
 * Half a cosine from the initial rate down to alpha times it, after an optional warm-up. Loshchilov and Hutter, 2016.
 */
export function cosineDecay(options: CosineDecayOptions): Schedule {
  checkSchedule('cosineDecay', arguments, COSINE)
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
const PIECEWISE: OptionTable<PiecewiseConstantDecayOptions> = { boundaries: 'list', values: 'list' }

/** A copy of the numbers. */
function list(name: string, numbers: readonly number[]): number[] {
  const copy = Array.from(numbers ?? [])
  if (numbers !== undefined && copy.every(Number.isFinite)) return copy
  throw new WeftError('ERR_ARGUMENT', `piecewiseConstantDecay: ${name} must be a list of numbers, got ${show(numbers)}`)
}

/** A constant rate between boundaries. */
export function piecewiseConstantDecay(options: PiecewiseConstantDecayOptions): Schedule {
  checkSchedule('piecewiseConstantDecay', arguments, PIECEWISE)
  const [boundaries, values] = [list('boundaries', options.boundaries), list('values', options.values)]
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
    { boundaries, values },
    (step) => {
      let result: TensorLike = values.at(-1)!
      for (let i = boundaries.length - 1; i >= 0; i--) result = where(step.lessEqual(boundaries[i]!), values[i]!, result)
      return asTensor(result)
    },
    (step) => values[boundaries.findIndex((boundary) => step <= boundary)] ?? values.at(-1)!,
  )
}
