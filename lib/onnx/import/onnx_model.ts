// OnnxModel: a network that came from an ONNX file, as a model like any other.
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { WeftError } from '../../core/error.js'
import { finished } from '../../core/flights.js'
import type { DynamicShape } from '../../core/spec.js'
import { type Tensor, Variable } from '../../core/tensor.js'
import { isRecord } from '../../core/tree.js'
import type { ApplyOptions } from '../../layers/layer.js'
import { identity } from '../../ops/index.js'
import { registerLoader } from '../../layers/serialize.js'
import { freeOwned, isStream, leaves, type ModelData, type StreamSource, toTree, type Tree } from '../../model/feed.js'
import { FunctionalModel, input, type TensorTree } from '../../model/functional.js'
import type { AnyModel } from '../../model/model.js'
import type { PredictOptions } from '../../model/predict.js'
import { Inference } from '../../model/step.js'
import type { SummaryRow } from '../../model/summary.js'
import { ModelProtoSchema } from '../proto/onnx_pb.js'
import { type CheckedModel, checkModel, type Port } from './checked_model.js'
import { finishLater } from './execute.js'
import { OnnxGraph, type WeightValues } from './graph_layer.js'
import { type Frozen, isNotKnown, nodeText } from './operator.js'
import { withoutWeights } from './weights.js'

/** Changes of weights after which predict() makes no programs of its own for each, and calls that end this. */
const MOST_CHANGES = 4
const STEADY = 8

/** One value, or a record of them by name. */
const treeOf = <T>(names: readonly string[], values: readonly T[]): T | Record<string, T> =>
  values.length === 1 ? values[0]! : Object.fromEntries(values.map((value, i) => [names[i]!, value]))

const sampleShape = ({ shape }: Port): DynamicShape => (shape === undefined ? [] : shape.slice(1))

const nameOf = (name: string): string => name.replaceAll(/[^\w.-]/g, '_') || 'input'

/**
 * A network of an ONNX file. Its inputs and outputs have the names of the file: one of each is a Tensor, several are
 * records. Axes are in the file's order; integers of all widths but uint8 are int32; scalars are [1].
 */
// biome-ignore lint/suspicious/noExplicitAny: the file alone knows whether it takes and gives a Tensor or a record
export class OnnxModel extends FunctionalModel<any, any> {
  static override readonly className: string = 'OnnxModel'
  /** The layer that computes the graph. */
  readonly graph: OnnxGraph
  private readonly checked: CheckedModel
  /** Calls of predict() under way. */
  private running = 0
  private readonly retired: Inference[] = []
  private predicting: { readonly key: string; readonly inference: Inference; readonly isOwn: boolean } | undefined
  /** How often weights have changed between calls of predict(), and calls since the last change. */
  private rewrites = 0
  private steady = 0

  constructor(checked: CheckedModel, values: WeightValues | undefined, options: { name?: string } = {}) {
    const graph = new OnnxGraph(checked, values)
    const { inputs, outputs } = checked
    const sequence = [...inputs, ...outputs].find(({ isSequence }) => isSequence)
    if (sequence) throw new WeftError('ERR_FORMAT', `importOnnx: '${sequence.name}' is a sequence, models take and give tensors`)
    if (inputs.length === 0) throw new WeftError('ERR_FORMAT', 'importOnnx: the graph has no input, a model has at least one')
    const unknown = inputs.find(({ shape }) => shape === undefined)
    if (unknown) throw new WeftError('ERR_FORMAT', `importOnnx: the file does not say the rank of input '${unknown.name}'`)
    const taken = new Set<string>()
    const symbols = inputs.map((port) => {
      let name = nameOf(port.name)
      while (taken.has(name)) name += '_'
      taken.add(name)
      return input({ shape: sampleShape(port), dtype: port.dtype!, name })
    })
    const results = graph.apply(symbols)
    super({
      inputs: treeOf(
        inputs.map(({ name }) => name),
        symbols,
      ) as TensorTree,
      outputs: treeOf(
        outputs.map(({ name }) => name),
        [...results],
      ) as TensorTree,
      ...options,
    })
    this.graph = graph
    this.checked = checked
  }

  override get outputNames(): readonly string[] {
    return this.checked.outputs.map(({ name }) => name)
  }

  /** Rows of the batch that the file was made for, where it says a number. */
  private get madeFor(): number | undefined {
    const [first] = this.checked.inputs
    return first?.shape?.[0] ?? undefined
  }

  // biome-ignore lint/suspicious/noExplicitAny: see above
  override async predict(x: ModelData | StreamSource, options: PredictOptions = {}): Promise<any> {
    this.freeRetired()
    this.running++
    try {
      return await this.predicted(x, options)
    } catch (error) {
      if (this.graph.isDynamic || !isNotKnown(error) || isStream(x)) throw error
      // data of this shape take a way that the trial at import did not take
      this.graph.isDynamic = true
      return await this.predicted(x, options)
    } finally {
      this.running--
    }
  }

  private predicted(x: ModelData | StreamSource, options: PredictOptions): Promise<TensorTree> {
    if (isStream(x)) return super.predict(x, options)
    const apart = this.isApart(x)
    if (this.graph.isDynamic || apart) return this.predictWhole(x, options)
    const { madeFor } = this
    return super.predict(
      x,
      madeFor !== undefined && madeFor > 0 && options.batchSize === undefined ? { ...options, batchSize: madeFor } : options,
    )
  }

