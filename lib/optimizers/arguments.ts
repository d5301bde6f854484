// Arguments of optimizers: the learning rate, and gradients with their variables.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import { Tensor, Variable } from '../core/tensor.js'

export function checkRate(what: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new WeftError(
    'ERR_ARGUMENT',
    `${what}: learningRate must be a number of at least 0, one of schedules.* or a function, got ${show(value)}`,
  )
}

/** Throws unless each of the variables has a gradient of its shape. */
export function checkUpdate(what: string, gradients: readonly Tensor[], variables: readonly Variable[]): void {
  if (!Array.isArray(gradients) || !Array.isArray(variables))
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}.apply: takes a list of gradients and a list of variables, got ${show(Array.isArray(gradients) ? variables : gradients)}`,
    )
  if (gradients.length !== variables.length) {
    throw new WeftError('ERR_ARGUMENT', `${what}.apply: ${gradients.length} gradients for ${variables.length} variables`)
  }
  Array.from(variables as readonly Variable[]).forEach((target, i) => {
    const g = (gradients as readonly Tensor[])[i]
    if (!(target instanceof Variable))
      throw new WeftError('ERR_ARGUMENT', `${what}.apply: variable ${i} is not a Variable`, {
        hint: 'Use variable() or net.trainableWeights',
      })
    if (!(g instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `${what}.apply: gradient ${i} is not a Tensor`)
    if (sameShape(g.shape, target.shape)) return
    throw new WeftError('ERR_SHAPE', `${what}.apply: gradient of shape [${g.shape}] for '${target.name}' of shape [${target.shape}]`, {
      shapes: [g.shape, target.shape],
    })
  })
  if (new Set(variables).size !== variables.length) throw new WeftError('ERR_ARGUMENT', `${what}.apply: a variable was given twice`)
}
