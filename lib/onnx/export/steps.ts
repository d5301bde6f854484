// Steps of a cell as one call with a graph of its own, so that a trace holds for sequences of any length.
import { during } from '../../core/during.js'
import { currentTrace, Graph, recording, Trace } from '../../core/graph.js'
import type { Op } from '../../core/op.js'
import { simplify } from '../../core/simplify.js'
import type { Spec } from '../../core/spec.js'
import { type Tensor, tracing } from '../../core/tensor.js'
import { type CellLike, outputSizeOf, stepOf } from '../../layers/recurrent/cell.js'
import { anyLength, type Run, type RunOptions } from '../../layers/recurrent/unroll.js'
import { expandDims, where, zeros } from '../../ops/index.js'

/**
 * (x [batch, time, ...], output and states before the first step, (mask [batch, time, 1])) → outputs of all steps
 * [batch, time, size], output and states after the last step.
 */
export interface StepsOp extends Op {
  /** (output, states, x [batch, ...], (mask [batch, 1])) → output and states after the step. */
  readonly body: Graph
}

export const isSteps = (op: Op): op is StepsOp => op.name === STEPS
export const STEPS = 'steps'

/** Calls in a trace so far: they differ in their graphs, which are no attributes. */
const counts = new WeakMap<Trace, number>()

function recordSteps(cell: CellLike, x: Tensor, initial: readonly Tensor[], options: RunOptions, first?: Tensor): Run {
  const outer = currentTrace()!
  const { training, mask, drawn, reverse } = options
  const [batch, time, ...rest] = x.shape as [number, number, ...number[]]
  const before = first ?? zeros([batch, outputSizeOf(cell)], { dtype: x.dtype })
  const body = new Trace(outer.name, outer.device)
  const { layer } = tracing
  const graph = recording(body, () => {
    const output = body.input(before)
    const states = initial.map((state) => body.input(state))
    const now = body.input({ shape: [batch, ...rest], dtype: x.dtype })
    const counts = mask && body.input({ shape: [batch, 1], dtype: 'bool' })
    const [y, next] = during(tracing, { layer }, () => stepOf(cell, now, states, { training, ...(drawn ? { drawn } : {}) }))
    const kept = (after: Tensor, earlier: Tensor): Tensor => (counts ? where(counts, after, earlier) : after)
    return simplify(new Graph(body, [kept(y, output), ...next.map((state, i) => kept(state, states[i]!))]))
  })
  const [last, ...states] = graph.outputs as [Tensor, ...Tensor[]]
  const specs: Spec[] = [{ shape: [batch, time, ...last.shape.slice(1)], dtype: last.dtype }, last, ...states]
  const id = counts.get(outer) ?? 0
  counts.set(outer, id + 1)
  const op: StepsOp = { name: STEPS, body: graph, noGradient: true, shape: () => specs }
  const operands = [x, before, ...initial, ...(mask ? [expandDims(mask, -1)] : [])]
  const [sequence, after, ...finals] = outer.record(op, operands, { id, reverse, masked: mask !== undefined }, specs) as [
    Tensor,
    Tensor,
    ...Tensor[],
  ]
  return { sequence: () => sequence, last: after, states: finals }
}

/** Runs fn, a trace in which the steps of cells are single calls. */
export const withSteps = <T>(fn: () => T): T => during(anyLength, { record: recordSteps }, fn)
