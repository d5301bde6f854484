// Probing: an inference pass is traced at several sizes of the extents that vary, and the traces are laid over each
// other. What is the same in all of them is fixed; what differs follows from the sizes.
import { withDevice } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { Graph, recording, Trace } from '../../core/graph.js'
import type { Attrs, AttrValue, Call, Op } from '../../core/op.js'
import { simplify } from '../../core/simplify.js'
import type { DType, DynamicShape } from '../../core/spec.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { walk } from '../../core/tree.js'
import type { AnyModel } from '../../model/model.js'
import type { Extent } from './extent.js'
import { extentNames, type ModelFacts } from './signature.js'
import { isSteps, type StepsOp, withSteps } from './steps.js'

/** A value of the model at all sizes. */
export interface Value {
  readonly extents: readonly Extent[]
  readonly dtype: DType
  /** What makes it, and which of the results it is; undefined for inputs, weights and other constants. */
  readonly call: SymbolicCall | undefined
  /** Weights and constants: the tensor at each size. */
  readonly leaves: readonly Tensor[] | undefined
}

export interface SymbolicCall {
  readonly op: Op
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** At each size. */
  readonly attrs: readonly Attrs[]
  readonly layer: string | undefined
  /** The graph of a step, of a call that takes many. */
  readonly body: Overlaid | undefined
}

/** Graphs at different sizes, laid over each other. */
export interface Overlaid {
  readonly inputs: readonly Value[]
  readonly calls: readonly SymbolicCall[]
  readonly outputs: readonly Value[]
  /** Weights and constants in the order in which they are read first. */
  readonly leaves: readonly Value[]
  /** Variables that the pass would write to. */
  readonly writes: readonly Variable[]
}

export interface Probed extends Overlaid {
  /** Numbers, or names, of the extents of each input. */
  readonly inputExtents: readonly (readonly (string | number)[])[]
  /**
   * Weights and constants at the largest size, up to the given one, that the model takes: of tables that grow with it.
   */
  readonly leavesAt: (most: number) => readonly Tensor[]
}

/** The graphs at different sizes are not of the same calls. */
class Differs extends Error {
  readonly layer: string | undefined
  constructor(message: string, layer: string | undefined) {
    super(message)
    this.layer = layer
  }
}

/** The batch at each of the sizes: primes, so that no two extents are alike by chance. */
const BATCHES: readonly number[] = [23, 41, 43, 47, 53, 59, 61]
/** Sizes added to the least one. Neighbours have all rests of small strides, and far ones tell large strides. */
const FAR: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 38, 101, 230],
  [3, 0, 230, 1, 2, 38, 101],
  [101, 2, 0, 230, 3, 1, 38],
  [1, 230, 38, 3, 0, 101, 2],
]
/** For models that take short inputs only. */
const NEAR: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 5, 7, 4],
  [3, 0, 7, 1, 2, 5, 4],
  [5, 2, 0, 7, 3, 1, 4],
  [1, 7, 3, 5, 0, 2, 4],
]
/** Sizes that can be halved again and again. */
const HALVED: readonly (readonly number[])[] = [
  [0, 32, 96, 160, 288, 352, 480],
  [32, 0, 160, 96, 352, 288, 480],
  [160, 288, 0, 32, 96, 480, 352],
  [352, 96, 32, 0, 480, 160, 288],
]
/**
 * Least sizes that are tried, and how far apart those of two extents are. Models refuse what is too long for them, too
 * small for their windows, or cannot be halved and doubled again.
 */
const TRIES: readonly { readonly least: number; readonly apart: number; readonly steps: readonly (readonly number[])[] }[] = [
  { least: 29, apart: 16, steps: FAR },
  { least: 211, apart: 16, steps: FAR },
  { least: 11, apart: 8, steps: NEAR },
  { least: 5, apart: 8, steps: NEAR },
  { least: 2, apart: 3, steps: [[0, 1, 2, 0, 1, 2, 1]] },
  { least: 64, apart: 0, steps: HALVED },
]

/** The model's inference pass with sizes as symbols. ERR_SHAPE for a model that differs from size to size. */
export function probe(model: AnyModel, facts: ModelFacts): Probed {
  let failure: unknown
  let differs = false
  // inputs may vary by themselves, or, where that does not fit, together
  for (const shared of [false, true]) {
    const names = extentNames(facts.inputs, shared)
    const varying = [...new Set(names.flat().filter((name) => name !== undefined && name !== 'batch'))] as string[]
    for (const { least, apart, steps } of varying.length === 0 ? TRIES.slice(0, 1) : TRIES) {
      // a model that has taken other sizes, but computes otherwise there, must not seem alike at even ones
      if (steps === HALVED && differs) continue
      const size = (index: number, round: number): number => least + apart * index + steps[index % steps.length]![round]!
      try {
        return probedAt(model, facts, names, (name, round) => (name === 'batch' ? BATCHES[round]! : size(varying.indexOf(name), round)))
      } catch (error) {
        if (!(error instanceof Differs) && !(error instanceof WeftError && error.code === 'ERR_SHAPE')) throw error
        failure ??= error
        differs ||= error instanceof Differs
      }
    }
  }
  if (!(failure instanceof Differs)) throw failure
  const where = failure.layer === undefined ? model.name : `layer '${failure.layer}'`
  throw new WeftError('ERR_SHAPE', `exportOnnx: ${where}: ${failure.message}, so that no one graph holds for all sizes`, {
    ...(failure.layer === undefined ? {} : { layer: failure.layer }),
    hint: 'Make the extents that vary fixed, for example inputShape: [28, 8] instead of [null, 8]',
  })
}

