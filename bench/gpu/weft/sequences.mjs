// Recurrence and attention on Weft's side, in the form of the kernels of kernels.mjs: `fn` of each varying operand,
// beside operands that are held.
import { gradients, lstm as recurrence, scaledDotProductAttention } from '../../../dist/lib/index.js'
import { operand } from './operands.mjs'

/** A function of operands, alone or with its gradients; `names` are those of the results. */
const passed = (pass, forward, g, names) =>
  pass === 'forward'
    ? { fn: (...given) => [forward(...given)], parts: names.slice(0, 1) }
    : {
        fn: (...given) => {
          const y = forward(...given)
          // the gradient of this sum for y is g, and neither product nor sum is computed
          return [y, ...gradients(y.mul(g).sum(), given)]
        },
        parts: names,
      }

export const lstm = ({ units, batch, steps, dtype, pass, scale }) => {
  const weights = [
    operand([units, 4 * units], 2, dtype, scale),
    operand([units, 4 * units], 3, dtype, scale),
    operand([4 * units], 4, dtype, scale),
  ]
  const g = operand([batch, steps, units], 5, dtype)
  const names = ['sequence', 'gradient of x', 'gradient of the kernel', 'gradient of the recurrent kernel', 'gradient of the bias']
  const { fn, parts } = passed(pass, (...given) => recurrence(...given).sequence, g, names)
  return { vary: (i) => operand([batch, steps, units], 10 + i, dtype), held: [...weights, g], fn: (x) => fn(x, ...weights), parts }
}

export const attention = ({ batch, queries, keys, heads, features, causal, dtype, pass }) => {
  const shape = (steps) => [batch, steps, heads, features]
  // keys and values of their own for every call, as caches are; the factor of queries makes weights differ
  const set = (i) => [operand(shape(queries), 10 + i, dtype, 4), operand(shape(keys), 30 + i, dtype), operand(shape(keys), 50 + i, dtype)]
  const g = operand(shape(queries), 5, dtype)
  const names = ['values', 'gradient of queries', 'gradient of keys', 'gradient of values']
  const { fn, parts } = passed(pass, (q, k, v) => scaledDotProductAttention(q, k, v, { causal }), g, names)
  return { vary: set, held: [g], fn: (given) => fn(...given), parts }
}
