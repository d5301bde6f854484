// jit: a function is traced once per signature into a graph, loaded into C++ as a program, and replayed with one native call.
import { type Buffer } from './buffer.js'
import { device, indexOf, withDevice } from './device.js'
import { type Describe, finished, Program } from './program.js'
import { WeftError } from './error.js'
import { currentTrace, Graph, type Lowered, lower, otherDevice, recording, Trace } from './graph.js'
import { gradients } from './grad.js'
import { isFloat, sizeOf } from './op.js'
import { simplify } from './simplify.js'
import { allocate, isRecord, mapTree, Tensor, tracing } from './tensor.js'
import { warnOnce } from './warnings.js'

export type Precision = 'float32' | 'tf32' | 'mixedBfloat16'

export interface JitOptions {
  /** Accuracy of matrix products and convolutions of float32 values: 'float32' (default), or operands rounded to tf32 or bfloat16, with float32 sums. 'tf32' changes nothing on the CPU; 'mixedBfloat16' needs a CUDA device. */
  precision?: Precision
  /** Shown in warnings and errors. Default: the function's name. */
  name?: string
}

/** What submit() gives: the results, and when they are there. */
export interface Submitted<R> {
  outputs: R
  ticket: number
  /** Resolves when the run is done, without a further native call; rejects when it failed. */
  done: Promise<void>
}

export interface JitFunction<A extends unknown[], R> {
  (...args: A): R
  /** The graph that these arguments run, printed. */
  graph(...args: A): string
  /** Runs like a call; `done` follows the device. */
  submit(...args: A): Submitted<R>
  /** Forgets the programs. */
  dispose(): void
  /** Programs loaded so far and still kept. */
  readonly programs: number
}

interface Loaded {
  program: Program
  /** The device it runs on. */
  where: string
  lowered: Lowered
  /** The results' structure, with positions in the outputs for Tensors. */
  tree: unknown
  fault: WeftError | undefined
}

/** Marks where in a result tree an output goes. */
class Hole {
  readonly index: number
  constructor(index: number) {
    this.index = index
  }
}

const MOST_PROGRAMS = 16
const MANY_SIGNATURES = 8

let nextIdentity = 1
const identities = new WeakMap<object, number>()
function identityOf(value: object): number {
  let id = identities.get(value)
  if (id === undefined) identities.set(value, (id = nextIdentity++))
  return id
}

/** Signature of the arguments; Tensors are collected in order. A variable is an argument like any tensor. */
function signatureOf(value: unknown, tensors: Tensor[]): string {
  if (value instanceof Tensor) {
    tensors.push(value)
    return value.mask ? `${value.signature}m${signatureOf(value.mask, tensors)}` : value.signature
  }
  if (Array.isArray(value)) return `(${value.map((item) => signatureOf(item, tensors)).join(',')})`
  if (isRecord(value)) return `{${Object.entries(value).map(([key, item]) => `${key}:${signatureOf(item, tensors)}`)}}`
  if (typeof value === 'function' || (typeof value === 'object' && value !== null)) return `#${identityOf(value)}`
  return typeof value === 'string' ? JSON.stringify(value) : Object.is(value, -0) ? '-0' : String(value)
}

function checkPrecision(precision: Precision | undefined): void {
  if (precision === undefined || precision === 'float32' || precision === 'tf32') return
  if (precision === 'mixedBfloat16') {
    if (device() !== 'cpu') return
    throw new WeftError('ERR_ARGUMENT', "jit: precision 'mixedBfloat16' needs a CUDA device; the CPU computes in float32", {
      hint: "Use 'float32', or setDevice('cuda') first",
    })
  }
  throw new WeftError('ERR_ARGUMENT', `jit: unknown precision '${String(precision)}'`, {
    hint: "Known: 'float32', 'tf32', 'mixedBfloat16'",
  })
}

/** Records fn on values of the arguments' shapes. */
function trace(
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  name: string,
  where: string = whereOf(args),
): { graph: Graph; tree: unknown } {
  const record = new Trace(name, where)
  const traced = args.map((arg) =>
    mapTree(arg, (t) => {
      if (t.device !== where) throw otherDevice(name, t, where)
      const value = record.input(t)
      if (t.mask) value.mask = record.input(t.mask)
      return value
    }),
  )
  return recording(record, () => {
    const result = withDevice(where, () => fn(...(traced as never[])))
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new WeftError('ERR_TRACE', `${name}: a traced function must be synchronous, it returned a Promise`, {
        hint: 'Await outside: return the tensors and read them there',
      })
    }
    const outputs: Tensor[] = []
    const tree = mapTree(result, (t) => new Hole(outputs.push(t) - 1))
    return { graph: simplify(new Graph(record, outputs)), tree }
  })
}

