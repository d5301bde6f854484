// The families of models by the model_type of their config, and what is read of a folder before the model is made.
import type { Json } from './config.js'
import { ConfigReader } from './config.js'
import { DECODER_TYPES, PretrainedDecoder } from './decoder_model.js'
import type { LoadPretrainedOptions } from './load.js'
import type { PretrainedConfig, PretrainedModel } from './pretrained_model.js'
import type { TensorFile } from '../io/tensor_files.js'

/** What the model is made with beside its config. */
export type FamilyFacts = Omit<PretrainedConfig, 'json' | 'storage' | 'ignore'>

export interface Family {
  readonly facts: (json: Json, folder: string, file: TensorFile, options: LoadPretrainedOptions) => Promise<FamilyFacts> | FamilyFacts
  // biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
  readonly make: (config: PretrainedConfig) => PretrainedModel<any, any>
}

/** The class of `architectures` that config.json names; undefined where it names none. */
export const architectureOf = (json: Json): string | undefined => {
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

export const familyOf = (type: string): Family | undefined => (DECODER_TYPES.includes(type) ? decoder : undefined)
