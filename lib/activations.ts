// Activations by name, as layers take them, with Keras' defaults.
import { checkFunction } from './core/checks.js'
import { unknownName, WeftError } from './core/error.js'
import { show } from './core/options.js'
import {
  elu,
  exp,
  clip,
  gelu,
  hardSigmoid,
  leakyRelu,
  logSoftmax,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softplus,
  softsign,
  tanh,
} from './ops/index.js'
import type { Tensor } from './core/tensor.js'

export type ActivationFunction = (x: Tensor) => Tensor

/** Activation functions of one argument. */
export const activations = {
  linear: (x: Tensor): Tensor => x,
  relu: (x: Tensor): Tensor => relu(x),
  relu6: (x: Tensor): Tensor => relu6(x),
  leakyRelu: (x: Tensor): Tensor => leakyRelu(x, 0.2),
  elu: (x: Tensor): Tensor => elu(x, 1),
  selu: (x: Tensor): Tensor => selu(x),
  gelu: (x: Tensor): Tensor => gelu(x),
  /** gelu by the tanh formula: what gelu(x, { approximate: true }) gives, and the 'gelu_new' of GPT-2. */
  geluTanh: (x: Tensor): Tensor => gelu(x, { approximate: true }),
  silu: (x: Tensor): Tensor => silu(x),
  swish: (x: Tensor): Tensor => silu(x),
  mish: (x: Tensor): Tensor => mish(x),
  softplus: (x: Tensor): Tensor => softplus(x),
  softsign: (x: Tensor): Tensor => softsign(x),
  tanh: (x: Tensor): Tensor => tanh(x),
  sigmoid: (x: Tensor): Tensor => sigmoid(x),
  hardSigmoid: (x: Tensor): Tensor => hardSigmoid(x),
  /** clip(0.2 · x + 0.5, 0, 1): what Keras 2, TensorFlow.js and ONNX call hard sigmoid. */
  hardSigmoidKeras2: (x: Tensor): Tensor => clip(x.mul(0.2).add(0.5), 0, 1),
  exponential: (x: Tensor): Tensor => exp(x),
  softmax: (x: Tensor): Tensor => softmax(x, -1),
  logSoftmax: (x: Tensor): Tensor => logSoftmax(x, -1),
} as const

export type ActivationName = keyof typeof activations
export type ActivationLike = ActivationName | ActivationFunction

export interface Activation {
  /** undefined: no activation, or a function without a name. */
  readonly name: ActivationName | undefined
  readonly apply: ActivationFunction
}

/** Activations whose results may be taken for probabilities. */
const PROBABILITIES: readonly ActivationName[] = ['softmax', 'sigmoid', 'hardSigmoid', 'hardSigmoidKeras2', 'exponential']

/** @internal Why results of an activation are no probabilities, for a message; undefined where they may be some. */
export const notProbabilities = ({ name, apply }: Activation): string | undefined => {
  if (name === undefined) return apply === activations.linear ? 'no activation' : undefined
  return PROBABILITIES.includes(name) ? undefined : `the activation '${name}'`
}

/** @internal The activation that an option names. */
export function getActivation(value: ActivationLike | undefined | null): Activation {
  if (value === undefined || value === null || value === 'linear') return { name: undefined, apply: activations.linear }
  if (typeof value === 'function') checkFunction('activation', value)
  if (typeof value === 'function')
    return { name: (Object.keys(activations) as ActivationName[]).find((name) => activations[name] === value), apply: value }
  if (typeof value !== 'string') throw new WeftError('ERR_ARGUMENT', `activation: expected a name or a function, got ${show(value)}`)
  if (!Object.hasOwn(activations, value)) throw unknownName('activation', value, Object.keys(activations))
  return { name: value, apply: activations[value] }
}
