// The files of an adapter as PEFT writes them: adapter_config.json and adapter_model.safetensors.
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { keep, type Kept } from '../core/keep.js'
import { makeFolder } from '../core/make_folder.js'
import { show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { sameShape } from '../core/spec.js'
import { systemError } from '../core/system_error.js'
import type { Variable } from '../core/tensor.js'
import { writeNew } from '../io/folder.js'
import { replaceFile } from '../io/replace_file.js'
import { openTensors, saveKept } from '../io/tensor_files.js'
import { ConfigReader } from './config.js'
import { jsonIn } from './folder.js'
import type { LoraFacts, LoraModel } from './lora.js'
import type { PretrainedModel, PretrainedTask } from './pretrained_model.js'
import { fillWeights, listed } from './weights.js'

// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
type AnyPretrained = PretrainedModel<any, any>

const CONFIG = 'adapter_config.json'
const WEIGHTS = 'adapter_model.safetensors'
/** What stands before the path of a module. */
const ROOT = 'base_model.model.'

const TASK_TYPES: Readonly<Partial<Record<PretrainedTask, string>>> = {
  languageModel: 'CAUSAL_LM',
  sequenceClassification: 'SEQ_CLS',
  tokenClassification: 'TOKEN_CLS',
  encoder: 'FEATURE_EXTRACTION',
  sentenceEmbedding: 'FEATURE_EXTRACTION',
}

/** Whether the class that Python makes of the model has no prefix in the paths of its modules. */
const isBare = ({ config: { task } }: AnyPretrained): boolean => ['encoder', 'sentenceEmbedding', 'imageEncoder'].includes(task)

/** The weights of the adapter under the names of its file. */
function tensorsOf(tuned: LoraModel<AnyPretrained>): Map<string, Variable> {
  const { model } = tuned
  const named = (module: string): string =>
    ROOT + (isBare(model) && module.startsWith(model.prefix) ? module.slice(model.prefix.length) : module)
  const found = new Map<string, Variable>()
  for (const [module, { a, b }] of tuned.adapters) {
    found.set(`${named(module)}.lora_A.weight`, a)
    found.set(`${named(module)}.lora_B.weight`, b)
  }
  for (const [module, layer] of tuned.whole)
    for (const [name, weight] of layer.weightPaths()) if (!name.endsWith('randomState')) found.set(`${named(module)}.${name}`, weight)
  return found
}

export async function writeAdapter(tuned: LoraModel<AnyPretrained>, place: Place): Promise<void> {
  const folder = pathOf('tuned.save', place)
  const { rank, alpha, dropout, useRslora, modules, modulesToSave } = tuned.facts
  const values = new Map<string, Kept>([...tensorsOf(tuned)].map(([name, weight]) => [name, keep(weight)]))
  const config = {
    peft_type: 'LORA',
    task_type: TASK_TYPES[tuned.model.config.task] ?? null,
    base_model_name_or_path: tuned.model.json['_name_or_path'] ?? null,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: modules,
    modules_to_save: modulesToSave.length > 0 ? modulesToSave : null,
    bias: 'none',
    fan_in_fan_out: [...tuned.adapters.keys()].some((module) => tuned.model.linears().get(module)!.config.inputsFirst === true),
    use_rslora: useRslora,
    use_dora: false,
    init_lora_weights: true,
    inference_mode: true,
  }
  try {
    try {
      await makeFolder(folder)
    } catch (error) {
      throw systemError(`tuned.save: ${folder} cannot be made`, error, 'ERR_ARGUMENT')
    }
    await saveKept('tuned.save', path.join(folder, WEIGHTS), values, { metadata: { format: 'pt' } })
    const text = `${JSON.stringify(config, undefined, 2)}\n`
    await replaceFile('tuned.save', path.join(folder, CONFIG), (fresh) => writeNew(fresh, (handle) => handle.writeFile(text)))
  } finally {
    for (const kept of values.values()) kept.release()
  }
}

/** Fields of adapter_config.json that say nothing about what is computed here. */
const SILENT: readonly string[] = [
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'eva_config',
  'corda_config',
  'fan_in_fan_out',
  'inference_mode',
  'init_lora_weights',
  'loftq_config',
  'megatron_core',
  'peft_type',
  'peft_version',
  'revision',
  'task_type',
  'runtime_config',
]

function factsOf(json: Readonly<Record<string, unknown>>, file: string): LoraFacts {
  const config = new ConfigReader(json, file)
  config.only('peft_type', 'LORA')
  config.only('bias', 'none')
  const list = (name: string): string[] => {
    const value = config.optional(name) ?? []
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value as string[]
    throw config.wrong(`${name} must be a list of names of modules, got ${show(value)}`)
  }
  const rank = config.integer('r')
  const facts = {
    rank,
    alpha: config.number('lora_alpha', 8),
    dropout: config.rate('lora_dropout', 0),
    useRslora: config.flag('use_rslora', false),
    modules: list('target_modules'),
    modulesToSave: list('modules_to_save'),
  }
  config.finish(SILENT)
  return facts
}

export async function readAdapter<M extends AnyPretrained>(
  model: M,
  place: Place,
  make: (facts: LoraFacts) => LoraModel<M>,
): Promise<LoraModel<M>> {
  const folder = pathOf('lora.load', place)
  const json = await jsonIn(folder, CONFIG)
  if (!json) throw new WeftError('ERR_FORMAT', `lora.load: ${folder} has no ${CONFIG}`)
  const facts = factsOf(json, path.join(folder, CONFIG))
  const where = path.join(folder, WEIGHTS)
  const file = await openTensors(where)
  try {
    const tuned = make(facts)
    try {
      const wanted = tensorsOf(tuned as unknown as LoraModel<AnyPretrained>)
      // the paths of files may have the prefix of the family, or lack it
      const form = (name: string): string => name.replace(`${ROOT}${model.prefix}`, ROOT)
      const byForm = new Map([...wanted].map(([name, weight]) => [form(name), weight]))
      const strangers = file.names.filter((name) => !byForm.has(form(name)))
      const given = new Set(file.names.map(form))
      const missing = [...wanted.keys()].filter((name) => !given.has(form(name)))
      if (strangers.length > 0) throw new WeftError('ERR_FORMAT', `${where} has tensors that fit no module: ${listed(strangers)}`)
      if (missing.length > 0) throw new WeftError('ERR_FORMAT', `${where} lacks ${listed(missing)}`)
      for (const name of file.names) {
        const { entry } = file.find(name)
        const { shape } = byForm.get(form(name))!
        if (!sameShape(entry.shape, shape))
          throw new WeftError('ERR_FORMAT', `${where}: '${name}' has shape [${entry.shape}], the model makes it [${shape}]`)
      }
      await fillWeights(file, new Map(file.names.map((name) => [name, byForm.get(form(name))!])))
      return tuned
    } catch (error) {
      tuned.unload()
      throw error
    }
  } finally {
    await file.close()
  }
}
