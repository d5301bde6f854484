// Optimizers that step along the gradient or its sign: sgd, lion. Formulas and defaults: Keras 3.
import type { OptimizerOptions } from './optimizer.js'
import { optimizer, type OptimizerFactory } from './factory.js'

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. */
  momentum?: number
  /** Looks ahead along the velocity. Default false. */
  nesterov?: boolean
}

/** w += velocity, velocity = momentum · velocity - learningRate · g. learningRate 0.01. */
export const sgd: OptimizerFactory<SgdOptions> = optimizer<SgdOptions>({
  name: 'sgd',
  defaults: { learningRate: 0.01, momentum: 0, nesterov: false },
  slots: ({ momentum }) => (momentum > 0 ? ['velocity'] : []),
  kernel: 'sgd',
  update: (w, g, slots, rate, _, { momentum, nesterov }) => {
    const step = rate.mul(g)
    if (momentum === 0) return { w: w.sub(step) }
    const velocity = slots['velocity']!.mul(momentum).sub(step)
    return { w: w.add(nesterov ? velocity.mul(momentum).sub(step) : velocity), velocity }
  },
})

export interface LionOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.99. */
  beta2?: number
}

/** The sign of a moving average of the gradient. learningRate 0.001. Chen et al., 2023. */
export const lion: OptimizerFactory<LionOptions> = optimizer<LionOptions>({
  name: 'lion',
  defaults: { learningRate: 0.001, beta1: 0.9, beta2: 0.99 },
  slots: ['m'],
  kernel: 'lion',
  update: (w, g, slots, rate, _, { beta1, beta2 }) => {
    const average = (beta: number) => slots['m']!.mul(beta).add(g.mul(1 - beta))
    return { w: w.sub(rate.mul(average(beta1).sign())), m: average(beta2) }
  },
})
