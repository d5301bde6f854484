// A step whose batch is cut into a fixed number of shards, whatever the number of ranks: each rank computes its shards
// one after another, and all sums have the order of one binary tree. So the bits are those of one process.
import { currentTrace } from '../core/graph.js'
import { gradients } from '../core/grad.js'
import { LinkedSums, type Share, shareOf } from '../core/share.js'
import { isFloat } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { allReduceMany } from '../distributed/collectives.js'
import { Packing, TreeOfSums, treeSum } from '../distributed/tree.js'
import { world } from '../distributed/world.js'
import { concat, zerosLike } from '../ops/index.js'
import type { Objective } from './objective.js'
import type { Pass } from './pass.js'
import { keepOnZero, statesOf } from './shared_step.js'
import type { Tracker } from './step.js'

interface Facts {
  /** Of the whole batch. */
  readonly rows: number
  readonly shards: number
  /** The weights that are trained, once the model was called. */
  readonly weightsNow: () => readonly Variable[]
  readonly objective: Objective
  /** float32 [1]: whether this rank asks that the training ends; undefined: this process is alone. */
  readonly asking: Variable | undefined
  readonly tracker: Tracker
}

/** What a shard adds to the sums of the batch. */
interface Summands {
  readonly slopes: readonly Tensor[]
  /** What layers keep of the rows, as moving statistics. */
  readonly kept: readonly (readonly [Variable, Tensor])[]
  /** Other states that layers have written, which are the same for every shard: those of random numbers. */
  readonly drawn: readonly (readonly [Variable, Tensor])[]
  /** States of the metrics. */
  readonly states: readonly Variable[]
  /** What they are after the rows of this shard. */
  readonly counts: readonly Tensor[]
  readonly loss: Tensor
}

/** The sum over the shards of all ranks; `here`: those of this rank. */
function sumOfAll(here: readonly Tensor[]): Tensor {
  const tree = new TreeOfSums()
  for (const value of here) tree.add([value.reshape([-1])])
  return treeSum(tree.total[0]!).reshape([...here[0]!.shape])
}

/**
 * A step: `passOf` computes the forward pass of a share.
 * @returns float32: the figures, the loss of the batch, how many ranks ask for the end
 */
export function shardedStep(passOf: (share: Share) => Pass, { rows, shards, weightsNow, objective, asking, tracker }: Facts): Tensor {
  const { rank, size } = world()
  const here = shards / size
  const linked = new LinkedSums()
  const tree = new TreeOfSums()
  let packing: Packing | undefined
  let last: Summands | undefined
  for (let i = 0; i < here; i++) {
    // rank 0 has the figures so far, and each shard after the first begins with none
    if (last) for (const state of last.states) state.assign(zerosLike(state))
    last = shardOf(passOf, shareOf(rows, rank * here + i, shards, linked.next()), weightsNow, tracker)
    const values = [...last.slopes, ...last.kept.map(([, value]) => value), ...last.counts, last.loss]
    packing ??= new Packing(values)
    tree.add(packing.pack(values))
  }
  linked.link(sumOfAll)
  const { slopes, kept, drawn, states } = last!
  const weights = weightsNow()
  const rate = weights.length > 0 ? objective.optimizer.rateState : undefined
  const sums = (values: Tensor[]): Tensor[] => (size === 1 ? values : allReduceMany(values, rows))
  // integers are exact in any order; a bad value that a rank has met fails the step on all
  const [asked, rateOfZero] = sums([asking?.mul(1) ?? zerosLike(last!.loss), ...(rate ? [rate.mul(rank === 0 ? 1 : 0)] : [])])
  const totals = packing!.unpack(tree.total.map((vector) => (isFloat(vector.dtype) ? treeSum(vector) : sums([vector])[0]!)))
  const next = totals[Symbol.iterator]()
  const taken = (): Tensor => next.next().value as Tensor
  const reduced = slopes.map(taken)
  for (const [state] of kept) state.assign(taken())
  for (const [state, value] of drawn) state.assign(value)
  for (const state of states) state.assign(taken())
  const loss = taken()
  if (rate && size > 1) rate.assign(rateOfZero!)
  if (weights.length > 0) objective.optimizer.apply(reduced, weights)
  const figures = tracker.values()
  keepOnZero(states)
  return concat([figures, loss.reshape([1]), asked!.reshape([1])], 0)
}

/** The forward and backward pass of one shard. Layers begin it with the states that the batch begins with. */
function shardOf(passOf: (share: Share) => Pass, share: Share, weightsNow: Facts['weightsNow'], tracker: Tracker): Summands {
  const trace = currentTrace()!
  const before = new Map(trace.writes)
  const pass = passOf(share)
  const weights = weightsNow()
  const part = pass.loss.mul(share.weight)
  const slopes = weights.length > 0 ? gradients(part, weights) : []
  const written = [...trace.writes].filter(([state, value]) => before.get(state) !== value)
  const kept = written.flatMap(([state, value]) => (isFloat(state.dtype) ? [[state, value.mul(share.weight)] as const] : []))
  const drawn = written.filter(([state]) => !isFloat(state.dtype))
  for (const [state] of written) restore(trace.writes, state, before.get(state))
  tracker.take(pass, share.weight > 0 ? share.rows : 0)
  const states = statesOf(tracker.all)
  // a shard without rows, which is never the first, has computed its figures for nothing
  const counts = states.map((state) => (share.weight > 0 ? trace.resolve(state) : zerosLike(state)))
  return { slopes, kept, drawn, states, counts, loss: part.cast('float32') }
}

function restore(writes: Map<Variable, Tensor>, state: Variable, value: Tensor | undefined): void {
  if (value === undefined) writes.delete(state)
  else writes.set(state, value)
}
