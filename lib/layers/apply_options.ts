// What layer.apply() can be told. Subclasses take further options.
import { show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'

export interface ApplyOptions {
  /** Default: as the call around it, else false. */
  training?: boolean
  /** Instead of the mask the input carries. */
  mask?: Tensor | undefined
  /** Leaves out the last activation of the layer (a list: by output of a model), so that a loss can take logits. */
  withoutActivation?: boolean | readonly boolean[]
}

/** What is wrong with the options; undefined when nothing is. */
export function wrongOption(options: unknown): string | undefined {
  if (options instanceof Tensor) return `options are an object, got ${show(options)}. Several inputs are a list: apply([a, b])`
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    return `options are an object, got ${show(options)}. Write apply(x, { training: true })`
  const { training, mask } = options as ApplyOptions
  if (training !== undefined && typeof training !== 'boolean') return `training is a boolean, got ${show(training)}`
  if (mask !== undefined && !(mask instanceof Tensor)) return `mask is a Tensor, got ${show(mask)}`
  return undefined
}
