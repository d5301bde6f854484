// What the recurrent ops share: their attributes, the gradients they are given, and walks back through the steps,
// written in simple ops, of which second derivatives are made.
import type { Spec } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import { hardSigmoid, relu, sigmoid, tanh } from './activation.js'
import { add, mul } from './arithmetic.js'
import { greater, less, logicalAnd, where } from './compare.js'
import { concat } from './concat.js'
import { matMul } from './matmul.js'
import { activationGrad } from './raw.js'
import { sum } from './reduce.js'
import { expandDims, reshape, squeeze } from './reshape.js'
import { slice } from './slice.js'
import { isZeros, zeros, zerosLike } from './creation.js'

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

export function activate(activation: RecurrentActivation, x: Tensor): Tensor {
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
export function slope(activation: RecurrentActivation, g: Tensor, y: Tensor): Tensor {
  if (activation === 'hardSigmoid') return where(logicalAnd(greater(y, 0), less(y, 1)), mul(g, 1 / 6), 0)
  return activationGrad(activation, g, y)
}

export const plus = (a: Tensor, b: Tensor | undefined): Tensor => (b ? add(a, b) : a)
export const scaled = (a: Tensor, scale: Tensor | undefined): Tensor => (scale ? mul(a, scale) : a)
/** Step t of [b, t, n], as [b, n]. */
export const at = (x: Tensor, t: number): Tensor => squeeze(slice(x, [0, t], [-1, 1]), 1)
/** Columns [i·u, (i + count)·u) of [.., n]. */
export const columns = (x: Tensor, i: number, u: number, count = 1): Tensor => slice(x, [0, i * u], [-1, count * u])
const rows = (x: Tensor): Tensor => reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!])
/** Σ aᵀ·b over batch and steps. */
export const outer = (a: Tensor, b: Tensor): Tensor => matMul(rows(a), rows(b), { transposeA: true })
export const overSteps = (x: Tensor): Tensor => sum(x, [0, 1])

/** The state before each step [b, t, u], in the order of the input. */
export function priorStates(initial: Tensor, states: Tensor, reverse: boolean): Tensor {
  const steps = states.shape[1]!
  if (steps === 0) return states
  const first = expandDims(initial, 1)
  return reverse ? concat([slice(states, [0, 1]), first], 1) : concat([first, slice(states, [0, 0], [-1, steps - 1])], 1)
}

/** The places of the steps from the last one taken to the first. */
const backwards = (steps: number, reverse: boolean): number[] => Array.from({ length: steps }, (_, i) => (reverse ? i : steps - 1 - i))

/**
 * Walks back through the steps. `step` gets the gradient of the state after step t and gives, for a step that counts,
 * the one of the state before it and values to keep; these come back per place, zero where the step did not count.
 */
export function walk(
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
export function gathered(kept: readonly Tensor[][], i: number, like: Tensor, n: number): Tensor {
  if (kept.length === 0) return zeros([like.shape[0]!, 0, n], { dtype: like.dtype, device: like.device })
  return concat(
    kept.map((values) => expandDims(values[i]!, 1)),
    1,
  )
}

export type StepAttrs = {
  readonly masked: boolean
  readonly scaled: boolean
  readonly reverse: boolean
  readonly activation: RecurrentActivation
}
export type GatedAttrs = StepAttrs & { readonly recurrentActivation: RecurrentActivation }

/**
 * The results of an op with gates: h [b, t, u], as many last states [b, u] as there are, the gates [b, t, gates·u], and
 * cells or inner values [b, t, u]. The op's first two inputs are projected [b, t, gates·u] and recurrent [u, gates·u].
 */
export const gatedShape =
  (states: number) =>
  ([projected, recurrent]: readonly Spec[]): Spec[] => {
    const [b, t, n] = projected!.shape as [number, number, number]
    const u = recurrent!.shape[0]!
    const shapes = [[b, t, u], ...Array.from({ length: states }, () => [b, u]), [b, t, n], [b, t, u]]
    return shapes.map((shape) => ({ shape, dtype: projected!.dtype }))
  }

/** Which gradients a Grad op is given. */
export type Given = { readonly sequence: boolean; readonly last: boolean }

/**
 * The gradient of a result, or undefined where it is known to be zero: the Grad ops are told so instead of being given
 * zeros.
 */
export const present = (g: Tensor | undefined): Tensor | undefined => (g === undefined || isZeros(g) ? undefined : g)
export const those = (list: readonly (Tensor | undefined)[]): Tensor[] => list.filter((t) => t !== undefined)

export function conditions(rest: readonly Tensor[], { masked, scaled }: StepAttrs): Conditions {
  return { mask: masked ? rest[0] : undefined, scale: scaled ? rest[Number(masked)] : undefined }
}

/** Takes the gradients that are there off the front of a Grad op's inputs. */
export function wantedOf(inputs: readonly Tensor[], { sequence, last, cell = false }: Given & { cell?: boolean }): [Wanted, Tensor[]] {
  const rest = [...inputs]
  const take = (there: boolean): Tensor | undefined => (there ? rest.shift() : undefined)
  return [{ sequence: take(sequence), last: take(last), cell: take(cell) }, rest]
}
