// keep: a tensor that tidy() leaves alone.
import { scopes, Tensor } from '../core/tensor.js'

/** The tensor, which the tidy() around no longer frees. */
export function keep(x: Tensor): Tensor {
  for (const scope of scopes) scope.delete(x)
  return x
}
