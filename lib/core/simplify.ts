// Rewrite rules, as data: one set before gradients (fused ops that carry their own gradient), one after (less work for
// the same values).
import { callOf, type Graph, orderCalls } from './graph.js'
import { type Attrs, type Call, type Op, ops } from './op.js'
import { isFloat, sameShape, sizeOf, type Spec } from './spec.js'
import { Tensor } from './tensor.js'

/** What a rule puts in place of a call: an op whose first outputs take the place of the call's. */
interface Replacement {
  op: string
  inputs: readonly Tensor[]
  attrs: Attrs
}

/** Looks at a call; `source(t, op)` is the call that makes t if it is of that op and nobody else reads t. */
export interface Rule {
  readonly name: string
  readonly match: (call: Call, source: (t: Tensor | undefined, op: string) => Call | undefined) => Replacement | undefined
}

const isBias = (b: Spec, of: Spec): boolean => b.shape.length === 1 && b.shape[0] === of.shape.at(-1) && b.dtype === of.dtype

/** add(product, bias) with the operands in either order. */
function biased(call: Call, op: string, source: Parameters<Rule['match']>[1]): { made: Call; bias: Tensor } | undefined {
  if (call.op.name !== 'add') return undefined
  for (const [product, bias] of [call.inputs, [...call.inputs].reverse()]) {
    const made = source(product, op)
    if (made && isBias(bias!, product!) && sameShape(call.outputs[0]!.shape, product!.shape)) return { made, bias: bias! }
  }
  return undefined
}

const activated = (fused: string): Rule => ({
  name: `${fused} + activation`,
  match: (call, source) => {
    if (!['relu', 'sigmoid', 'tanh'].includes(call.op.name)) return undefined
    const made = source(call.inputs[0], fused)
    return made?.attrs['activation'] === 'linear'
      ? { op: fused, inputs: made.inputs, attrs: { ...made.attrs, activation: call.op.name } }
      : undefined
  },
})

const isZero = (padding: unknown): boolean => Array.isArray(padding) && padding.every((n) => n === 0)

/** Before gradients: fused ops never make the inner values, and know their own gradient. */
const fusions: readonly Rule[] = [
  {
    name: 'matMul + bias',
    match: (call, source) => {
      const found = biased(call, 'matMul', source)
      if (!found) return undefined
      const [x, w] = found.made.inputs
      if (x!.rank !== 2 || w!.rank !== 2 || found.made.attrs['transposeA'] || found.made.attrs['transposeB']) return undefined
      return { op: 'dense', inputs: [x!, w!, found.bias], attrs: { activation: 'linear' } }
    },
  },
  activated('dense'),
  {
    name: 'conv2d + bias',
    match: (call, source) => {
      const found = biased(call, 'conv2d', source)
      return found && { op: 'conv2dBias', inputs: [...found.made.inputs, found.bias], attrs: { ...found.made.attrs, activation: 'linear' } }
    },
  },
  activated('conv2dBias'),
  {
    name: 'conv2d + bias + relu + maxPool2d',
    match: (call, source) => {
      if (call.op.name !== 'maxPool2d' || !isZero(call.attrs['padding'])) return undefined
      const pool = call.attrs['poolSize'] as readonly number[]
      const strides = call.attrs['strides'] as readonly number[]
      if (!sameShape(pool, strides) || sizeOf(pool) > 256) return undefined
      const conv = source(call.inputs[0], 'conv2dBias')
      if (conv?.attrs['activation'] !== 'relu' || conv.attrs['groups'] !== 1 || !sameShape(conv.attrs['dilations'] as number[], [1, 1]))
        return undefined
      const { activation: _, ...attrs } = conv.attrs
      return { op: 'conv2dReluPool', inputs: conv.inputs, attrs: { ...attrs, poolSize: pool } }
    },
  },
  {
    name: 'log of softmax',
    match: (call, source) => {
      const made = call.op.name === 'log' ? source(call.inputs[0], 'softmax') : undefined
      return made && { op: 'logSoftmax', inputs: made.inputs, attrs: {} }
    },
  },
  {
    name: 'softmax cross-entropy',
    match: (call, source) => {
      if (call.op.name !== 'neg') return undefined
      const total = source(call.inputs[0], 'sum')
      const [x] = total?.inputs ?? []
      if (!total || !x || x.rank !== 2 || total.attrs['keepDims'] || !sameShape(total.attrs['axes'] as number[], [1])) return undefined
      const product = source(x, 'mul')
      for (const [targets, scores] of product ? [product.inputs, [...product.inputs].reverse()] : []) {
        const made = source(scores, 'logSoftmax')
        if (made && sameShape(targets!.shape, scores!.shape))
          return { op: 'softmaxCrossEntropy', inputs: [made.inputs[0]!, targets!], attrs: {} }
      }
      return undefined
    },
  },
]

const swapsLastTwo = (permutation: readonly number[]): boolean =>
  permutation.length >= 2 &&
  permutation.every((axis, i) => axis === (i === permutation.length - 1 ? i - 1 : i === permutation.length - 2 ? i + 1 : i))

