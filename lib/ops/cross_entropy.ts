// Cross-entropy of logits against distributions or labels: softmax, logarithm and selection in one pass.
import { apply, applyOne } from '../core/apply.js'
import { WeftError } from '../core/error.js'
import { type Op, registerOp } from '../core/op.js'
import { sameShape, sizeOf, type Spec } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, mul, neg, sub } from './arithmetic.js'
import { cast } from './cast.js'
import { isZeros } from './creation.js'
import { oneHot } from './one_hot.js'
import { indexOperand } from './ids.js'
import { operands, single } from './operands.js'
import { sum } from './reduce.js'
import { expandDims, reshape } from './reshape.js'
import { logSoftmax, softmaxGrad } from './softmax.js'

function lossAndProbabilities([logits]: readonly Spec[]): Spec[] {
  const { shape, dtype } = logits!
  return [
    { shape: shape.slice(0, 1), dtype },
    { shape, dtype },
  ]
}

function likeProbabilities([, probabilities]: readonly Spec[]): Spec[] {
  return [{ shape: probabilities!.shape, dtype: probabilities!.dtype }]
}

/** Adds what flows back through the probabilities, which only second derivatives read. */
function withProbabilities(g: Tensor, gProbabilities: Tensor, probabilities: Tensor): Tensor {
  return isZeros(gProbabilities) ? g : add(g, softmaxGrad(gProbabilities, probabilities))
}

/** (logits [n, c], targets [n, c]) → loss [n], probabilities [n, c]. */
export const SoftmaxCrossEntropy: Op = registerOp({
  name: 'softmaxCrossEntropy',
  shape: lossAndProbabilities,
  grad: ([g, gProbabilities], { inputs: [logits, targets], outputs: [, probabilities] }) => [
    withProbabilities(applyOne(SoftmaxCrossEntropyGrad, [g!, probabilities!, targets!], {}), gProbabilities!, probabilities!),
    neg(mul(expandDims(g!, -1), logSoftmax(logits!))),
  ],
})
/** (g [n], probabilities, targets) → gradient of the logits. */
export const SoftmaxCrossEntropyGrad: Op = registerOp({
  name: 'softmaxCrossEntropyGrad',
  shape: likeProbabilities,
  compose: ([g, probabilities, targets]) => [
    mul(expandDims(g!, -1), sub(mul(probabilities!, sum(targets!, -1, { keepDims: true })), targets!)),
  ],
})
/** What a label of so many classes may be, for messages. */
const labelsOf = ({ shape }: Spec): string => `labels start at 0, and ${shape.at(-1)} classes have labels up to ${shape.at(-1)! - 1}`

/** (logits [n, c], labels int32 [n]) → loss [n], probabilities [n, c]. */
export const SparseSoftmaxCrossEntropy: Op = registerOp({
  name: 'sparseSoftmaxCrossEntropy',
  shape: lossAndProbabilities,
  valuesTaken: ([logits]) => labelsOf(logits!),
  grad: ([g, gProbabilities], { inputs: [, labels], outputs: [, probabilities] }) => [
    withProbabilities(applyOne(SparseSoftmaxCrossEntropyGrad, [g!, probabilities!, labels!], {}), gProbabilities!, probabilities!),
  ],
})
/** (g [n], probabilities, labels) → gradient of the logits. */
export const SparseSoftmaxCrossEntropyGrad: Op = registerOp({
  name: 'sparseSoftmaxCrossEntropyGrad',
  valuesTaken: ([, probabilities]) => labelsOf(probabilities!),
  shape: likeProbabilities,
  compose: ([g, probabilities, labels]) => {
    const { shape, dtype } = probabilities!
    return [mul(expandDims(g!, -1), sub(probabilities!, oneHot(labels!, shape[1]!, { dtype })))]
  },
})

function checkLogits(op: string, logits: Tensor): void {
  if (logits.rank < 2) {
    throw new WeftError('ERR_SHAPE', `${op}: logits must be [..., classes] with a batch axis, got shape [${logits.shape}]`, {
      op,
      shapes: [logits.shape],
      hint: 'Use expandDims(0) for one sample',
    })
  }
}

function rows(x: Tensor): Tensor {
  return x.rank === 2 ? x : reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.rank - 1]!])
}

/**
 * -Σ targets·log softmax(logits) over the last axis: logits and targets [..., classes] → [...].
 * Targets are distributions, or scaled ones; they are not normalized.
 */
export const softmaxCrossEntropy: (logits: TensorLike, targets: TensorLike) => Tensor = func(
  'softmaxCrossEntropy(logits, targets)',
  (logits, targets) => {
    const op = 'softmaxCrossEntropy'
    const [scores, given] = operands(op, [logits, targets]) as [Tensor, Tensor]
    const x = single(op, scores, 'float')
    const t = given.dtype === x.dtype ? given : cast(given, x.dtype)
    checkLogits(op, x)
    if (!sameShape(x.shape, t.shape)) {
      throw new WeftError('ERR_SHAPE', `${op}: logits [${x.shape}] and targets [${t.shape}] differ in shape`, {
        op,
        shapes: [x.shape, t.shape],
        ...(sameShape(x.shape.slice(0, -1), t.shape) || t.shape[t.rank - 1] === 1
          ? { hint: 'Labels go to sparseSoftmaxCrossEntropy(), or through oneHot()' }
          : {}),
      })
    }
    return reshape(apply(SoftmaxCrossEntropy, [rows(x), rows(t)], {})[0]!, x.shape.slice(0, -1))
  },
)

/**
 * -log softmax(logits)[label] over the last axis: logits [..., classes], integer labels [...] → [...].
 * A label outside [0, classes) fails the step: the next await rejects with ERR_DATA.
 */
export const sparseSoftmaxCrossEntropy: (logits: TensorLike, labels: TensorLike) => Tensor = func(
  'sparseSoftmaxCrossEntropy(logits, labels)',
  (logits, labels) => {
    const op = 'sparseSoftmaxCrossEntropy'
    const x = single(op, logits, 'float')
    checkLogits(op, x)
    const leading = x.shape.slice(0, -1)
    const ids = indexOperand(op, labels)
    if (!sameShape(leading, ids.shape)) {
      throw new WeftError('ERR_SHAPE', `${op}: logits [${x.shape}] take labels [${leading}], got [${ids.shape}]`, {
        op,
        shapes: [x.shape, ids.shape],
        ...(sameShape(x.shape, ids.shape) ? { hint: 'One-hot targets go to softmaxCrossEntropy()' } : {}),
      })
    }
    const [loss] = apply(SparseSoftmaxCrossEntropy, [rows(x), reshape(ids, [sizeOf(leading)])], {})
    return reshape(loss!, leading)
  },
)
