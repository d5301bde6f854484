// Graph: the calls of a traced function in order, with its inputs, state and outputs; and the recording that makes one.
import { during } from './during.js'
import { WeftError } from './error.js'
import type { Attrs, AttrValue, Call, Op } from './op.js'
import { frozenShape, type Spec } from './spec.js'
import { checkStored, checkUnchanged, Recording, Tensor, tracing, Variable } from './tensor.js'

/** A recording under way. Every value is a Tensor whose origin says where it comes from. */
export class Trace extends Recording {
  readonly inputs: Tensor[] = []
  /** Value of each variable at the start of the step. */
  readonly reads: Map<Variable, Tensor> = new Map()
  /** Value of each assigned variable, as of now. */
  readonly writes: Map<Variable, Tensor> = new Map()
  readonly captures: Map<Tensor, Tensor> = new Map()
  private count = 0
  readonly device: string
  /**
   * Whether only shapes and dtypes are wanted. Nothing runs then, and unknown extents are tried with numbers that data
   * need not have.
   */
  readonly inferring: boolean

  constructor(name: string, device: string, { inferring = false }: { inferring?: boolean } = {}) {
    super(name)
    this.device = device
    this.inferring = inferring
  }

  input(spec: Spec): Tensor {
    if (spec instanceof Tensor) checkUnchanged(spec)
    const t = new Tensor(frozenShape(spec.shape), spec.dtype, this.device, {
      origin: { kind: 'input', index: this.inputs.length },
      recording: this,
    })
    this.inputs.push(t)
    return t
  }

  /** The value of this recording that a tensor has: itself, or the leaf made for a tensor from outside. */
  resolve(t: Tensor): Tensor {
    if (t.recording === this) return t
    if (t.recording !== undefined) {
      throw new WeftError('ERR_TRACE', `a tensor (${t.dtype} [${t.shape}]) traced by another call of a function is used here`, {
        hint: 'Traced tensors live only while their function is being traced: pass values as arguments and return results',
      })
    }
    if (t.isDisposed) t.held()
    if (t.device !== this.device) throw otherDevice(this.name, t, this.device)
    if (t instanceof Variable) {
      const written = this.writes.get(t)
      if (written) return written
      return memo(this.reads, t, () => this.leaf(t, { kind: 'state', variable: t }))
    }
    return memo(this.captures, t, () => this.leaf(t, { kind: 'capture', tensor: t }))
  }

  private leaf(t: Tensor, origin: NonNullable<Tensor['origin']>): Tensor {
    checkUnchanged(t)
    return new Tensor(t.shape, t.dtype, t.device, { origin, recording: this })
  }

  record<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A, specs: readonly Spec[]): Tensor[] {
    const outputs: Tensor[] = []
    const call = {
      op: op as unknown as Op,
      inputs: inputs.map((t) => this.resolve(t)),
      outputs,
      attrs: frozenAttrs(attrs),
      order: op.early ? Math.max(0, ...inputs.map((t) => callOf(this.resolve(t))?.order ?? 0)) + 0.5 : this.count++,
      layer: tracing.layer,
    }
    specs.forEach((spec, index) => {
      checkStored(spec.dtype, this.device)
      outputs.push(new Tensor(frozenShape(spec.shape), spec.dtype, this.device, { origin: { kind: 'call', call, index }, recording: this }))
    })
    return outputs
  }

  assign(variable: Variable, value: Tensor): void {
    this.writes.set(variable, this.resolve(value))
  }
}

/** The attributes with lists that nobody can change. */
function frozenAttrs<A extends Attrs>(attrs: A): A {
  const frozen: Record<string, AttrValue> = {}
  for (const [name, value] of Object.entries(attrs)) frozen[name] = Array.isArray(value) ? frozenShape(value) : value
  return frozen as A
}

/** @internal The error for operands on two devices. */
export function otherDevice(what: string, t: Tensor, device: string): WeftError {
  const kind = t instanceof Variable ? `variable '${t.name}'` : 'a tensor'
  return new WeftError('ERR_DEVICE', `${what}: ${kind} (${t.dtype} [${t.shape}]) is on ${t.device}, the others are on ${device}`, {
    hint: `Move it with to('${device}')`,
  })
}

/** @internal The entry of a map, made at its first use. */
export function memo<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}

/** The recording under way, if any. */
export const currentTrace = (): Trace | undefined => tracing.current as Trace | undefined

/** Runs fn while `trace` records what it calls (undefined: nothing does). */
export const recording = <T>(trace: Trace | undefined, fn: () => T): T => during(tracing, { current: trace, layer: undefined }, fn)

/** Runs fn, whose operations, recorded or run at once, are those of a layer. */
export const inLayer = <T>(name: string, fn: () => T): T => during(tracing, { layer: name }, fn)

/** Runs fn outside any recording: how variables are made while a function is being traced. */
export const outsideTrace = <T>(fn: () => T): T => recording(undefined, fn)

export const callOf = (t: Tensor): Call | undefined => (t.origin?.kind === 'call' ? t.origin.call : undefined)

/**
 * The calls that the given values need. Each comes after those it depends on, otherwise in order of recording. Updates
 * of state come last: a run that fails before them has changed nothing.
 */
