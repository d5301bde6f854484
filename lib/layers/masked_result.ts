// What a layer's result carries on: the mask that the layer says, unless call() has set one itself; a mask that ends is
// warned of.
import { covers, carriesMask } from '../ops/masks.js'
import { reshape } from '../ops/raw.js'
import { Tensor } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'

/** `ends`: the layer does not know masks. `passed`: it hands on the mask of its input as it is. */
interface Course {
  readonly ends: boolean
  readonly passed: boolean
}

/** The result of a layer's call with the mask that it carries on. */
export function maskedResult(
  layer: { readonly name: string },
  inputs: readonly Tensor[],
  result: unknown,
  given: Tensor | undefined,
  { ends, passed }: Course,
): unknown {
  const lost = passed && given !== undefined && result instanceof Tensor && !covers(given, result)
  if (ends || lost) {
    const why = lost ? `gives a result of shape [${result.shape}], which has no mask [${given.shape}]` : 'does not know masks'
    const text = `layer '${layer.name}' ${why}: the mask of its input ends here, and later layers see all steps`
    warnOnce('WEFT_MASK', text, layer)
  }
  const mask = lost ? undefined : given
  // call() may have set a mask itself; one that operations have carried there is for the layer to keep or to end
  if (!(result instanceof Tensor) || (result.mask !== undefined && !carriesMask(result)) || result.mask === mask) return result
  // a layer that returns its input itself must not mark the caller's tensor
  const own = inputs.includes(result) ? reshape(result, result.shape) : result
  own.mask = mask
  return own
}
