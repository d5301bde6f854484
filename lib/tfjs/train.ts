// tf.train: optimizers by the arguments of TensorFlow.js, with its defaults.
import { WeftError } from '../core/error.js'
import * as factories from '../optimizers/index.js'
import { Optimizer } from './gradients.js'

const EPSILON = 1e-7

export const sgd = (learningRate: number): Optimizer => new Optimizer(factories.sgd({ learningRate }))
export const momentum = (learningRate: number, momentumOf: number, useNesterov: boolean = false): Optimizer =>
  new Optimizer(factories.sgd({ learningRate, momentum: momentumOf, nesterov: useNesterov }))
export const adam = (learningRate: number = 0.001, beta1: number = 0.9, beta2: number = 0.999, epsilon: number = EPSILON): Optimizer =>
  new Optimizer(factories.adam({ learningRate, beta1, beta2, epsilon }))
export function adamax(
  learningRate: number = 0.002,
  beta1: number = 0.9,
  beta2: number = 0.999,
  epsilon: number = EPSILON,
  decay: number = 0,
): Optimizer {
  if (decay !== 0)
    throw new WeftError('ERR_ARGUMENT', 'train.adamax: decay is not supported', {
      hint: "Write optimizers.adamax({ learningRate: schedules.inverseTimeDecay(...) }) of 'weftjs'",
    })
  return new Optimizer(factories.adamax({ learningRate, beta1, beta2, epsilon }))
}
export const adagrad = (learningRate: number, initialAccumulatorValue: number = 0.1): Optimizer =>
  new Optimizer(factories.adagrad({ learningRate, initialAccumulatorValue }))
export const adadelta = (learningRate: number = 0.001, rho: number = 0.95, epsilon: number = EPSILON): Optimizer =>
  new Optimizer(factories.adadelta({ learningRate, rho, epsilon }))
export const rmsprop = (
  learningRate: number,
  decay: number = 0.9,
  momentumOf: number = 0,
  epsilon: number = EPSILON,
  centered: boolean = false,
): Optimizer => new Optimizer(factories.rmsprop({ learningRate, rho: decay, momentum: momentumOf, epsilon, centered }))
