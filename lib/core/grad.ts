// Gradients: reverse mode over the graph being recorded, written as more graph; so gradients of gradients need nothing else.
import { applyOne } from './apply.js'
import { WeftError } from './error.js'
import { currentTrace, orderCalls, type Trace } from './graph.js'
import { type Call, isFloat, ops } from './op.js'
import { fuse } from './simplify.js'
import { Tensor, Variable } from './tensor.js'

// the only two ops that differentiation itself needs
const add = (a: Tensor, b: Tensor): Tensor => applyOne(ops.get('add')!, [a, b], {})
const filled = (like: Tensor, value: number): Tensor => applyOne(ops.get('fill')!, [], { value, shape: like.shape, dtype: like.dtype })
const zerosLike = (t: Tensor): Tensor => filled(t, 0)

/**
 * Derivatives of a scalar with respect to tensors or variables of the function being traced; zeros where unconnected.
 * Only inside jit, grad and valueAndGrad.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  const trace = currentTrace()
  if (!trace) {
    throw new WeftError('ERR_TRACE', 'gradients: only inside jit(), grad() or valueAndGrad(), where the computation is recorded', {
      hint: 'Wrap the step: jit(() => { const loss = ...; return gradients(loss, weights) })',
    })
  }
  if (!(loss instanceof Tensor) || loss.size !== 1 || loss.rank !== 0) {
    throw new WeftError(
      'ERR_SHAPE',
      `gradients: the loss must be a scalar, got shape [${loss instanceof Tensor ? loss.shape : typeof loss}]`,
      { hint: 'Reduce it with mean() or sum()' },
    )
  }
  if (!isFloat(loss.dtype)) throw new WeftError('ERR_DTYPE', `gradients: the loss must be a float, got ${loss.dtype}`)
  const root = trace.resolve(loss)
  fuse([root])
  const calls = orderCalls([root])
  const read = new Set(calls.flatMap((call) => call.inputs))
  const targets = wrt.map((t) => target(trace, t, read))

  // only calls on a path from a target to the loss take part
  const active = new Set<Tensor>(targets)
  const path: Call[] = []
  for (const call of calls) {
    if (!call.inputs.some((input) => active.has(input))) continue
    path.push(call)
    for (const output of call.outputs) active.add(output)
  }

  const total = new Map<Tensor, Tensor>([[root, filled(root, 1)]])
  for (const call of path.reverse()) {
    if (!call.outputs.some((output) => total.has(output))) continue
    const g = call.outputs.map((output) => total.get(output) ?? zerosLike(output))
    const parts = gradientOf(call, g)
    call.inputs.forEach((input, i) => {
      const part = parts[i]
      if (!part || !active.has(input)) return
      const sum = total.get(input)
      total.set(input, sum ? add(sum, part) : part)
    })
  }
  return targets.map((t) => total.get(t) ?? zerosLike(t))
}

/** The value that stands for `t` in the loss: of a variable, the one the loss has read. */
function target(trace: Trace, t: Tensor, read: ReadonlySet<Tensor>): Tensor {
  const now = trace.resolve(t)
  if (!(t instanceof Variable) || read.has(now)) return now
  const before = trace.reads.get(t)
  return before && read.has(before) ? before : now
}

function gradientOf(call: Call, g: readonly Tensor[]): (Tensor | undefined)[] {
  if (call.op.grad) return call.op.grad(g, call)
  if (call.op.compose) {
    // differentiate the composition: d(sum of outputs · g)/d(inputs)
    const outputs = call.op.compose(call.inputs, call.attrs)
    return composedGradients(outputs, g, call.inputs)
  }
  if (!call.inputs.some((input) => isFloat(input.dtype)) || !call.outputs.some((output) => isFloat(output.dtype))) return []
  throw new WeftError('ERR_ARGUMENT', `gradients: ${call.op.name} has no gradient`, {
    op: call.op.name,
    hint: 'Keep it out of the loss, or pass its input through stopGradient()',
  })
}

function composedGradients(outputs: readonly Tensor[], g: readonly Tensor[], inputs: readonly Tensor[]): (Tensor | undefined)[] {
  const total = new Map<Tensor, Tensor>()
  outputs.forEach((output, i) => {
    total.set(output, total.has(output) ? add(total.get(output)!, g[i]!) : g[i]!)
  })
  const stop = new Set(inputs)
  const inside: Call[] = []
  const active = new Set<Tensor>(inputs)
  for (const call of orderCalls(outputs)) {
    if (call.outputs.some((output) => stop.has(output)) || !call.inputs.some((input) => active.has(input))) continue
    inside.push(call)
    for (const output of call.outputs) active.add(output)
  }
  for (const call of inside.reverse()) {
    if (!call.outputs.some((output) => total.has(output))) continue
    const parts = gradientOf(
      call,
      call.outputs.map((output) => total.get(output) ?? zerosLike(output)),
    )
    call.inputs.forEach((input, i) => {
      const part = parts[i]
      if (part && active.has(input)) total.set(input, total.has(input) ? add(total.get(input)!, part) : part)
    })
  }
  return inputs.map((input) => total.get(input))
}
