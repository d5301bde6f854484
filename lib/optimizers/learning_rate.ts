// LearningRate: what an optimizer multiplies its steps by, a number that can be set while it trains or a schedule.
import { WeftError } from '../core/error.js'
import { outsideTrace } from '../core/graph.js'
import { show } from '../core/options.js'
import { Tensor, type Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { fullLike } from '../ops/index.js'
import { isSchedule, type Schedule } from '../schedules/schedule.js'
import { checkRate } from './arguments.js'

/** A function of the number of updates as a schedule; one that no name makes again. */
const scheduleOf = (rate: (step: Tensor) => Tensor): Schedule => {
  const call = (step: Tensor): Tensor => {
    const value: unknown = rate(step)
    if (value instanceof Tensor && value.size === 1) return value.rank === 0 ? value : value.reshape([])
    const got = value instanceof Tensor ? `shape [${value.shape}]` : show(value)
    throw new WeftError('ERR_ARGUMENT', `learningRate: the function must return a scalar Tensor, got ${got}`, {
      hint: 'It is given the number of updates as a Tensor: write (step) => step.mul(-0.001).exp().mul(0.01)',
    })
  }
  const at = (step: number): number => outsideTrace(() => Number(call(fullLike([0], step).reshape([])).dataSync()[0]))
  return { className: '', config: {}, call, at }
}

export class LearningRate {
  private readonly optimizer: string
  /** Undefined: the rate is a number. */
  readonly schedule: Schedule | undefined
  private rate: number
  /** float32 []: what a traced step reads, so that a new rate needs no new trace. */
  readonly variable: Variable

  constructor(optimizer: string, given: number | Schedule | ((step: Tensor) => Tensor)) {
    this.optimizer = optimizer
    this.schedule = isSchedule(given) ? given : typeof given === 'function' ? scheduleOf(given) : undefined
    this.rate = this.schedule ? this.schedule.at(0) : checkRate(optimizer, given)
    this.variable = variable(this.rate, { name: 'learningRate', trainable: false })
  }

  /** The rate after so many updates, which only a schedule asks for. */
  at(iterations: () => number): number {
    return this.schedule ? this.schedule.at(iterations()) : this.rate
  }

  /** The rate as a step reads it; `iteration` is int32 []. */
  traced(iteration: Tensor): Tensor {
    return this.schedule ? this.schedule.call(iteration.cast('float32')) : this.variable
  }

  set(value: number): void {
    if (this.schedule) {
      throw new WeftError('ERR_STATE', `${this.optimizer}: learningRate follows a schedule and cannot be set`, {
        hint: 'Make the optimizer with a number to set it by hand',
      })
    }
    const rate = checkRate(this.optimizer, value)
    outsideTrace(() => this.variable.assign(rate))
    this.rate = rate
  }

  /** The host's copy of the rate, after the variable was set from a file. */
  adopt(rate: number): void {
    this.rate = rate
  }
}
