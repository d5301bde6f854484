// jit: a function is traced once per signature into a graph, loaded into C++ as a program, and replayed with one native
// call.
import type { Buffer } from './buffer.js'
import { Cache } from './cache.js'
import { checkFunction, isTypedArray } from './checks.js'
import { device, indexOf, withDevice } from './device.js'
import { checkPrecision } from './device_kinds.js'
import { WeftError } from './error.js'
import { finished, wake } from './flights.js'
import { currentTrace, Graph, otherDevice, recording, Trace } from './graph.js'
import { lower } from './lower.js'
import { checkCall, isDetached, type OptionTable } from './options.js'
import { type Describe, Program } from './program.js'
import { simplify } from './simplify.js'
import { type Layout, layoutOf } from './spec.js'
import { again } from './stack.js'
import { allocateAs, Tensor, tracing } from './tensor.js'
import { checkDepth, isRecord, mapLeaves, mapTree } from './tree.js'
import { warnOnce } from './warnings.js'

export type Precision = 'float32' | 'tf32' | 'mixedBfloat16'

export interface JitOptions {
  /**
   * Accuracy of matrix products and convolutions of float32 values: 'float32' (default), or operands rounded to tf32 or
   * bfloat16, with float32 sums. On the CPU 'tf32' changes nothing. 'mixedBfloat16' needs a CUDA device, or a processor
   * with AVX-512 BF16, which rounds the operands of matMul and dense; ERR_ARGUMENT elsewhere.
   */
  precision?: Precision
  /** Shown in warnings and errors. Default: the function's name. */
  name?: string
}
const OPTIONS: OptionTable<JitOptions> = { precision: ['float32', 'tf32', 'mixedBfloat16'], name: 'string' }

/** What submit() gives: the results, and when they are there. */
export interface Submitted<R> {
  outputs: R
  ticket: number
  /** Resolves when the run is done, without a further native call; rejects when it failed. */
  done: Promise<void>
  /** Of a run that was submitted in a row: makes `done` resolve at its end, though no other run follows. */
  wake?: () => void
}

export interface JitFunction<A extends unknown[], R> {
  (...args: A): R
  /** The graph that these arguments run, printed. */
  graph(...args: A): string
  /** Runs like a call; `done` follows the device. */
  submit(...args: A): Submitted<R>
  /**
   * @internal Like submit(), for a run that another one will follow: `done` resolves at the end of a later run, or
   *   after wake(). The device need not wake a thread then, which takes it as long as a small step (10 µs).
   */
  submitInRow(...args: A): Submitted<R>
  /** Forgets the programs. */
  dispose(): void
  [Symbol.dispose](): void
  /** Programs loaded so far and still kept. */
  readonly programs: number
  /** @internal Whether a bad value in the data, as an index out of range, may make a run fail. */
  readonly readsValues: boolean
}

interface Loaded {
  program: Program
  /** The device it runs on. */
  where: string
  outputs: readonly Layout[]
  /** The results' structure, with positions in the outputs for Tensors. */
  tree: unknown
  /** Whether some call may meet a bad value. */
  readsValues: boolean
}

