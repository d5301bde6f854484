// Rows of the optimizer updates: three steps of each against the formulas, written out for one number at a time.
import type { DType, Tensor } from '../../lib/index.js'
import { tensor } from '../../lib/index.js'
import { apply } from '../../lib/core/apply.js'
import { type Attrs, type Op, ops } from '../../lib/core/op.js'
import { checkRows, type Row } from '../check.js'
import { values, type Values } from '../reference.js'

/** One parameter: the weight and its state, in the op's order, before and after a step with gradient g. */
type Update = (state: number[], g: number, rate: number, t: number) => number[]

interface Case {
  op: string
  name: string
  attrs: Attrs
  /** Tensors of state beside the weight. */
  slots: number
  update: Update
  decay?: readonly number[]
}

const RATE = 0.05
const STEPS = 3
const SHAPES: readonly (readonly number[])[] = [[3, 2], [1], [0], [37]]

const CASES: readonly Case[] = [
  { op: 'sgd', name: 'plain', attrs: { momentum: 0, nesterov: false }, slots: 0, update: ([w], g, rate) => [w! - rate * g] },
  {
    op: 'sgd',
    name: 'plain with decay',
    attrs: { momentum: 0, nesterov: false },
    slots: 0,
    update: ([w], g, rate) => [w! - rate * g],
    decay: [0.1, 0, 0.2, 0.3],
  },
  {
    op: 'sgd',
    name: 'with momentum',
    attrs: { momentum: 0.9, nesterov: false },
    slots: 1,
    update: ([w, v], g, rate) => [w! + 0.9 * v! - rate * g, 0.9 * v! - rate * g],
  },
  {
    op: 'sgd',
    name: 'with Nesterov momentum',
    attrs: { momentum: 0.9, nesterov: true },
    slots: 1,
    update: ([w, v], g, rate) => {
      const next = 0.9 * v! - rate * g
      return [w! + 0.9 * next - rate * g, next]
    },
  },
  { op: 'adam', name: 'plain', attrs: { beta1: 0.9, beta2: 0.99, epsilon: 1e-7, amsgrad: false }, slots: 2, update: adam(0.9, 0.99, 1e-7) },
  {
    op: 'adam',
    name: 'with decay',
    attrs: { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, amsgrad: false },
    slots: 2,
    update: adam(0.8, 0.95, 1e-3),
    decay: [0.1, 0.2, 0, 0.3],
  },
  {
    op: 'adam',
    name: 'with amsgrad',
    attrs: { beta1: 0.9, beta2: 0.5, epsilon: 1e-7, amsgrad: true },
    slots: 3,
    update: ([w, m, v, top], g, rate, t) => {
      const [first, second] = [0.9 * m! + 0.1 * g, 0.5 * v! + 0.5 * g * g]
      const most = Math.max(top!, second)
      return [w! - ((rate * Math.sqrt(1 - 0.5 ** t)) / (1 - 0.9 ** t)) * (first / (Math.sqrt(most) + 1e-7)), first, second, most]
    },
  },
  ...[0, 0.9].flatMap((momentum) =>
    [false, true].map(
      (centered): Case => ({
        op: 'rmsprop',
        name: `${momentum > 0 ? 'with momentum' : 'plain'}${centered ? ', centered' : ''}`,
        attrs: { rho: 0.9, momentum, epsilon: 1e-3, centered },
        slots: 1 + Number(momentum > 0) + Number(centered),
        update: ([w, v, ...rest], g, rate) => {
          const square = 0.9 * v! + 0.1 * g * g
          const mean = centered ? 0.9 * rest[rest.length - 1]! + 0.1 * g : 0
          const step = (rate * g) / Math.sqrt(square - mean * mean + 1e-3)
          const buffer = momentum > 0 ? momentum * rest[0]! + step : step
          return [w! - buffer, square, ...(momentum > 0 ? [buffer] : []), ...(centered ? [mean] : [])]
        },
      }),
    ),
  ),
  {
    op: 'adagrad',
    name: 'plain',
    attrs: { epsilon: 1e-3 },
    slots: 1,
    update: ([w, a], g, rate) => [w! - (rate * g) / Math.sqrt(a! + g * g + 1e-3), a! + g * g],
  },
  {
    op: 'adadelta',
    name: 'plain',
    attrs: { rho: 0.9, epsilon: 1e-3 },
    slots: 2,
    update: ([w, a, u], g, rate) => {
      const square = 0.9 * a! + 0.1 * g * g
      const step = (Math.sqrt(u! + 1e-3) / Math.sqrt(square + 1e-3)) * g
      return [w! - rate * step, square, 0.9 * u! + 0.1 * step * step]
    },
  },
  {
    op: 'adamax',
    name: 'plain',
    attrs: { beta1: 0.9, beta2: 0.99, epsilon: 1e-3 },
    slots: 2,
    update: ([w, m, u], g, rate, t) => {
      const [first, norm] = [0.9 * m! + 0.1 * g, Math.max(0.99 * u!, Math.abs(g))]
      return [w! - ((rate / (1 - 0.9 ** t)) * first) / (norm + 1e-3), first, norm]
    },
  },
  {
    op: 'lion',
    name: 'with decay',
    attrs: { beta1: 0.9, beta2: 0.99 },
    slots: 1,
    update: ([w, m], g, rate) => [w! - rate * Math.sign(0.9 * m! + 0.1 * g), 0.99 * m! + 0.01 * g],
    decay: [0.1, 0.2, 0, 0.3],
  },
]

