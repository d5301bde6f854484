// Long short-term memory (Hochreiter and Schmidhuber 1997): all steps of a sequence in one call.
// Tested in test/ops/recurrent.test.ts.
import { apply } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import { func } from '../core/symbolic.js'
import type { Tensor, TensorLike } from '../core/tensor.js'
import { add, mul } from './arithmetic.js'
import { where } from './compare.js'
import { concat } from './concat.js'
import { zerosLike } from './creation.js'
import { matMul } from './matmul.js'
import { GATED_OPTIONS, type GatedOptions, prepareGated, type RecurrentResult } from './recurrent.js'
import { expandDims } from './reshape.js'
import { slice } from './slice.js'
import {
  activate,
  at,
  type Conditions,
  columns,
  conditions,
  type GatedAttrs,
  gatedShape,
  gathered,
  type Given,
  outer,
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

type GivenCell = Given & { readonly cell: boolean }

/** (projected [b, t, 4u], recurrent [u, 4u], h0, c0 [b, u], (mask), (scale)) → h, hLast, cLast, gates, cells. */
export const Lstm: Op<GatedAttrs> = registerOp<GatedAttrs>({
  name: 'lstm',
  shape: gatedShape(2),
  grad: (g, { inputs: [, recurrent, h0, c0, ...rest], outputs: [h, , , gates, cells], attrs }) => {
    const [sequence, last, cell, ofGates, ofCells] = g.map(present)
    if (ofGates || ofCells) {
      const wanted: Wanted = { sequence, last, cell, gates: ofGates, cells: ofCells }
      const saved = { recurrent: recurrent!, h0: h0!, c0: c0!, h: h!, gates: gates!, cells: cells! }
      return lstmBackward(wanted, { ...saved, ...conditions(rest, attrs) }, attrs)
    }
    return apply(LstmGrad, [...those([sequence, last, cell]), recurrent!, h0!, c0!, h!, gates!, cells!, ...rest], {
      ...attrs,
      sequence: sequence !== undefined,
      last: last !== undefined,
      cell: cell !== undefined,
    })
  },
})
/**
 * ((g of h), (of hLast), (of cLast), recurrent, h0, c0, h, gates, cells, (mask), (scale)) → gradients of projected,
 * recurrent, h0, c0.
 */
export const LstmGrad: Op<GatedAttrs & GivenCell> = registerOp<GatedAttrs & GivenCell>({
  name: 'lstmGrad',
  shape: (inputs, attrs) => {
    const [recurrent, h0, c0, , gates] = inputs.slice(Number(attrs.sequence) + Number(attrs.last) + Number(attrs.cell))
    return [gates, recurrent, h0, c0].map((t) => ({ shape: t!.shape, dtype: t!.dtype }))
  },
  compose: (inputs, attrs) => {
    const [wanted, [recurrent, h0, c0, h, gates, cells, ...rest]] = wantedOf(inputs, attrs)
    const saved = { recurrent: recurrent!, h0: h0!, c0: c0!, h: h!, gates: gates!, cells: cells! }
    return lstmBackward(wanted, { ...saved, ...conditions(rest, attrs) }, attrs)
  },
})

export interface LstmSaved extends Conditions {
  recurrent: Tensor // [u, 4u]
  h0: Tensor
  c0: Tensor
  h: Tensor
  gates: Tensor
  cells: Tensor
}

/** Gradients of projected, recurrent, h0 and c0. */
function lstmBackward(wanted: Wanted, saved: LstmSaved, steps: Steps): Tensor[] {
  const { recurrent, h0, c0, h, gates, cells, mask, scale } = saved
  const [, count, u] = h.shape as [number, number, number]
  const inside = steps.recurrentActivation!
  const before = priorStates(c0, cells, steps.reverse)
  let dc = wanted.cell ?? zerosLike(c0)
  const { first, kept } = walk(steps, count, wanted, saved, h0, (t, dh) => {
    dc = wanted.cells ? add(dc, at(wanted.cells, t)) : dc
    const all = at(gates, t)
    const [i, f, candidate, o] = [0, 1, 2, 3].map((gate) => columns(all, gate, u)) as [Tensor, Tensor, Tensor, Tensor]
    const also = wanted.gates && at(wanted.gates, t)
    const extra = (gate: number): Tensor | undefined => also && columns(also, gate, u)
    const out = activate(steps.activation, at(cells, t))
    const dcell = add(dc, slope(steps.activation, mul(dh, o), out))
    const dz = concat(
      [
        slope(inside, plus(mul(dcell, candidate), extra(0)), i),
        slope(inside, plus(mul(dcell, at(before, t)), extra(1)), f),
        slope(steps.activation, plus(mul(dcell, i), extra(2)), candidate),
        slope(inside, plus(mul(dh, out), extra(3)), o),
      ],
      1,
    ) // [b, 4u]
    const earlier = mul(dcell, f)
    dc = mask ? where(slice(mask, [0, t], [-1, 1]), earlier, dc) : earlier
    return { before: scaled(matMul(dz, recurrent, { transposeB: true }), scale), kept: [dz] }
  })
  const dprojected = gathered(kept, 0, h0, 4 * u)
  const met = scaled(priorStates(h0, h, steps.reverse), scale && expandDims(scale, 1))
  return [dprojected, outer(met, dprojected), first, dc]
}

export type LstmOptions = GatedOptions
export interface LstmResult extends RecurrentResult {
  /** The cell after the last step [b, units]. */
  cell: Tensor
}

/**
 * A long short-term memory over x [b, t, d] (Hochreiter and Schmidhuber 1997; gates i, f, c, o as in Keras):
 * z = x·kernel + bias + h·recurrentKernel, c = σ(z_f)·c + σ(z_i)·tanh(z_c), h = σ(z_o)·tanh(c).
 * @param kernel [d, 4·units]
 * @param recurrentKernel [units, 4·units]
 * @param bias [4·units], or undefined
 */
export const lstm: (
  x: TensorLike,
  kernel: TensorLike,
  recurrentKernel: TensorLike,
  bias?: TensorLike,
  options?: LstmOptions,
) => LstmResult = func(
  'lstm(x, kernel, recurrentKernel, bias, options)',
  GATED_OPTIONS,
  (x, kernel, recurrentKernel, bias, options = {}) => {
    const { projected, recurrent, states, conditions, attrs } = prepareGated('lstm', 4, 2, [x, kernel, recurrentKernel, bias], options)
    const [sequence, state, cell] = apply(Lstm, [projected, recurrent, ...states, ...conditions], attrs)
    return { sequence: sequence!, state: state!, cell: cell! }
  },
)