/** After gradients. */
const simplifications: readonly Rule[] = [
  {
    name: 'transpose into matMul',
    match: (call) => {
      if (call.op.name !== 'matMul') return undefined
      const inputs = [...call.inputs]
      const flags = [Boolean(call.attrs['transposeA']), Boolean(call.attrs['transposeB'])]
      let changed = false
      inputs.forEach((input, i) => {
        const made = callOf(input)
        if (made?.op.name !== 'transpose' || !swapsLastTwo(made.attrs['permutation'] as number[])) return
        inputs[i] = made.inputs[0]!
        flags[i] = !flags[i]
        changed = true
      })
      return changed ? { op: 'matMul', inputs, attrs: { transposeA: flags[0]!, transposeB: flags[1]! } } : undefined
    },
  },
  {
    name: 'arithmetic of constants',
    match: (call) => {
      const compute = arithmetic[call.op.name]
      const [a, b] = call.inputs.map(constant)
      const out = call.outputs[0]!
      if (!compute || a === undefined || (call.inputs.length > 1 && b === undefined) || !isFloat(out.dtype)) return undefined
      const value = compute(a, b ?? 0)
      return {
        op: 'fill',
        inputs: [],
        attrs: { value: out.dtype === 'float64' ? value : Math.fround(value), shape: out.shape, dtype: out.dtype },
      }
    },
  },
]

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  broadcastTo: (a) => a,
  reshape: (a) => a,
}

/** The value of a tensor whose elements are all one constant. */
function constant(t: Tensor): number | undefined {
  const made = callOf(t)
  return made?.op.name === 'fill' ? (made.attrs['value'] as number) : undefined
}

/** The operand that the call returns unchanged, as x·1 and x+0 do. */
function unchanged(call: Call): Tensor | undefined {
  const [a, b] = call.inputs
  const out = call.outputs[0]
  if (!a || !b || !out) return undefined
  const neutral = { mul: 1, div: 1, add: 0, sub: 0 }[call.op.name as 'mul']
  if (neutral === undefined) return undefined
  if (constant(b) === neutral && sameShape(a.shape, out.shape)) return a
  if ((call.op.name === 'mul' || call.op.name === 'add') && constant(a) === neutral && sameShape(b.shape, out.shape)) return b
  return undefined
}

function readers(calls: readonly Call[], roots: readonly Tensor[]): Map<Tensor, number> {
  const count = new Map<Tensor, number>()
  for (const t of [...calls.flatMap((call) => call.inputs), ...roots]) count.set(t, (count.get(t) ?? 0) + 1)
  return count
}

/**
 * Lets another op make a call's outputs: the same Tensors, so that whoever holds them, now or later, reads the new
 * call.
 */
function replace(call: Call, { op, inputs, attrs }: Replacement): void {
  const kernel = ops.get(op) as Op
  const specs = kernel.shape(inputs, attrs)
  const outputs: Tensor[] = []
  const made: Call = { op: kernel, inputs, attrs, outputs, order: call.order, layer: call.layer }
  specs.forEach((spec, index) => {
    const old = call.outputs[index]
    const origin = { kind: 'call' as const, call: made, index }
    if (old) old.origin = origin
    outputs.push(old ?? new Tensor(spec.shape, spec.dtype, call.outputs[0]!.device, { origin, recording: call.outputs[0]!.recording! }))
  })
}

function rewrite(rules: readonly Rule[], roots: readonly Tensor[]): void {
  for (let changed = true; changed; ) {
    changed = false
    const calls = orderCalls(roots)
    const count = readers(calls, roots)
    const source = (t: Tensor | undefined, op: string): Call | undefined => {
      const made = t && callOf(t)
      return made?.op.name === op && count.get(t!) === 1 ? made : undefined
    }
    for (const call of calls) {
      if (call.outputs.every((t) => callOf(t) !== call)) continue
      for (const rule of rules) {
        const found = rule.match(call, source)
        if (!found || !ops.has(found.op)) continue
        replace(call, found)
        changed = true
        break
      }
    }
  }
}

/** Rewrites what the roots need to fused ops. Inner values keep their own calls, for whoever reads them later. */
export function fuse(roots: readonly Tensor[]): void {
  rewrite(fusions, roots)
}

/** Merges equal calls and drops x·1 and x+0: readers are given the earlier tensor. */
function merge(graph: Graph): void {
  const stands = new Map<Tensor, Tensor>()
  const ids = new Map<Tensor, number>()
  const id = (t: Tensor): number => ids.get(t) ?? (ids.set(t, ids.size), ids.size - 1)
  const seen = new Map<string, Call>()
  const current = (t: Tensor): Tensor => {
    let now = t
    while (stands.has(now)) now = stands.get(now)!
    return now
  }
  for (const call of graph.calls) {
    ;(call as { inputs: readonly Tensor[] }).inputs = call.inputs.map(current)
    const same = unchanged(call)
    if (same) {
      stands.set(call.outputs[0]!, same)
      continue
    }
    const attrs = Object.entries(call.attrs).map(([name, value]) => `${name}=${String(value)}`)
    const key = `${call.op.name}|${call.inputs.map(id)}|${attrs}|${call.outputs.map((t) => t.signature)}`
    const earlier = seen.get(key)
    if (!earlier) seen.set(key, call)
    else call.outputs.forEach((t, i) => stands.set(t, earlier.outputs[i]!))
  }
  graph.replace(current)
}

/** The graph with both sets of rules applied, equal calls merged and dead ones gone. */
export function simplify(graph: Graph): Graph {
  const roots = graph.roots
  rewrite(fusions, roots)
  rewrite(simplifications, roots)
  graph.reorder()
  merge(graph)
  return graph
}
