// Rows of the recurrent ops in each of the ways that a CUDA device can run them: which it chooses depends on shapes
// that rows can't reach.
import { apply } from '../../lib/core/apply.js'
import { device } from '../../lib/core/device.js'
import { type Tensor, tensor } from '../../lib/index.js'
import { Gru } from '../../lib/ops/gru.js'
import { Lstm } from '../../lib/ops/lstm.js'
import { SimpleRnn } from '../../lib/ops/simple_rnn.js'
import { checkRows, type Operand, type Row } from '../check.js'
import type { Values } from '../reference.js'
import * as reference from '../reference_recurrent.js'

type Kind = 'lstm' | 'gru' | 'simpleRnn'
type Size = readonly [b: number, t: number, u: number]
interface Case {
  masked?: boolean
  scaled?: boolean
  reverse?: boolean
}

const GATES = { lstm: 4, gru: 3, simpleRnn: 1 } as const

function row(kind: Kind, way: string, [b, t, u]: Size, { masked = false, scaled = false, reverse = false }: Case): Row {
  const n = GATES[kind] * u
  const mask = Array.from({ length: b }, (_, i) => Array.from({ length: t }, (_, step) => (i + step) % 3 !== 1))
  const scale = Array.from({ length: b }, (_, i) => Array.from({ length: u }, (_, j) => [0, 1.25, 0.75][(i + j) % 3]!))
  const steps = { activation: 'tanh', recurrentActivation: 'sigmoid', resetAfter: true, reverse } as const
  const given: reference.Steps = { ...steps, ...(masked ? { mask } : {}), ...(scaled ? { scale } : {}) }
  const state: Operand = { shape: [b, u], domain: [[-1, 1]] }
  const recurrent: Operand = { shape: [u, n], domain: [[-1.4 / Math.sqrt(u), 1.4 / Math.sqrt(u)]] }
  const run = (...inputs: Tensor[]): Tensor[] => {
    process.env['WEFT_CUDA_RECURRENT'] = way // read when a program is loaded; shapes differ from way to way, so none is loaded for another
    const { device: place, dtype } = inputs[0]!
    const operands = [...inputs]
    if (masked) operands.push(tensor(mask.flat(), { shape: [b, t], dtype: 'bool', device: place }))
    if (scaled) operands.push(tensor(scale.flat(), { shape: [b, u], dtype, device: place }))
    const attrs = { masked, scaled, reverse, activation: steps.activation }
    if (kind === 'simpleRnn') return apply(SimpleRnn, operands, attrs)
    const gated = { ...attrs, recurrentActivation: steps.recurrentActivation }
    if (kind === 'gru') return apply(Gru, operands, { ...gated, resetAfter: true }).slice(0, 2)
    return apply(Lstm, operands, gated).slice(0, 3)
  }
  return {
    op: kind,
    name: `${way} [${b}, ${t}] → ${u}${masked ? ', masked' : ''}${scaled ? ', with factors' : ''}${reverse ? ', reversed' : ''}`,
    operands: [{ shape: [b, t, n] }, recurrent, ...(kind === 'gru' ? [{ shape: [n] }, state] : kind === 'lstm' ? [state, state] : [state])],
    run,
    reference: (projected, weights, third, fourth): Values[] => {
      if (kind === 'simpleRnn') {
        const { h, last } = reference.simpleRnn(projected!, weights!, third!, given)
        return [h!, last!]
      }
      if (kind === 'gru') {
        const { h, last } = reference.gru(projected!, weights!, third!, fourth!, given)
        return [h!, last!]
      }
      const { h, last, cell } = reference.lstm(projected!, weights!, third!, fourth!, given)
      return [h!, last!, cell!]
    },
    derivatives: 1,
    roundings: 12 + 4 * t,
  }
}

const WAYS = device() === 'cpu' ? ['the only way'] : ['steps', 'fused', 'persistent', 'cluster']

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  WAYS.flatMap((way, i) => [
    ...(['lstm', 'gru', 'simpleRnn'] as const).flatMap((kind) => [
      row(kind, way, [2 + i, 3, 5], { masked: true, scaled: true }),
      row(kind, way, [18 + i, 2, 23], { masked: true, reverse: true }),
    ]),
    row('lstm', way, [2 + i, 2, 72], { scaled: true }),
    row('lstm', way, [34 + i, 1, 9], {}),
  ]),
)
