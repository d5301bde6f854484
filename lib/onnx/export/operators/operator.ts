// What the exported operators share: their type, attributes that are the same at all sizes, activations.
import type { AttrValue } from '../../../core/op.js'
import type { Emitter } from '../emitter.js'
import type { SymbolicCall, Value } from '../probe.js'
import { attrAt } from '../probe.js'
import { Unsupported } from '../unsupported.js'

/** Writes the ONNX nodes of a call. Throws Unsupported with the reason where it cannot. */
export type Operator = (call: SymbolicCall, emitter: Emitter) => void
export type Operators = Readonly<Record<string, Operator>>

/** An attribute that must be the same at all sizes. */
export function attribute<T extends AttrValue>(call: SymbolicCall, name: string): T {
  const [first, ...others] = attrAt<T>(call, name)
  if (others.some((value) => String(value) !== String(first))) throw new Unsupported(`${name} varies with the size of the inputs`)
  return first!
}

/** Throws Unsupported where a result other than the first `count` is read. */
export function onlyFirst(call: SymbolicCall, { readers }: Emitter, count = 1): void {
  if (call.outputs.slice(count).some((v) => readers.has(v))) throw new Unsupported('a result that ONNX has no operator for is read')
}

/** The activation of a fused op, as a node. */
export function activated(name: string, activation: string, { nodes }: Emitter): string {
  const op = { linear: undefined, relu: 'Relu', sigmoid: 'Sigmoid', tanh: 'Tanh' }[activation as 'relu']
  return op === undefined ? name : nodes.add(op, [name])
}

/** The value is stored as another is, with the same order and shape. */
export function like(emitter: Emitter, out: Value, name: string, x: Value): void {
  const { base, order } = emitter.stored(x)
  emitter.define(out, name, { base, order })
}
