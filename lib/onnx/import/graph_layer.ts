// OnnxGraph: the layer that computes a checked ONNX graph. Its weights are the model's.
import { device, withDevice } from '../../core/device.js'
import { WeftError } from '../../core/error.js'
import { currentTrace } from '../../core/graph.js'
import { randomState } from '../../core/random.js'
import { type DType, sizeOf } from '../../core/spec.js'
import type { StoredTensor } from '../../io/safetensors.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { markSeeing } from '../../layers/context.js'
import { type CallOptions, type InputShapes, Layer, type LayerOptions } from '../../layers/layer.js'
import type { Weighted } from '../../layers/weights.js'
import { isInferring } from '../../layers/symbolic.js'
import * as ops from '../../ops/index.js'
import { dtypeOfElements } from '../element_types.js'
import type { CheckedModel, Port } from './checked_model.js'
import { constantOf, tensorOf } from './constants.js'
import { execute, finish } from './execute.js'
import type { Graph, GraphNode } from './graph.js'
import { type Frozen, NotKnown, type Run, type Scope, type Steps } from './operator.js'
import { computedDType, type Entry, KernelValue, kernelTensor, Sequence, Value } from './values.js'
import type { StoredWeight } from './weights.js'

/** The values of a weight in the file. */
export type WeightValues = (weight: StoredWeight) => StoredTensor

/** Errors of a graph that cannot be tried at sizes that data need not have. */
const UNTRIED: ReadonlySet<string> = new Set(['ERR_SHAPE', 'ERR_ARGUMENT'])

function* nodesIn(graph: Graph): Generator<GraphNode> {
  for (const node of graph.nodes) {
    yield node
    for (const inner of node.graphs.values()) yield* nodesIn(inner)
  }
}

export class OnnxGraph extends Layer<LayerOptions, readonly Tensor[], readonly Tensor[]> {
  static override readonly className: string = 'OnnxGraph'
  protected override readonly castsInputs: boolean = false

  /** Some values that decide on shapes are known only while it runs: it cannot be traced. */
  isDynamic = false
  private readonly checked: CheckedModel
  private values: WeightValues | undefined
  private frozen: Frozen | undefined
  private readonly byName = new Map<string, { weight: Variable; facts: StoredWeight }>()
  private readonly draws = new Map<number, Variable>()

  constructor(checked: CheckedModel, values: WeightValues | undefined, options: LayerOptions = {}) {
    super({ name: 'graph', ...options })
    this.checked = checked
    this.values = values
  }

  /** Nothing in it is a layer: its fields, which hold the whole graph, are not searched for some. */
  override partPaths(): readonly (readonly [string, Weighted])[] {
    return []
  }

  override build(_inputShape: InputShapes): void {
    const { values } = this
    for (const facts of this.checked.weights) {
      const { shape, isKernel, trainable, tensor } = facts
      const value = values && initialValue(values(facts), isKernel)
      const dtype = weightDType(facts)
      const weight = this.addWeight({
        name: facts.name,
        shape: isKernel ? [...shape.slice(2), shape[1]!, shape[0]!] : shape,
        dtype,
        trainable,
        initializer: value === undefined ? 'zeros' : () => value,
      })
      value?.dispose()
      this.byName.set(facts.name, { weight, facts: { ...facts, tensor } })
    }
    let count = 0
    for (const node of nodesIn(this.checked.graph)) {
      if (!node.operator.draws) continue
      const seed = node.attributes.has('seed') ? Math.trunc(node.attributes.float('seed', 0)) : undefined
      this.draws.set(node.id, this.addState(`random_${count++}`, randomState(seed)))
    }
    // the file's bytes are no longer needed
    this.values = undefined
  }

  call(x: readonly Tensor[], { training }: CallOptions): readonly Tensor[] {
    if (!isInferring()) return this.traced(x, training)
    try {
      return this.traced(x, training)
    } catch (error) {
      if (error instanceof NotKnown) this.isDynamic = true
      else if (!(error instanceof WeftError) || !UNTRIED.has(error.code)) throw error
      return this.declared(x, error)
    }
  }

  private traced(x: readonly Tensor[], training: boolean): readonly Tensor[] {
    const where = currentTrace()?.device ?? x[0]?.device ?? device()
    return withDevice(where, () => {
      try {
        return this.tensorsOf(finish(this.steps(x, training)), x)
      } catch (error) {
        throw this.withBatch(error, x)
      }
    })
  }

  /** The steps of a run, for whoever drives them. */
  steps(x: readonly Tensor[], training: boolean): Steps<Entry[]> {
    return this.run(
      x.map((t, i) => inputValue(t, this.checked.inputs[i]!)),
      training,
    )
  }

