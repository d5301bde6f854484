// Attention as its parts: scores, the mask, softmax, and the weighted sum of values; and rotary positions.
import type { Emitter } from '../emitter.js'
import type { SymbolicCall, Value } from '../probe.js'
import { fixedExtent } from '../extent.js'
import { Unsupported } from '../unsupported.js'
import { attribute, onlyFirst, type Operator, type Operators } from './operator.js'

/** Keys or values [b, t, heads, d] in an order in which heads come second, repeated for the queries that read them. */
function heads(v: Value, order: readonly number[], count: number, emitter: Emitter): string {
  const name = emitter.ordered(v, order)
  const own = fixedExtent(v.extents[2]!)!
  if (own === count) return name
  const places = Array.from({ length: count }, (_, i) => Math.floor((i * own) / count))
  return emitter.nodes.add('Gather', [name, emitter.nodes.ints(places)], { axis: { int: 1 } })
}

/** Where a query may look: bool, broadcasting to [b, h, tq, tk]; undefined: everywhere. */
function allowed(call: SymbolicCall, emitter: Emitter): string | undefined {
  const [q, k, , ...rest] = call.inputs
  const { nodes, sizes } = emitter
  const mask = attribute<boolean>(call, 'masked') ? emitter.natural(rest.shift()!) : undefined
  const offset = attribute<boolean>(call, 'positioned') ? rest.shift() : undefined
  if (!attribute<boolean>(call, 'causal')) return mask
  const places = (v: Value): string => nodes.add('Range', [nodes.int(0), sizes.scalar(v.extents[1]!), nodes.int(1)])
  const rows = nodes.add('Unsqueeze', [places(q!), nodes.ints([1])])
  const last = offset ? nodes.add('Add', [rows, emitter.cast(emitter.natural(offset), 'int64')]) : rows
  const past = nodes.add('LessOrEqual', [places(k!), last]) // [tq, tk]
  return mask ? nodes.add('And', [mask, past]) : past
}

const attention: Operator = (call, emitter) => {
  onlyFirst(call, emitter)
  if (attribute<number>(call, 'rate') > 0) throw new Unsupported('dropout of attention')
  const [q, k, v] = call.inputs
  const { dtype } = q!
  const { nodes } = emitter
  const count = fixedExtent(q!.extents[2]!)!
  const scaled = nodes.add('Mul', [emitter.ordered(q!, [0, 2, 1, 3]), nodes.scalar(attribute<number>(call, 'scale'), dtype)])
  const scores = nodes.add('MatMul', [scaled, heads(k!, [0, 2, 3, 1], count, emitter)]) // [b, h, tq, tk]
  const visible = allowed(call, emitter)
  // a finite number far below any score: a row that may look at nothing is then even, not NaN
  const hidden = dtype === 'float16' ? -3e4 : -1e30
  const given = visible ? nodes.add('Where', [visible, scores, nodes.scalar(hidden, dtype)]) : scores
  const weights = nodes.add('Softmax', [given], { axis: { int: -1 } })
  // a query that may look at nothing gives zeros
  const empty = attribute<boolean>(call, 'masked') || attribute<boolean>(call, 'positioned')
  const kept = visible && empty ? nodes.add('Where', [visible, weights, nodes.scalar(0, dtype)]) : weights
  const made = nodes.add('MatMul', [kept, heads(v!, [0, 2, 1, 3], count, emitter)])
  const [y] = call.outputs
  emitter.define(y!, made, { base: y!.extents, order: [0, 2, 1, 3] })
}

/** Both members of every pair, and the pairs put together again. */
function pairsOf(
  x: string,
  features: number,
  interleaved: boolean,
  { nodes }: Emitter,
): [string, string, (a: string, b: string) => string] {
  const half = features / 2
  const part = (begin: number, step: number): string =>
    nodes.add('Slice', [
      x,
      nodes.ints([begin]),
      nodes.ints([step === 2 ? features : begin + half]),
      nodes.ints([-1]),
      ...(step === 2 ? [nodes.ints([2])] : []),
    ])
  if (!interleaved) return [part(0, 1), part(half, 1), (a, b) => nodes.add('Concat', [a, b], { axis: { int: -1 } })]
  const wide = (name: string): string => nodes.add('Unsqueeze', [name, nodes.ints([-1])])
  const together = (a: string, b: string): string =>
    nodes.add('Reshape', [nodes.add('Concat', [wide(a), wide(b)], { axis: { int: -1 } }), nodes.ints([0, 0, 0, features])])
  return [part(0, 2), part(1, 2), together]
}

const rotary: Operator = (call, emitter) => {
  const [x, cos, sin] = call.inputs
  const { nodes } = emitter
  const features = fixedExtent(x!.extents[3]!)!
  // in the order in which heads or steps come first, as they are stored
  const order = emitter.plain(x!).order.join() === '0,2,1,3' ? [0, 2, 1, 3] : [0, 1, 2, 3]
  const [first, second, together] = pairsOf(emitter.ordered(x!, order), features, attribute<boolean>(call, 'interleaved'), emitter)
  const table = (v: Value): string => (order[1] === 2 ? emitter.natural(v) : nodes.add('Unsqueeze', [emitter.natural(v), nodes.ints([1])]))
  const [c, s] = [table(cos!), table(sin!)]
  const times = (a: string, b: string): string => nodes.add('Mul', [a, b])
  const a = nodes.add('Sub', [times(first, c), times(second, s)])
  const b = nodes.add('Add', [times(second, c), times(first, s)])
  emitter.define(call.outputs[0]!, together(a, b), { base: call.outputs[0]!.extents, order })
}

export const attentions: Operators = { attention, rotary }
