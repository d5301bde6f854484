// Recurrent operations: LSTM, GRU and RNN over whole sequences. The projection of the inputs, an operation of its own
// here, is part of these operators there. Steps come first there: [time, batch, features].
import type { Tensor } from '../../../core/tensor.js'
import { concat, eye, reshape, slice, transpose, zeros } from '../../../ops/index.js'
import type { Emitter } from '../emitter.js'
import type { Attribute } from '../nodes.js'
import type { SymbolicCall, Value } from '../probe.js'
import { Unsupported } from '../unsupported.js'
import { attribute, onlyFirst, type Operator, type Operators } from './operator.js'
import { lengthsOf } from './masked_steps.js'

/** Time first. */
const TIME_FIRST: readonly number[] = [1, 0, 2]

interface Kind {
  readonly op: 'LSTM' | 'GRU' | 'RNN'
  /** Where ONNX's gates stand among ours. */
  readonly gates: readonly number[]
  readonly states: number
}

/** Gates are i, f, c, o here and i, o, f, c there. */
const LSTM: Kind = { op: 'LSTM', gates: [0, 3, 1, 2], states: 2 }
const GRU: Kind = { op: 'GRU', gates: [0, 1, 2], states: 1 }
const RNN: Kind = { op: 'RNN', gates: [0], states: 1 }

/** Columns [.., gates · units] in ONNX's order, as rows [1, gates · units, ..]. */
function gateRows(t: Tensor, gates: readonly number[]): Tensor {
  const units = t.shape[1]! / gates.length
  const parts = gates.map((gate) => slice(t, [0, gate * units], [-1, units]))
  const columns = parts.length === 1 ? parts[0]! : concat(parts, 1)
  return reshape(transpose(columns, [1, 0]), [1, columns.shape[1]!, columns.shape[0]!])
}

/** What the projection of all steps is made of. */
interface Projection {
  readonly x: Value
  readonly kernel: Value
  readonly bias: Value | undefined
}

/** The inputs, kernel and bias behind x·kernel + bias of all steps, where they can be told. */
function projectionOf(projected: Value, emitter: Emitter): Projection | undefined {
  if (projected.call?.op.name !== 'reshape') return undefined
  const product = projected.call.inputs[0]!.call
  const plain = product?.op.name === 'matMul' && !product.attrs[0]!['transposeA'] && !product.attrs[0]!['transposeB']
  if (!plain && !(product?.op.name === 'dense' && product.attrs[0]!['activation'] === 'linear')) return undefined
  const [rows, kernel, bias] = product.inputs
  const x = rows!.call?.op.name === 'reshape' ? rows!.call.inputs[0]! : undefined
  const constant = emitter.constant(kernel!) !== undefined && (bias === undefined || emitter.isConstant(bias))
  return constant && x?.extents.length === 3 ? { x, kernel: kernel!, bias } : undefined
}

/** X, W, R and B of the operator. */
function operandsOf(kind: Kind, [projected, recurrent]: readonly Value[], recurrentBias: Value | undefined, emitter: Emitter): string[] {
  const found = projectionOf(projected!, emitter)
  const { gates, op } = kind
  if (emitter.constant(recurrent!) === undefined) throw new Unsupported('a recurrent kernel that is computed')
  const wide = projected!.extents[2]![0]!
  const x = emitter.ordered(found?.x ?? projected!, TIME_FIRST)
  const rows = (t: Tensor): Tensor => gateRows(t, gates)
  // without a projection to be told the inputs are the projected steps, and the kernel leaves them as they are
  const w = found
    ? emitter.reformed(found.kernel, `rows of ${op}`, rows)
    : emitter.shared(recurrent!, 'no projection', () => emitter.nodes.tensor('kernel', rows(eye(wide, wide, { dtype: recurrent!.dtype }))))
  const r = emitter.reformed(recurrent!, `rows of ${op}`, rows)
  const biases = [found?.bias, recurrentBias].map((v) => (v && !(emitter.uniform(v) === 0) ? v : undefined))
  if (biases.every((v) => v === undefined)) return [x, w, r, '']
  const [first, second] = biases.map((v) => (v ? emitter.constant(v) : undefined))
  if (biases.some((v) => v && !emitter.constant(v))) throw new Unsupported('a bias that is computed')
  const vector = (t: Tensor | undefined): Tensor =>
    t ? reshape(gateRows(reshape(t, [1, wide]), gates), [1, wide]) : zeros([1, wide], { dtype: recurrent!.dtype })
  const named = (biases[0] ?? biases[1])!
  const b = emitter.reformed(named, `bias of ${op} with ${recurrent!.extents.join()}`, () => concat([vector(first), vector(second)], 1))
  return [x, w, r, b]
}

