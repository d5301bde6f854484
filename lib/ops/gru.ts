// Gated recurrent units (Cho et al. 2014): all steps of a sequence in one call.
// Tested in test/ops/recurrent.test.ts.
import { apply } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { OptionTable } from '../core/options.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, mul, sub } from './arithmetic.js'
import { concat } from './concat.js'
import { zeros, zerosLike } from './creation.js'
import { matMul } from './matmul.js'
import { flagOf, GATED_OPTIONS, type GatedOptions, prepareGated, type RecurrentResult } from './recurrent.js'
import { expandDims, reshape } from './reshape.js'
import { slice } from './slice.js'
import {
  at,
  type Conditions,
  columns,
  conditions,
  type GatedAttrs,
  gatedShape,
  gathered,
  type Given,
  outer,
  overSteps,
  plus,
  present,
  priorStates,
  scaled,
  slope,
  type Steps,
  those,
  type Wanted,
  walk,
  wantedOf,
} from './recurrent_steps.js'

type GruAttrs = GatedAttrs & { readonly resetAfter: boolean }

/**
 * (projected [b, t, 3u], recurrent [u, 3u], recurrentBias [3u], h0 [b, u], (mask), (scale)) → h, hLast, gates, inner.
 */
export const Gru: Op<GruAttrs> = registerOp<GruAttrs>({
  name: 'gru',
  shape: gatedShape(1),
  grad: (g, { inputs: [, recurrent, recurrentBias, h0, ...rest], outputs: [h, , gates, inner], attrs }) => {
    const [sequence, last, ofGates, ofInner] = g.map(present)
    if (ofGates || ofInner) {
      const wanted: Wanted = { sequence, last, gates: ofGates, inner: ofInner }
      const saved = { recurrent: recurrent!, recurrentBias: recurrentBias!, h0: h0!, h: h!, gates: gates!, inner: inner! }
      return gruBackward(wanted, { ...saved, ...conditions(rest, attrs) }, attrs)
    }
    return apply(GruGrad, [...those([sequence, last]), recurrent!, recurrentBias!, h0!, h!, gates!, inner!, ...rest], {
      ...attrs,
      sequence: sequence !== undefined,
      last: last !== undefined,
    })
  },
})
/**
 * ((g of h), (of hLast), recurrent, recurrentBias, h0, h, gates, inner, (mask), (scale)) → gradients of projected,
 * recurrent, recurrentBias, h0.
 */
export const GruGrad: Op<GruAttrs & Given> = registerOp<GruAttrs & Given>({
  name: 'gruGrad',
  shape: (inputs, attrs) => {
    const [recurrent, recurrentBias, h0, , gates] = inputs.slice(Number(attrs.sequence) + Number(attrs.last))
    return [gates, recurrent, recurrentBias, h0].map((t) => ({ shape: t!.shape, dtype: t!.dtype }))
  },
  compose: (inputs, attrs) => {
    const [wanted, [recurrent, recurrentBias, h0, h, gates, inner, ...rest]] = wantedOf(inputs, attrs)
    const saved = { recurrent: recurrent!, recurrentBias: recurrentBias!, h0: h0!, h: h!, gates: gates!, inner: inner! }
    return gruBackward(wanted, { ...saved, ...conditions(rest, attrs) }, attrs)
  },
})

export interface GruSaved extends Conditions {
  recurrent: Tensor // [u, 3u]
  recurrentBias: Tensor // [3u]
  h0: Tensor
  h: Tensor
  gates: Tensor
  inner: Tensor
}

