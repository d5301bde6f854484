// ctc: connectionist temporal classification, the loss of sequences of labels whose places in time are not known.
import { isInteger } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { wholeNumbers } from '../ops/ids.js'
import { argSort, concat, fullLike, gatherAlong, logSoftmax, logSumExp, stack, where } from '../ops/index.js'
import { defineLoss, type Loss } from './loss.js'
import { LOSS_OPTIONS, type LossOptions } from './regression.js'

export interface CtcOptions extends LossOptions {
  /** The class that stands for no label. Rows of labels are filled up with it, or with -1, anywhere. Default 0. */
  maskIndex?: number
  /** Predictions are logits, not probabilities. Default true. */
  fromLogits?: boolean
}
const CTC_OPTIONS: OptionTable<CtcOptions> = { maskIndex: 'integer', fromLogits: 'boolean', ...LOSS_OPTIONS }

const EPSILON = 1e-7
const NOTHING = Number.NEGATIVE_INFINITY

/**
 * -log of the probability of a row of labels, over all ways to place the labels at the steps: equal labels at steps in
 * a row are one, and any number of blanks stands between labels. Targets are class numbers [batch, labels], predictions
 * [batch, steps, classes]; steps that the mask of the predictions leaves out do not count. A row of labels that does
 * not fit into its steps has the loss infinity, and no gradient. The loss of a sample is not divided by its number of
 * labels. Graves et al., 2006; options as Keras 3. The steps are traced one by one: a trace takes time in proportion to
 * them.
 */
export function ctc(options: CtcOptions = {}): Loss {
  checkCall('losses.ctc(options)', arguments, CTC_OPTIONS)
  const { fromLogits = true, maskIndex: blank = 0 } = options
  if (!isInteger(blank, 0))
    throw new WeftError('ERR_ARGUMENT', `losses.ctc: maskIndex must be an integer of at least 0, got ${show(blank)}`)
  const each = (yTrue: Tensor, p: Tensor, mask?: Tensor): Tensor => {
    check(yTrue, p, blank)
    const logs = fromLogits ? logSoftmax(p) : p.clip(EPSILON, 1).log()
    return lossOf(wholeNumbers(yTrue), logs, blank, mask)
  }
  return defineLoss({
    name: 'ctc',
    config: { ...options },
    reduction: options.reduction,
    raw: true,
    readsSteps: true,
    each,
    logits: { activation: 'softmax', given: fromLogits, loss: () => ctc({ ...options, fromLogits: true }) },
  })
}

function check(yTrue: Tensor, p: Tensor, blank: number): void {
  if (p.rank !== 3 || yTrue.rank !== 2 || yTrue.shape[0] !== p.shape[0])
    throw new WeftError(
      'ERR_SHAPE',
      `ctc: expected targets [batch, labels] and predictions [batch, steps, classes], got [${yTrue.shape}] and [${p.shape}]`,
      { shapes: [yTrue.shape, p.shape] },
    )
  if (blank >= p.shape[2]!)
    throw new WeftError('ERR_ARGUMENT', `ctc: maskIndex ${blank} is not one of the ${p.shape[2]} classes`, { shapes: [p.shape] })
}

/** Labels first, in their order, and what fills the rows up behind them. */
function gathered(labels: Tensor, blank: number): Tensor {
  if (labels.shape[1]! < 2) return labels
  const filler = labels.equal(blank).logicalOr(labels.equal(-1))
  return gatherAlong(labels, argSort(filler.cast('int32')))
}

/** The losses [n] of labels [n, labels], for logarithms of probabilities [n, steps, classes]. */
function lossOf(given: Tensor, logs: Tensor, blank: number, mask: Tensor | undefined): Tensor {
  const labels = gathered(given, blank)
  const [n, steps] = logs.shape as [number, number, number]
  const most = labels.shape[1]!
  const states = 2 * most + 1
  const column = (value: number, width: number, dtype = logs.dtype): Tensor =>
    tensor(value, { dtype, device: logs.device }).broadcastTo([n, width])
  const counts = labels.notEqual(blank).logicalAnd(labels.notEqual(-1))
  const length = counts.cast('int32').sum(-1, { keepDims: true }) // [n, 1]

  // a blank before, between and after the labels: [n, states]
  const spaced = where(counts, labels, blank)
  const pairs = stack([fullLike(spaced, blank), spaced], -1).reshape([n, 2 * most])
  const chain = concat([pairs, column(blank, 1, 'int32')], 1)
  const at = gatherAlong(logs, chain.expandDims(1).broadcastTo([n, steps, states])) // [n, steps, states]
  const later = chain.slice([0, Math.min(2, states)], [n, Math.max(0, states - 2)])
  const earlier = chain.slice([0, 0], [n, Math.max(0, states - 2)])
  // from a label to the next without a blank: 0, or -infinity where the two are equal
  const jump = where(later.notEqual(blank).logicalAnd(later.notEqual(earlier)), 0, NOTHING).cast(logs.dtype)

  // logarithms of the probabilities of the states; before the first step there is the first blank alone
  let now = concat([column(0, 1), column(NOTHING, states - 1)], 1)
  for (let step = 0; step < steps; step++) {
    const stays = [now]
    if (most > 0) {
      stays.push(concat([column(NOTHING, 1), now.slice([0, 0], [n, states - 1])], 1))
      stays.push(concat([column(NOTHING, 2), now.slice([0, 0], [n, states - 2]).add(jump)], 1))
    }
    const next = logSumExp(stack(stays, -1), -1).add(at.slice([0, step, 0], [n, 1, states]).squeeze(1))
    now = mask ? where(mask.slice([0, step], [n, 1]), next, now) : next
  }
  // a row ends in its last label or in the blank after it
  const label = where(length.greater(0), gatherAlong(now, length.mul(2).sub(1).maximum(0)), NOTHING)
  return logSumExp(concat([gatherAlong(now, length.mul(2)), label], -1), -1).neg()
}