function activationsOf(names: readonly string[]): Record<string, Attribute> {
  const known: Record<string, string> = { linear: 'Affine', relu: 'Relu', tanh: 'Tanh', sigmoid: 'Sigmoid', hardSigmoid: 'HardSigmoid' }
  const numbers: Record<string, readonly [number, number]> = { linear: [1, 0], hardSigmoid: [1 / 6, 0.5] }
  const own = names.flatMap((name) => (numbers[name] ? [numbers[name]] : []))
  return {
    activations: { texts: names.map((name) => known[name]!) },
    ...(own.length > 0 && {
      activation_alpha: { floats: own.map(([alpha]) => alpha) },
      activation_beta: { floats: own.map(([, beta]) => beta) },
    }),
  }
}

interface Recurrence {
  readonly call: SymbolicCall
  readonly kind: Kind
  readonly recurrentBias?: Value
  /** Initial states, and behind them the mask, if there is one. */
  readonly rest: readonly Value[]
  readonly activations: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
}

function recur({ call, kind, recurrentBias, rest, activations, attributes }: Recurrence, emitter: Emitter): void {
  if (attribute<boolean>(call, 'scaled')) throw new Unsupported('dropout of recurrent states')
  onlyFirst(call, emitter, 1 + kind.states)
  const { nodes } = emitter
  const [x, w, r, b] = operandsOf(kind, call.inputs, recurrentBias, emitter) as [string, string, string, string]
  const reverse = attribute<boolean>(call, 'reverse')
  const initial = rest.slice(0, kind.states)
  const zero = initial.map((v) => emitter.uniform(v) === 0)
  const given = zero.every(Boolean) ? [] : initial.map((v) => nodes.add('Unsqueeze', [emitter.natural(v), nodes.ints([0])]))
  const units = call.outputs[0]!.extents[2]!
  const mask = attribute<boolean>(call, 'masked') ? rest[kind.states] : undefined
  const steps = mask && lengthsOf(mask, emitter)
  const operands = [steps ? steps.compacted(x) : x, w, r, b, steps?.lengths ?? '', ...given]
  while (operands.at(-1) === '') operands.pop()
  const made = nodes.addMany(
    kind.op,
    operands,
    {
      hidden_size: { int: units[0]! },
      ...(reverse && { direction: { text: 'reverse' } }),
      ...activationsOf(activations),
      ...attributes,
    },
    1 + kind.states,
  )
  const squeezed = made.map((name, i) => nodes.add('Squeeze', [name, nodes.ints([i === 0 ? 1 : 0])]))
  const before = initial.map((v, i) => (zero[i] ? nodes.scalar(0, v.dtype) : emitter.natural(v)))
  const [sequence, ...last] = call.outputs.slice(0, 1 + kind.states)
  const all = steps ? steps.spread(squeezed[0]!, before[0]!, reverse) : squeezed[0]!
  emitter.define(sequence!, all, { base: sequence!.extents, order: TIME_FIRST })
  last.forEach((v, i) => {
    emitter.define(v, steps ? steps.last(squeezed[i + 1]!, before[i]!) : squeezed[i + 1]!)
  })
}

const activation = (call: SymbolicCall): string => attribute<string>(call, 'activation')
const inner = (call: SymbolicCall): string => attribute<string>(call, 'recurrentActivation')

const lstm: Operator = (call, emitter) => {
  recur({ call, kind: LSTM, rest: call.inputs.slice(2), activations: [inner(call), activation(call), activation(call)] }, emitter)
}

const gru: Operator = (call, emitter) => {
  const after = attribute<boolean>(call, 'resetAfter')
  recur(
    {
      call,
      kind: GRU,
      // without resetAfter the operation does not use it
      ...(after && { recurrentBias: call.inputs[2]! }),
      rest: call.inputs.slice(3),
      activations: [inner(call), activation(call)],
      attributes: { linear_before_reset: { int: Number(after) } },
    },
    emitter,
  )
}

const simpleRnn: Operator = (call, emitter) => {
  recur({ call, kind: RNN, rest: call.inputs.slice(2), activations: [activation(call)] }, emitter)
}

export const recurrent: Operators = { lstm, gru, simpleRnn }
