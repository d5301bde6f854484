// Rows of the optimizer updates: three steps of each kernel against the formula of its rule, which runs in float64 on
// the CPU.
import { type DType, type Tensor, tensor, withDevice } from '../../lib/index.js'
import { apply } from '../../lib/core/apply.js'
import { ops } from '../../lib/core/op.js'
import * as factories from '../../lib/optimizers/factories.js'
import { kernelAttrs, ownSettings, type Rule, slotsOf, updateByFormula } from '../../lib/optimizers/rule.js'
import { checkRows, type Row } from '../check.js'
import { values, type Values } from '../reference.js'

interface Case {
  optimizer: keyof typeof factories
  name: string
  /** Options that are not the defaults. */
  options: Readonly<Record<string, number | boolean>>
  decay?: readonly number[]
  /**
   * Where the first slot starts. Default [10, 12]: with the other slots in [2, 3], second moments are larger than
   * squared means.
   */
  first?: readonly [number, number]
}

const RATE = 0.05
const STEPS = 3
const SHAPES: readonly (readonly number[])[] = [[3, 2], [1], [0], [37]]
const DECAY = [0.1, 0.2, 0, 0.3]

const CASES: readonly Case[] = [
  { optimizer: 'sgd', name: 'plain', options: {} },
  { optimizer: 'sgd', name: 'plain with decay', options: {}, decay: DECAY },
  { optimizer: 'sgd', name: 'with momentum', options: { momentum: 0.9 } },
  { optimizer: 'sgd', name: 'with Nesterov momentum', options: { momentum: 0.9, nesterov: true } },
  { optimizer: 'adam', name: 'plain', options: { beta2: 0.99 } },
  { optimizer: 'adam', name: 'with decay', options: { beta1: 0.8, beta2: 0.95, epsilon: 1e-3 }, decay: DECAY },
  { optimizer: 'adam', name: 'with amsgrad', options: { beta2: 0.5, amsgrad: true } },
  { optimizer: 'rmsprop', name: 'plain', options: { epsilon: 1e-3 } },
  { optimizer: 'rmsprop', name: 'centered', options: { epsilon: 1e-3, centered: true } },
  { optimizer: 'rmsprop', name: 'centered, no variance left', options: { epsilon: 1e-3, centered: true }, first: [2, 3] },
  { optimizer: 'rmsprop', name: 'with momentum', options: { epsilon: 1e-3, momentum: 0.9 } },
  { optimizer: 'rmsprop', name: 'with momentum, centered', options: { epsilon: 1e-3, momentum: 0.9, centered: true } },
  { optimizer: 'adagrad', name: 'plain', options: { epsilon: 1e-3 } },
  { optimizer: 'adadelta', name: 'plain', options: { rho: 0.9, epsilon: 1e-3 } },
  { optimizer: 'adamax', name: 'plain', options: { beta2: 0.99, epsilon: 1e-3 } },
  { optimizer: 'nadam', name: 'plain', options: { beta2: 0.99, epsilon: 1e-3 } },
  { optimizer: 'lion', name: 'with decay', options: {}, decay: DECAY },
]

/**
 * Runs a few steps on [w, g, ...slots] of every parameter; results are all but the gradients. `step`: as an optimizer's
 * op.
 */
function steps(rule: Rule, group: number, inputs: readonly Tensor[], step: (inputs: readonly Tensor[]) => Tensor[]): Tensor[] {
  const state = [...inputs]
  let shared = rule.shared ? [tensor(1)] : []
  for (let t = 0; t < STEPS; t++) {
    const results = step([tensor(RATE), tensor(t, { dtype: 'int32' }), ...shared, ...state])
    shared = results.splice(0, shared.length)
    for (let i = 0; i < state.length; i++) if (i % group !== 1) state[i] = results.shift()!
  }
  return state.filter((_, i) => i % group !== 1)
}

const operandsOf = (slots: number, first: readonly [number, number]): Row['operands'] =>
  SHAPES.flatMap((shape) => [
    { shape },
    {
      shape,
      domain: [
        [-2, -0.5],
        [0.5, 2],
      ] as const,
    },
    ...Array.from({ length: slots }, (_, k) => ({ shape, domain: [k === 0 ? first : ([2, 3] as const)] })),
  ])

const rowOf = ({ optimizer, name, options, decay = SHAPES.map(() => 0), first = [10, 12] }: Case, dtype: DType): Row => {
  const { rule } = { ...factories }[optimizer]
  const settings = ownSettings(rule, { ...rule.defaults, ...options })
  const slots = slotsOf(rule, settings).length
  const op = ops.get(rule.kernel!)!
  const attrs = { ...kernelAttrs(rule, settings), decay }
  const byFormula = (inputs: readonly Tensor[]): Tensor[] =>
    steps(rule, 2 + slots, inputs, (list) => updateByFormula(rule, settings, list, decay))
  return {
    op: op.name,
    name,
    operands: operandsOf(slots, first),
    run: (...inputs) => steps(rule, 2 + slots, inputs, (list) => apply(op, list, attrs)),
    reference: (...inputs) =>
      withDevice('cpu', () =>
        byFormula(inputs.map(({ shape, data }) => tensor(Float64Array.from(data), { shape, dtype: 'float64' }))).map(
          (t): Values => values(t.shape, Array.from(t.dataSync() as Float64Array)),
        ),
      ),
    dtypes: [dtype],
    derivatives: 0,
    // shared state is float32 beside float64 too
    roundings: dtype === 'float64' && !rule.shared ? 64 : dtype === 'float64' ? 2 ** 28 : 8,
  }
}

export const rows: readonly Row[] = checkRows(
  import.meta.url,
  CASES.flatMap((c) => [rowOf(c, 'float32'), rowOf(c, 'float64')]),
)
