// apply: the only place where a call is made. Inside a recording the call is recorded; outside it runs at once, as a
// cached program of one call.
import type { Buffer } from './buffer.js'
import { Cache } from './cache.js'
import { device, indexOf } from './device.js'
import { currentTrace, otherDevice } from './graph.js'
import type { SlotSpec } from './native.js'
import { type Attrs, type Op, opNamed } from './op.js'
import { Program } from './program.js'
import { bytesOf, frozenShape, type Layout, layoutOf, type Shape, type Spec, sizeOf } from './spec.js'
import { allocateAs, checkStored, checkUnchanged, Tensor, tracing } from './tensor.js'

interface Single {
  program: Program
  outputs: readonly Layout[]
}

/** Programs of one call by signature. */
const singles = new Cache<Single>(512, (single) => single.program.dispose())

/** Calls an op on tensors of one device. */
export function apply<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  const trace = currentTrace()
  if (trace) return trace.record(op, inputs, attrs, op.shape(inputs, attrs))
  const buffers: Buffer[] = new Array(inputs.length)
  const where = inputs.length > 0 ? inputs[0]!.device : device()
  let key = where === 'cpu' ? op.name : `${where}:${op.name}`
  for (let i = 0; i < inputs.length; i++) {
    const t = inputs[i]!
    buffers[i] = t.held()
    if (t.device !== where) throw otherDevice(op.name, t, where)
    key += `|${t.signature}`
  }
  for (const name in attrs) key += `;${name}=${attrs[name]}`
  if (op.alias !== undefined) {
    const [spec] = op.shape(inputs, attrs)
    return [view(inputs[0]!, spec!.shape)]
  }
  let single = singles.get(key)
  if (single === undefined) {
    inputs.forEach(checkUnchanged)
    const outputs = op.shape(inputs, attrs).map(layoutOf)
    for (const { dtype } of outputs) checkStored(dtype, where)
    single = singles.add(key, { program: loadSingle(op as unknown as Op, inputs, attrs, outputs, where), outputs })
  }
  const results = single.outputs.map((layout) => allocateAs(layout, where))
  single.program.run(
    buffers,
    results.map((t) => t.buffer!),
    { layer: tracing.layer },
  )
  return results
}

/** @internal Tensors that overwrite() has changed since somebody asked to know. */
export const overwritten: { tensors: Set<Tensor> | undefined } = { tensors: undefined }

/** @internal Writes a value over the memory of a tensor of the same shape, dtype and device. */
export function overwrite(target: Tensor, value: Tensor): void {
  const to = target.held()
  if (value.device !== target.device) throw otherDevice('assign', value, target.device)
  overwriteMemory(to, value.held(), target)
  overwritten.tensors?.add(target)
}

/** @internal The same for memory: `target` says what lies in both. */
export function overwriteMemory(to: Buffer, from: Buffer, target: Spec & { readonly signature: string; readonly device: string }): void {
  const key = `assign|${target.device}|${target.signature}`
  const single =
    singles.get(key) ?? singles.add(key, { program: loadSingle(opNamed('identity'), [target], {}, [target], target.device), outputs: [] })
  single.program.run([from], [to])
}

function loadSingle(op: Op, inputs: readonly Spec[], attrs: Attrs, outputs: readonly Spec[], where: string): Program {
  const slot =
    (kind: 'input' | 'output') =>
    (t: Spec, index: number): SlotSpec => ({ kind, index, bytes: sizeOf(t.shape) * bytesOf(t.dtype) })
  const specs = [...inputs, ...outputs]
  return new Program(
    {
      slots: [...inputs.map(slot('input')), ...outputs.map(slot('output'))],
      values: specs.map((t, i) => ({ slot: i, shape: t.shape, dtype: t.dtype })),
      calls: [{ op: op.name, inputs: inputs.map((_, i) => i), outputs: outputs.map((_, i) => inputs.length + i), attrs, update: false }],
      states: [],
      writes: [],
      precision: 'float32',
      single: true,
    },
    [],
    () => ({ op: op.name, layer: undefined, taken: op.valuesTaken?.(inputs, attrs) }),
    indexOf(where),
  )
}

/** The same memory seen with another shape. */
function view(x: Tensor, shape: Shape): Tensor {
  const buffer = x.held()
  buffer.users++
  return new Tensor(frozenShape(shape), x.dtype, x.device, buffer)
}

/** apply() of an op with one result. */
export function applyOne<A extends Attrs>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  return apply(op, inputs, attrs)[0]!
}
