// Losses of classes: negative log likelihood, and cross-entropy of scores.
import { sizeOf } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import type { Call, OperatorTable } from './operator.js'

/** Losses of log probabilities [n, c, ...] for the classes [n, ...], reduced as the node says. */
function likelihood(call: Call, logs: Tensor, labels: Tensor, weights: Tensor | undefined): Tensor {
  const { attributes } = call
  const [n, c] = logs.shape as [number, number]
  const d = sizeOf(logs.shape.slice(2))
  const rows = ops.reshape(ops.transpose(ops.reshape(logs, [n, c, d]), [0, 2, 1]), [n * d, c])
  const classes = ops.reshape(ops.cast(labels, 'int32'), [n * d])
  const ignored = attributes.has('ignore_index') ? attributes.int('ignore_index', -1) : undefined
  const counted = ignored === undefined ? undefined : ops.notEqual(classes, ignored)
  const safe = counted === undefined ? classes : ops.where(counted, classes, ops.zerosLike(classes))
  const picked = ops.neg(ops.reshape(ops.gatherAlong(rows, ops.expandDims(safe, 1)), [n * d]))
  let weight = weights === undefined ? ops.ones([n * d], { dtype: logs.dtype, device: logs.device }) : ops.gather(weights, safe)
  if (counted !== undefined) weight = ops.where(counted, weight, ops.zerosLike(weight))
  const losses = ops.mul(picked, weight)
  const reduction = attributes.string('reduction', 'mean')
  if (reduction === 'none') return ops.reshape(losses, [n, ...logs.shape.slice(2)])
  const total = ops.sum(losses)
  return reduction === 'sum' ? total : ops.div(total, ops.sum(weight))
}

export const lossOperators: OperatorTable = {
  NegativeLogLikelihoodLoss: {
    since: 12,
    run: (call) => likelihood(call, call.tensor(0), call.tensor(1), call.has(2) ? call.tensor(2) : undefined),
  },
  SoftmaxCrossEntropyLoss: {
    since: 12,
    run: (call) => {
      const x = call.tensor(0)
      const logs = ops.moveAxis(ops.logSoftmax(ops.moveAxis(x, 1, -1)), -1, 1)
      return [likelihood(call, logs, call.tensor(1), call.has(2) ? call.tensor(2) : undefined), logs]
    },
  },
}
