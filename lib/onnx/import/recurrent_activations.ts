// Activations of recurrent nodes by their names, with their two parameters.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import type { RecurrentActivation } from '../../ops/index.js'
import type { Call } from './operator.js'

export interface Activation {
  readonly apply: (x: Tensor) => Tensor
  /** Its name in the kernels of whole sequences, where they have it. */
  readonly fused: RecurrentActivation | undefined
}

interface Known {
  readonly apply: (x: Tensor, alpha: number, beta: number) => Tensor
  readonly fused?: RecurrentActivation
  readonly alpha?: number
  readonly beta?: number
}

const KNOWN: Readonly<Record<string, Known>> = {
  relu: { apply: (x) => ops.relu(x), fused: 'relu' },
  tanh: { apply: (x) => ops.tanh(x), fused: 'tanh' },
  sigmoid: { apply: (x) => ops.sigmoid(x), fused: 'sigmoid' },
  affine: { apply: (x, alpha, beta) => ops.add(ops.mul(x, alpha), beta), alpha: 1, beta: 0 },
  leakyrelu: { apply: (x, alpha) => ops.leakyRelu(x, alpha), alpha: 0.01 },
  thresholdedrelu: { apply: (x, alpha) => ops.where(ops.greater(x, alpha), x, ops.zerosLike(x)), alpha: 1 },
  scaledtanh: { apply: (x, alpha, beta) => ops.mul(ops.tanh(ops.mul(x, beta)), alpha), alpha: 1, beta: 1 },
  hardsigmoid: { apply: (x, alpha, beta) => ops.clip(ops.add(ops.mul(x, alpha), beta), 0, 1), alpha: 0.2, beta: 0.5 },
  elu: { apply: (x, alpha) => ops.elu(x, alpha), alpha: 1 },
  softsign: { apply: (x) => ops.softsign(x) },
  softplus: { apply: (x) => ops.softplus(x) },
}

/** The activations that a node names. Parameters are listed for those that have them, in order. */
export function recurrentActivations(call: Call, names: readonly string[], count: number): Activation[] {
  if (names.length !== count) throw call.error(`${names.length} activations are named, it takes ${count}`)
  const alphas = call.attributes.floats('activation_alpha') ?? []
  const betas = call.attributes.floats('activation_beta') ?? []
  return names.map((name) => {
    const known = KNOWN[name.toLowerCase()]
    if (known === undefined) throw call.error(`there is no activation '${name}' here`)
    const alpha = known.alpha === undefined ? 0 : (alphas.shift() ?? known.alpha)
    const beta = known.beta === undefined ? 0 : (betas.shift() ?? known.beta)
    return { apply: (x) => known.apply(x, alpha, beta), fused: known.fused }
  })
}