function adam(beta1: number, beta2: number, epsilon: number): Update {
  return ([w, m, v], g, rate, t) => {
    const [first, second] = [beta1 * m! + (1 - beta1) * g, beta2 * v! + (1 - beta2) * g * g]
    return [w! - ((rate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t)) * (first / (Math.sqrt(second) + epsilon)), first, second]
  }
}

/** Nadam as Keras 3: the product of the scheduled momenta is kept beside the parameters. */
const nadam = (state: number[], g: number, rate: number, t: number, product: number): number[] => {
  const [w, m, v] = state as [number, number, number]
  const momentum = (k: number): number => 0.9 * (1 - 0.5 * 0.96 ** k)
  const [first, second] = [0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g]
  const now = product * momentum(t)
  const next = now * momentum(t + 1)
  const mean = (momentum(t + 1) * first) / (1 - next) + ((1 - momentum(t)) * g) / (1 - now)
  const variance = second / (1 - 0.99 ** t)
  return [w - (rate * mean) / (Math.sqrt(variance) + 1e-3), first, second]
}

/** Runs a few steps; shared state, if any, comes first. */
function steps(op: Op, attrs: Attrs, group: number, dtype: DType, inputs: readonly Tensor[], shared: Tensor[]): Tensor[] {
  const state = [...inputs]
  for (let step = 0; step < STEPS; step++) {
    const results = apply(op, [tensor(RATE), tensor(step, { dtype: 'int32' }), ...shared, ...state], attrs)
    shared = results.splice(0, shared.length)
    for (let i = 0; i < state.length; i++) if (i % group !== 1) state[i] = results.shift()!
  }
  if (state.some((t) => t.dtype !== dtype)) throw new Error('an update changed the dtype')
  return state.filter((_, i) => i % group !== 1)
}

function expected(
  group: number,
  decay: readonly number[],
  inputs: readonly Values[],
  update: (state: number[], g: number, t: number) => number[],
): Values[] {
  const results: Values[] = []
  for (let p = 0; p * group < inputs.length; p++) {
    const own = inputs.slice(p * group, (p + 1) * group)
    const lists = own.filter((_, i) => i !== 1).map((): number[] => [])
    own[0]!.data.forEach((_, i) => {
      let state = own.filter((__, k) => k !== 1).map((t) => t.data[i]!)
      for (let t = 1; t <= STEPS; t++) {
        state[0]! -= RATE * decay[p]! * state[0]!
        state = update(state, own[1]!.data[i]!, t)
      }
      state.forEach((v, k) => lists[k]!.push(v))
    })
    results.push(...lists.map((list) => values(own[0]!.shape, list)))
  }
  return results
}

const operandsOf = (slots: number): Row['operands'] =>
  SHAPES.flatMap((shape) => [
    { shape },
    {
      shape,
      domain: [
        [-2, -0.5],
        [0.5, 2],
      ] as const,
    },
    ...Array.from({ length: slots }, () => ({ shape, domain: [[2, 3]] as const })),
  ])

const rowOf = (c: Case, dtype: DType): Row => {
  const group = 2 + c.slots
  const decay = c.decay ?? SHAPES.map(() => 0)
  return {
    op: c.op,
    name: c.name,
    operands: operandsOf(c.slots),
    run: (...inputs) => steps(ops.get(c.op)!, { ...c.attrs, decay }, group, dtype, inputs, []),
    reference: (...inputs) => expected(group, decay, inputs, (state, g, t) => c.update(state, g, Math.fround(RATE), t)),
    dtypes: [dtype],
    derivatives: 0,
    // the learning rate is a float32 also beside float64
    roundings: dtype === 'float64' ? 2 ** 28 : 8,
  }
}

export const rows: readonly Row[] = checkRows(import.meta.url, [
  ...CASES.flatMap((c) => [rowOf(c, 'float32'), rowOf(c, 'float64')]),
  ...(['float32', 'float64'] as const).map((dtype): Row => {
    const decay = SHAPES.map(() => 0)
    return {
      op: 'nadam',
      name: 'plain',
      operands: operandsOf(2),
      run: (...inputs) => steps(ops.get('nadam')!, { beta1: 0.9, beta2: 0.99, epsilon: 1e-3, decay }, 4, dtype, inputs, [tensor(1)]),
      reference: (...inputs) =>
        expected(4, decay, inputs, (state, g, t) => {
          let product = 1
          for (let k = 1; k < t; k++) product *= 0.9 * (1 - 0.5 * 0.96 ** k)
          return nadam(state, g, Math.fround(RATE), t, product)
        }),
      dtypes: [dtype],
      derivatives: 0,
      roundings: dtype === 'float64' ? 2 ** 28 : 8,
    }
  }),
])
