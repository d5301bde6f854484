// Refusals: what models cannot do where they are, and weights that cannot be trained.
import { WeftError } from '../core/error.js'
import { currentTrace } from '../core/graph.js'
import { isFloat } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { storedAs } from '../layers/stored_weights.js'

/** Whether steps can change a weight: integers, and weights that are kept in few bits, stay as they are. */
export const canLearn = (weight: Variable): boolean => storedAs(weight) === undefined && isFloat(weight.dtype)

/** ERR_DTYPE where a weight that would be trained is kept in few bits: its steps would be lost in rounding. */
export function refuseIntegers(model: { readonly name: string; readonly trainableWeights: readonly Variable[] }): void {
  const kept = model.trainableWeights.find((weight) => !canLearn(weight))
  if (kept === undefined) return
  throw new WeftError(
    'ERR_DTYPE',
    `${model.name}: weights of ${storedAs(kept)?.type ?? kept.dtype} are not trained, '${kept.name}' is one`,
    {
      hint: 'Train the model that was quantized, or one that quantizeAware(net) makes of it',
    },
  )
}

/** Throws ERR_TRACE while a function is traced: these methods run programs of their own. */
export function refuseInTrace(method: string): void {
  const trace = currentTrace()
  if (trace === undefined) return
  throw new WeftError('ERR_TRACE', `${method}: it cannot be called while '${trace.name}' is being traced`, {
    hint: 'In a function for jit or grad write net.apply(x, { training }): it is recorded',
  })
}
