// Lowering: a graph as C++ takes it, memory slots, the values that see them, and calls.
import type { Buffer } from './buffer.js'
import { type Graph, memo } from './graph.js'
import type { CallSpec, ProgramSpec, SlotSpec, Storage, ValueSpec } from './native.js'
import type { Call } from './op.js'
import { bytesOf, type Spec, sizeOf } from './spec.js'
import type { Tensor, Variable } from './tensor.js'

export interface Lowered {
  spec: ProgramSpec
  /** Variables' and, unless they are inputs, captured tensors' memory. */
  bound: Buffer[]
  outputs: Spec[]
  /** Captured tensors that run() takes after the arguments. */
  captured: Tensor[]
  /** The graph's calls, as spec.calls has them; copies that lowering adds come after them. */
  calls: Call[]
}

/** A fill of at most so many elements is made when the program is loaded, not by each run. */
const MOST_CONSTANT = 4096
const isConstant = (call: Call): boolean => call.op.name === 'fill' && sizeOf(call.outputs[0]!.shape) <= MOST_CONSTANT

const identity = 'identity'

/**
 * The graph as C++ takes it: memory slots, values that see them with a shape, calls.
 * @param capturesAsInputs captured tensors are passed to each run, so that another recording of the same graph can use
 *   the program
 */
export function lower(graph: Graph, capturesAsInputs = false, precision: ProgramSpec['precision'] = 'float32'): Lowered {
  const slots: SlotSpec[] = []
  const values: ValueSpec[] = []
  const calls: CallSpec[] = []
  const kept: Call[] = []
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
    const constant = isConstant(call)
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
    kept.push(call)
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
    calls: kept,
  }
}