function traced(model: AnyModel, facts: ModelFacts, sizeOf: (input: number, axis: number) => number): Graph {
  const where = model.device
  const trace = new Trace(`exportOnnx of ${model.name}`, where)
  return recording(trace, () => {
    const shapeOf = (shape: DynamicShape, input: number): number[] => shape.map((extent, axis) => extent ?? sizeOf(input, axis))
    const inputs = facts.inputs.map(({ shape, dtype }, i) => trace.input({ shape: shapeOf(shape, i), dtype }))
    const outputs: Tensor[] = []
    walk(
      withDevice(where, () => withSteps(() => model.apply(facts.form(inputs), { training: false }))),
      (t) => outputs.push(t),
    )
    return simplify(new Graph(trace, outputs))
  })
}

function probedAt(
  model: AnyModel,
  facts: ModelFacts,
  names: readonly (readonly (string | undefined)[])[],
  size: (name: string, round: number) => number,
): Probed {
  const graphs = BATCHES.map((_, round) => traced(model, facts, (input, axis) => size(names[input]![axis]!, round)))
  const leavesAt = (most: number): readonly Tensor[] => {
    const graph = longest(most, (size) => traced(model, facts, (input, axis) => (names[input]![axis] === 'batch' ? BATCHES[0]! : size)))
    const found = new Set<Tensor>()
    for (const t of [...graph.calls.flatMap((call) => call.inputs), ...graph.outputs]) {
      const source = t.origin?.kind === 'call' || t.origin?.kind === 'input' ? undefined : sourceOf(t)
      if (source) found.add(source)
    }
    return [...found]
  }
  const inputExtents = facts.inputs.map(({ shape }, i) => shape.map((extent, axis) => extent ?? names[i]![axis]!))
  return { ...overlaid(graphs), inputExtents, leavesAt }
}

/** What `attempt` gives for the largest size up to `most` for which it throws no ERR_SHAPE. */
function longest<T>(most: number, attempt: (size: number) => T): T {
  let [fits, fails] = [0, most + 1]
  let best: T | undefined
  let failure: unknown
  for (let size = most; fails - fits > 1; size = Math.floor((fits + fails) / 2)) {
    try {
      best = attempt(size)
      fits = size
    } catch (error) {
      if (!(error instanceof WeftError && error.code === 'ERR_SHAPE')) throw error
      failure ??= error
      fails = size
    }
  }
  if (best === undefined) throw failure
  return best
}

function overlaid(graphs: readonly Graph[]): Overlaid {
  const values = new Map<Tensor, Value>()
  const define = (tensors: readonly Tensor[], rest: Pick<Value, 'call' | 'leaves'>): Value => {
    const [first] = tensors as [Tensor]
    if (tensors.some((t) => t.rank !== first.rank || t.dtype !== first.dtype))
      throw new Differs(`its results differ in rank or dtype from size to size`, rest.call?.layer)
    const extents = first.shape.map((_, axis) => tensors.map((t) => t.shape[axis]!))
    const value: Value = { extents, dtype: first.dtype, ...rest }
    for (const t of tensors) values.set(t, value)
    return value
  }
  const inputs = graphs[0]!.inputs.map((_, i) =>
    define(
      graphs.map((graph) => graph.inputs[i]!),
      { call: undefined, leaves: undefined },
    ),
  )
  const leaves: Value[] = []
  const read = (tensors: readonly Tensor[], layer: string | undefined): Value => {
    const known = values.get(tensors[0]!)
    if (tensors.some((t) => values.get(t) !== known)) throw new Differs('what it reads differs from size to size', layer)
    if (known) return known
    const sources = tensors.map(sourceOf)
    if (sources.includes(undefined)) throw new Differs('what it reads differs from size to size', layer)
    const value = define(tensors, { call: undefined, leaves: sources as Tensor[] })
    leaves.push(value)
    return value
  }
  const calls = graphs[0]!.calls.map((_, at): SymbolicCall => {
    const group = graphs.map((graph) => graph.calls[at]) as Call[]
    const [first] = group as [Call]
    const { layer } = first
    if (group.some((call) => call === undefined || call.op.name !== first.op.name || call.inputs.length !== first.inputs.length))
      throw new Differs('what it computes differs from size to size', layer)
    const made: { -readonly [K in keyof SymbolicCall]: SymbolicCall[K] } = {
      op: first.op,
      inputs: first.inputs.map((_, i) =>
        read(
          group.map((call) => call.inputs[i]!),
          layer,
        ),
      ),
      outputs: [],
      attrs: group.map(({ attrs }) => attrs),
      layer,
      body: isSteps(first.op) ? overlaid(group.map(({ op }) => (op as StepsOp).body)) : undefined,
    }
    made.outputs = first.outputs.map((_, i) =>
      define(
        group.map((call) => call.outputs[i]!),
        { call: made, leaves: undefined },
      ),
    )
    return made
  })
  if (graphs.some((graph) => graph.calls.length !== calls.length))
    throw new Differs('what it computes differs from size to size', undefined)
  const outputs = graphs[0]!.outputs.map((_, i) =>
    read(
      graphs.map((graph) => graph.outputs[i]!),
      undefined,
    ),
  )
  const writes = [...graphs[0]!.writes.keys(), ...calls.flatMap(({ body }) => body?.writes ?? [])]
  return { inputs, calls, outputs, leaves, writes }
}

/** The weight or closed-over tensor behind a leaf of a trace. */
function sourceOf({ origin }: Tensor): Tensor | undefined {
  if (origin?.kind === 'state') return origin.variable
  return origin?.kind === 'capture' ? origin.tensor : undefined
}

/** An attribute at all sizes. */
export const attrAt = <T extends AttrValue>(call: SymbolicCall, name: string): readonly T[] => call.attrs.map((attrs) => attrs[name] as T)
