// The families of models by the model_type of their config, and what is read of a folder before the model is made.
import type { Json } from './config.js'
import { ConfigReader } from './config.js'
import { DECODER_TYPES, PretrainedDecoder } from './decoder_model.js'
import { type EncoderConfig, PretrainedEncoder } from './encoder_model.js'
import { ENCODER_TYPES, encoderLength } from './encoder_parts.js'
import { jsonIn, textIn } from './folder.js'
import type { LoadPretrainedOptions } from './load.js'
import type { Pooling, PretrainedConfig, PretrainedModel, PretrainedTask } from './pretrained_model.js'
import { imageTask, PretrainedVit } from './vit.js'
import type { TensorFile } from '../io/tensor_files.js'

/** What the model is made with beside its config. */
export type FamilyFacts = Omit<EncoderConfig, 'json' | 'storage' | 'ignore' | 'generation'>

export interface Family {
  readonly facts: (json: Json, folder: string, file: TensorFile, options: LoadPretrainedOptions) => Promise<FamilyFacts> | FamilyFacts
  // biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
  readonly make: (config: PretrainedConfig) => PretrainedModel<any, any>
}

/** The class of `architectures` that config.json names; undefined where it names none. */
const architectureOf = (json: Json): string | undefined => {
  const list = json['architectures']
  return Array.isArray(list) && typeof list[0] === 'string' ? list[0] : undefined
}

const decoder: Family = {
  facts: (json, _folder, _file, options) => {
    const config = new ConfigReader(json, 'config.json')
    const architecture = architectureOf(json)
    if (architecture !== undefined && !/(ForCausalLM|LMHeadModel)$/.test(architecture) && options.task !== 'languageModel')
      throw config.wrong(
        `the architecture ${architecture} is not supported for ${String(json['model_type'])}`,
        "Only language models are. { task: 'languageModel' } loads one where the files have its head",
      )
    if (options.task !== undefined && options.task !== 'languageModel')
      throw config.wrong(`the task '${options.task}' is not supported for ${String(json['model_type'])}`, 'Supported: languageModel')
    const learned = json['model_type'] === 'gpt2'
    const most = learned ? config.integer('n_positions', 1024) : config.integer('max_position_embeddings', 2048)
    const sequenceLength = options.sequenceLength ?? most
    if (sequenceLength < 1 || (learned && sequenceLength > most))
      throw config.wrong(`sequenceLength ${sequenceLength} does not fit the ${most} learned positions`)
    return { task: 'languageModel', sequenceLength, vocabularySize: config.integer('vocab_size') }
  },
  make: (config) => new PretrainedDecoder(config),
}

/** Tasks of encoders by the ends of the names of architectures. */
const ENCODER_TASKS: readonly (readonly [RegExp, PretrainedTask])[] = [
  [/ForSequenceClassification$/, 'sequenceClassification'],
  [/ForTokenClassification$/, 'tokenClassification'],
  [/(ForMaskedLM|ForPreTraining)$/, 'maskedLanguageModel'],
  [/Model$/, 'encoder'],
]

/** How sentence-transformers pools, by the files beside the model; undefined where there are none. */
async function poolingIn(folder: string, config: ConfigReader): Promise<Pooling | undefined> {
  const settings = (await jsonIn(folder, '1_Pooling/config.json')) ?? {}
  const modes = Object.keys(settings).filter((name) => name.startsWith('pooling_mode_') && settings[name] === true)
  if (modes.length === 0) return undefined
  const mode = { pooling_mode_mean_tokens: 'mean', pooling_mode_cls_token: 'cls', pooling_mode_max_tokens: 'max' }[modes[0]!]
  if (modes.length > 1 || mode === undefined)
    throw config.wrong(`1_Pooling/config.json asks for ${modes.join(', ')}, which is not supported`)
  return {
    mode: mode as Pooling['mode'],
    normalize: (await jsonIn(folder, '2_Normalize/config.json')) !== undefined || (await normalizes(folder)),
  }
}

/** modules.json is a list, which names the steps behind the encoder. */
async function normalizes(folder: string): Promise<boolean> {
  const text = await textIn(folder, 'modules.json')
  return text?.includes('sentence_transformers.models.Normalize') ?? false
}

const encoder: Family = {
  facts: async (json, folder, file, options) => {
    const config = new ConfigReader(json, 'config.json')
    const architecture = architectureOf(json)
    const pooling = await poolingIn(folder, config)
    const known = ENCODER_TASKS.find(([end]) => end.test(architecture ?? 'Model'))?.[1]
    if (known === undefined && options.task === undefined)
      throw config.wrong(`the architecture ${architecture} is not supported`, `Say which head you want: { task: 'encoder' }`)
    const task = options.task ?? (pooling && known === 'encoder' ? 'sentenceEmbedding' : known!)
    if (!TEXT_TASKS.includes(task))
      throw config.wrong(`the task '${task}' is not supported for ${String(json['model_type'])}`, `Supported: ${TEXT_TASKS.join(', ')}`)
    const most = encoderLength(config)
    const sequenceLength = options.sequenceLength ?? most
    if (sequenceLength < 1 || sequenceLength > most) throw config.wrong(`sequenceLength ${sequenceLength} does not fit ${most} positions`)
    const stored = file.names.some((name) => /(^|\.)pooler\.dense\.weight$/.test(name))
    const needed = task === 'sequenceClassification' && json['model_type'] === 'bert'
    return {
      task,
      sequenceLength,
      vocabularySize: config.integer('vocab_size', 30_522),
      numLabels: options.numLabels ?? labelsOf(json),
      pooler: needed || (task === 'encoder' && stored),
      ...(task === 'sentenceEmbedding'
        ? {
            pooling: options.pooling
              ? { normalize: false, ...pooling, mode: options.pooling }
              : (pooling ?? { mode: 'mean', normalize: false }),
          }
        : {}),
    }
  },
  make: (config) => new PretrainedEncoder(config) as unknown as ReturnType<Family['make']>,
}

const TEXT_TASKS: readonly PretrainedTask[] = [
  'encoder',
  'maskedLanguageModel',
  'sequenceClassification',
  'tokenClassification',
  'sentenceEmbedding',
]

/** Classes that config.json names; 2 where it names none. */
function labelsOf(json: Json): number {
  const labels = json['id2label']
  if (typeof labels === 'object' && labels !== null) return Object.keys(labels).length
  return typeof json['num_labels'] === 'number' ? json['num_labels'] : 2
}

const vit: Family = {
  facts: (json, _folder, file, options) => ({
    ...imageTask(new ConfigReader(json, 'config.json'), architectureOf(json), options.task),
    sequenceLength: 1,
    vocabularySize: 1,
    numLabels: options.numLabels ?? labelsOf(json),
    pooler: file.names.some((name) => /(^|\.)pooler\.dense\.weight$/.test(name)),
  }),
  make: (config) => new PretrainedVit(config) as unknown as ReturnType<Family['make']>,
}

export function familyOf(type: string): Family | undefined {
  if (DECODER_TYPES.includes(type)) return decoder
  if (ENCODER_TYPES.includes(type)) return encoder
  return type === 'vit' ? vit : undefined
}
