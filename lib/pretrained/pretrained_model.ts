// PretrainedModel: what models of Hugging Face folders have in common: their config, and weights by the names of files.
import { withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import type { Place } from '../core/place.js'
import type { DType } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
// save() is a method from there on
import '../io/save.js'
import type { AnyLayer, InputShapes, LayerOptions } from '../layers/layer.js'
import { ComposedModel } from '../model/composed.js'
import type { AnyModel, SaveOptions } from '../model/model.js'
import type { SummaryRow } from '../model/summary.js'
import { mul, randomNormal, zeros } from '../ops/index.js'
import type { GenerateOptions } from '../transformers/generate.js'
import { ConfigReader, type Json } from './config.js'
import { Linear } from './parts.js'

export type PretrainedTask =
  | 'languageModel'
  | 'encoder'
  | 'maskedLanguageModel'
  | 'sequenceClassification'
  | 'tokenClassification'
  | 'sentenceEmbedding'
  | 'imageEncoder'
  | 'imageClassification'

/** How texts become one vector each. */
export interface Pooling {
  readonly mode: 'mean' | 'cls' | 'max'
  /** Vectors have length 1. */
  readonly normalize: boolean
}

/** JSON that a loaded model is made from again. */
export interface PretrainedConfig {
  /** What config.json says. */
  readonly json: Json
  /** dtype of the weights in memory. */
  readonly storage: DType
  readonly task: PretrainedTask
  /** The most tokens of a text. */
  readonly sequenceLength: number
  readonly vocabularySize: number
  /** Fields of config.json that the user says to leave alone. */
  readonly ignore?: readonly string[]
  /** What generate() takes where an option is not given. */
  readonly generation?: GenerateOptions
  readonly numLabels?: number
  readonly pooling?: Pooling
}

export abstract class PretrainedModel<I = Tensor, O = Tensor> extends ComposedModel<PretrainedConfig & LayerOptions, I, O> {
  abstract override readonly layers: readonly AnyLayer[]
  /** @internal Names in files that stand for a weight of another name, because both are one. */
  abstract readonly aliases: Readonly<Record<string, string>>
  /** @internal What the names of weights begin with, in models with a head. */
  abstract readonly prefix: string
  /** @internal Tensors of files that are no weights. */
  abstract readonly buffers: RegExp

  /** @internal Tensors of heads that this model may lack. */
  readonly otherHeads: RegExp | undefined = undefined
  /** @internal Names of the weights of the head, which may be new. */
  readonly headWeights: RegExp = /(?!)/

  protected readonly reader: ConfigReader

  constructor(config: PretrainedConfig & LayerOptions) {
    super(config)
    this.reader = new ConfigReader(config.json, 'config.json')
  }

  /** What config.json says. */
  get json(): Json {
    return this.config.json
  }

  /** @internal Weights by their names in files, without adapters. */
  fileWeights(): Map<string, Variable> {
    const found = new Map<string, Variable>()
    for (const [path, weight] of this.weightPaths()) if (!path.endsWith('randomState')) found.set(path, weight)
    return found
  }

  /** @internal The matrices that adapters can stand beside, by the path of their module. */
  linears(): Map<string, Linear> {
    return new Map(this.layers.flatMap((layer): [string, Linear][] => (layer instanceof Linear ? [[layer.name, layer]] : [])))
  }

  /**
   * @internal Gives weights that no file has their first values: vectors zeros, matrices normal with deviation 0.02.
   */
  initialize(names: readonly string[]): void {
    const weights = this.fileWeights()
    for (const name of names) {
      const weight = weights.get(name)!
      const { shape, device } = weight
      const first = withDevice(device, () => (shape.length < 2 ? zeros(shape) : mul(randomNormal(shape), 0.02)))
      weight.assign(first)
      first.dispose()
    }
  }

  /**
   * Saves the model as those of weftjs are, for loadModel(). ERR_STATE while an adapter of lora() stands beside the
   * weights.
   */
  override async save(folder: Place, options: SaveOptions = {}): Promise<void> {
    this.checkUnadapted('save')
    return super.save(folder, options)
  }

  /** @internal Weights of 16 bits cannot be trained: their steps would be lost in rounding. */
  override steps(kind: Parameters<AnyModel['steps']>[0]): ReturnType<AnyModel['steps']> {
    if (kind === 'fit' || kind === 'trainBatch') checkTrainable(this)
    return super.steps(kind)
  }

  /** @internal ERR_STATE while an adapter stands beside the weights. */
  checkUnadapted(what: string): void {
    if ([...this.linears().values()].some((linear) => linear.adapter))
      throw new WeftError('ERR_STATE', `${what}: an adapter of lora() stands beside the weights of ${this.name}`, {
        hint: 'tuned.save(folder) writes the adapter; tuned.merge() adds it to the weights',
      })
  }

  // the parts have their weights already
  override build(_inputShape: InputShapes): void {}

  protected summaryRows(): SummaryRow[] {
    return this.layers.map((layer) => ({ label: `${layer.name} (${layer.className})`, shape: [null], parameters: layer.countParams() }))
  }
}

/** @internal ERR_DTYPE where a weight that is trained is not float32. */
export function checkTrainable(model: { readonly name: string; readonly trainableWeights: readonly Variable[] }): void {
  const narrow = model.trainableWeights.find((weight) => weight.dtype !== 'float32')
  if (narrow)
    throw new WeftError('ERR_DTYPE', `${model.name}: weights of ${narrow.dtype} are not trained, '${narrow.name}' is one`, {
      hint: "Load the model with dtype: 'float32', or train an adapter beside the weights: lora(model)",
    })
}
