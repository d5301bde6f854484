// Ids: class numbers and rows of tables that come as floats.
import { isFloat } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { cast } from './cast.js'
import { equal, where } from './compare.js'

/** What no table has as a row. */
const NO_ID = -(2 ** 31)

/**
 * Numbers as int32. What is no whole number, NaN included, becomes one that is out of every range, so that the op that
 * looks it up fails instead of taking its neighbour.
 */
export function wholeNumbers(t: Tensor): Tensor {
  if (t.dtype === 'int32') return t
  const ids = cast(t, 'int32')
  return isFloat(t.dtype) ? where(equal(cast(ids, t.dtype), t), ids, NO_ID) : ids
}
