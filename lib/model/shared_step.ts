// A step whose batch the ranks of a distributed run share: it computes what one process would compute for the whole
// batch, up to rounding. Each rank has the gradients of its part of the loss; their sum is that of the whole.
import { WeftError } from '../core/error.js'
import { gradients } from '../core/grad.js'
import { callOf, currentTrace } from '../core/graph.js'
import { type Part, type Share, shareOf, shareOfPart } from '../core/share.js'
import { bytesOf, isFloat, sizeOf } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { allReduce, allReduceBegin, allReduceMany } from '../distributed/collectives.js'
import { gatherSums, scatterBegin } from '../distributed/parts.js'
import { bytesOfBucket, exchange, world } from '../distributed/world.js'
import type { Metric } from '../metrics/metric.js'
import { concat, zerosLike } from '../ops/index.js'
import { mergedStates } from './merged_states.js'
import type { Objective } from './objective.js'
import type { Pass } from './pass.js'
import type { Tracker } from './step.js'

/** The rows of this rank, of a batch of so many; `part`: those that it brings. */
export function ownShare(rows: number, part: Part | undefined): Share {
  const { rank, size } = world()
  const sum = (value: Tensor): Tensor => allReduce(value)
  return part === undefined ? shareOf(rows, rank, size, sum) : shareOfPart(part, sum)
}

/** Sums over all ranks; those of one dtype travel together. */
function sums(values: readonly Tensor[], rows: number): Tensor[] {
  const results: Tensor[] = [...values]
  for (const dtype of new Set(values.map((value) => value.dtype))) {
    const places = values.flatMap((value, i) => (value.dtype === dtype ? [i] : []))
    allReduceMany(
      places.map((i) => values[i]!),
      rows,
    ).forEach((total, k) => void (results[places[k]!] = total))
  }
  return results
}

/**
 * Places of gradients, in the order in which they will be there: buckets that travel early, and the rest, which travels
 * with the figures. The first bucket is small, so that something travels soon (Li et al. 2020, PyTorch Distributed).
 */
function bucketsOf(slopes: readonly Tensor[]): { early: number[][]; late: number[] } {
  const made = (i: number): number => callOf(slopes[i]!)?.order ?? 0
  const order = slopes.map((_, i) => i).sort((a, b) => made(a) - made(b))
  const first = Math.min(bytesOfBucket, Math.max(bytesOfBucket / 25, 2 ** 20))
  const early: number[][] = []
  let [open, bytes]: [number[], number] = [[], 0]
  for (const i of order) {
    const { shape, dtype } = slopes[i]!
    const full = bytes >= (early.length === 0 ? first : bytesOfBucket)
    const other = open.length > 0 && slopes[open[0]!]!.dtype !== dtype
    if (full || other) {
      early.push(open)
      open = []
      bytes = 0
    }
    open.push(i)
    bytes += sizeOf(shape) * bytesOf(dtype)
  }
  return { early, late: open }
}

/** The states of the metrics, whose sum over parts of a batch is the state of the whole. */
export function statesOf(metrics: readonly Metric[]): Variable[] {
  return metrics.flatMap((metric) => {
    if (metric.merge === 'sum') return [...metric.state]
    throw new WeftError(
      'ERR_ARGUMENT',
      `the metric '${metric.name}' cannot be used with shards: its state is no sum of those of the shards`,
      {
        hint: "Give the metric merge: 'sum' where its state is counts and sums; or compile without it",
      },
    )
  })
}

/**
 * The rest of a step after its forward pass: updates the weights and takes the figures in. One exchange carries the
 * gradients, the figures' states, what layers keep of the batch, the loss, and whether a rank asks for the end.
 * @returns float32: the figures, the loss of the batch, how many ranks ask for the end
 */
export function sharedStep(
  pass: Pass,
  share: Share,
  weights: readonly Variable[],
  objective: Objective,
  asking: Variable,
  tracker: Tracker,
): Tensor {
  const part = share.weight > 0 ? pass.loss.mul(share.weight) : pass.loss.mul(0)
  const slopes = weights.length > 0 ? gradients(part, weights) : []
  // what layers keep of a batch, as moving statistics: each rank's counts for its rows
  const kept = [...(currentTrace()?.writes ?? [])].filter(([state]) => isFloat(state.dtype))
  // all but the last bucket travel while the gradients of earlier layers are computed
  const { optimizer } = objective
  const asOne = exchange.dtype === 'float32' && !optimizer.partition.cut
  const { early, late } = bucketsOf(slopes)
  const chosen = (places: readonly number[]): Tensor[] => places.map((i) => slopes[i]!)
  // sums in parts do not travel with the figures
  const begun = asOne || late.length === 0 ? early : [...early, late]
  const finish = begun.map((places) => (asOne ? allReduceBegin : scatterBegin)(chosen(places)))
  tracker.take(pass, share.weight > 0 ? share.rows : 0)
  const merging = mergedStates(tracker.all, share.weight === 0)
  // callbacks of rank 0 set it
  const rate = weights.length > 0 ? optimizer.rateState : undefined
  const totals = sums(
    [
      ...(asOne ? chosen(late) : []),
      ...kept.map(([, value]) => value.mul(share.weight)),
      ...merging.values,
      part.cast('float32'),
      asking.mul(1),
      ...(rate ? [rate.mul(world().rank === 0 ? 1 : 0)] : []),
    ],
    share.total,
  )
  const next = totals[Symbol.iterator]()
  const taken = (): Tensor => next.next().value as Tensor
  const reduced: Tensor[] = new Array(slopes.length)
  if (asOne) for (const i of late) reduced[i] = taken()
  begun.forEach((places, k) => void finish[k]!().forEach((total, j) => void (reduced[places[j]!] = total)))
  for (const [state] of kept) state.assign(taken())
  merging.take(taken)
  const [loss, stops] = [taken(), taken()]
  if (rate) rate.assign(taken())
  if (weights.length > 0) {
    if (optimizer.partition.cut) optimizer.applyParts(reduced, weights)
    else
      optimizer.apply(
        asOne
          ? reduced
          : gatherSums(
              reduced,
              slopes.map(({ shape }) => shape),
            ),
        weights,
      )
  }
  const figures = tracker.values()
  merging.end()
  return concat([figures, loss.reshape([1]), stops.reshape([1])], 0)
}

/** Rank 0 keeps the sums and the others keep nothing, so that the next sums are right again. */
export function keepOnZero(states: readonly Variable[]): void {
  if (world().rank > 0) for (const state of states) state.assign(zerosLike(state))
}
