// What a layer's call knows of the calls around it: training or not, and where its losses and metrics go.
import { during } from '../core/during.js'
import { maskedCalls } from '../core/symbolic.js'
import type { Tensor } from '../core/tensor.js'
import { notePass } from './added_losses.js'
import type { AnyLayer } from './layer.js'

/** What the layers called during one pass have left for the training step. */
export interface Collected<T> {
  result: T
  /** Penalties of regularized weights, each once, and what layers passed to addLoss: scalars. */
  losses: Tensor[]
  /** What layers passed to addMetric, by name: scalars. */
  metrics: Map<string, Tensor>
}

interface Scope {
  layers: Set<AnyLayer>
  losses: Tensor[]
  metrics: Map<string, Tensor>
}

interface Call {
  training: boolean
  /** The layer whose call is under way. */
  caller: AnyLayer | undefined
  /** The number of the outermost layer's call. */
  pass: number
}

/** @internal The pass under way. */
export const context: Call & { scope: Scope | undefined } = { training: false, scope: undefined, caller: undefined, pass: 0 }

/** Runs fn, a pass through layers, and gathers the losses and metrics that the layers add. */
export function collectLosses<T>(fn: () => T): Collected<T> {
  const scope: Scope = { layers: new Set(), losses: [], metrics: new Map() }
  const result = inScope(scope, fn)
  const penalties = [...scope.layers].flatMap((layer) => layer.penalties())
  return { result, losses: [...penalties, ...scope.losses], metrics: scope.metrics }
}

/** @internal Runs fn with its own place for losses and metrics; undefined: they are dropped. */
export const inScope = <T>(scope: Scope | undefined, fn: () => T): T => during(context, { scope }, fn)

/** @internal Runs fn, the call of a layer that is told of these masks, as part of a training or an inference pass. */
export function inPass<T>(call: Call & { caller: AnyLayer }, masks: readonly (Tensor | undefined)[], fn: () => T): T {
  notePass(call.caller, call.pass)
  return during(maskedCalls, { own: seesToMasks(call.caller), told: masks }, () => during(context, call, fn))
}

/** Classes whose calls see to the masks inside them: those of this package. */
const seeing = new WeakSet<object>()

/** @internal Marks a class, and those that extend it. */
export function markSeeing(made: { prototype: object }): void {
  seeing.add(made.prototype)
}

function seesToMasks(layer: object): boolean {
  for (let at = Object.getPrototypeOf(layer) as object | null; at !== null; at = Object.getPrototypeOf(at) as object | null)
    if (seeing.has(at)) return true
  return false
}