export function orderCalls(roots: readonly Tensor[]): Call[] {
  const needed = new Set<Call>()
  const pending = roots.map(callOf)
  while (pending.length > 0) {
    const call = pending.pop()
    if (!call || needed.has(call)) continue
    needed.add(call)
    for (const input of call.inputs) pending.push(callOf(input))
  }
  const ordered = new Set<Call>()
  for (const root of [...needed].sort((a, b) => a.order - b.order)) {
    const path = [{ call: root, next: 0 }]
    while (path.length > 0) {
      const top = path[path.length - 1]!
      const input = ordered.has(top.call) ? undefined : top.call.inputs[top.next++]
      if (input) {
        const source = callOf(input)
        if (source && !ordered.has(source)) path.push({ call: source, next: 0 })
      } else {
        ordered.add(top.call)
        path.pop()
      }
    }
  }
  const late = new Set<Call>()
  for (const call of ordered) {
    if (call.op.updates || call.inputs.some((input) => late.has(callOf(input) as Call))) late.add(call)
  }
  return late.size === 0 ? [...ordered] : placed(ordered, late)
}

/**
 * The calls with the late ones at the end. What is made of state alone, as a weight in another dtype, is made where it
 * is first read, so that not all such values lie in memory at once.
 */
function placed(ordered: ReadonlySet<Call>, late: ReadonlySet<Call>): Call[] {
  const updated = new Set([...late].flatMap((call) => (call.op.updates ? [call.inputs[0]!] : [])))
  const ofState = new Set<Call>()
  const isOfState = (input: Tensor): boolean => {
    const source = callOf(input)
    return source ? ofState.has(source) : input.origin?.kind === 'state' && !updated.has(input)
  }
  for (const call of ordered) {
    // what may meet bad data stays before the updates
    const safe = !late.has(call) && call.op.valuesTaken === undefined && call.op.collective !== true
    if (safe && call.inputs.length > 0 && call.inputs.every(isOfState)) ofState.add(call)
  }
  const found = new Set<Call>()
  const place = (call: Call): void => {
    if (found.has(call)) return
    for (const input of call.inputs) {
      const source = callOf(input)
      if (source && ofState.has(source)) place(source)
    }
    found.add(call)
  }
  for (const call of ordered) if (!late.has(call) && !ofState.has(call)) place(call)
  for (const call of late) place(call)
  for (const call of ofState) place(call)
  return [...found]
}

/** A finished recording. */
export class Graph {
  readonly inputs: readonly Tensor[]
  readonly reads: ReadonlyMap<Variable, Tensor>
  readonly captures: ReadonlyMap<Tensor, Tensor>
  outputs: readonly Tensor[]
  writes: ReadonlyMap<Variable, Tensor>
  calls: readonly Call[] = []

  constructor(trace: Trace, outputs: readonly Tensor[]) {
    this.inputs = trace.inputs
    this.outputs = outputs.map((t) => trace.resolve(t))
    this.writes = new Map([...trace.writes].filter(([variable, value]) => value !== trace.reads.get(variable)))
    this.reads = trace.reads
    this.captures = trace.captures
    this.reorder()
  }

  /** What must be computed: the results and the variables' next values. */
  get roots(): readonly Tensor[] {
    return [...this.outputs, ...this.writes.values()]
  }

  /** Finds the calls again, after their connections have changed. */
  reorder(): void {
    this.calls = orderCalls(this.roots)
  }

  /** Replaces the results and the next values of variables by what `current` gives for each. */
  replace(current: (t: Tensor) => Tensor): void {
    this.outputs = this.outputs.map(current)
    this.writes = new Map([...this.writes].map(([variable, value]) => [variable, current(value)]))
    this.reorder()
  }

  /** One line per call: results, op, operands, attributes. */
  toString(): string {
    const names = new Map<Tensor, string>()
    const name = (t: Tensor): string => memo(names, t, () => `%${names.size}`)
    const typed = (t: Tensor): string => `${name(t)}: ${t.signature}`
    const lines = [`inputs (${this.inputs.map(typed).join(', ')})`]
    const used = new Set(this.calls.flatMap((call) => call.inputs).concat(this.outputs, [...this.writes.values()]))
    for (const [variable, value] of this.reads) if (used.has(value)) lines.push(`state ${typed(value)} = ${variable.name}`)
    for (const value of this.captures.values()) if (used.has(value)) lines.push(`captured ${typed(value)}`)
    for (const call of this.calls) {
      const attrs = Object.entries(call.attrs).map(([key, value]) => `${key}=${Array.isArray(value) ? `[${value}]` : String(value)}`)
      lines.push(`${call.outputs.map(typed).join(', ')} = ${call.op.name}(${[...call.inputs.map(name), ...attrs].join(', ')})`)
    }
    for (const [variable, value] of this.writes) lines.push(`${variable.name} <- ${name(value)}`)
    lines.push(`return (${this.outputs.map(name).join(', ')})`)
    return lines.join('\n')
  }

  /**
   * Text that is equal for graphs that do the same with their inputs, captured tensors and variables, in that order.
   */
  key(): string {
    const variables = [...this.reads.keys()].map((v) => v.signature)
    const written = [...this.writes.keys()].map((v) => [...this.reads.keys()].indexOf(v))
    // captured tensors that nobody reads are not printed, but take their place among those passed to a run
    const read = new Set(this.calls.flatMap((call) => call.inputs).concat(this.roots))
    const captured = [...this.captures.values()].map((t) => `${read.has(t) ? '' : '-'}${t.signature}`)
    return `${this.toString()}|${variables.join()}|${written.join()}|${captured.join()}`
  }
}
