// Recurrent layers: LSTM, GRU and RNN. Those with the usual activations are computed by the kernels of whole sequences,
// the others step by step.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { type Call, made, type OperatorTable } from './operator.js'
import { recurrentActivations, type Activation } from './recurrent_activations.js'
import { gruSteps, lstmSteps, rnnSteps, type StepOptions } from './recurrent_steps.js'

/** One direction of a node, its weights still in the order of ONNX. */
export interface Direction {
  readonly x: Tensor // [b, t, d]
  readonly w: Tensor // [gates·u, d]
  readonly r: Tensor // [gates·u, u]
  readonly bias: Tensor | undefined // [2·gates·u]
  readonly h0: Tensor // [b, u]
  readonly c0: Tensor // [b, u]
  readonly peepholes: Tensor | undefined // [3·u]
  readonly mask: Tensor | undefined // bool [b, t]
  readonly reverse: boolean
  readonly units: number
  readonly activations: readonly Activation[]
}

/** What a direction gives: h of every step [b, t, u], and the last states [b, u]. */
export interface Directed {
  readonly sequence: Tensor
  readonly state: Tensor
  readonly cell?: Tensor
}

/** Parts of a tensor along its first axis, in another order. */
export function gates(t: Tensor, order: readonly number[], count: number): Tensor {
  const parts = ops.split(t, count, 0)
  return ops.concat(
    order.map((i) => parts[i]!),
    0,
  )
}

const part = (t: Tensor, index: number): Tensor => ops.reshape(ops.slice(t, [index], [1]), t.shape.slice(1))

type Cell = (direction: Direction, options: StepOptions) => Directed

function recurrent(count: number, standard: readonly string[], cell: Cell) {
  return (call: Call): Tensor[] => {
    const { attributes } = call
    const isBatchFirst = attributes.int('layout', 0) !== 0
    const x = isBatchFirst ? call.tensor(0) : ops.transpose(call.tensor(0), [1, 0, 2]) // [b, t, d]
    const [b, t] = x.shape as [number, number]
    const units = call.value(2).shape.at(-1)!
    const mode = attributes.string('direction', 'forward')
    const directions = mode === 'bidirectional' ? [false, true] : [mode === 'reverse']
    const zeros = ops.zeros([b, units], made(x.dtype))
    const initial = (input: number, index: number): Tensor => {
      if (!call.has(input)) return zeros
      const states = isBatchFirst ? ops.transpose(call.tensor(input), [1, 0, 2]) : call.tensor(input)
      return part(states, index)
    }
    // a length for each sequence: the steps behind it are no data
    const steps = ops.arange(0, t, 1, made('int32'))
    const known = call.optional(4)?.atHand
    const full = known?.every((length) => length === t)
    const mask = call.has(4) && !full ? ops.less(steps, ops.reshape(ops.cast(call.tensor(4), 'int32'), [-1, 1])) : undefined
    const names = attributes.strings('activations') ?? directions.flatMap(() => standard)
    const activations = recurrentActivations(call, names, directions.length * standard.length)
    const options = {
      clip: attributes.float('clip', 0),
      linearBeforeReset: attributes.int('linear_before_reset', 0) !== 0,
      inputForget: attributes.int('input_forget', 0) !== 0,
    }
    const done = directions.map((reverse, index) =>
      cell(
        {
          x,
          w: part(call.tensor(1), index),
          r: part(call.tensor(2), index),
          bias: call.has(3) ? part(call.tensor(3), index) : undefined,
          h0: initial(5, index),
          c0: count === 4 ? initial(6, index) : zeros,
          peepholes: count === 4 && call.has(7) ? part(call.tensor(7), index) : undefined,
          mask,
          reverse,
          units,
          activations: activations.slice(index * standard.length, (index + 1) * standard.length),
        },
        options,
      ),
    )
    const data = mask && ops.cast(ops.expandDims(mask, 2), x.dtype)
    const sequences = done.map(({ sequence }) => (data ? ops.mul(sequence, data) : sequence)) // [b, t, u]
    const axis = isBatchFirst ? 2 : 1
    const y = ops.stack(
      sequences.map((sequence) => (isBatchFirst ? sequence : ops.transpose(sequence, [1, 0, 2]))),
      axis,
    )
    const states = (pick: (one: Directed) => Tensor): Tensor => ops.stack(done.map(pick), isBatchFirst ? 1 : 0)
    return [y, states(({ state }) => state), ...(count === 4 ? [states(({ cell }) => cell!)] : [])]
  }
}

const isPlain = ({ activations }: Direction, { clip }: StepOptions): boolean =>
  clip === 0 && activations.every(({ fused }) => fused !== undefined)

/** The two biases of ONNX as one, in the order of the gates here. */
const bothBiases = (bias: Tensor, order: readonly number[]): Tensor => {
  const [input, state] = ops.split(bias, 2, 0) as [Tensor, Tensor]
  return gates(ops.add(input, state), order, order.length)
}

/** ONNX has the gates i, o, f, c; here they are i, f, c, o. */
const LSTM_ORDER = [0, 2, 3, 1]

function lstm(direction: Direction, options: StepOptions): Directed {
  const { x, w, r, bias, h0, c0, mask, reverse, activations } = direction
  const [f, g, h] = activations
  const isFused = isPlain(direction, options) && g!.fused === h!.fused && direction.peepholes === undefined && !options.inputForget
  if (!isFused) return lstmSteps(direction, options)
  return ops.lstm(x, ops.transpose(gates(w, LSTM_ORDER, 4)), ops.transpose(gates(r, LSTM_ORDER, 4)), bias && bothBiases(bias, LSTM_ORDER), {
    initialState: [h0, c0],
    reverse,
    activation: g!.fused!,
    recurrentActivation: f!.fused!,
    ...(mask ? { mask } : {}),
  })
}

function gru(direction: Direction, options: StepOptions): Directed {
  const { x, w, r, bias, h0, mask, reverse, activations } = direction
  const [f, g] = activations
  if (!isPlain(direction, options)) return gruSteps(direction, options)
  const resetAfter = options.linearBeforeReset
  const order = [0, 1, 2]
  const both = bias && (resetAfter ? ops.reshape(bias, [2, -1]) : bothBiases(bias, order))
  return ops.gru(x, ops.transpose(w), ops.transpose(r), both, {
    initialState: h0,
    reverse,
    resetAfter,
    activation: g!.fused!,
    recurrentActivation: f!.fused!,
    ...(mask ? { mask } : {}),
  })
}

function rnn(direction: Direction, options: StepOptions): Directed {
  const { x, w, r, bias, h0, mask, reverse, activations } = direction
  if (!isPlain(direction, options)) return rnnSteps(direction, options)
  return ops.simpleRnn(x, ops.transpose(w), ops.transpose(r), bias && bothBiases(bias, [0]), {
    initialState: h0,
    reverse,
    activation: activations[0]!.fused!,
    ...(mask ? { mask } : {}),
  })
}

export const recurrentOperators: OperatorTable = {
  LSTM: { run: recurrent(4, ['Sigmoid', 'Tanh', 'Tanh'], lstm) },
  GRU: { run: recurrent(3, ['Sigmoid', 'Tanh'], gru) },
  RNN: { run: recurrent(1, ['Tanh'], rnn) },
}
