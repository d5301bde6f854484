// Numbers of the distribution Beta(a, a), drawn in a traced function.
import type { Tensor, Variable } from '../core/tensor.js'
import * as ops from '../ops/index.js'

/** Candidates for one number: of Marsaglia and Tsang's at least 95 % are taken, so that none is once in 10^7 draws. */
const CANDIDATES = 6

/**
 * The logarithm of Gamma(a) numbers: Gamma(a + 1) by Marsaglia and Tsang, "A simple method for generating gamma
 * variables" (2000), times U^(1 / a). Logarithms, since they underflow where a is small.
 */
function logGamma(n: number, alpha: Tensor, state: Variable): Tensor {
  const d = ops.add(alpha, 2 / 3) // (a + 1) - 1/3
  const c = ops.div(1, ops.sqrt(ops.mul(d, 9)))
  const normal = ops.randomNormal([n, CANDIDATES], { state })
  const root = ops.add(ops.mul(normal, c), 1)
  const v = ops.mul(root, ops.square(root))
  const positive = ops.greater(root, 0)
  const logV = ops.log(ops.where(positive, v, 1))
  const limit = ops.add(ops.mul(ops.square(normal), 0.5), ops.mul(d, ops.add(ops.sub(1, v), logV)))
  const drawn = (shape: readonly number[]): Tensor => ops.log(ops.sub(1, ops.randomUniform(shape, { state })))
  const taken = ops.logicalAnd(positive, ops.less(drawn([n, CANDIDATES]), limit))
  // the first one that is taken; where none is, the first one at all
  const first = ops.expandDims(ops.argMax(ops.cast(taken, 'int32'), -1), -1)
  const logV0 = ops.squeeze(ops.gatherAlong(logV, first, -1), -1)
  return ops.add(ops.add(ops.log(d), logV0), ops.div(drawn([n]), alpha))
}

/**
 * @param n how many
 * @param alpha float32 [1]
 */
export function betaWeights(n: number, alpha: Tensor, state: Variable): Tensor {
  return ops.sigmoid(ops.sub(logGamma(n, alpha, state), logGamma(n, alpha, state)))
}
