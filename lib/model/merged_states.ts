// Merged states: what the states of metrics become, where the ranks of a distributed run have each taken in their rows.
import { WeftError } from '../core/error.js'
import { currentTrace } from '../core/graph.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { world } from '../distributed/world.js'
import type { Metric } from '../metrics/metric.js'
import { concat, maximum, minimum, zeros, zerosLike } from '../ops/index.js'

/** States that travel with the sums of a step. */
export interface MergedStates {
  /** What this rank adds to the sums. */
  readonly values: readonly Tensor[]
  /** Takes the sums, one for each of the values. */
  take(sum: () => Tensor): void
  /** After the figures were read: the next sums are right again. */
  end(): void
}

/**
 * The states of all ranks become one: their sum, or what the metric says.
 * @param idle of a rank without rows, which has computed its figures for nothing: its states are those until then
 * @throws ERR_ARGUMENT where a metric does not say how
 */
export function mergedStates(metrics: readonly Metric[], idle: boolean): MergedStates {
  const { rank, size } = world()
  const until = currentTrace()?.reads
  const valueOf = (state: Variable): Tensor => (idle ? (until?.get(state) ?? zerosLike(state)) : state)
  /** [ranks, ...]: the sum over the ranks has the state of each of them, with all its bits. */
  const inPlace = (state: Variable): Tensor => {
    const row = valueOf(state).expandDims(0)
    const none = (rows: number): Tensor[] =>
      rows === 0 ? [] : [zeros([rows, ...state.shape], { dtype: state.dtype, device: state.device })]
    return concat([...none(rank), row, ...none(size - rank - 1)], 0)
  }
  for (const { name, merge } of metrics)
    if (merge === undefined)
      throw new WeftError(
        'ERR_ARGUMENT',
        `the metric '${name}' cannot be used in a distributed run: nothing says how the states of the ranks become one`,
        {
          hint: "Give the metric merge: 'sum' where its state is counts and sums: super(name, { merge: 'sum' })",
        },
      )
  return {
    values: metrics.flatMap(({ merge, state }) => state.map(merge === 'sum' ? valueOf : inPlace)),
    take(sum) {
      for (const { merge, state } of metrics) {
        if (merge === 'sum') {
          for (const one of state) one.assign(sum())
          continue
        }
        const gathered = state.map(sum)
        const ofRank = (r: number): Tensor[] => gathered.map((all) => all.slice([r], [1]).squeeze(0))
        const join = merge === 'max' ? eachOf(maximum) : merge === 'min' ? eachOf(minimum) : merge!
        let whole = ofRank(0)
        for (let r = 1; r < size; r++) whole = [...join(whole, ofRank(r))]
        state.forEach((one, i) => void one.assign(whole[i]!))
      }
    },
    end() {
      // rank 0 keeps the sums and the others keep nothing; an extreme may stay with all of them
      if (rank === 0) return
      for (const { merge, state } of metrics) if (merge !== 'max' && merge !== 'min') for (const one of state) one.assign(zerosLike(one))
    },
  }
}

const eachOf =
  (join: (a: Tensor, b: Tensor) => Tensor) =>
  (a: readonly Tensor[], b: readonly Tensor[]): Tensor[] =>
    a.map((one, i) => join(one, b[i]!))