/** The device of the first tensor among the arguments, else the current one. */
function whereOf(args: readonly unknown[]): string {
  const tensors: Tensor[] = []
  for (const arg of args) signatureOf(arg, tensors)
  return tensors[0]?.device ?? device()
}

function fill(tree: unknown, outputs: readonly Tensor[]): unknown {
  if (tree instanceof Hole) return outputs[tree.index]
  if (Array.isArray(tree)) return tree.map((item) => fill(item, outputs))
  if (isRecord(tree)) return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, fill(item, outputs)]))
  return tree
}

function load(graph: Graph, tree: unknown, capturesAsInputs: boolean, where: string, precision?: Precision): Loaded {
  const lowered = lower(graph, capturesAsInputs, precision)
  const calls = graph.calls.filter(
    (call) => call.op.alias === undefined && !(call.op.name === 'fill' && sizeOf(call.outputs[0]!.shape) <= 4096),
  )
  const describe = (index: number): ReturnType<Describe> => {
    const call = calls[index]
    return { op: call?.op.name ?? 'step', layer: call?.layer, names: undefined }
  }
  return { program: new Program(lowered.spec, lowered.bound, describe, indexOf(where)), where, lowered, tree, fault: undefined }
}

function run(loaded: Loaded, inputs: readonly Buffer[], notify: boolean): { outputs: unknown; ticket: number } {
  const results = loaded.lowered.outputs.map((spec) => allocate(spec.shape, spec.dtype, loaded.where))
  const ticket = loaded.program.run(
    inputs,
    results.map((t) => t.buffer!),
    {
      notify,
      onFault: (error) => {
        loaded.fault = error
      },
      layer: tracing.layer,
    },
  )
  return { outputs: fill(loaded.tree, results), ticket }
}

/**
 * Compiles a synchronous function of tensors: traced once per shape and dtype of its Tensors (also inside arrays and records) and per value of other
 * arguments; later calls replay the program with one native call. Tensors and variables it closes over are bound by reference.
 * Called inside another traced function it is inlined.
 */
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): JitFunction<A, R> {
  if (typeof fn !== 'function') throw new WeftError('ERR_ARGUMENT', `jit: expected a function, got ${typeof fn}`)
  checkPrecision(options.precision)
  const name = options.name ?? (fn.name || 'function')
  const programs = new Map<string, Loaded>()
  const shapes: string[] = []
  let disposed = false

  const find = (args: A): { loaded: Loaded; tensors: Tensor[] } => {
    if (disposed) throw new WeftError('ERR_DISPOSED', `${name}: this function was disposed`)
    const tensors: Tensor[] = []
    const signature = signatureOf(args, tensors)
    const where = tensors[0]?.device ?? device()
    const key = where === 'cpu' ? signature : `${where}${signature}`
    let loaded = programs.get(key)
    if (loaded === undefined) {
      const { graph, tree } = trace(fn as (...args: never[]) => unknown, args, name, where)
      loaded = load(graph, tree, false, where, options.precision)
      if (programs.size >= MOST_PROGRAMS) {
        const [oldest, entry] = programs.entries().next().value!
        programs.delete(oldest)
        entry.program.dispose()
      }
      shapes.push(key)
      if (shapes.length === MANY_SIGNATURES + 1) warnVarying(name, shapes)
    } else programs.delete(key)
    programs.set(key, loaded)
    return { loaded, tensors }
  }

  const submit = (args: A, notify: boolean): { outputs: unknown; ticket: number; loaded: Loaded } => {
    const { loaded, tensors } = find(args)
    return {
      loaded,
      ...run(
        loaded,
        tensors.map((t) => t.held()),
        notify,
      ),
    }
  }

  const call = (...args: A): R => (currentTrace() ? fn(...args) : (submit(args, false).outputs as R))
  const made = Object.assign(call, {
    graph: (...args: A): string => trace(fn as (...args: never[]) => unknown, args, name).graph.toString(),
    submit: (...args: A): Submitted<R> => {
      if (currentTrace()) throw new WeftError('ERR_TRACE', `${name}: submit() cannot be used inside a traced function`)
      const { outputs, ticket, loaded } = submit(args, true)
      const done = finished(ticket, true).then(() => {
        if (loaded.fault) {
          const fault = loaded.fault
          loaded.fault = undefined
          throw fault
        }
      })
      return { outputs: outputs as R, ticket, done }
    },
    dispose: (): void => {
      for (const loaded of programs.values()) loaded.program.dispose()
      programs.clear()
      disposed = true
    },
  })
  return Object.defineProperty(made, 'programs', { get: () => programs.size }) as unknown as JitFunction<A, R>
}

