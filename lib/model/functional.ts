// Functional models: layers and functions wired from symbolic inputs to outputs.
import type { DType, DynamicShape } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable } from '../core/options.js'
import { checkSampleShape, fitInput, InputLayer } from '../layers/input.js'
import type { AnyLayer, CallOptions, LayerOptions } from '../layers/layer.js'
import { registerLoader } from '../layers/serialize.js'
import { inputNode, isSymbolic, type Node, type SymbolicTensor } from '../layers/symbolic.js'
import { Tensor } from '../core/tensor.js'
import type { BatchOf, KnownDType, Result } from '../core/tensor_types.js'
import { isRecord, mapTree, walk } from '../core/tree.js'
import { callMasked } from '../ops/masks.js'
import { ComposedModel } from './composed.js'
import { type FunctionalConfig, functionalConfig, wireConfig } from './functional_json.js'
import type { LayerGraph } from './layer_graph.js'
import type { SummaryRow } from './summary.js'

/** One tensor, or a list or record of them. */
export type TensorTree = Tensor | readonly Tensor[] | Readonly<Record<string, Tensor>>

/** A tree of tensors whose types do not say their shapes: models fit the data that they are given. */
export type PlainTree<T extends TensorTree> = T extends Tensor ? Tensor : { [K in keyof T]: Tensor }

export interface InputOptions<S extends DynamicShape = DynamicShape, D extends DType = DType> {
  /** Of one sample; null for an extent that varies. */
  shape: S
  /** Of the data. Default float32. */
  dtype?: D
  name?: string
}

const INPUT_OPTIONS: OptionTable<InputOptions> = { shape: 'any', dtype: 'string', name: 'string' }

/** A symbolic tensor of shape [null, ...shape]: an input of a functional model. */
export function input<const S extends DynamicShape, D extends DType = 'float32'>(
  options: InputOptions<S, D>,
): Result<BatchOf<S>, KnownDType<D>> {
  checkCall('input(options)', arguments, INPUT_OPTIONS)
  checkSampleShape('input', options?.shape)
  const { shape, dtype = 'float32', name } = options
  const layer = new InputLayer({ inputShape: shape, dtype, ...(name === undefined ? {} : { name }) })
  return inputNode(layer, { shape: [null, ...shape], dtype }) as Tensor
}

export interface ModelOptions<I, O> {
  /** Symbolic inputs: one, an array or a record. */
  inputs: I
  /** What the model computes: one symbolic tensor, an array or a record. */
  outputs: O
  /** Default: a name that no other model of the process has. */
  name?: string
}

const MODEL_OPTIONS: OptionTable<ModelOptions<unknown, unknown>> = { inputs: 'any', outputs: 'any', name: 'string' }

/** Names of the symbolic tensors of a tree: keys of a record, else those of the layers that make them. */
function namesOf(what: string, tree: unknown, leaves: readonly SymbolicTensor[]): string[] {
  return isRecord(tree) ? Object.keys(tree) : leaves.map((t) => t.node.layer?.name ?? `${what}_${t.index}`)
}

/** Symbolic tensors of a tree. */
function symbolicLeaves(what: string, tree: unknown): SymbolicTensor[] {
  return (isRecord(tree) ? Object.values(tree) : [tree].flat()).map((t: unknown) => {
    if (!isSymbolic(t)) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `model: ${what} must be symbolic tensors, got ${t instanceof Tensor ? 'a Tensor with values' : Array.isArray(t) ? 'an array' : typeof t}`,
        {
          hint: 'Begin with input({ shape }) and apply layers to it',
        },
      )
    }
    return t
  })
}

/** The nodes from the inputs to the outputs, in order of wiring. */
function nodesBetween(name: string, inputs: readonly SymbolicTensor[], outputs: readonly SymbolicTensor[]): Node[] {
  const given = new Set(inputs)
  const found = new Set<Node>()
  const pending = outputs.filter((t) => !given.has(t)).map((t) => ({ node: t.node, reader: 'an output' }))
  while (pending.length > 0) {
    const { node, reader } = pending.pop()!
    if (node.kind === 'input') {
      throw new WeftError(
        'ERR_ARGUMENT',
        `model '${name}': ${reader} needs the input '${node.layer?.name}', which is not among the model's inputs`,
        {
          ...(node.layer ? { layer: node.layer.name } : {}),
          hint: 'Add it to inputs: the graph between inputs and outputs must be connected',
        },
      )
    }
    if (found.has(node)) continue
    found.add(node)
    for (const t of node.inputs)
      if (!given.has(t)) pending.push({ node: t.node, reader: node.layer ? `the layer '${node.layer.name}'` : 'a function' })
  }
  return [...found].sort((a, b) => a.order - b.order)
}

