// Losses that layers add while they are called, kept until the next call for those who write their own training loop.
import { currentTrace } from '../core/graph.js'
import type { Tensor } from '../core/tensor.js'

/** What a layer has added in one pass. */
interface Added {
  readonly pass: number
  readonly losses: Tensor[]
}

/** Stands for the trace where nothing is traced. */
const EAGER: object = {}

/** By layer and trace: what is recorded means nothing outside its trace, and goes with it. */
const added = new WeakMap<object, WeakMap<object, Added>>()
const passes = new WeakMap<object, number>()
let last = 0

/** A number of its own for each call of a layer that no other layer makes, with all the calls inside it. */
export const nextPass = (): number => ++last

/** Notes that the layer is called in the pass. */
export function notePass(layer: object, pass: number): void {
  passes.set(layer, pass)
}

/** Keeps a loss of the layer, in place of those of earlier passes. */
export function keepLoss(layer: object, loss: Tensor): void {
  const pass = passes.get(layer) ?? 0
  const key = currentTrace() ?? EAGER
  let traces = added.get(layer)
  if (traces === undefined) added.set(layer, (traces = new WeakMap()))
  const kept = traces.get(key)
  if (kept?.pass === pass) kept.losses.push(loss)
  else traces.set(key, { pass, losses: [loss] })
}

/** What the layer has added in the last pass of `caller`, which it is a part of. */
export function addedLosses(layer: object, caller: object): readonly Tensor[] {
  const kept = added.get(layer)?.get(currentTrace() ?? EAGER)
  return kept !== undefined && kept.pass === passes.get(caller) ? kept.losses.filter((loss) => !loss.isDisposed) : []
}
