// Optimizers that divide the gradient by its size so far: rmsprop, adagrad, adadelta. Formulas and defaults: Keras 3.
import type { OptimizerOptions } from './optimizer.js'
import { optimizer, type OptimizerFactory } from './factory.js'

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
export const rmsprop: OptimizerFactory<RmspropOptions> = optimizer<RmspropOptions>({
  name: 'rmsprop',
  defaults: { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
  slots: ({ momentum, centered }) => ['v', ...(momentum > 0 ? ['momentum'] : []), ...(centered ? ['mean'] : [])],
  kernel: 'rmsprop',
  update: (w, g, slots, rate, _, { rho, momentum, epsilon, centered }) => {
    const v = slots['v']!.mul(rho).add(g.square().mul(1 - rho))
    const mean = centered ? slots['mean']!.mul(rho).add(g.mul(1 - rho)) : undefined
    // rounding may leave less than nothing of a variance
    const size = mean ? v.sub(mean.square()).maximum(0) : v
    const plain = rate.mul(g).div(size.add(epsilon).sqrt())
    const step = momentum > 0 ? slots['momentum']!.mul(momentum).add(plain) : plain
    return { w: w.sub(step), v, momentum: step, ...(mean ? { mean } : {}) }
  },
})

export interface AdagradOptions extends OptimizerOptions {
  /** Default 0.1. */
  initialAccumulatorValue?: number
  /** Default 1e-7. */
  epsilon?: number
}

/** Divides the gradient by the root of the sum of all its squares. learningRate 0.001. */
export const adagrad: OptimizerFactory<AdagradOptions> = optimizer<AdagradOptions>({
  name: 'adagrad',
  defaults: { learningRate: 0.001, initialAccumulatorValue: 0.1, epsilon: 1e-7 },
  slots: ['accumulator'],
  start: 'initialAccumulatorValue',
  kernel: 'adagrad',
  update: (w, g, slots, rate, _, { epsilon }) => {
    const accumulator = slots['accumulator']!.add(g.square())
    return { w: w.sub(rate.mul(g).div(accumulator.add(epsilon).sqrt())), accumulator }
  },
})

export interface AdadeltaOptions extends OptimizerOptions {
  /** Default 0.95. */
  rho?: number
  /** Default 1e-7. */
  epsilon?: number
}

/** Steps in the ratio of moving averages of past updates and gradients. learningRate 0.001. Zeiler, 2012. */
export const adadelta: OptimizerFactory<AdadeltaOptions> = optimizer<AdadeltaOptions>({
  name: 'adadelta',
  defaults: { learningRate: 0.001, rho: 0.95, epsilon: 1e-7 },
  slots: ['gradients', 'updates'],
  kernel: 'adadelta',
  update: (w, g, slots, rate, _, { rho, epsilon }) => {
    const gradients = slots['gradients']!.mul(rho).add(g.square().mul(1 - rho))
    const step = slots['updates']!.add(epsilon).sqrt().div(gradients.add(epsilon).sqrt()).mul(g)
    const updates = slots['updates']!.mul(rho).add(step.square().mul(1 - rho))
    return { w: w.sub(rate.mul(step)), gradients, updates }
  },
})
