// The topology of a layers model of TensorFlow.js: what a model of ours is there, with the names of its weights.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import type { Variable } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { InputLayer } from '../layers/input.js'
import type { AnyLayer } from '../layers/layer.js'
import { layerToJson } from '../layers/serialize.js'
import { StackedRnnCells } from '../layers/recurrent/rnn.js'
import { FunctionalModel } from '../model/functional.js'
import type { AnyModel } from '../model/model.js'
import { Sequential } from '../model/sequential.js'
import type { Json } from './layers.js'
import { writeNodes } from './tfjs_nodes.js'
import { snake, theirClass } from './names.js'
import { theirActivation, Unsupported } from './settings.js'

export interface NamedWeight {
  readonly name: string
  readonly variable: Variable
}

/** Layers that TensorFlow.js 4 has, by our names. */
const THERE: ReadonlySet<string> = new Set(
  `InputLayer Dense Activation Dropout SpatialDropout1d Flatten RepeatVector Reshape Permute Embedding Masking Rescaling
  CenterCrop Conv1d Conv2d Conv2dTranspose Conv3d Conv3dTranspose SeparableConv2d DepthwiseConv2d Cropping2d UpSampling2d ZeroPadding2d ConvLstm2d ConvLstm2dCell
  MaxPooling1d AveragePooling1d MaxPooling2d AveragePooling2d MaxPooling3d AveragePooling3d
  GlobalMaxPooling1d GlobalAveragePooling1d GlobalMaxPooling2d GlobalAveragePooling2d
  BatchNormalization LayerNormalization Relu LeakyRelu Prelu Elu Softmax ThresholdedRelu
  GaussianNoise GaussianDropout AlphaDropout CategoryEncoding
  Add Average Multiply Maximum Minimum Concatenate Dot
  SimpleRnn Lstm Gru Rnn SimpleRnnCell LstmCell GruCell StackedRnnCells Bidirectional TimeDistributed`.split(/\s+/),
)

/** Options that TensorFlow.js lacks, with the value that means the same as to lack them. */
const LACKING: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  Conv1d: { groups: 1 },
  Conv2d: { groups: 1 },
  Conv2dTranspose: { outputPadding: undefined },
  Relu: { negativeSlope: 0, threshold: 0 },
  GlobalMaxPooling1d: { keepDims: false },
  GlobalAveragePooling1d: { keepDims: false },
  GlobalMaxPooling2d: { keepDims: false },
  GlobalAveragePooling2d: { keepDims: false },
}

/** Options that are written though they were not given, because they differ there. */
const WRITTEN: Readonly<Record<string, Json>> = {
  Lstm: { recurrentActivation: 'sigmoid' },
  LstmCell: { recurrentActivation: 'sigmoid' },
  Gru: { recurrentActivation: 'sigmoid', resetAfter: true },
  GruCell: { recurrentActivation: 'sigmoid', resetAfter: true },
  UpSampling2d: { interpolation: 'nearest' },
}

const RENAMED: Readonly<Record<string, string>> = { 'LeakyRelu.negativeSlope': 'alpha' }

/** What cannot be written, and the names that are taken. */
export class Writing {
  readonly issues: string[] = []
  private readonly taken = new Set<string>()
  private readonly names = new Map<object, string>()
  readonly weights: NamedWeight[] = []

  /** The layer's name in the file: names are unique there across models inside of models. */
  nameOf(layer: AnyLayer, prefix: string): string {
    const known = this.names.get(layer)
    if (known !== undefined) return known
    let name = layer.name
    if (this.taken.has(name)) name = `${prefix}${name}`
    for (let i = 1; this.taken.has(name); i++) name = `${prefix}${layer.name}_${i}`
    this.taken.add(name)
    this.names.set(layer, name)
    return name
  }

  add(layer: AnyLayer | { name: string; className?: string }, what: string): void {
    this.issues.push(`'${layer.name}' (${layer.className ?? ''}): ${what}`)
  }
}

