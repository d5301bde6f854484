// Graph: the calls of a traced function in order, with its inputs, state and outputs; and the recording that makes one.
import { during } from './during.js'
import { WeftError } from './error.js'
import { type Attrs, bytesOf, type Call, type Op, type Spec, sizeOf } from './op.js'
import { checkStored, Tensor, tracing, Variable } from './tensor.js'
import type { CallSpec, ProgramSpec, SlotSpec, Storage, ValueSpec } from './native.js'
import type { Buffer } from './buffer.js'

/** A recording under way. Every value is a Tensor whose origin says where it comes from. */
export class Trace {
  readonly name: string
  readonly inputs: Tensor[] = []
  /** Value of each variable at the start of the step. */
  readonly reads: Map<Variable, Tensor> = new Map()
  /** Value of each assigned variable, as of now. */
  readonly writes: Map<Variable, Tensor> = new Map()
  readonly captures: Map<Tensor, Tensor> = new Map()
  private count = 0
  readonly device: string
  /** Whether it is made to learn shapes and dtypes alone: unknown extents are then tried with numbers that data need not have, and nothing runs. */
  readonly inferring: boolean

  constructor(name: string, device: string, { inferring = false }: { inferring?: boolean } = {}) {
    this.name = name
    this.device = device
    this.inferring = inferring
  }

  input(spec: Spec): Tensor {
    const t = new Tensor(spec.shape, spec.dtype, this.device, { origin: { kind: 'input', index: this.inputs.length }, recording: this })
    this.inputs.push(t)
    return t
  }

  /** The traced value a tensor stands for inside this recording. */
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
    return new Tensor(t.shape, t.dtype, t.device, { origin, recording: this })
  }

  record<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A, specs: readonly Spec[]): Tensor[] {
    const outputs: Tensor[] = []
    const call = {
      op: op as unknown as Op,
      inputs: inputs.map((t) => this.resolve(t)),
      outputs,
      attrs,
      order: this.count++,
      layer: tracing.layer,
    }
    specs.forEach((spec, index) => {
      checkStored(spec.dtype, this.device)
      outputs.push(new Tensor(spec.shape, spec.dtype, this.device, { origin: { kind: 'call', call, index }, recording: this }))
    })
    return outputs
  }

  assign(variable: Variable, value: Tensor): void {
    this.writes.set(variable, this.resolve(value))
  }
}

/** @internal The error for operands on two devices. */
export function otherDevice(what: string, t: Tensor, device: string): WeftError {
  const kind = t instanceof Variable ? `variable '${t.name}'` : 'a tensor'
  return new WeftError('ERR_DEVICE', `${what}: ${kind} (${t.dtype} [${t.shape}]) is on ${t.device}, the others are on ${device}`, {
    hint: `Move it with to('${device}')`,
  })
}

function memo<K, V>(map: Map<K, V>, key: K, make: () => V): V {
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

/** The calls that the given values need, each after those it depends on, otherwise in order of recording; state updates come last, so that a run that fails before them has changed nothing. */
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
  return [...[...ordered].filter((call) => !late.has(call)), ...late]
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

  /** Gives the results and next values other tensors to stand for them. */
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

  /** Text that is equal for graphs that do the same with their inputs, captured tensors and variables, in that order. */
  key(): string {
    const variables = [...this.reads.keys()].map((v) => v.signature)
    const written = [...this.writes.keys()].map((v) => [...this.reads.keys()].indexOf(v))
    // captured tensors that nobody reads are not printed, but take their place among those passed to a run
    const read = new Set(this.calls.flatMap((call) => call.inputs).concat(this.roots))
    const captured = [...this.captures.values()].map((t) => `${read.has(t) ? '' : '-'}${t.signature}`)
    return `${this.toString()}|${variables.join()}|${written.join()}|${captured.join()}`
  }
}

export interface Lowered {
  spec: ProgramSpec
  /** Variables' and, unless they are inputs, captured tensors' memory. */
  bound: Buffer[]
  outputs: Spec[]
  /** Captured tensors that run() takes after the arguments. */
  captured: Tensor[]
}

const identity = 'identity'

