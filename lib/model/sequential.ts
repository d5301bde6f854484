// Sequential: layers one after the other.
import type { DType, DynamicShape } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { checkCall, checkOptions, show, type OptionTable } from '../core/options.js'
import { fitInput, InputLayer } from '../layers/input.js'
import { type AnyLayer, type ApplyOptions, type CallOptions, Layer, type LayerOptions } from '../layers/layer.js'
import { type LayerJson, layerFromJson, layerToJson, registerLoader } from '../layers/serialize.js'
import { type DynamicSpec, inferSpecs, inputNode, placeholder } from '../layers/symbolic.js'
import { Tensor } from '../core/tensor.js'
import { ComposedModel } from './composed.js'
import type { LayerGraph } from './layer_graph.js'
import type { SummaryRow } from './summary.js'

export type SequentialOptions = Pick<LayerOptions, 'name' | 'trainable'>

const SEQUENTIAL_OPTIONS: OptionTable<SequentialOptions> = { name: 'string', trainable: 'boolean' }

export class Sequential extends ComposedModel<SequentialOptions> {
  static override readonly className: string = 'Sequential'

  private readonly list: AnyLayer[] = []
  /** Shape of one sample; `exact` when it was given, not taken from the first data. */
  private sample: DynamicShape | undefined
  private exact = false
  private dataType: DType = 'float32'
  /** What each layer makes of it, once built. */
  private readonly specs: DynamicSpec[] = []
  private wired: { input: Tensor; output: Tensor } | undefined

  constructor(list: readonly AnyLayer[] = [], options: SequentialOptions = {}) {
    checkOptions('sequential', options, SEQUENTIAL_OPTIONS, 'layers')
    super(options)
    if (!Array.isArray(list))
      throw this.error('ERR_ARGUMENT', `expected a list of layers, got ${show(list)}`, [], 'Write sequential([layers.dense({ units: 1 })])')
    for (const layer of list as readonly AnyLayer[]) this.add(layer)
    if (options.trainable === false) this.trainable = false
  }

  get layers(): readonly AnyLayer[] {
    return this.list
  }

  /** Shape of one sample, null for extents that vary; undefined before the model is built. */
  get inputShape(): DynamicShape | undefined {
    return this.sample
  }

  /** @internal The dtype of the data, as the input layer says. */
  get inputType(): DType {
    return this.dataType
  }

  /** Adds a layer at the end; builds it at once when the shape of the inputs is known. */
  add(layer: AnyLayer): void {
    if (layer instanceof InputLayer) {
      this.begin(layer.config.inputShape, layer.dataType)
      return
    }
    if (!(layer instanceof Layer))
      throw this.error('ERR_ARGUMENT', `add: expected a layer, got ${show(layer)}`, [], 'Make one with layers.dense({ ... }) and the like')
    if (this.list.includes(layer))
      throw this.error(
        'ERR_ARGUMENT',
        `add: the layer '${layer.name}' is in the model already`,
        [],
        'To share a layer, write a functional model',
      )
    const given = layer.config.inputShape ?? (layer instanceof Sequential ? layer.inputShape : undefined)
    if (this.list.length === 0 && this.sample === undefined && given !== undefined) this.begin(given, 'float32')
    this.list.push(layer)
    try {
      this.nameLayers()
      if (this.built) this.specs.push(this.grow(layer, this.specs.at(-1) ?? this.inputSpecOf()))
      else if (this.sample !== undefined) this.build([null, ...this.sample])
    } catch (error) {
      this.list.pop()
      throw error
    }
    if (this.built) this.nameWeights()
    this.follow(1)
  }

  /** Takes the last layer away and returns it. */
  pop(): AnyLayer {
    const layer = this.list.pop()
    if (!layer) throw this.error('ERR_STATE', 'pop: the model has no layers')
    if (this.specs.length > this.list.length) this.specs.pop()
    // versions only grow: what the layer counted stays counted
    this.follow(layer.version + 2)
    return layer
  }

  private begin(sample: DynamicShape, dtype: DType): void {
    if (this.list.length > 0 || this.sample !== undefined) throw this.error('ERR_STATE', 'add: an input layer comes first, and once')
    this.sample = sample
    this.exact = true
    this.dataType = dtype
  }

  private follow(changes: number): void {
    this.activationName = this.list.at(-1)?.activationName
    this.notProbabilities = this.list.at(-1)?.notProbabilities
    this.wired = undefined
    this.changed(changes)
  }

  private inputSpecOf(): DynamicSpec {
    return { shape: [null, ...this.sample!], dtype: this.dataType }
  }

