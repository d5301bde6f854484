// Schedules by decay: exponential, inverse, polynomial, cosine, piecewise constant. Formulas: Keras 3.
import { asTensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import type { TensorLike } from '../core/tensor.js'
import { minimum, where } from '../ops/index.js'
import { defineSchedule, type Schedule } from './schedule.js'

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
export const exponentialDecay: (options: ExponentialDecayOptions) => Schedule = defineSchedule<ExponentialDecayOptions>({
  name: 'exponentialDecay',
  options: EXPONENTIAL,
  make: (options, numbers) => {
    const initial = numbers.rate('initialLearningRate')
    const steps = numbers.positive('decaySteps')
    const decay = numbers.positive('decayRate')
    const { staircase = false } = options
    return {
      call: (step) => {
        const passed = step.div(steps)
        return (staircase ? passed.floor() : passed).mul(Math.log(decay)).exp().mul(initial)
      },
      at: (step) => initial * decay ** (staircase ? Math.floor(step / steps) : step / steps),
    }
  },
})

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
export const inverseTimeDecay: (options: InverseTimeDecayOptions) => Schedule = defineSchedule<InverseTimeDecayOptions>({
  name: 'inverseTimeDecay',
  options: INVERSE_TIME,
  make: (options, numbers) => {
    const initial = numbers.rate('initialLearningRate')
    const steps = numbers.positive('decaySteps')
    const decay = numbers.rate('decayRate')
    const { staircase = false } = options
    return {
      call: (step) => {
        const passed = step.div(steps)
        return (staircase ? passed.floor() : passed).mul(decay).add(1).reciprocal().mul(initial)
      },
      at: (step) => initial / (1 + decay * (staircase ? Math.floor(step / steps) : step / steps)),
    }
  },
})

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
export const polynomialDecay: (options: PolynomialDecayOptions) => Schedule = defineSchedule<PolynomialDecayOptions>({
  name: 'polynomialDecay',
  options: POLYNOMIAL,
  make: (options, numbers) => {
    const initial = numbers.rate('initialLearningRate')
    const steps = numbers.positive('decaySteps')
    const end = numbers.rate('endLearningRate', 0.0001)
    const power = numbers.positive('power', 1)
    const { cycle = false } = options
    return {
      call: (step) => {
        const passed = step.div(steps)
        const share = cycle ? passed.div(passed.ceil().maximum(1)) : minimum(passed, 1)
        const left = share.neg().add(1)
        return (power === 1 ? left : left.pow(power)).mul(initial - end).add(end)
      },
      at: (step) => {
        const passed = step / steps
        const share = cycle ? passed / Math.max(1, Math.ceil(passed)) : Math.min(passed, 1)
        return (initial - end) * (1 - share) ** power + end
      },
    }
  },
})

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
export const cosineDecay: (options: CosineDecayOptions) => Schedule = defineSchedule<CosineDecayOptions>({
  name: 'cosineDecay',
  options: COSINE,
  make: (options, numbers) => {
    const initial = numbers.rate('initialLearningRate')
    const steps = numbers.positive('decaySteps')
    const alpha = numbers.rate('alpha', 0)
    const warmup = options.warmupTarget === undefined ? 0 : numbers.rate('warmupSteps', 0)
    const top = options.warmupTarget === undefined ? initial : numbers.rate('warmupTarget')
    return {
      call: (step) => {
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
      at: (step) => {
        if (step < warmup) return initial + ((top - initial) * step) / warmup
        const passed = Math.min((step - warmup) / steps, 1)
        return top * ((1 - alpha) * 0.5 * (1 + Math.cos(Math.PI * passed)) + alpha)
      },
    }
  },
})

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
export const piecewiseConstantDecay: (options: PiecewiseConstantDecayOptions) => Schedule = defineSchedule<PiecewiseConstantDecayOptions>({
  name: 'piecewiseConstantDecay',
  options: PIECEWISE,
  make: (options) => {
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
    const below = values.find((value) => value < 0)
    if (below !== undefined)
      throw new WeftError('ERR_ARGUMENT', `piecewiseConstantDecay: values must be numbers of at least 0, got ${below}`)
    return {
      config: { boundaries, values },
      call: (step) => {
        let result: TensorLike = values.at(-1)!
        for (let i = boundaries.length - 1; i >= 0; i--) result = where(step.lessEqual(boundaries[i]!), values[i]!, result)
        return asTensor(result)
      },
      at: (step) => values[boundaries.findIndex((boundary) => step <= boundary)] ?? values.at(-1)!,
    }
  },
})