/** One warning per function that is traced again and again, naming what varies. */
function warnVarying(name: string, keys: readonly string[]): void {
  const parts = keys.map((key) => key.match(/\[[\d,]*\]|[^[\]]+/g) ?? [])
  let what = 'its arguments'
  const varying = parts[0]!.findIndex((_, i) => new Set(parts.map((p) => p[i])).size > 1)
  if (varying >= 0 && parts[0]![varying]!.startsWith('[')) {
    const extents = parts.map((p) => (p[varying] ?? '[]').slice(1, -1).split(','))
    const axis = extents[0]!.findIndex((_, i) => new Set(extents.map((e) => e[i])).size > 1)
    const position = parts[0]!.slice(0, varying).filter((p) => p.startsWith('[')).length
    what = `axis ${axis} of tensor ${position} (${[...new Set(extents.map((e) => e[axis]))].slice(0, 4).join(', ')}, ...)`
  } else if (varying >= 0) {
    what = `an argument that is not a Tensor (${[...new Set(parts.map((p) => p[varying]))].slice(0, 3).join(' / ')})`
  }
  warnOnce(
    'WEFT_RETRACE',
    `${name} was traced for ${keys.length} signatures: ${what} varies. Pad to fixed sizes, or pass numbers that change as tensors.`,
    name,
  )
}

/** Programs of functions that are traced on every call, by graph. */
const retraced = new Map<string, Loaded>()

/** Traces fn now, and runs the program of an equal graph if there is one. */
function runFresh(fn: (...args: never[]) => unknown, args: readonly unknown[], name: string): unknown {
  const tensors: Tensor[] = []
  for (const arg of args) signatureOf(arg, tensors)
  const where = tensors[0]?.device ?? device()
  const { graph, tree } = trace(fn, args, name, where)
  const state = [...graph.reads.keys(), ...graph.writes.keys()].map((v) => identityOf(v))
  const key = `${where}|${graph.key()}|${state.join()}|${JSON.stringify(
    mapTree(tree, () => 0),
    holes,
  )}`
  let loaded = retraced.get(key)
  if (loaded === undefined) {
    loaded = load(graph, tree, true, where)
    if (retraced.size >= 64) {
      const [oldest, entry] = retraced.entries().next().value!
      retraced.delete(oldest)
      entry.program.dispose()
    }
  } else retraced.delete(key)
  retraced.set(key, loaded)
  const captured = [...graph.captures.keys()]
  return run(
    loaded,
    [...tensors, ...captured].map((t) => t.held()),
    false,
  ).outputs
}

const holes = (_: string, value: unknown): unknown => (value instanceof Hole ? `#${value.index}` : value)

export interface GradOptions {
  /** Position of the argument, or arguments, to differentiate by. Default 0. */
  wrt?: number | readonly number[]
}

function derivative(
  fn: (...args: never[]) => Tensor,
  options: GradOptions,
): (args: readonly unknown[]) => { value: Tensor; gradient: Tensor | Tensor[] } {
  if (typeof fn !== 'function') throw new WeftError('ERR_ARGUMENT', `grad: expected a function, got ${typeof fn}`)
  const wrt = options.wrt ?? 0
  const positions = typeof wrt === 'number' ? [wrt] : wrt
  return (args) => {
    const targets = positions.map((position) => {
      const target = args[position]
      if (!(target instanceof Tensor)) {
        throw new WeftError('ERR_ARGUMENT', `grad: argument ${position} is ${target === undefined ? 'missing' : 'not a Tensor'}`, {
          hint: 'Pass a Tensor, or name another argument with { wrt }',
        })
      }
      if (!isFloat(target.dtype))
        throw new WeftError('ERR_DTYPE', `grad: argument ${position} is ${target.dtype}; derivatives need floats`, {
          hint: "cast('float32')",
        })
      return target
    })
    const value = fn(...(args as never[]))
    if (!(value instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', 'grad: the function must return a scalar Tensor')
    const found = gradients(value, targets)
    return { value, gradient: typeof wrt === 'number' ? found[0]! : found }
  }
}

/** The derivative of a scalar function: a function of the same arguments. By argument 0, or { wrt }. */
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor): (...args: A) => Tensor
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: { wrt: number }): (...args: A) => Tensor
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: { wrt: readonly number[] }): (...args: A) => Tensor[]
export function grad<A extends unknown[]>(fn: (...args: A) => Tensor, options: GradOptions = {}): (...args: A) => Tensor | Tensor[] {
  const both = derivative(fn as unknown as (...args: never[]) => Tensor, options)
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
  const both = derivative(fn as unknown as (...args: never[]) => Tensor, options)
  const body = (...args: A): [Tensor, Tensor | Tensor[]] => {
    const { value, gradient } = both(args)
    return [value, gradient]
  }
  return (...args) =>
    currentTrace() ? body(...args) : (runFresh(body as (...args: never[]) => unknown, args, 'valueAndGrad') as [Tensor, Tensor | Tensor[]])
}
