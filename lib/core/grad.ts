// Gradients: reverse mode over the graph being recorded. Gradients are recorded as more calls, so they can be
// differentiated again.
import { applyOne } from './apply.js'
import { checkFunction, integer } from './checks.js'
import { during } from './during.js'
import { WeftError } from './error.js'
import { currentTrace, orderCalls, type Trace } from './graph.js'
import { runFresh } from './jit.js'
import { type Call, opNamed } from './op.js'
import { checkCall, type OptionTable, show } from './options.js'
import { fuse } from './simplify.js'
import { isFloat } from './spec.js'
import { maskedCalls } from './symbolic.js'
import { Tensor, Variable } from './tensor.js'

// the only two ops that differentiation itself needs
const add = (a: Tensor, b: Tensor): Tensor => applyOne(opNamed('add'), [a, b], {})
const filled = (like: Tensor, value: number): Tensor => applyOne(opNamed('fill'), [], { value, shape: like.shape, dtype: like.dtype })
const zerosLike = (t: Tensor): Tensor => filled(t, 0)

/**
 * Derivatives of a scalar with respect to tensors or variables of the function being traced; zeros where unconnected.
 * Only inside jit, grad and valueAndGrad.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  checkCall('gradients(loss, wrt)', arguments)
  const trace = currentTrace()
  if (!trace) {
    throw new WeftError('ERR_TRACE', 'gradients: only inside jit(), grad() or valueAndGrad(), where the computation is recorded', {
      hint: 'Wrap the step: jit(() => { const loss = ...; return gradients(loss, weights) })',
    })
  }
  if (!(loss instanceof Tensor) || loss.size !== 1 || loss.rank !== 0) {
    throw new WeftError(
      'ERR_SHAPE',
      `gradients: the loss must be a scalar, got ${loss instanceof Tensor ? `shape [${loss.shape}]` : show(loss)}`,
      { hint: 'Reduce it with mean() or sum()' },
    )
  }
  if (!isFloat(loss.dtype)) throw new WeftError('ERR_DTYPE', `gradients: the loss must be a float, got ${loss.dtype}`)
  if (!Array.isArray(wrt) || [...wrt].some((t) => !(t instanceof Tensor)))
    throw new WeftError('ERR_ARGUMENT', `gradients: the second argument is a list of Tensors, got ${show(wrt)}`, {
      hint: 'Write gradients(loss, [w])',
    })
  const root = trace.resolve(loss)
  fuse([root])
  const calls = orderCalls([root])
  const read = new Set(calls.flatMap((call) => call.inputs))
  const targets = wrt.map((t) => target(trace, t, read))

  // only calls on a path from a target to the loss take part
  const active = new Set<Tensor>(targets)
  const path: Call[] = []
  for (const call of calls) {
    if (call.op.stopsGradient || !call.inputs.some((input) => active.has(input))) continue
    path.push(call)
    for (const output of call.outputs) active.add(output)
  }

  const total = new Map<Tensor, Tensor>([[root, filled(root, 1)]])
  during(maskedCalls, { own: true }, () => sweep(path, active, total))
  return targets.map((t) => total.get(t) ?? zerosLike(t))
}

/** Goes through ordered calls from last to first, and adds to `total` what each active tensor receives. */
function sweep(calls: readonly Call[], active: ReadonlySet<Tensor>, total: Map<Tensor, Tensor>): void {
  for (const call of [...calls].reverse()) {
    if (!call.outputs.some((output) => total.has(output))) continue
    const parts = gradientOf(
      call,
      call.outputs.map((output) => total.get(output) ?? zerosLike(output)),
    )
    call.inputs.forEach((input, i) => {
      const part = parts[i]
      if (!part || !active.has(input)) return
      const sum = total.get(input)
      total.set(input, sum ? add(sum, part) : part)
    })
  }
}