  override build(inputShape: DynamicShape): void {
    if (this.list.length === 0) throw this.error('ERR_STATE', 'the model has no layers', [], 'Add some with add()')
    if (!Array.isArray(inputShape) || inputShape.some(Array.isArray))
      throw this.error('ERR_ARGUMENT', 'the model has one input, got several', [], 'Pass one Tensor or array, not a list or record of them')
    if (!this.exact) this.sample = inputShape.slice(1)
    let spec = this.inputSpecOf()
    this.specs.length = 0
    for (const layer of this.list) this.specs.push((spec = this.grow(layer, spec)))
  }

  /** Builds a layer for what comes before it; returns what it makes of that. */
  private grow(layer: AnyLayer, input: DynamicSpec): DynamicSpec {
    layer.build(input.shape)
    const made = inferSpecs(placeholder(input), (x) => layer.apply(x)) as DynamicSpec
    if (made.shape === undefined)
      throw this.error('ERR_ARGUMENT', `the layer '${layer.name}' has several results`, [], 'Write a functional model')
    return made
  }

  call(x: Tensor, options: CallOptions): Tensor {
    return this.pass(x, options, {})
  }

  override callWithoutActivation(x: Tensor, options: CallOptions): Tensor {
    return this.pass(x, options, { withoutActivation: true })
  }

  private pass(x: Tensor, { training, mask }: CallOptions, last: ApplyOptions): Tensor {
    if (this.list.length === 0) throw this.error('ERR_STATE', 'the model has no layers', [], 'Add some with add()')
    let value = fitInput(x, this.sample!, this.list[0]!.name, this.exact)
    this.list.forEach((layer, i) => {
      value = layer.apply(value, { training, ...(i === 0 ? { mask } : {}), ...(i === this.list.length - 1 ? last : {}) }) as Tensor
    })
    return value
  }

  /**
   * The model's input as a symbolic tensor, in a list: for functional models of its inner values, with
   * getLayer(name).output.
   */
  get inputs(): readonly [Tensor] {
    return [this.wiring().input]
  }
  /** The model's output as a symbolic tensor, in a list. */
  get outputs(): readonly [Tensor] {
    return [this.wiring().output]
  }

  private wiring(): { input: Tensor; output: Tensor } {
    if (this.wired) return this.wired
    if (!this.built)
      throw this.error('ERR_STATE', 'inputs: the shape of the inputs is not known yet', [], 'Give the first layer inputShape')
    const spec = this.inputSpecOf()
    const input = inputNode(new InputLayer({ inputShape: this.sample!, dtype: spec.dtype }), spec)
    const output = this.list.reduce((x: Tensor, layer) => layer.apply(x) as Tensor, input)
    return (this.wired = { input, output })
  }

  protected summaryRows(): SummaryRow[] {
    return this.list.map((layer, i) => ({
      label: `${layer.name} (${layer.className})`,
      shape: this.specs[i]?.shape,
      parameters: layer.built ? layer.countParams() : undefined,
    }))
  }

  override layerGraph(): LayerGraph {
    const ids = ['input', ...this.list.map((_, i) => `layer${i}`)]
    const input = this.sample === undefined ? undefined : [null, ...this.sample]
    return {
      name: this.name,
      nodes: [
        { id: 'input', name: 'input', kind: this.dataType, parameters: undefined },
        ...this.list.map((layer, i) => ({
          id: ids[i + 1]!,
          name: layer.name,
          kind: layer.className,
          parameters: layer.built ? layer.countParams() : undefined,
        })),
        { id: 'output', name: 'output', kind: this.specs.at(-1)?.dtype ?? 'float32', parameters: undefined },
      ],
      edges: [...ids.slice(1), 'output'].map((to, i) => ({ from: ids[i]!, to, shape: i === 0 ? input : this.specs[i - 1]?.shape })),
    }
  }

  override toConfig(): object {
    return {
      ...super.toConfig(),
      ...(this.exact ? { inputShape: this.sample, inputDtype: this.dataType } : {}),
      layers: this.list.map(layerToJson),
    }
  }
}

registerLoader('Sequential', (config, options) => {
  const { name, trainable, inputShape, inputDtype, layers } = config as {
    name?: string
    trainable?: boolean
    inputShape?: DynamicShape
    inputDtype?: DType
    layers: LayerJson[]
  }
  if (!Array.isArray(layers)) throw new WeftError('ERR_FORMAT', `the saved model '${name ?? 'sequential'}' has no list of layers`)
  const made = new Sequential([], name === undefined ? {} : { name })
  if (inputShape !== undefined) made.add(new InputLayer({ inputShape, ...(inputDtype === undefined ? {} : { dtype: inputDtype }) }))
  for (const json of layers) made.add(layerFromJson(json, options))
  if (trainable === false) made.trainable = false
  return made
})

/** A model of layers one after the other. Built at once when the first layer has inputShape, else on the first data. */
export function sequential(list: readonly AnyLayer[] = [], options: SequentialOptions = {}): Sequential {
  checkCall('sequential(layers, options)', arguments)
  return new Sequential(list, options)
}