  /** @internal Runs the graph on entries. */
  *run(inputs: readonly Entry[], training: boolean): Steps<Entry[]> {
    const { graph } = this.checked
    const run: Run = {
      training,
      states: this.draws,
      count: { nodes: 0 },
      frozen: this.frozen,
      within: (inner, entries, scope) => execute(inner, entries, run, constants, scope),
    }
    const constants = (inner: Graph, scope: Scope): void => this.setConstants(inner, scope, run.frozen)
    return yield* execute(graph, inputs, run, constants)
  }

  /** Runs fn, in which weights are taken for constants: what is made of them alone is computed while it is traced. */
  whileFrozen<T>(frozen: Frozen, fn: () => T): T {
    const before = this.frozen
    this.frozen = frozen
    try {
      return fn()
    } finally {
      this.frozen = before
    }
  }

  /** The device of the weights; '' where there are none. */
  get place(): string {
    for (const { weight } of this.byName.values()) return weight.device
    return ''
  }

  /** The ticket of the last run that has written one of the weights. */
  get lastWrite(): number {
    let last = 0
    for (const { weight } of this.byName.values()) last = Math.max(last, weight.held().ticket)
    return last
  }

  /** Gives names to weights and constants. */
  private setConstants(graph: Graph, scope: Scope, frozen: Frozen | undefined): void {
    for (const tensor of graph.initializers) {
      const found = graph.initializers === this.checked.graph.initializers ? this.byName.get(tensor.name) : undefined
      const value = found ? weightValue(found.weight, found.facts, frozen !== undefined) : constantOf(tensor, tensor.name)
      frozen?.lasting.add(value)
      scope.set(tensor.name, value)
    }
  }

  /** Results as tensors. */
  tensorsOf(entries: readonly Entry[], x: readonly Tensor[]): Tensor[] {
    return entries.map((entry, i) => {
      const { name, shape } = this.checked.outputs[i]!
      if (!(entry instanceof Value))
        throw this.error('ERR_FORMAT', `output '${name}' is ${entry instanceof Sequence ? 'a sequence' : 'missing'}, a model gives tensors`)
      const t = entry.plain
      const made = this.checked.inputs[0]?.shape?.[0]
      const batch = x[0]?.shape[0]
      if (typeof made === 'number' && batch !== undefined && batch !== made && shape?.[0] === made && t.shape[0] !== batch)
        throw this.error('ERR_SHAPE', `output '${name}' has ${t.shape[0]} rows for ${batch} rows of data`, [t.shape])
      return t.rank === 0 ? ops.reshape(t, [1]) : t
    })
  }

  /** Shapes as the file declares them, where the graph cannot be tried at other sizes. */
  private declared(x: readonly Tensor[], cause: unknown): Tensor[] {
    // extents that vary are tried with numbers that differ from trial to trial, as the batch does
    const batch = x[0]?.shape[0] ?? 1
    return this.checked.outputs.map(({ name, shape, dtype }) => {
      if (shape === undefined || dtype === undefined)
        throw new WeftError(
          'ERR_FORMAT',
          `importOnnx: the shape of output '${name}' is neither declared nor can it be found: ${(cause as Error).message}`,
          { cause },
        )
      const extents = shape.length === 0 ? [1] : shape.map((extent, axis) => (axis === 0 ? batch : (extent ?? 100 + batch)))
      if (sizeOf(extents) > 2 ** 40) throw cause
      return ops.zeros(extents, { dtype, device: currentTrace()?.device ?? device() })
    })
  }

  /** The error with what to do about it, where the graph is made for batches of another size. */
  private withBatch(error: unknown, x: readonly Tensor[]): unknown {
    const made = this.checked.inputs[0]?.shape?.[0]
    const batch = x[0]?.shape[0]
    if (!(error instanceof WeftError) || typeof made !== 'number' || batch === made || error instanceof NotKnown) return error
    return new WeftError(error.code, error.message, {
      hint: `The model is made for batches of ${made}: give batchSize: ${made}`,
      cause: error,
    })
  }
}
// operations of the graph carry no masks
markSeeing(OnnxGraph)

const weightDType = ({ name, tensor }: StoredWeight): DType => computedDType(dtypeOfElements(tensor.dataType, `weight '${name}'`))

function weightValue(weight: Variable, { isKernel, tensor }: StoredWeight, isFrozen: boolean): Value {
  const facts = { type: tensor.dataType, isFrozen }
  return isKernel ? new KernelValue(weight, facts) : new Value(weight, facts)
}

/** The values of a weight in the file, as it is stored here. */
function initialValue(stored: StoredTensor, isKernel: boolean): Tensor {
  const whole = tensorOf(stored)
  if (!isKernel) return whole
  const kernel = kernelTensor(whole)
  whole.dispose()
  return kernel
}

/** An input in the dtype in which the graph computes it. */
function inputValue(t: Tensor, { shape, dtype, type }: Port): Value {
  const cast = dtype === undefined || t.dtype === dtype ? t : ops.cast(t, dtype)
  return new Value(shape?.length === 0 ? ops.reshape(cast, []) : cast, { type })
}
