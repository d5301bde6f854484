// savePretrained: a model as a Hugging Face folder, under the names that its weights were read by.
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { keep, type Kept } from '../core/keep.js'
import { makeFolder } from '../core/make_folder.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { castTo } from '../core/read.js'
import { outsideTrace } from '../core/graph.js'
import type { DType } from '../core/spec.js'
import { systemError } from '../core/system_error.js'
import type { Tensor } from '../core/tensor.js'
import { rm } from 'node:fs/promises'
import { writeNew } from '../io/folder.js'
import { replaceFile } from '../io/replace_file.js'
import { saveKept } from '../io/tensor_files.js'
import { SubwordTokenizer } from '../text/subword_tokenizer.js'
import { ChatTemplate } from './chat_template.js'
import type { Json } from './config.js'
import { storedAs } from '../layers/stored_weights.js'
import { PretrainedModel, type PretrainedTask } from './pretrained_model.js'
import { namesToWrite } from './source.js'

export interface SavePretrainedOptions {
  /** Written as tokenizer.json. Default: none. */
  tokenizer?: SubwordTokenizer | undefined
  /** Written as chat_template.jinja. Default: none. */
  chatTemplate?: ChatTemplate | undefined
  /** Written as generation_config.json. Default: none. */
  generationConfig?: Json | undefined
  /** dtype of the weights in the files. Default: that of the weights in memory. */
  dtype?: 'float32' | 'float16' | 'bfloat16'
  /** The most bytes of weights in one file. Default 5e9. */
  maxShardBytes?: number
}
const OPTIONS: OptionTable<SavePretrainedOptions> = {
  tokenizer: 'any',
  chatTemplate: 'any',
  generationConfig: 'object',
  dtype: ['float32', 'float16', 'bfloat16'],
  maxShardBytes: 'number',
}

const TORCH: Readonly<Partial<Record<DType, string>>> = { float32: 'float32', float16: 'float16', bfloat16: 'bfloat16' }

/** Names of classes by task, where a head is not that of the folder. */
const CLASSES: Readonly<Record<string, string>> = {
  bert: 'Bert',
  roberta: 'Roberta',
  'xlm-roberta': 'XLMRoberta',
  distilbert: 'DistilBert',
  vit: 'ViT',
}
const ENDS: Readonly<Partial<Record<PretrainedTask, string>>> = {
  encoder: 'Model',
  imageEncoder: 'Model',
  sentenceEmbedding: 'Model',
  maskedLanguageModel: 'ForMaskedLM',
  sequenceClassification: 'ForSequenceClassification',
  tokenClassification: 'ForTokenClassification',
  imageClassification: 'ForImageClassification',
}

/** config.json of the model as it is now. */
function configOf(model: PretrainedModel<never, never>, dtype: DType): Json {
  const { json, task, numLabels } = model.config
  const name = CLASSES[String(json['model_type'])]
  const end = ENDS[task]
  const labels = json['id2label']
  const count = typeof labels === 'object' && labels !== null ? Object.keys(labels).length : json['num_labels']
  const renewed =
    (task.endsWith('Classification') && numLabels !== undefined && numLabels !== (count ?? 2)) === true
      ? {
          id2label: Object.fromEntries(Array.from({ length: numLabels! }, (_, i) => [i, `LABEL_${i}`])),
          label2id: Object.fromEntries(Array.from({ length: numLabels! }, (_, i) => [`LABEL_${i}`, i])),
        }
      : {}
  return { ...json, ...(name && end ? { architectures: [`${name}${end}`] } : {}), torch_dtype: TORCH[dtype] ?? 'float32', ...renewed }
}

/**
 * Writes a model that loadPretrained() gave as such a folder again: config.json, model.safetensors (in shards where it
 * is large) and what the options name. Weights have the names, shapes and dtype that they were read with, so that
 * Python opens the folder. The values are those at the time of the call. Each file is written aside and then put in
 * place. Throws ERR_ARGUMENT for another model and for a place that cannot be used; ERR_STATE while an adapter of
 * lora() stands beside the weights, and for weights that quantize() stores as int8 or int4.
 */
// biome-ignore lint/suspicious/noExplicitAny: models of all inputs and results
export async function savePretrained(model: PretrainedModel<any, any>, place: Place, options: SavePretrainedOptions = {}): Promise<void> {
  checkCall('savePretrained(model, folder, options)', arguments, OPTIONS)
  if (!(model instanceof PretrainedModel))
    throw new WeftError('ERR_ARGUMENT', `savePretrained: expected a model of loadPretrained(), got ${show(model)}`, {
      hint: 'Models of weftjs are saved with net.save(folder), tuned ones of lora() after tuned.merge()',
    })
  const folder = pathOf('savePretrained', place)
  const { tokenizer, chatTemplate, generationConfig, maxShardBytes = 5e9 } = options
  if (tokenizer !== undefined && !(tokenizer instanceof SubwordTokenizer))
    throw new WeftError('ERR_ARGUMENT', `savePretrained: the tokenizer is one of subwords, got ${show(tokenizer)}`)
  if (chatTemplate !== undefined && !(chatTemplate instanceof ChatTemplate))
    throw new WeftError('ERR_ARGUMENT', `savePretrained: chatTemplate is what loadPretrained() gave, got ${show(chatTemplate)}`)
  model.checkUnadapted('savePretrained')
  const kept = model.weights.find((weight) => storedAs(weight)?.scale)
  if (kept)
    throw new WeftError(
      'ERR_STATE',
      `savePretrained: '${kept.name}' is stored as ${storedAs(kept)!.type}, which such folders do not have`,
      {
        hint: 'net.save(folder) saves it as it is, for loadModel()',
      },
    )
  const dtype = options.dtype ?? model.config.storage
  const values = new Map<string, Kept>()
  const casts: Tensor[] = []
  try {
    for (const [name, weight] of namesToWrite(model)) {
      const value = weight.dtype === dtype ? weight : outsideTrace(() => castTo(weight, dtype))
      if (value !== weight) casts.push(value)
      values.set(name, keep(value))
    }
    const write = (name: string, text: string): Promise<void> =>
      replaceFile('savePretrained', path.join(folder, name), (fresh) => writeNew(fresh, (handle) => handle.writeFile(text)))
    const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`
    try {
      await makeFolder(folder)
    } catch (error) {
      throw systemError(`savePretrained: ${folder} cannot be made`, error, 'ERR_ARGUMENT')
    }
    const target = path.join(folder, 'model.safetensors')
    const sharded = await saveKept('savePretrained', target, values, { metadata: { format: 'pt' }, maxShardBytes })
    // what would be read in place of the files just written
    await rm(sharded ? target : `${target}.index.json`, { force: true })
    await write('config.json', json(configOf(model as never, dtype)))
    if (generationConfig) await write('generation_config.json', json(generationConfig))
    if (tokenizer) {
      await write('tokenizer.json', json(tokenizer))
      await write(
        'tokenizer_config.json',
        json({ tokenizer_class: 'PreTrainedTokenizerFast', ...(chatTemplate ? chatTemplate.specialTokens : {}) }),
      )
    }
    if (chatTemplate) await write('chat_template.jinja', chatTemplate.source)
  } finally {
    for (const kept of values.values()) kept.release()
    for (const t of casts) t.dispose()
  }
}
