// Recurrent ops: all steps of a sequence in one call. LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014), simple RNN.
import { apply } from '../core/apply.js'
import { type Op, registerOp } from '../core/op.js'
import type { Tensor } from '../core/tensor.js'
import { isZeros } from './creation.js'
import {
  type Conditions,
  gruBackward,
  lstmBackward,
  type RecurrentActivation,
  simpleRnnBackward,
  type Wanted,
} from './recurrent_compose.js'

export type StepAttrs = {
  readonly masked: boolean
  readonly scaled: boolean
  readonly reverse: boolean
  readonly activation: RecurrentActivation
}
export type GatedAttrs = StepAttrs & { readonly recurrentActivation: RecurrentActivation }
export type GruAttrs = GatedAttrs & { readonly resetAfter: boolean }
/** Which gradients a Grad op is given. */
type Given = { readonly sequence: boolean; readonly last: boolean }
type GivenCell = Given & { readonly cell: boolean }

/** The gradient of a result, or undefined where it is known to be zero: the Grad ops are told so instead of being given zeros. */
const present = (g: Tensor | undefined): Tensor | undefined => (g === undefined || isZeros(g) ? undefined : g)
const those = (list: readonly (Tensor | undefined)[]): Tensor[] => list.filter((t) => t !== undefined)

function conditions(rest: readonly Tensor[], { masked, scaled }: StepAttrs): Conditions {
  return { mask: masked ? rest[0] : undefined, scale: scaled ? rest[Number(masked)] : undefined }
}

/** Takes the gradients that are there off the front of a Grad op's inputs. */
function wantedOf(inputs: readonly Tensor[], { sequence, last, cell = false }: Given & { cell?: boolean }): [Wanted, Tensor[]] {
  const rest = [...inputs]
  const take = (there: boolean): Tensor | undefined => (there ? rest.shift() : undefined)
  return [{ sequence: take(sequence), last: take(last), cell: take(cell) }, rest]
}

/** (projected [b, t, 4u], recurrent [u, 4u], h0, c0 [b, u], (mask), (scale)) → h, hLast, cLast, gates, cells. */
export const Lstm: Op<GatedAttrs> = registerOp<GatedAttrs>({
  name: 'lstm',
  shape: ([projected, recurrent]) => {
    const [b, t] = projected!.shape as [number, number]
    const u = recurrent!.shape[0]!
    return [
      [b, t, u],
      [b, u],
      [b, u],
      [b, t, 4 * u],
      [b, t, u],
    ].map((shape) => ({ shape, dtype: projected!.dtype }))
  },
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
/** ((g of h), (of hLast), (of cLast), recurrent, h0, c0, h, gates, cells, (mask), (scale)) → gradients of projected, recurrent, h0, c0. */
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

/** (projected [b, t, 3u], recurrent [u, 3u], recurrentBias [3u], h0 [b, u], (mask), (scale)) → h, hLast, gates, inner. */
export const Gru: Op<GruAttrs> = registerOp<GruAttrs>({
  name: 'gru',
  shape: ([projected, recurrent]) => {
    const [b, t] = projected!.shape as [number, number]
    const u = recurrent!.shape[0]!
    return [
      [b, t, u],
      [b, u],
      [b, t, 3 * u],
      [b, t, u],
    ].map((shape) => ({ shape, dtype: projected!.dtype }))
  },
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
/** ((g of h), (of hLast), recurrent, recurrentBias, h0, h, gates, inner, (mask), (scale)) → gradients of projected, recurrent, recurrentBias, h0. */
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
