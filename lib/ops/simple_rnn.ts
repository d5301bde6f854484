// Simple recurrent networks (Elman 1990): all steps of a sequence in one call.
// Tested in test/ops/recurrent.test.ts.
import { apply } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { matMul } from './matmul.js'
import { prepare, RECURRENT_OPTIONS, type RecurrentOptions, type RecurrentResult } from './recurrent.js'
import { expandDims } from './reshape.js'
import {
  at,
  type Conditions,
  conditions,
  gathered,
  type Given,
  outer,
  present,
  priorStates,
  scaled,
  slope,
  type StepAttrs,
  type Steps,
  those,
  type Wanted,
  walk,
  wantedOf,
} from './recurrent_steps.js'

/** (projected [b, t, u], recurrent [u, u], h0 [b, u], (mask), (scale)) → h, hLast. */
export const SimpleRnn: Op<StepAttrs> = registerOp<StepAttrs>({
  name: 'simpleRnn',
  shape: ([projected, , h0]) => [projected!, h0!].map(({ shape, dtype }) => ({ shape, dtype })),
  grad: (g, { inputs: [, recurrent, h0, ...rest], outputs: [h], attrs }) => {
    const [sequence, last] = g.map(present)
    return apply(SimpleRnnGrad, [...those([sequence, last]), recurrent!, h0!, h!, ...rest], {
      ...attrs,
      sequence: sequence !== undefined,
      last: last !== undefined,
    })
  },
})
/** ((g of h), (of hLast), recurrent, h0, h, (mask), (scale)) → gradients of projected, recurrent, h0. */
export const SimpleRnnGrad: Op<StepAttrs & Given> = registerOp<StepAttrs & Given>({
  name: 'simpleRnnGrad',
  shape: (inputs, attrs) => {
    const [recurrent, h0, h] = inputs.slice(Number(attrs.sequence) + Number(attrs.last))
    return [h, recurrent, h0].map((t) => ({ shape: t!.shape, dtype: t!.dtype }))
  },
  compose: (inputs, attrs) => {
    const [wanted, [recurrent, h0, h, ...rest]] = wantedOf(inputs, attrs)
    return simpleRnnBackward(wanted, { recurrent: recurrent!, h0: h0!, h: h!, ...conditions(rest, attrs) }, attrs)
  },
})

export interface SimpleSaved extends Conditions {
  recurrent: Tensor // [u, u]
  h0: Tensor
  h: Tensor
}

/** Gradients of projected, recurrent and h0. */
function simpleRnnBackward(wanted: Wanted, saved: SimpleSaved, steps: Steps): Tensor[] {
  const { recurrent, h0, h, scale } = saved
  const [, count, u] = h.shape as [number, number, number]
  const { first, kept } = walk(steps, count, wanted, saved, h0, (t, dh) => {
    const dz = slope(steps.activation, dh, at(h, t))
    return { before: scaled(matMul(dz, recurrent, { transposeB: true }), scale), kept: [dz] }
  })
  const dprojected = gathered(kept, 0, h0, u)
  const met = scaled(priorStates(h0, h, steps.reverse), scale && expandDims(scale, 1))
  return [dprojected, outer(met, dprojected), first]
}

/**
 * A simple recurrent network over x [b, t, d] (Elman 1990): h = tanh(x·kernel + bias + h·recurrentKernel).
 * @param kernel [d, units]
 * @param recurrentKernel [units, units]
 * @param bias [units], or undefined
 */
export const simpleRnn: (
  x: TensorLike,
  kernel: TensorLike,
  recurrentKernel: TensorLike,
  bias?: TensorLike,
  options?: RecurrentOptions,
) => RecurrentResult = func(
  'simpleRnn(x, kernel, recurrentKernel, bias, options)',
  RECURRENT_OPTIONS,
  (x, kernel, recurrentKernel, bias, options = {}) => {
    const { projected, recurrent, states, conditions, attrs } = prepare('simpleRnn', 1, 1, [x, kernel, recurrentKernel, bias], options)
    const [sequence, state] = apply(SimpleRnn, [projected, recurrent, ...states, ...conditions], attrs)
    return { sequence: sequence!, state: state! }
  },
)