/** modelTopology, and the weights by their names there. ERR_ARGUMENT with everything that has no counterpart. */
export function writeTopology(model: AnyModel): { topology: Json; weights: readonly NamedWeight[] } {
  const writing = new Writing()
  const { class_name, config } = modelJson(model, writing, '')
  if (writing.issues.length > 0)
    throw new WeftError(
      'ERR_ARGUMENT',
      `exportTfjs: TensorFlow.js does not have what the model needs: ${writing.issues.slice(0, 10).join('; ')}`,
    )
  return {
    topology: { class_name, config, keras_version: 'tfjs-layers 4.22.0', backend: 'tensor_flow.js' },
    weights: writing.weights,
  }
}

function modelJson(model: AnyModel, writing: Writing, prefix: string): { class_name: string; config: Json } {
  if (model instanceof Sequential) return sequentialJson(model, writing, prefix)
  if (model instanceof FunctionalModel) {
    const name = writing.nameOf(model, prefix)
    const layers = new Map<string, Json>()
    for (const layer of model.layers) layers.set(layer.name, layerJson(layer, writing, `${name}_`))
    const facts = writeNodes(model, layers, writing, (layer) => writing.nameOf(layer, `${name}_`))
    return { class_name: 'Model', config: { name, ...facts } }
  }
  writing.add(model, 'it is no sequential or functional model')
  return { class_name: 'Sequential', config: {} }
}

function sequentialJson(model: Sequential, writing: Writing, prefix: string): { class_name: string; config: Json } {
  const name = writing.nameOf(model, prefix)
  const layers = model.layers.map((layer) => layerJson(layer, writing, `${name}_`))
  const { inputDtype } = model.toConfig() as { inputDtype?: string }
  const first = layers[0]
  const shape = [null, ...(model.inputShape ?? [])]
  // a model inside says for itself what goes in
  if (first && !isModelJson(first))
    Object.assign(first['config'] as Json, { batch_input_shape: shape, dtype: inputDtype === 'int32' ? 'int32' : 'float32' })
  return { class_name: 'Sequential', config: { name, layers } }
}

const isModelJson = (json: Json): boolean => json['class_name'] === 'Sequential' || json['class_name'] === 'Model'

/** { class_name, config } of a layer; its weights are noted. */
function layerJson(layer: AnyLayer, writing: Writing, prefix: string): Json {
  if (layer instanceof Sequential || layer instanceof FunctionalModel) return modelJson(layer as AnyModel, writing, prefix)
  const name = writing.nameOf(layer, prefix)
  if (layer instanceof InputLayer) {
    const { inputShape } = layer.config
    return {
      class_name: 'InputLayer',
      config: { batch_input_shape: [null, ...inputShape], dtype: layer.dataType === 'int32' ? 'int32' : 'float32', sparse: false, name },
    }
  }
  const json = partJson(layer as never, layer, writing, name)
  noteWeights(layer, name, json, writing)
  return json
}

/** A layer or cell as { class_name, config }; `owner` is the layer to name in errors. */
function partJson(part: { className: string; name: string; toConfig(): object }, owner: AnyLayer, writing: Writing, name: string): Json {
  const { className } = part
  if (!THERE.has(className)) writing.add(owner, className === owner.className ? 'there is no such layer' : `there is no ${className}`)
  const given = { ...WRITTEN[className], ...(part.toConfig() as Json) }
  const config: Json = { name, trainable: given['trainable'] ?? true }
  for (const [key, value] of Object.entries(given)) {
    if (['name', 'trainable', 'dtype', 'inputShape', 'weights'].includes(key) || value === undefined) continue
    if (key === 'seed') continue
    if (key === 'backwardLayer') {
      if (!isMirrored(part)) writing.add(owner, 'it has no backwardLayer that differs from the forward one')
      continue
    }
    const lacking = LACKING[className]
    if (lacking !== undefined && Object.hasOwn(lacking, key)) {
      if (value !== lacking[key]) writing.add(owner, `it has no ${key}: ${show(value)}`)
      continue
    }
    const written = valueJson(key, value, part, owner, writing)
    if (written instanceof Unsupported) writing.add(owner, `${key}: ${written.why}`)
    else config[RENAMED[`${className}.${key}`] ?? snake(key)] = written
  }
  if (className === 'Gru' || className === 'GruCell') {
    if (config['reset_after'] !== false) writing.add(owner, 'it has no resetAfter: true; make the layer with resetAfter: false')
  }
  return { class_name: theirClass(className), config }
}

