// Gradients of the recurrent ops, one step after the other in simple ops: what second derivatives are made of.
import type { Tensor } from '../core/tensor.js'
import { hardSigmoid, relu, sigmoid, tanh } from './activation.js'
import { add, mul, sub } from './arithmetic.js'
import { greater, less, logicalAnd, where } from './compare.js'
import { concat } from './concat.js'
import { zeros, zerosLike } from './creation.js'
import { matMul } from './matmul.js'
import { activationGrad } from './raw.js'
import { sum } from './reduce.js'
import { expandDims, reshape, squeeze } from './reshape.js'
import { slice } from './slice.js'

/** Activations that the recurrent ops know. */
export type RecurrentActivation = 'linear' | 'relu' | 'tanh' | 'sigmoid' | 'hardSigmoid'
export const RECURRENT_ACTIVATIONS: readonly RecurrentActivation[] = ['linear', 'relu', 'tanh', 'sigmoid', 'hardSigmoid']

/** How the steps of a call are taken. */
export interface Steps {
  readonly reverse: boolean
  readonly activation: RecurrentActivation
  readonly recurrentActivation?: RecurrentActivation
}

/** bool [b, t] of steps that count, and factors [b, u] of the states that meet the recurrent weights. */
export interface Conditions {
  mask: Tensor | undefined
  scale: Tensor | undefined
}

/** Gradients of results; those that are not there are zero. */
export interface Wanted {
  sequence: Tensor | undefined // [b, t, u]
  last: Tensor | undefined // [b, u]
  cell?: Tensor | undefined // [b, u]
  /** Of what a forward call keeps for its gradient: only second derivatives ask for these. */
  gates?: Tensor | undefined // [b, t, 3 or 4 units]
  cells?: Tensor | undefined // [b, t, u]
  inner?: Tensor | undefined // [b, t, u]
}

function activate(activation: RecurrentActivation, x: Tensor): Tensor {
  switch (activation) {
    case 'relu':
      return relu(x)
    case 'tanh':
      return tanh(x)
    case 'sigmoid':
      return sigmoid(x)
    case 'hardSigmoid':
      return hardSigmoid(x)
    default:
      return x
  }
}

/** The gradient through an activation from its output. */
function slope(activation: RecurrentActivation, g: Tensor, y: Tensor): Tensor {
  if (activation === 'hardSigmoid') return where(logicalAnd(greater(y, 0), less(y, 1)), mul(g, 1 / 6), 0)
  return activationGrad(activation, g, y)
}

const plus = (a: Tensor, b: Tensor | undefined): Tensor => (b ? add(a, b) : a)
const scaled = (a: Tensor, scale: Tensor | undefined): Tensor => (scale ? mul(a, scale) : a)
/** Step t of [b, t, n], as [b, n]. */
const at = (x: Tensor, t: number): Tensor => squeeze(slice(x, [0, t], [-1, 1]), 1)
/** Columns [i·u, (i + count)·u) of [.., n]. */
const columns = (x: Tensor, i: number, u: number, count = 1): Tensor => slice(x, [0, i * u], [-1, count * u])
const rows = (x: Tensor): Tensor => reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!])
/** Σ aᵀ·b over batch and steps. */
const outer = (a: Tensor, b: Tensor): Tensor => matMul(rows(a), rows(b), { transposeA: true })
const overSteps = (x: Tensor): Tensor => sum(x, [0, 1])

/** The state before each step [b, t, u], in the order of the input. */
function priorStates(initial: Tensor, states: Tensor, reverse: boolean): Tensor {
  const steps = states.shape[1]!
  if (steps === 0) return states
  const first = expandDims(initial, 1)
  return reverse ? concat([slice(states, [0, 1]), first], 1) : concat([first, slice(states, [0, 0], [-1, steps - 1])], 1)
}

/** The places of the steps from the last one taken to the first. */
const backwards = (steps: number, reverse: boolean): number[] => Array.from({ length: steps }, (_, i) => (reverse ? i : steps - 1 - i))

/**
 * Walks back through the steps. `step` gets the gradient of the state after step t and gives, for a step that counts, the one of
 * the state before it and values to keep; these come back per place, zero where the step did not count.
 */
function walk(
  steps: Steps,
  count: number,
  wanted: Wanted,
  { mask }: Conditions,
  initial: Tensor,
  step: (t: number, dh: Tensor) => { before: Tensor; kept: Tensor[] },
): { first: Tensor; kept: Tensor[][] } {
  let dh = wanted.last ?? zerosLike(initial)
  const kept: Tensor[][] = []
  for (const t of backwards(count, steps.reverse)) {
    dh = wanted.sequence ? add(dh, at(wanted.sequence, t)) : dh
    const counts = mask && slice(mask, [0, t], [-1, 1]) // [b, 1]
    const taken = step(t, dh)
    dh = counts ? where(counts, taken.before, dh) : taken.before
    kept[t] = counts ? taken.kept.map((x) => where(counts, x, 0)) : taken.kept
  }
  return { first: dh, kept }
}

/** The i-th kept value of all steps, [b, t, n]; `like`: [b, *] of no steps. */
function gathered(kept: readonly Tensor[][], i: number, like: Tensor, n: number): Tensor {
  if (kept.length === 0) return zeros([like.shape[0]!, 0, n], { dtype: like.dtype, device: like.device })
  return concat(
    kept.map((values) => expandDims(values[i]!, 1)),
    1,
  )
}

export interface LstmSaved extends Conditions {
  recurrent: Tensor // [u, 4u]
  h0: Tensor
  c0: Tensor
  h: Tensor
  gates: Tensor
  cells: Tensor
}

/** Gradients of projected, recurrent, h0 and c0. */
export function lstmBackward(wanted: Wanted, saved: LstmSaved, steps: Steps): Tensor[] {
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

export interface GruSaved extends Conditions {
  recurrent: Tensor // [u, 3u]
  recurrentBias: Tensor // [3u]
  h0: Tensor
  h: Tensor
  gates: Tensor
  inner: Tensor
}

/** Gradients of projected, recurrent, recurrentBias and h0. */
export function gruBackward(wanted: Wanted, saved: GruSaved, steps: Steps & { readonly resetAfter: boolean }): Tensor[] {
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

export interface SimpleSaved extends Conditions {
  recurrent: Tensor // [u, u]
  h0: Tensor
  h: Tensor
}

/** Gradients of projected, recurrent and h0. */
export function simpleRnnBackward(wanted: Wanted, saved: SimpleSaved, steps: Steps): Tensor[] {
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
