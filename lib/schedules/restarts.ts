// cosineDecayRestarts: half a cosine again and again. Formula: Keras 3.
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import type { OptionTable } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { gather, minimum } from '../ops/index.js'
import { defineSchedule, type Schedule } from './schedule.js'

export interface CosineDecayRestartsOptions {
  /** The rate at step 0. */
  initialLearningRate: number
  /** Updates of the first period. */
  firstDecaySteps: number
  /** Each period is so many times as long as the one before: at least 1. Default 2. */
  tMul?: number
  /** Each period begins with so many times the rate of the one before. Default 1. */
  mMul?: number
  /** The end of each period, as a share of its begin. Default 0. */
  alpha?: number
}
const RESTARTS: OptionTable<CosineDecayRestartsOptions> = {
  initialLearningRate: 'number',
  firstDecaySteps: 'number',
  tMul: 'number',
  mMul: 'number',
  alpha: 'number',
}

/** The number of updates is an int32. */
const LAST_STEP = 2 ** 31
const MOST_PERIODS = 2 ** 14

/** The first step of each period, for periods that become longer. */
function begins(first: number, factor: number): number[] {
  const list = [0]
  for (let length = first; list.at(-1)! + length < LAST_STEP; length *= factor) {
    list.push(list.at(-1)! + length)
    if (list.length > MOST_PERIODS)
      throw new WeftError('ERR_ARGUMENT', `cosineDecayRestarts: tMul ${factor} makes more than ${MOST_PERIODS} periods`, {
        hint: 'Use tMul: 1 for equal periods, or a larger firstDecaySteps',
      })
  }
  return list
}

/**
 * Half a cosine from the initial rate down to alpha times it, which starts over at the end of each period: SGDR,
 * Loshchilov and Hutter, 2016. At step s of period i, of tMul^i · firstDecaySteps steps, the rate is
 * initialLearningRate · ((1 - alpha) · mMul^i · ½(1 + cos πs / steps) + alpha).
 */
export const cosineDecayRestarts: (options: CosineDecayRestartsOptions) => Schedule = defineSchedule<CosineDecayRestartsOptions>({
  name: 'cosineDecayRestarts',
  options: RESTARTS,
  make: (_, numbers) => {
    const initial = numbers.rate('initialLearningRate')
    const first = numbers.positive('firstDecaySteps')
    const tMul = numbers.positive('tMul', 2)
    const mMul = numbers.positive('mMul', 1)
    const alpha = numbers.rate('alpha', 0)
    if (tMul < 1) throw new WeftError('ERR_ARGUMENT', `cosineDecayRestarts: tMul must be at least 1, got ${tMul}`)
    // equal periods have no list; nearly equal ones have one that ends with the steps that a training may have
    const starts = tMul === 1 ? undefined : begins(first, tMul)
    return {
      call: (step) => {
        if (!starts) {
          const period = step.div(first).floor()
          const passed = step.sub(period.mul(first)).div(first)
          return cosine(passed)
            .mul(period.mul(Math.log(mMul)).exp())
            .mul(1 - alpha)
            .add(alpha)
            .mul(initial)
        }
        const period = step.greaterEqual(tensor(starts)).sum().sub(1)
        const at = (list: readonly number[]): Tensor => gather(tensor([...list]), period)
        const lengths = starts.map((_, i) => first * tMul ** i)
        const passed = minimum(step.sub(at(starts)).div(at(lengths)), 1)
        return cosine(passed)
          .mul(at(starts.map((_, i) => mMul ** i)))
          .mul(1 - alpha)
          .add(alpha)
          .mul(initial)
      },
      at: (step) => {
        const period = starts ? starts.filter((start) => start <= step).length - 1 : Math.floor(step / first)
        const passed = starts ? Math.min((step - starts[period]!) / (first * tMul ** period), 1) : step / first - period
        return initial * ((1 - alpha) * mMul ** period * 0.5 * (1 + Math.cos(Math.PI * passed)) + alpha)
      },
    }
  },
})

/** Half a cosine, from 1 down to 0. */
const cosine = (passed: Tensor): Tensor => passed.mul(Math.PI).cos().add(1).mul(0.5)