/** The graph as C++ takes it: memory slots, values that see them with a shape, calls. `capturesAsInputs`: captured tensors are passed to each run, so that another recording of the same graph can use the program. */
export function lower(graph: Graph, capturesAsInputs = false, precision: ProgramSpec['precision'] = 'float32'): Lowered {
  const slots: SlotSpec[] = []
  const values: ValueSpec[] = []
  const calls: CallSpec[] = []
  const states: Storage[] = []
  const bound: Buffer[] = []
  const captured: Tensor[] = []
  const ids = new Map<Tensor, number>()
  const stateIndex = new Map<Variable, number>()

  const addSlot = (slot: SlotSpec): number => slots.push(slot) - 1
  const addValue = (t: Spec, slot: number): number => values.push({ slot, shape: t.shape, dtype: t.dtype }) - 1
  const bytes = (t: Spec): number => sizeOf(t.shape) * bytesOf(t.dtype)
  const bind = (buffer: Buffer): number => {
    bound.push(buffer)
    return states.push(buffer.open()) - 1
  }

  graph.inputs.forEach((t, index) => {
    ids.set(t, addValue(t, addSlot({ kind: 'input', bytes: bytes(t), index })))
  })
  const stateOf = (variable: Variable): number => memo(stateIndex, variable, () => bind(variable.held()))
  for (const [variable, t] of graph.reads) {
    ids.set(t, addValue(t, addSlot({ kind: 'state', bytes: bytes(t), index: stateOf(variable) })))
  }
  for (const [tensor, t] of graph.captures) {
    const slot: SlotSpec = capturesAsInputs
      ? { kind: 'input', bytes: bytes(t), index: graph.inputs.length + captured.push(tensor) - 1 }
      : { kind: 'state', bytes: bytes(t), index: bind(tensor.held()) }
    ids.set(t, addValue(t, addSlot(slot)))
  }

  const read = new Set<Tensor>([...graph.outputs, ...graph.writes.values()])
  for (const call of graph.calls) for (const input of call.inputs) read.add(input)
  for (const call of graph.calls) {
    if (call.op.alias !== undefined) {
      const first = call.op.alias
      call.outputs.forEach((t, i) => ids.set(t, addValue(t, values[ids.get(call.inputs[first + i]!)!]!.slot)))
      continue
    }
    const constant = call.op.name === 'fill' && sizeOf(call.outputs[0]!.shape) <= 4096
    const outputs = call.outputs.map((t) => {
      if (!read.has(t)) return addValue(t, -1)
      const slot: SlotSpec = constant
        ? { kind: 'constant', bytes: bytes(t), index: 0, value: call.attrs['value'] as number, dtype: t.dtype }
        : { kind: 'arena', bytes: bytes(t), index: 0 }
      const id = addValue(t, addSlot(slot))
      ids.set(t, id)
      return id
    })
    if (constant) continue
    calls.push({
      op: call.op.name,
      inputs: call.inputs.map((t) => ids.get(t)!),
      outputs,
      attrs: call.attrs,
      update: call.op.updates ?? false,
    })
  }

  const writes = [...graph.writes].map(([variable, t]) => {
    let slot = values[ids.get(t)!]!.slot
    // the value of another variable is copied first, so that two variables can be exchanged
    if (slots[slot]!.kind === 'state') {
      const target = addSlot({ kind: 'arena', bytes: bytes(t), index: 0 })
      calls.push({ op: identity, inputs: [ids.get(t)!], outputs: [addValue(t, target)], attrs: {}, update: false })
      slot = target
    }
    return { slot, state: stateOf(variable) }
  })
  const claimed = new Set(writes.map((w) => w.slot))
  graph.outputs.forEach((t, index) => {
    const slot = values[ids.get(t)!]!.slot
    if (slots[slot]!.kind === 'arena' && !claimed.has(slot)) {
      slots[slot] = { kind: 'output', bytes: bytes(t), index }
      claimed.add(slot)
      return
    }
    // inputs, state, constants and values that are already an output or a variable's next value are copied
    const target = addSlot({ kind: 'output', bytes: bytes(t), index })
    calls.push({ op: identity, inputs: [ids.get(t)!], outputs: [addValue(t, target)], attrs: {}, update: false })
  })
  return {
    spec: { slots, values, calls, states, writes, precision, single: false },
    bound,
    outputs: graph.outputs.map((t) => ({ shape: t.shape, dtype: t.dtype })),
    captured,
  }
}
