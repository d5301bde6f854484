// Unrolling: a cell run over a sequence step by step, each step recorded by itself.
import { concat, expandDims, reshape, slice, where, zeros } from '../../ops/index.js'
import type { Tensor } from '../../core/tensor.js'
import { type CellLike, type Drawn, outputSizeOf, stepOf } from './cell.js'

/** What a run over a sequence gives. */
export interface Run {
  /** Outputs of all steps in the order of the input [batch, time, outputSize]; made when asked for. */
  sequence: () => Tensor
  /** Output of the step that was run last [batch, outputSize]. */
  last: Tensor
  states: readonly Tensor[]
}

export interface RunOptions {
  training: boolean
  mask: Tensor | undefined
  drawn: Drawn | undefined
  /** From the last step to the first. */
  reverse: boolean
}

/**
 * @internal Records the steps as one call, whatever their number: lib/onnx/export/steps.ts sets it while it traces a
 * graph that must hold for sequences of any length.
 */
export const anyLength: { record: typeof unroll | undefined } = { record: undefined }

/**
 * The steps of x [batch, time, ...], each [batch, ...]. Halves of halves: their gradients cost time · log(time), those
 * of single slices time².
 */
function stepsOf(x: Tensor, begin = 0, count: number = x.shape[1]!): Tensor[] {
  if (count === 0) return []
  const [batch, time, ...rest] = x.shape as [number, number, ...number[]]
  const part = count === time ? x : slice(x, [0, begin, ...rest.map(() => 0)], [batch, count, ...rest])
  if (count === 1) return [reshape(part, [batch, ...rest])]
  const half = Math.ceil(count / 2)
  return [...stepsOf(part, 0, half), ...stepsOf(part, half, count - half)]
}

/**
 * Runs the cell over x [batch, time, features]. Where the mask is false states stay, and the output is repeated;
 * `first` is the output before any step (default: zeros).
 */
export function unroll(cell: CellLike, x: Tensor, initial: readonly Tensor[], options: RunOptions, first?: Tensor): Run {
  if (anyLength.record) return anyLength.record(cell, x, initial, options, first)
  const { training, mask, drawn, reverse } = options
  const [batch, time] = x.shape as [number, number]
  const steps = stepsOf(x)
  const valid = mask && stepsOf(expandDims(mask, -1)) // [batch, 1] each
  let output = first ?? zeros([batch, outputSizeOf(cell)], { dtype: x.dtype })
  let states = initial
  const outputs = new Array<Tensor>(time)
  for (let i = 0; i < time; i++) {
    const t = reverse ? time - 1 - i : i
    const [y, next] = stepOf(cell, steps[t]!, states, { training, ...(drawn ? { drawn } : {}) })
    const now = valid?.[t]
    output = now ? where(now, y, output) : y
    states = now ? next.map((state, k) => where(now, state, states[k]!)) : next
    outputs[t] = output
  }
  const sequence = (): Tensor =>
    time === 0
      ? zeros([batch, 0, outputSizeOf(cell)], { dtype: x.dtype })
      : concat(
          outputs.map((y) => expandDims(y, 1)),
          1,
        )
  return { sequence, last: output, states }
}