/** A run: its results, and what went wrong in it, once it is done. */
interface Run {
  outputs: unknown
  ticket: number
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

/** What may change in an object that is not plain: the function sees it, so it tells one call from another. */
function contentsOf(value: object): readonly unknown[] | undefined {
  if (isTypedArray(value)) return isDetached(value) ? undefined : Array.from(value as ArrayLike<unknown>)
  if (value instanceof Map)
    return [identityOf(value), ...[...(value as Map<unknown, unknown>)].map(([key, item]) => [keyOf(key), keyOf(item)])]
  if (value instanceof Set) return [identityOf(value), ...[...(value as Set<unknown>)].map(keyOf)]
  return value instanceof Date ? [value.getTime()] : undefined
}

/** Tensors in a Map or Set are no arguments of the program but values it closes over. */
const keyOf = (value: unknown): unknown => (value instanceof Tensor ? identityOf(value) : value)

/** The arguments as text; Tensors are collected in order. A variable is an argument like any tensor. */
function argumentsKey(value: unknown, tensors: Tensor[], depth = 0): string {
  if (value instanceof Tensor) {
    tensors.push(value)
    return value.mask ? `${value.signature}m${argumentsKey(value.mask, tensors)}` : value.signature
  }
  if (typeof value === 'object' && value !== null) {
    checkDepth(depth)
    if (Array.isArray(value)) return `(${value.map((item) => argumentsKey(item, tensors, depth + 1)).join(',')})`
    if (isRecord(value))
      return `{${Object.entries(value).map(([key, item]) => `${key.length}${key}:${argumentsKey(item, tensors, depth + 1)}`)}}`
    const held = contentsOf(value)
    return held ? `${value.constructor.name}${argumentsKey(held, tensors, depth + 1)}` : `#${identityOf(value)}`
  }
  if (typeof value === 'function') return `#${identityOf(value)}`
  return typeof value === 'string'
    ? JSON.stringify(value)
    : Object.is(value, -0)
      ? '-0'
      : `${typeof value === 'bigint' ? 'n' : ''}${String(value)}`
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
  for (const arg of args) argumentsKey(arg, tensors)
  return tensors[0]?.device ?? device()
}

const isHole = (value: unknown): value is Hole => value instanceof Hole

function load(graph: Graph, tree: unknown, capturesAsInputs: boolean, where: string, precision?: Precision): Loaded {
  const { spec, bound, outputs, calls } = lower(graph, capturesAsInputs, precision)
  const facts = calls.map(({ op, layer, inputs, attrs }) => ({ op: op.name, layer, taken: op.valuesTaken?.(inputs, attrs) }))
  const describe: Describe = (index) => facts[index] ?? { op: 'step', layer: undefined, taken: undefined }
  return {
    program: new Program({ ...spec, retraced: capturesAsInputs }, bound, describe, indexOf(where)),
    where,
    outputs: outputs.map(layoutOf),
    tree,
    readsValues: facts.some(({ taken }) => taken !== undefined),
  }
}

/** How a run is told of: not at all, with the end of a later one, or by itself. */
type Told = 'never' | 'later' | 'itself'

function run(loaded: Loaded, inputs: readonly Buffer[], told: Told): Run {
  const results = loaded.outputs.map((layout) => allocateAs(layout, loaded.where))
  const made: Run = { outputs: mapLeaves(loaded.tree, isHole, ({ index }) => results[index]!), ticket: 0, fault: undefined }
  const onFault = (error: WeftError): void => {
    made.fault = error
  }
  made.ticket = loaded.program.run(
    inputs,
    results.map((t) => t.buffer!),
    { notify: told === 'itself', replies: told !== 'never', ...(told !== 'never' && { onFault }), layer: tracing.layer },
  )
  return made
}

/**
 * Compiles a synchronous function of tensors: traced once per shape and dtype of its Tensors (also inside arrays and
 * records) and per value of other arguments; later calls replay the program with one native call. Tensors and variables
 * it closes over are bound by reference.
 * Called inside another traced function it is inlined.
 */
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): JitFunction<A, R> {
  checkCall('jit(fn, options)', arguments, OPTIONS)
  checkFunction('jit', fn)
  const { precision } = options
  checkPrecision('jit', device(), precision)
  const name = options.name ?? (fn.name || 'function')
  const programs = new Cache<Loaded>(MOST_PROGRAMS, (loaded) => loaded.program.dispose())
  const shapes: string[] = []
  let disposed = false
  let readsValues = false

  const find = (args: A): { loaded: Loaded; tensors: Tensor[] } => {
    if (disposed) throw new WeftError('ERR_DISPOSED', `${name}: this function was disposed`)
    const tensors: Tensor[] = []
    const signature = argumentsKey(args, tensors)
    const where = tensors[0]?.device ?? device()
    const key = where === 'cpu' ? signature : `${where}${signature}`
    let loaded = programs.get(key)
    if (loaded === undefined) {
      const { graph, tree } = trace(fn as (...args: never[]) => unknown, args, name, where)
      loaded = programs.add(key, load(graph, tree, false, where, precision))
      readsValues ||= loaded.readsValues
      shapes.push(key)
      if (shapes.length === MANY_SIGNATURES + 1) warnVarying(name, shapes)
    }
    return { loaded, tensors }
  }

  const submit = (args: A, told: Told): Run => {
    const { loaded, tensors } = find(args)
    return run(
      loaded,
      tensors.map((t) => t.held()),
      told,
    )
  }

  const follow = (args: A, told: 'later' | 'itself'): Submitted<R> => {
    if (currentTrace()) throw new WeftError('ERR_TRACE', `${name}: submit() cannot be used inside a traced function`)
    const made = submit(args, told)
    const done = finished(made.ticket, told === 'itself' ? 'told' : 'later').then(() => {
      if (made.fault) throw again(made.fault)
    })
    return { outputs: made.outputs as R, ticket: made.ticket, done, ...(told === 'later' && { wake: () => wake(made.ticket) }) }
  }

  const dispose = (): void => {
    programs.clear()
    disposed = true
  }

  const call = (...args: A): R => (currentTrace() ? fn(...args) : (submit(args, 'never').outputs as R))
  const made = Object.assign(call, {
    graph: (...args: A): string => trace(fn as (...args: never[]) => unknown, args, name).graph.toString(),
    submit: (...args: A): Submitted<R> => follow(args, 'itself'),
    submitInRow: (...args: A): Submitted<R> => follow(args, 'later'),
    dispose,
    [Symbol.dispose]: dispose,
  })
  return Object.defineProperties(made, {
    programs: { get: () => programs.size },
    readsValues: { get: () => readsValues },
  }) as unknown as JitFunction<A, R>
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
const retraced = new Cache<Loaded>(64, (loaded) => loaded.program.dispose())

/** @internal Traces fn now, and runs the program of an equal graph if there is one. */
export function runFresh(fn: (...args: never[]) => unknown, args: readonly unknown[], name: string): unknown {
  const tensors: Tensor[] = []
  for (const arg of args) argumentsKey(arg, tensors)
  const where = tensors[0]?.device ?? device()
  const { graph, tree } = trace(fn, args, name, where)
  const state = [...graph.reads.keys(), ...graph.writes.keys()].map((v) => identityOf(v))
  const key = `${where}|${graph.key()}|${state.join()}|${JSON.stringify(
    mapTree(tree, () => 0),
    holes,
  )}`
  const loaded = retraced.get(key) ?? retraced.add(key, load(graph, tree, true, where))
  const captured = [...graph.captures.keys()]
  return run(
    loaded,
    [...tensors, ...captured].map((t) => t.held()),
    'never',
  ).outputs
}

const holes = (_: string, value: unknown): unknown => (value instanceof Hole ? `#${value.index}` : value)
