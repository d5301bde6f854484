// Weights that cannot be trained: those kept in few bits.
import { WeftError } from '../core/error.js'
import { isFloat } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { storedAs } from '../layers/stored_weights.js'

/** ERR_DTYPE where a weight that would be trained is kept in few bits: its steps would be lost in rounding. */
export function refuseIntegers(model: { readonly name: string; readonly trainableWeights: readonly Variable[] }): void {
  const kept = model.trainableWeights.find((weight) => storedAs(weight) !== undefined || !isFloat(weight.dtype))
  if (kept === undefined) return
  throw new WeftError(
    'ERR_DTYPE',
    `${model.name}: weights of ${storedAs(kept)?.type ?? kept.dtype} are not trained, '${kept.name}' is one`,
    {
      hint: 'Train the model that was quantized, or one that quantizeAware(net) makes of it',
    },
  )
}
