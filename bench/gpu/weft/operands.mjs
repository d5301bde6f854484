// Operands of single kernels on Weft's side, made on the device from the numbers of pattern.mjs.
import { tensor, tidy } from '../../../dist/lib/index.js'
import { size } from '../../shared/networks.mjs'
import { fill, PERIOD } from '../pattern.mjs'

/** Numbers in [-scale, scale). Large operands repeat one period, laid out on the device. */
export const operand = (shape, seed, dtype, scale = 1) =>
  tidy(() => {
    const n = size(shape)
    const numbers = tensor(fill(Math.min(n, PERIOD), seed))
    const period = (scale === 1 ? numbers : numbers.mul(scale)).cast(dtype)
    if (n <= PERIOD) return period.reshape(shape)
    const whole = period.broadcastTo([Math.ceil(n / PERIOD), PERIOD]).reshape([-1])
    return whole.slice([0], [n]).reshape(shape)
  })