export class FunctionalModel<I extends TensorTree = TensorTree, O extends TensorTree = TensorTree> extends ComposedModel<
  LayerOptions,
  I,
  O
> {
  static override readonly className: string = 'Functional'

  /** The symbolic inputs and outputs, as they were given. */
  readonly inputs: I
  readonly outputs: O
  readonly layers: readonly AnyLayer[]
  readonly inputNames: readonly string[]
  private readonly ins: readonly SymbolicTensor[]
  private readonly outs: readonly SymbolicTensor[]
  private readonly names: readonly string[]
  private readonly nodes: readonly Node[]

  constructor(options: ModelOptions<I, O>) {
    checkOptions('model', options ?? null, MODEL_OPTIONS)
    super(options.name === undefined ? {} : { name: options.name })
    this.inputs = options.inputs
    this.outputs = options.outputs
    this.ins = symbolicLeaves('inputs', options.inputs)
    this.outs = symbolicLeaves('outputs', options.outputs)
    this.nodes = nodesBetween(this.name, this.ins, this.outs)
    const used = [...this.ins.map((t) => t.node), ...this.nodes].flatMap(({ layer }) => (layer ? [layer] : []))
    this.layers = [...new Set(used)]
    this.nameLayers()
    this.inputNames = namesOf('inputs', options.inputs, this.ins)
    const names = namesOf('outputs', options.outputs, this.outs)
    this.names = names.map((name, i) => (names.indexOf(name) < i ? `${name}_${i}` : name))
    this.activationName = this.outs.length === 1 ? this.outputActivations[0] : undefined
    this.notProbabilities = this.outs.length === 1 ? this.outputEnds[0] : undefined
    this.build(mapTree(this.inputs, (t) => t.shape) as never)
  }

  override get outputNames(): readonly string[] {
    return this.names
  }
  override get outputActivations(): readonly (string | undefined)[] {
    return this.outs.map(({ node }) => (node.kind === 'layer' ? node.layer!.activationName : undefined))
  }
  override get outputEnds(): readonly (string | undefined)[] {
    return this.outs.map(({ node }) => (node.kind === 'layer' ? node.layer!.notProbabilities : undefined))
  }
  /** Shape of one sample, for models of one input. */
  get inputShape(): DynamicShape | undefined {
    return this.ins.length === 1 ? this.ins[0]!.dynamicShape.slice(1) : undefined
  }

  call(x: I, options: CallOptions): O {
    return this.run(x, options, () => false)
  }

  override callWithoutActivation(x: I, options: CallOptions, which?: readonly boolean[]): O {
    return this.run(x, options, (output) => (which ? which[output]! : true))
  }

  /** Computes the outputs; `logits` says for which outputs the last activation is left out. */
  private run(x: I, { training, mask }: CallOptions, logits: (output: number) => boolean): O {
    const values = new Map<SymbolicTensor, Tensor>()
    this.feed(x).forEach((t, i) => {
      const place = this.ins[i]!
      const { layer, kind } = place.node
      const fitted = fitInput(t, place.dynamicShape.slice(1), kind === 'input' ? layer!.name : this.name)
      const given = i === 0 && !isRecord(x) && mask ? { mask } : {}
      values.set(place, kind === 'input' ? (layer!.apply(fitted, given) as Tensor) : fitted)
    })
    const valueOf = (t: Tensor): Tensor => (isSymbolic(t) ? values.get(t)! : t)
    const compute = (node: Node, withoutActivation = false): unknown => {
      const args = mapTree(node.args, valueOf)
      if (node.kind === 'function') return this.computed(node, args as never[])
      return node.layer!.apply(args, { training: node.training ?? training, ...(withoutActivation ? { withoutActivation } : {}) })
    }
    // an output that nothing else reads is computed in the form that is asked for, and in no other
    const read = new Set(this.nodes.flatMap((node) => node.inputs))
    const forms = this.outs.map((t, i) => logits(i) && t.node.kind === 'layer' && !values.has(t))
    for (const node of this.nodes) {
      const uses = node.outputs.map((t) => read.has(t) || this.outs.some((out, i) => out === t && !forms[i]))
      if (!uses.includes(true)) continue
      const results: Tensor[] = []
      walk(compute(node), (t) => results.push(t))
      node.outputs.forEach((t, i) => {
        values.set(t, results[i]!)
      })
    }
    let index = 0
    return mapTree(this.outputs, (t) => {
      const form = forms[index++]
      return form ? compute((t as SymbolicTensor).node, true) : values.get(t as SymbolicTensor)!
    }) as O
  }

  /**
   * What a function makes of its arguments. Operations on single values keep masks; those that cannot say so, as layers
   * do.
   */
  private computed(node: Node, args: readonly never[]): unknown {
    return callMasked(node.fn!, args, node.called!.name, `model '${this.name}': `, node)
  }

  /** The data in the order of the inputs: by position, or by name. */
  private feed(x: unknown): Tensor[] {
    const names = this.inputNames
    if (isRecord(x)) {
      const missing = names.find((name) => !Object.hasOwn(x, name))
      if (missing !== undefined)
        throw this.error(
          'ERR_ARGUMENT',
          `the data have no input '${missing}'`,
          [],
          `They have ${Object.keys(x).join(', ') || 'none'}; the model takes ${names.join(', ')}`,
        )
      return names.map((name) => x[name] as Tensor)
    }
    const list = (Array.isArray(x) ? x : [x]) as Tensor[]
    if (list.length !== names.length)
      throw this.error(
        'ERR_ARGUMENT',
        `the model takes ${names.length} inputs (${names.join(', ')}), got ${list.length}`,
        list.map((t) => t.shape),
      )
    return list
  }

  protected summaryRows(): SummaryRow[] {
    const label = (node: Node): string => node.layer?.name ?? `${node.called?.name || 'function'}_${node.order}`
    const seen = new Set<AnyLayer>()
    const rows: SummaryRow[] = []
    for (const node of [...new Set([...this.ins.map((t) => t.node), ...this.nodes])]) {
      const { layer } = node
      if (layer && seen.has(layer)) continue
      if (layer) seen.add(layer)
      const calls = layer ? this.nodes.filter((other) => other.layer === layer) : [node]
      rows.push({
        label: layer ? `${layer.name} (${layer.className})` : `${label(node)} (function)`,
        shape: calls.length > 1 ? 'multiple' : node.outputs[0]!.dynamicShape,
        parameters: layer ? layer.countParams() : 0,
        inputs: [...new Set((calls.length > 0 ? calls : [node]).flatMap((call) => call.inputs.map((t) => label(t.node))))],
      })
    }
    return rows
  }

  override layerGraph(): LayerGraph {
    const all = [...new Set([...this.ins.map((t) => t.node), ...this.nodes])]
    const ids = new Map(all.map((node, i) => [node, `node${i}`]))
    // an input that is an inner value of another model is where this one begins
    const begins = new Set(this.ins)
    const seen = new Set<AnyLayer>()
    const counted = (layer: AnyLayer): number | undefined => (seen.has(layer) ? undefined : seen.add(layer) && layer.countParams())
    const nodes = all.map((node) => {
      const { layer, called } = node
      if (layer === undefined) return { id: ids.get(node)!, name: called?.name ?? 'function', kind: 'function', parameters: undefined }
      const isInput = node.kind === 'input'
      const kind = isInput ? node.outputs[0]!.dtype : layer.className
      return { id: ids.get(node)!, name: layer.name, kind, parameters: isInput ? undefined : counted(layer) }
    })
    const made = this.nodes.filter((node) => !this.ins.some((t) => t.node === node && begins.has(t)))
    const ends = this.outs.map((t, i) => ({ id: `output${i}`, name: this.names[i]!, kind: `output, ${t.dtype}`, parameters: undefined }))
    return {
      name: this.name,
      nodes: [...nodes, ...ends],
      edges: [
        ...made.flatMap((node) => node.inputs.map((t) => ({ from: ids.get(t.node)!, to: ids.get(node)!, shape: t.dynamicShape }))),
        ...this.outs.map((t, i) => ({ from: ids.get(t.node)!, to: `output${i}`, shape: t.dynamicShape })),
      ],
    }
  }

  override toConfig(): object {
    return { ...super.toConfig(), ...functionalConfig(this, this.ins, this.nodes) }
  }
}

const namedAs = ({ name }: Record<string, unknown>): { name?: string } => (typeof name === 'string' ? { name } : {})

registerLoader('Functional', (config, options) => {
  const { inputs, outputs } = wireConfig(config as unknown as FunctionalConfig, options)
  const made = new FunctionalModel({ inputs: inputs as TensorTree, outputs: outputs as TensorTree, ...namedAs(config) })
  if (config['trainable'] === false) made.trainable = false
  return made
})

/** A model of the layers between symbolic inputs and outputs; each one tensor, or a list or record of them. */
export function model<const I extends TensorTree, const O extends TensorTree>(
  options: ModelOptions<I, O>,
): FunctionalModel<PlainTree<I>, O> {
  checkCall('model(options)', arguments)
  return new FunctionalModel(options) as unknown as FunctionalModel<PlainTree<I>, O>
}