/** Whether the backward layer is made as the forward one is. */
function isMirrored(part: object): boolean {
  const { forwardLayer, backwardLayer } = part as { forwardLayer: AnyLayer; backwardLayer: AnyLayer }
  const facts = (layer: AnyLayer): string => {
    const { name: _, goBackwards: __, trainable: ___, ...rest } = layerToJson(layer).config
    return `${layer.className} ${JSON.stringify(rest)}`
  }
  return facts(forwardLayer) === facts(backwardLayer)
}

const named = (value: unknown): { className: string; config: Json } | undefined => {
  if (typeof value === 'string') return { className: value.replace(/^[a-z]/, (letter) => letter.toUpperCase()), config: {} }
  const { className, config } = (value ?? {}) as { className?: unknown; config?: unknown }
  return typeof className === 'string' ? { className, config: (isRecord(config) ? config : {}) as Json } : undefined
}

function valueJson(key: string, value: unknown, part: object, owner: AnyLayer, writing: Writing): unknown {
  if (value === null) return null
  if (key === 'activation' || key === 'recurrentActivation')
    return typeof value === 'string' ? theirActivation(value) : new Unsupported('a function has no name there')
  // weights come from the file: what began them matters to nobody
  if (key === 'interpolation') {
    if (value === 'bilinear') return new Unsupported("its 'bilinear' is another one: make the layer with 'bilinearAsymmetric'")
    return value === 'bilinearAsymmetric' ? 'bilinear' : value
  }
  if (key.endsWith('Initializer')) return { class_name: 'Zeros', config: {} }
  if (key.endsWith('Regularizer')) {
    const { className, config } = named(value) ?? { className: '', config: {} }
    if (!['L1', 'L2', 'L1l2'].includes(className)) return new Unsupported('it has no such regularizer')
    return {
      class_name: 'L1L2',
      config: { l1: Number(config['l1'] ?? (className === 'L1' ? 0.01 : 0)), l2: Number(config['l2'] ?? (className === 'L2' ? 0.01 : 0)) },
    }
  }
  if (key.endsWith('Constraint')) {
    const { className, config } = named(value) ?? { className: '', config: {} }
    if (!['MaxNorm', 'NonNeg', 'UnitNorm', 'MinMaxNorm'].includes(className)) return new Unsupported('it has no such constraint')
    return { class_name: className, config: Object.fromEntries(Object.entries(config).map(([name, part]) => [snake(name), part])) }
  }
  if (key === 'layer' || key === 'cell' || key === 'cells') {
    // the parts themselves say more than their description
    const json = partsOf(part).map((inner) => partJson(inner as never, owner, writing, inner.name))
    return key === 'cells' ? json : json[0]
  }
  return value
}

/** The layer or cell in a layer that is made of another; of stacked cells all. */
function partsOf(part: object): readonly AnyLayer[] {
  const { forwardLayer, cell, layer, cells } = part as { [name: string]: AnyLayer | undefined } & { cells?: readonly AnyLayer[] }
  const inner = forwardLayer ?? cell ?? layer
  return inner === undefined ? (cells ?? []) : [inner]
}

const lastOf = ({ name }: Variable): string => name.slice(name.lastIndexOf('/') + 1)
const NAMED: Readonly<Record<string, string>> = { 'DepthwiseConv2d.kernel': 'depthwise_kernel' }

function noteWeights(layer: AnyLayer, name: string, json: Json, writing: Writing): void {
  const note = (variables: readonly Variable[], prefix: string): void => {
    for (const variable of variables)
      writing.weights.push({ name: `${prefix}/${NAMED[`${layer.className}.${lastOf(variable)}`] ?? snake(lastOf(variable))}`, variable })
  }
  const { forwardLayer, backwardLayer, cell } = layer as unknown as Record<string, AnyLayer | undefined>
  if (forwardLayer && backwardLayer) {
    const inner = ((json['config'] as Json)['layer'] as Json | undefined)?.['config'] as Json | undefined
    note(forwardLayer.weights, `${name}/forward_${String(inner?.['name'])}`)
    note(backwardLayer.weights, `${name}/backward_${String(inner?.['name'])}`)
  } else if ((cell as unknown) instanceof StackedRnnCells) {
    ;(cell as unknown as StackedRnnCells).cells.forEach((one, i) => void note((one as unknown as AnyLayer).weights, `${name}/RNNCell_${i}`))
  } else note(layer.weights, name)
}