/**
 * The recorded value of `t` that the loss depends on. A variable has several when it is assigned: the one that the loss
 * has read.
 */
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
    if (call.op.stopsGradient || call.outputs.some((output) => stop.has(output)) || !call.inputs.some((input) => active.has(input)))
      continue
    inside.push(call)
    for (const output of call.outputs) active.add(output)
  }
  sweep(inside, active, total)
  return inputs.map((input) => total.get(input))
}

export interface GradOptions {
  /** Position of the argument, or arguments, to differentiate by. Default 0. */
  wrt?: number | readonly number[]
}
const OPTIONS: OptionTable<GradOptions> = { wrt: 'any' }

function derivative(
  what: string,
  fn: (...args: never[]) => Tensor,
  options: GradOptions,
): (args: readonly unknown[]) => { value: Tensor; gradient: Tensor | Tensor[] } {
  checkFunction(what, fn)
  const { wrt = 0 } = options
  if (Array.isArray(wrt) && wrt.length === 0) throw new WeftError('ERR_ARGUMENT', `${what}: wrt is an empty list`)
  const positions = (Array.isArray(wrt) ? [...wrt] : [wrt]).map((position) => integer(what, 'wrt', position, 0))
  return (args) => {
    const targets = positions.map((position) => {
      const target = args[position]
      if (!(target instanceof Tensor)) {
        throw new WeftError('ERR_ARGUMENT', `${what}: argument ${position} is ${target === undefined ? 'missing' : 'not a Tensor'}`, {
          hint: 'Pass a Tensor, or name another argument with { wrt }',
        })
      }
      if (!isFloat(target.dtype))
        throw new WeftError('ERR_DTYPE', `${what}: argument ${position} is ${target.dtype}; derivatives need floats`, {
          hint: "cast('float32')",
        })
      return target
    })
    const value = fn(...(args as never[]))
    if (!(value instanceof Tensor))
      throw new WeftError('ERR_ARGUMENT', `${what}: the function must return a scalar Tensor, got ${show(value)}`)
    const found = gradients(value, targets)
    return { value, gradient: Array.isArray(wrt) ? found : found[0]! }
  }
}

/** The derivative of a scalar function: a function of the same arguments. By argument 0, or { wrt }. */
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor): (...args: A) => Tensor
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: { wrt: number }): (...args: A) => Tensor
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: { wrt: readonly number[] }): (...args: A) => Tensor[]
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: GradOptions = {}): (...args: A) => Tensor | Tensor[] {
  checkCall('grad(fn, options)', arguments, OPTIONS)
  const both = derivative('grad', fn as unknown as (...args: never[]) => Tensor, options)
  const body = (...args: A): Tensor | Tensor[] => both(args).gradient
  return (...args) =>
    currentTrace() ? body(...args) : (runFresh(body as (...args: never[]) => unknown, args, 'grad') as Tensor | Tensor[])
}

/** Value and derivative of a scalar function together: [value, gradient]. */
export function valueAndGrad<A extends unknown[]>(fn: (...args: A) => Tensor): (...args: A) => [Tensor, Tensor]
export function valueAndGrad<A extends unknown[]>(fn: (...args: A) => Tensor, options: { wrt: number }): (...args: A) => [Tensor, Tensor]
export function valueAndGrad<A extends unknown[]>(
  fn: (...args: A) => Tensor,
  options: { wrt: readonly number[] },
): (...args: A) => [Tensor, Tensor[]]
export function valueAndGrad<A extends unknown[]>(
  fn: (...args: A) => Tensor,
  options: GradOptions = {},
): (...args: A) => [Tensor, Tensor | Tensor[]] {
  checkCall('valueAndGrad(fn, options)', arguments, OPTIONS)
  const both = derivative('valueAndGrad', fn as unknown as (...args: never[]) => Tensor, options)
  const body = (...args: A): [Tensor, Tensor | Tensor[]] => {
    const { value, gradient } = both(args)
    return [value, gradient]
  }
  return (...args) =>
    currentTrace() ? body(...args) : (runFresh(body as (...args: never[]) => unknown, args, 'valueAndGrad') as [Tensor, Tensor | Tensor[]])
}
