// Optimizers as operators, of ONNX's training domain: new parameters from old ones and their gradients.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { type Call, type Operator, type OperatorTable } from './operator.js'

/** Results in the order of ONNX: all new parameters, then each kind of state. */
function optimizer(
  kinds: number,
  step: (call: Call, rate: Tensor, count: Tensor, x: Tensor, g: Tensor, states: Tensor[]) => Tensor[],
): Operator {
  return {
    run: (call) => {
      const [rate, count] = [ops.reshape(call.tensor(0), []), ops.reshape(ops.cast(call.tensor(1), 'float32'), [])]
      const rest = call.inputs.slice(2).map((_, i) => call.tensor(i + 2))
      const n = rest.length / (2 + kinds)
      const done = Array.from({ length: n }, (_, i) => {
        const states = Array.from({ length: kinds }, (_, k) => rest[(2 + k) * n + i]!)
        return step(call, rate, count, rest[i]!, rest[n + i]!, states)
      })
      return Array.from({ length: 1 + kinds }, (_, k) => done.map((results) => results[k]!)).flat()
    },
  }
}

const decayed = (call: Call, g: Tensor, x: Tensor): Tensor => ops.add(g, ops.mul(x, call.attributes.float('norm_coefficient', 0)))
const mixed = (old: Tensor, now: Tensor, share: number): Tensor => ops.add(ops.mul(old, share), ops.mul(now, 1 - share))

export const trainingOperators: OperatorTable = {
  Adagrad: optimizer(1, (call, rate, count, x, g, [h]) => {
    const { attributes } = call
    const step = ops.div(rate, ops.add(ops.mul(count, attributes.float('decay_factor', 0)), 1))
    const slope = decayed(call, g, x)
    const sum = ops.add(h!, ops.square(slope))
    const size = ops.add(ops.sqrt(sum), attributes.float('epsilon', 1e-6))
    return [ops.sub(x, ops.div(ops.mul(step, slope), size)), sum]
  }),
  Adam: optimizer(2, (call, rate, count, x, g, [v, h]) => {
    const { attributes } = call
    const [alpha, beta] = [attributes.float('alpha', 0.9), attributes.float('beta', 0.999)]
    const slope = decayed(call, g, x)
    const mean = mixed(v!, slope, alpha)
    const square = mixed(h!, ops.square(slope), beta)
    const power = (base: number): Tensor => ops.sub(1, ops.pow(ops.fullLike(count, base), count))
    const first = ops.greater(count, 0)
    const corrected = ops.where(first, ops.div(ops.mul(rate, ops.sqrt(power(beta))), ops.where(first, power(alpha), 1)), rate)
    const next = ops.sub(x, ops.div(ops.mul(corrected, mean), ops.add(ops.sqrt(square), attributes.float('epsilon', 1e-6))))
    return [ops.mul(next, 1 - attributes.float('norm_coefficient_post', 0)), mean, square]
  }),
  Momentum: optimizer(1, (call, rate, count, x, g, [v]) => {
    const { attributes } = call
    const [alpha, beta] = [attributes.float('alpha', 0), attributes.float('beta', 0)]
    const slope = decayed(call, g, x)
    const share = ops.where(ops.greater(count, 0), ops.mul(ops.onesLike(count), beta), 1)
    const velocity = ops.add(ops.mul(v!, alpha), ops.mul(slope, share))
    const step = attributes.string('mode', 'standard') === 'nesterov' ? ops.add(slope, ops.mul(velocity, alpha)) : velocity
    return [ops.sub(x, ops.mul(rate, step)), velocity]
  }),
}