  /**
   * @internal The programs of predict(). They take the weights as they are now for constants: batch normalization is a
   *   part of the kernels before it, and whatever else depends on weights alone is computed once. When a weight has
   *   changed, they are made anew.
   */
  override inference(): Inference {
    const precision = this.isCompiled ? this.compiled.precision : undefined
    const key = `${this.graph.place} ${precision} ${this.graph.lastWrite}`
    if (this.predicting?.key !== key) {
      this.rewrites++
      this.steady = 0
    } else if (++this.steady >= STEADY) this.rewrites = 0
    // where weights change again and again, as between steps of training, programs that read them are kept
    if (this.rewrites > MOST_CHANGES) {
      this.predicting = { key, inference: super.inference(), isOwn: false }
      return this.predicting.inference
    }
    if (this.predicting?.key !== key || !this.predicting.isOwn) {
      if (this.predicting?.isOwn) this.retired.push(this.predicting.inference)
      this.freeRetired()
      const frozen: Frozen = { lasting: new WeakSet(), results: new Map(), tensors: new Map() }
      const apply = (x: TensorTree, options: ApplyOptions): unknown => this.graph.whileFrozen(frozen, () => this.apply(x, options))
      const inference = new Inference({ name: this.name, apply } as unknown as AnyModel, precision === undefined ? {} : { precision })
      this.predicting = { key, inference, isOwn: true }
    }
    return this.predicting.inference
  }

  /** Frees programs for earlier weights, unless a predict() under way still goes on with them. */
  private freeRetired(): void {
    if (this.running > 0) return
    for (const inference of this.retired.splice(0)) inference.dispose()
  }

  override dispose(): void {
    if (this.predicting?.isOwn) this.retired.push(this.predicting.inference)
    for (const inference of this.retired.splice(0)) inference.dispose()
    super.dispose()
  }

  /** Whether the inputs have different numbers of rows, so that they cannot be cut into batches. */
  private isApart(x: unknown): boolean {
    if (!isRecord(x) || this.checked.inputs.length < 2) return false
    const rows = Object.values(x).map(
      (t) => (t as { shape?: readonly number[] } | undefined)?.shape?.[0] ?? (Array.isArray(t) ? t.length : undefined),
    )
    return rows.some((n) => n !== rows[0])
  }

  /** All data at once, without cutting them into batches. */
  private async predictWhole(x: ModelData, { signal }: PredictOptions): Promise<TensorTree> {
    signal?.throwIfAborted()
    const owned: Tensor[] = []
    try {
      const tree = toTree('x', x, owned, this.device, false)
      if (!this.graph.isDynamic) return await this.finished(this.inference().onBatch(tree) as TensorTree)
      const list = this.listOf(tree)
      const entries = await finishLater(this.graph.steps(list, false), this.device)
      signal?.throwIfAborted()
      // what goes in, and weights, belong to others
      const outputs = this.graph.tensorsOf(entries, list).map((t) => (list.includes(t) || t instanceof Variable ? identity(t) : t))
      return await this.finished(treeOf(this.outputNames, outputs) as TensorTree)
    } finally {
      freeOwned(owned)
    }
  }

  private async finished(outputs: TensorTree): Promise<TensorTree> {
    await finished(Math.max(0, ...leaves('output', outputs as Tree).map(([, t]) => t.held().ticket)))
    return outputs
  }

  /** The inputs in the graph's order. */
  private listOf(tree: Tree): Tensor[] {
    const { inputs } = this.checked
    if (!isRecord(tree)) {
      const list = [tree].flat() as Tensor[]
      if (list.length === inputs.length) return list
      throw this.error('ERR_ARGUMENT', `the model takes ${inputs.length} inputs (${this.inputNames.join(', ')}), got ${list.length}`)
    }
    return inputs.map(({ name }) => {
      const t = (tree as Record<string, Tensor>)[name]
      if (t === undefined)
        throw this.error('ERR_ARGUMENT', `the data have no input '${name}'`, [], `The model takes ${this.inputNames.join(', ')}`)
      return t
    })
  }

  /** The nodes of the graph, with the weights that they read. */
  protected override summaryRows(): SummaryRow[] {
    const [first, ...rest] = super.summaryRows()
    const sizes = new Map(this.checked.weights.map(({ name, shape }) => [name, shape.reduce((a, b) => a * b, 1)]))
    const rows = this.checked.graph.nodes.map((node): SummaryRow => {
      const own = node.inputs.filter((name) => sizes.has(name))
      const parameters = own.reduce((sum, name) => sum + sizes.get(name)!, 0)
      for (const name of own) sizes.delete(name)
      return { label: nodeText(node), shape: undefined, parameters, inputs: node.inputs.filter((name) => name !== '') }
    })
    return [first!, ...rest.slice(0, this.checked.inputs.length - 1), ...rows]
  }

  override toConfig(): object {
    const bytes = toBinary(ModelProtoSchema, withoutWeights(this.checked.model, this.checked.weights))
    return { name: this.name, onnx: Buffer.from(bytes).toString('base64'), ...(this.trainable ? {} : { trainable: false }) }
  }
}

registerLoader('OnnxModel', (config) => {
  const { onnx, name } = config
  if (typeof onnx !== 'string') throw new WeftError('ERR_FORMAT', 'the saved model has no ONNX graph')
  let proto: ReturnType<typeof fromBinary<typeof ModelProtoSchema>>
  try {
    proto = fromBinary(ModelProtoSchema, Buffer.from(onnx, 'base64'))
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', 'the saved ONNX graph cannot be read', { cause })
  }
  if (proto.graph === undefined) throw new WeftError('ERR_FORMAT', 'the saved ONNX graph is empty')
  const made = new OnnxModel(checkModel(proto, 'the saved model'), undefined, typeof name === 'string' ? { name } : {})
  if (config['trainable'] === false) made.trainable = false
  return made
})