/** Gradients of projected, recurrent, recurrentBias and h0. */
function gruBackward(wanted: Wanted, saved: GruSaved, steps: Steps & { readonly resetAfter: boolean }): Tensor[] {
  const { recurrent, recurrentBias, h0, h, gates, inner, scale } = saved
  const [, count, u] = h.shape as [number, number, number]
  const inside = steps.recurrentActivation!
  const states = priorStates(h0, h, steps.reverse)
  const weights = (first: number, gates: number): Tensor => columns(recurrent, first, u, gates)
  const { first, kept } = walk(steps, count, wanted, saved, h0, (t, dh) => {
    const all = at(gates, t)
    const [z, r, candidate] = [0, 1, 2].map((gate) => columns(all, gate, u)) as [Tensor, Tensor, Tensor]
    const also = wanted.gates && at(wanted.gates, t)
    const extra = (gate: number): Tensor | undefined => also && columns(also, gate, u)
    const state = at(states, t)
    const part = at(inner, t)
    const more = wanted.inner && at(wanted.inner, t)
    const update = slope(inside, plus(mul(dh, sub(state, candidate)), extra(0)), z)
    const proposed = slope(steps.activation, plus(mul(dh, sub(1, z)), extra(2)), candidate)
    const kept = mul(dh, z)
    if (steps.resetAfter) {
      const reset = slope(inside, plus(mul(proposed, part), extra(1)), r)
      const sums = concat([update, reset, plus(mul(proposed, r), more)], 1) // of state·recurrent + recurrentBias
      const through = scaled(matMul(sums, recurrent, { transposeB: true }), scale)
      return { before: add(kept, through), kept: [concat([update, reset, proposed], 1), sums] }
    }
    const dpart = plus(matMul(proposed, weights(2, 1), { transposeB: true }), more) // of r·scale·state
    const reset = slope(inside, plus(mul(dpart, scaled(state, scale)), extra(1)), r)
    const through = add(mul(dpart, r), matMul(concat([update, reset], 1), weights(0, 2), { transposeB: true }))
    return { before: add(kept, scaled(through, scale)), kept: [concat([update, reset, proposed], 1)] }
  })
  const dprojected = gathered(kept, 0, h0, 3 * u)
  const met = scaled(states, scale && expandDims(scale, 1))
  if (steps.resetAfter) {
    const sums = gathered(kept, 1, h0, 3 * u)
    return [dprojected, outer(met, sums), overSteps(sums), first]
  }
  const drecurrent = concat([outer(met, slice(dprojected, 0, [-1, -1, 2 * u])), outer(inner, slice(dprojected, [0, 0, 2 * u]))], 1)
  return [dprojected, drecurrent, zerosLike(recurrentBias), first]
}

export interface GruOptions extends GatedOptions {
  /** Whether the reset gate is applied after the product with the recurrent kernel. Default true. */
  resetAfter?: boolean
}
const GRU_OPTIONS: OptionTable<GruOptions> = { ...GATED_OPTIONS, resetAfter: 'any' }

/**
 * Gated recurrent units over x [b, t, d] (Cho et al. 2014; gates z, r, h as in Keras): h = z·h + (1 - z)·h̃, with
 * h̃ = tanh(x·kernel_h + r·(h·recurrentKernel_h + bias)) by default and tanh(x·kernel_h + (r·h)·recurrentKernel_h) with
 * resetAfter: false.
 * @param kernel [d, 3·units]
 * @param recurrentKernel [units, 3·units]
 * @param bias [2, 3·units] (of the input, of the state), with resetAfter: false [3·units]; or undefined
 */
export const gru: (
  x: TensorLike,
  kernel: TensorLike,
  recurrentKernel: TensorLike,
  bias?: TensorLike,
  options?: GruOptions,
) => RecurrentResult = func(
  'gru(x, kernel, recurrentKernel, bias, options)',
  GRU_OPTIONS,
  (x, kernel, recurrentKernel, bias, options = {}) => {
    const resetAfter = flagOf('gru', 'resetAfter', options.resetAfter ?? true)
    const operands = prepareGated('gru', 3, 1, [x, kernel, recurrentKernel, bias], options, resetAfter)
    const { projected, recurrent, states, conditions, attrs } = operands
    const n = recurrent.shape[1]!
    const recurrentBias =
      operands.bias && resetAfter
        ? reshape(slice(operands.bias, 1, 1), [n])
        : zeros([n], { dtype: projected.dtype, device: projected.device })
    const [sequence, state] = apply(Gru, [projected, recurrent, recurrentBias, ...states, ...conditions], {
      ...attrs,
      resetAfter,
    })
    return { sequence: sequence!, state: state! }
  },
)
