// loadPretrained: a model, its tokenizer and its settings from a Hugging Face folder.
import path from 'node:path'
import { readdir } from 'node:fs/promises'
import { device as currentDevice, resolveDevice, withDevice } from '../core/device.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import type { DType } from '../core/spec.js'
import { warnOnce } from '../core/warnings.js'
import { openTensors, type TensorFile } from '../io/tensor_files.js'
import { whileLoading } from '../layers/loading.js'
import type { SubwordTokenizer } from '../text/subword_tokenizer.js'
import type { ChatTemplate } from './chat_template.js'
import type { Json } from './config.js'
import { DECODER_TYPES, type PretrainedDecoder } from './decoder_model.js'
import { chatTemplateIn, generationOf, jsonIn, tokenizerIn } from './folder.js'
import { ImageProcessor } from './image_processor.js'
import { familyOf } from './families.js'
import type { PretrainedModel, PretrainedTask, Pooling } from './pretrained_model.js'
import { type Verbosity, whileWorking } from '../core/progress_bar.js'
import { rememberNames } from './source.js'
import { fillWeights, listed, matchNames } from './weights.js'

export interface LoadPretrainedOptions {
  /**
   * dtype of the weights in memory; 'auto': as the files have them. Everything is computed in float32. Default
   * 'float32'.
   */
  dtype?: 'float32' | 'float16' | 'bfloat16' | 'auto'
  /** Where the weights go. Default: the current device. */
  device?: string
  /** The most tokens of a text. Default: what config.json says. */
  sequenceLength?: number
  /** Which head the model has. Default: that of config.json's architectures. A head that the files lack is new. */
  task?: PretrainedTask
  /** Classes of a new head. Default: those of config.json. */
  numLabels?: number
  /**
   * How token vectors become one vector, with the task 'sentenceEmbedding'. Default: what the folder says, or the mean.
   */
  pooling?: Pooling['mode']
  /** Fields of config.json to leave alone, where they ask for what is not supported. */
  ignore?: readonly string[]
  /** False: the tokenizer is not read. Default true. */
  tokenizer?: boolean
  /** False: generation_config.json is not read. Default true. */
  generationConfig?: boolean
  /**
   * Default: on a terminal, what is loaded and since when, where it takes longer than two seconds. 0: silent, 1: at
   * once, 2: a line at the end.
   */
  verbose?: Verbosity
}
const OPTIONS: OptionTable<LoadPretrainedOptions> = {
  dtype: ['float32', 'float16', 'bfloat16', 'auto'],
  device: 'string',
  sequenceLength: 'integer',
  task: [
    'languageModel',
    'encoder',
    'maskedLanguageModel',
    'sequenceClassification',
    'tokenClassification',
    'sentenceEmbedding',
    'imageEncoder',
    'imageClassification',
  ],
  numLabels: 'integer',
  pooling: ['mean', 'cls', 'max'],
  ignore: 'list',
  tokenizer: 'boolean',
  generationConfig: 'boolean',
  verbose: 'any',
}

/** What a folder holds. */
export interface Pretrained<M = PretrainedDecoder> {
  readonly model: M
  /** Of tokenizer.json, or of the older vocabulary files. Undefined where the folder has none. */
  readonly tokenizer: SubwordTokenizer
  /** config.json. */
  readonly config: Json
  /** generation_config.json. Undefined where the folder has none. */
  readonly generationConfig: Json | undefined
  /** Undefined where the folder has none. */
  readonly chatTemplate: ChatTemplate | undefined
  /** Of preprocessor_config.json. Undefined where the folder has none. */
  readonly imageProcessor: ImageProcessor | undefined
  /** Weights that the files do not have and that begin at random: those of a new head. */
  readonly fresh: readonly string[]
  /** Tensors of the files that this model has no place for: those of other heads. */
  readonly unused: readonly string[]
}

/** Bytes that a new head may take. */
const SLACK_BYTES = 64 << 20
/** Layers that a config may ask for beside those of its tensors. */
const SLACK_LAYERS = 10_000

/**
 * The model of a Hugging Face folder: config.json, model.safetensors or its shards, and what else is there of
 * tokenizer.json, generation_config.json and the chat template. Families: gpt2, llama, mistral, qwen2, qwen3, gemma,
 * gemma2, gemma3_text, bert, roberta, distilbert, vit.
 *
 * The type parameter says what the model is: PretrainedDecoder by default, PretrainedEncoder for texts, PretrainedVit.
 * Throws ERR_FORMAT for a folder that is none, for weights that do not fit its config, and for all that the config asks
 * for and that is not supported, by name.
 */
// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
export async function loadPretrained<M extends PretrainedModel<any, any> = PretrainedDecoder>(
  place: Place,
  options: LoadPretrainedOptions = {},
): Promise<Pretrained<M>> {
  checkCall('loadPretrained(folder, options)', arguments, OPTIONS)
  const folder = pathOf('loadPretrained', place)
  const json = await jsonIn(folder, 'config.json')
  if (!json) throw new WeftError('ERR_FORMAT', `loadPretrained: ${folder} has no config.json`, { hint: await hintFor(folder) })
  const type = json['model_type']
  const family = typeof type === 'string' ? familyOf(type) : undefined
  if (!family) {
    throw new WeftError('ERR_FORMAT', `loadPretrained: ${folder}: models of the type ${show(type)} are not supported`, {
      hint: `Supported: ${[...DECODER_TYPES, 'bert', 'roberta', 'distilbert', 'vit'].join(', ')}`,
    })
  }
  const file = await weightsIn(folder)
  try {
    const storage = storageOf(file, options.dtype ?? 'float32')
    const where = options.device === undefined ? currentDevice() : resolveDevice(options.device)
    const facts = await family.facts(json, folder, file, options)
    const generationConfig = options.generationConfig === false ? undefined : await jsonIn(folder, 'generation_config.json')
    const generation = generationOf(generationConfig, json, path.join(folder, 'generation_config.json'))
    const bytes = file.names.reduce((sum, name) => sum + file.info(name).bytes, 0)
    // what a config may make is bounded by what the files have
    const limits = { bytes: 2 * bytes + SLACK_BYTES, layers: SLACK_LAYERS + 20 * file.names.length }
    const model = withDevice(where, () =>
      whileLoading(limits, () =>
        family.make({ ...facts, json, storage, generation, ...(options.ignore ? { ignore: options.ignore } : {}) }),
      ),
    )
    try {
      const read = (): Promise<Pretrained<AnyPretrained>> => filled(model, file, folder, { config: json, generationConfig }, options)
      return (await whileWorking(`loading ${folder}`, options.verbose, read)) as unknown as Pretrained<M>
    } catch (error) {
      model.dispose()
      throw error
    }
  } finally {
    await file.close()
  }
}

const PROCESSOR = 'preprocessor_config.json'

// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
type AnyPretrained = PretrainedModel<any, any>

async function filled(
  model: AnyPretrained,
  file: TensorFile,
  folder: string,
  settings: { readonly config: Json; readonly generationConfig: Json | undefined },
  options: LoadPretrainedOptions,
): Promise<Pretrained<AnyPretrained>> {
  const { names, missing, unused } = matchNames(file, folder, model)
  const isHead = (name: string): boolean => model.headWeights.test(name)
  const lost = missing.filter((name) => !(options.task !== undefined && isHead(name)))
  if (lost.length > 0) {
    const onlyHead = lost.every(isHead)
    throw new WeftError('ERR_FORMAT', `${folder} lacks ${lost.length} tensors that config.json asks for: ${listed(lost)}`, {
      hint: onlyHead ? `To train a new head: loadPretrained(folder, { task: '${model.config.task}' })` : 'Is a shard missing?',
    })
  }
  await fillWeights(file, names)
  model.initialize(missing)
  const heads = unused.filter((name) => !/(^|\.)pooler\./.test(name))
  if (heads.length > 0) warnOnce('WEFT_PRETRAINED', `${folder}: tensors of other heads are left out: ${listed(heads)}`, model)
  rememberNames(model, names)
  const processor = await jsonIn(folder, PROCESSOR)
  return {
    model,
    tokenizer: (options.tokenizer === false ? undefined : await tokenizerIn(folder)) as SubwordTokenizer,
    ...settings,
    chatTemplate: await chatTemplateIn(folder),
    imageProcessor: processor && new ImageProcessor(processor, path.join(folder, PROCESSOR)),
    fresh: missing,
    unused,
  }
}

async function weightsIn(folder: string): Promise<TensorFile> {
  const names = await readdir(folder).catch((): string[] => [])
  if (names.some((name) => name === 'model.safetensors' || name === 'model.safetensors.index.json')) return openTensors(folder)
  const other = names.find((name) => /^pytorch_model.*\.bin$|\.(pt|pth|h5|msgpack|gguf)$/.test(name))
  throw new WeftError('ERR_FORMAT', `loadPretrained: ${folder} has no model.safetensors`, {
    hint: other
      ? `${other} is read by no program that does not run what is in it: save the model as safetensors in Python (save_pretrained)`
      : await hintFor(folder),
  })
}

async function hintFor(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => undefined)
  if (names === undefined) return 'The folder does not exist; models are loaded from local folders, so fetch the files first'
  return names.includes('model.json') ? 'This is a model of weftjs: use loadModel()' : 'A folder of a Hugging Face model is expected'
}

/** dtype of the weights: 'auto' is that of most of the values. */
function storageOf(file: TensorFile, wanted: NonNullable<LoadPretrainedOptions['dtype']>): DType {
  if (wanted !== 'auto') return wanted
  const bytes = new Map<string, number>()
  for (const name of file.names) {
    const { type, bytes: size } = file.info(name)
    bytes.set(type, (bytes.get(type) ?? 0) + size)
  }
  const [most] = [...bytes].sort((a, b) => b[1] - a[1])[0] ?? ['F32']
  return most === 'F16' ? 'float16' : most === 'BF16' ? 'bfloat16' : 'float32'
}
