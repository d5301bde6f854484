// Activations, one entry per operator.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { alike, type Call, type OperatorTable, pointwise } from './operator.js'
import { broadcastPair } from './layout.js'
import { Value } from './values.js'

/** The function along the last axis of a value, for the axis that the node names. */
function alongAxis(call: Call, fn: (x: Tensor) => Tensor): Value {
  const value = call.value(0)
  if (call.opset < 13) {
    // before version 13: over all axes from `axis` on
    const axis = value.rank === 0 ? 0 : call.attributes.int('axis', 1)
    const from = axis === value.rank ? axis : call.axis(axis, value.rank)
    const { plain } = value
    const rows = value.shape.slice(0, from).reduce((a, b) => a * b, 1)
    const columns = value.shape.slice(from).reduce((a, b) => a * b, 1)
    return new Value(ops.reshape(fn(ops.reshape(plain, [rows, columns])), value.shape))
  }
  const axis = call.axis(call.attributes.int('axis', -1), value.rank)
  if (value.isLast && axis === 1) return new Value(fn(value.last), { isLast: true })
  return new Value(ops.moveAxis(fn(ops.moveAxis(value.plain, axis, -1)), -1, axis))
}

function hardmax(x: Tensor): Tensor {
  return ops.oneHot(ops.argMax(x, -1), x.shape.at(-1)!, { dtype: x.dtype })
}

function hardSigmoid(x: Tensor, alpha: number, beta: number): Tensor {
  if (beta !== 0.5) return ops.clip(ops.add(ops.mul(x, alpha), beta), 0, 1)
  return ops.hardSigmoid(Math.abs(alpha * 6 - 1) < 1e-6 ? x : ops.mul(x, 6 * alpha))
}

function hardSwish(x: Tensor): Tensor {
  return x.dtype === 'float32' ? ops.hardSilu(x) : ops.mul(x, hardSigmoid(x, 1 / 6, 0.5))
}

function selu(x: Tensor, alpha: number, gamma: number): Tensor {
  const standard = Math.abs(alpha - 1.6732632) < 1e-6 && Math.abs(gamma - 1.050701) < 1e-6
  return standard ? ops.selu(x) : ops.mul(ops.elu(x, alpha), gamma)
}

function shrink(x: Tensor, lambda: number, bias: number): Tensor {
  const above = ops.where(ops.greater(x, lambda), ops.sub(x, bias), ops.zerosLike(x))
  return ops.where(ops.less(x, -lambda), ops.add(x, bias), above)
}

/** The limits of Clip: attributes before version 11, inputs since. */
function clip(call: Call): Value {
  const limit = (name: string, input: number, standard: number): number =>
    call.opset < 11 ? call.attributes.float(name, standard) : call.number(input, standard)
  const value = call.value(0)
  return alike(value, (x) => {
    const low = limit('min', 1, Number.NEGATIVE_INFINITY)
    const high = limit('max', 2, Number.POSITIVE_INFINITY)
    const least = low === Number.NEGATIVE_INFINITY ? x : ops.maximum(x, low)
    if (low > Number.NEGATIVE_INFINITY && high < Number.POSITIVE_INFINITY && low <= high && x.dtype.startsWith('float'))
      return low === 0 && high === Number.POSITIVE_INFINITY ? ops.relu(x) : ops.clip(x, low, high)
    return high === Number.POSITIVE_INFINITY ? least : ops.minimum(least, high)
  })
}

export const activationOperators: OperatorTable = {
  ...pointwise({
    Relu: (x) => ops.relu(x),
    Sigmoid: (x) => ops.sigmoid(x),
    Tanh: (x) => ops.tanh(x),
    Softplus: (x) => ops.softplus(x),
    Softsign: (x) => ops.softsign(x),
    LeakyRelu: (x, { attributes }) => ops.leakyRelu(x, attributes.float('alpha', 0.01)),
    Elu: (x, { attributes }) => ops.elu(x, attributes.float('alpha', 1)),
    Selu: (x, { attributes }) => selu(x, attributes.float('alpha', 1.6732632), attributes.float('gamma', 1.050701)),
    HardSigmoid: (x, { attributes }) => hardSigmoid(x, attributes.float('alpha', 0.2), attributes.float('beta', 0.5)),
    ThresholdedRelu: (x, { attributes }) => ops.where(ops.greater(x, attributes.float('alpha', 1)), x, ops.zerosLike(x)),
    Shrink: (x, { attributes }) => shrink(x, attributes.float('lambd', 0.5), attributes.float('bias', 0)),
    Celu: (x, { attributes }) => {
      const alpha = attributes.float('alpha', 1)
      return ops.add(ops.relu(x), ops.minimum(ops.mul(ops.expm1(ops.div(x, alpha)), alpha), 0))
    },
  }),
  ...pointwise({ HardSwish: (x) => hardSwish(x) }, { since: 14 }),
  ...pointwise({ Mish: (x) => ops.mish(x) }, { since: 18 }),
  ...pointwise(
    { Gelu: (x, { attributes }) => ops.gelu(x, { approximate: attributes.string('approximate', 'none') === 'tanh' }) },
    { since: 20 },
  ),
  Clip: { reads: [1, 2], run: clip },
  PRelu: {
    run: (call) => {
      const given = call.value(1)
      const channels = call.value(0).shape[1]
      // before version 7 a vector has a slope for each channel
      const isVector = call.opset < 7 && given.rank === 1 && given.size === channels
      const slopes = isVector
        ? new Value(
            ops.reshape(given.plain, [
              channels,
              ...call
                .value(0)
                .shape.slice(2)
                .map(() => 1),
            ]),
          )
        : given
      const [x, slope, wrap] = broadcastPair(call.value(0), slopes)
      return wrap(ops.where(ops.less(x, 0), ops.mul(x, slope), x))
    },
  },
  Softmax: { run: (call) => alongAxis(call, (x) => ops.softmax(x)) },
  LogSoftmax: { run: (call) => alongAxis(call, (x) => ops.logSoftmax(x)) },
  Hardmax: { run: (call) => alongAxis(call, hardmax) },
}
