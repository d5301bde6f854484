// my_op as a function of a Tensor, with its gradient. It works in jit(), grad() and layers as Weft's own operations do.
import { fileURLToPath } from 'node:url'
import { defineOp, loadKernels } from 'weftjs'

loadKernels(fileURLToPath(new URL('build/my_op.so', import.meta.url)))

const op = defineOp({
  name: 'my_op',
  dtypes: ['float32', 'float64'], // what the kernel computes; gradCheck() needs float64
  shape: ([x]) => x,
  // d(scale · x³)/dx = 3 · scale · x²
  grad: ([g], { inputs: [x], attrs: { scale } }) => [g.mul(x.square()).mul(3 * scale)],
})

/** scale · x³: x float32 or float64 of any shape; scale 1 by default. */
export const my_op = (x, { scale = 1 } = {}) => op([x], { scale })
