// The files of a Hugging Face folder, beside the weights: JSON that is there or not, tokenizers, chat templates.
import path from 'node:path'
import { stat } from 'node:fs/promises'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import { isRecord } from '../core/tree.js'
import { RegularFile } from '../io/regular_file.js'
import { SubwordTokenizer } from '../text/subword_tokenizer.js'
import { wordPiece } from '../text/word_piece.js'
import type { GenerateOptions } from '../transformers/generate.js'
import { ChatTemplate } from './chat_template.js'
import type { Json } from './config.js'

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

/** The text of a file; undefined where there is none. */
export async function textIn(folder: string, name: string): Promise<string | undefined> {
  const file = path.join(folder, name)
  if (!(await exists(file))) return undefined
  let opened: RegularFile | undefined
  try {
    opened = await RegularFile.open(file)
    return await opened.text()
  } catch (error) {
    throw systemError(`${file} cannot be read`, error, 'ERR_FORMAT')
  } finally {
    await opened?.close()
  }
}

/** The JSON object in a file; undefined where there is no such file. */
export async function jsonIn(folder: string, name: string): Promise<Json | undefined> {
  const file = path.join(folder, name)
  if (!(await exists(file))) return undefined
  let opened: RegularFile | undefined
  try {
    opened = await RegularFile.open(file)
    return await opened.json()
  } catch (error) {
    throw systemError(`${file} cannot be read`, error, 'ERR_FORMAT')
  } finally {
    await opened?.close()
  }
}

/** The tokenizer: tokenizer.json, or the vocabulary files of older folders; undefined where there are none. */
export async function tokenizerIn(folder: string): Promise<SubwordTokenizer | undefined> {
  const file = path.join(folder, 'tokenizer.json')
  const json = await jsonIn(folder, 'tokenizer.json')
  try {
    if (json) return SubwordTokenizer.fromJSON(json)
    const vocabulary = path.join(folder, 'vocab.txt')
    if (await exists(vocabulary)) {
      const settings = await jsonIn(folder, 'tokenizer_config.json')
      return await wordPiece.loadVocabulary(vocabulary, { lowercase: settings?.['do_lower_case'] !== false })
    }
    const [vocab, merges] = [path.join(folder, 'vocab.json'), path.join(folder, 'merges.txt')]
    return (await exists(vocab)) && (await exists(merges)) ? await oldByteLevel(folder) : undefined
  } catch (error) {
    if (!(error instanceof WeftError)) throw error
    throw new WeftError('ERR_FORMAT', `${json ? file : folder}: ${error.message}`, {
      cause: error,
      hint: 'loadPretrained(folder, { tokenizer: false }) loads the model alone',
    })
  }
}

/** The tokenizer of GPT-2's first files: tokens with their ids, and merges line by line. */
async function oldByteLevel(folder: string): Promise<SubwordTokenizer> {
  const vocab = (await jsonIn(folder, 'vocab.json'))!
  const merges = (await textIn(folder, 'merges.txt'))!.split('\n').filter((line) => line !== '' && !line.startsWith('#version'))
  const end = vocab[END_OF_TEXT]
  return SubwordTokenizer.fromJSON({
    added_tokens: typeof end === 'number' ? [{ id: end, content: END_OF_TEXT, special: true }] : [],
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges },
  })
}
const END_OF_TEXT = '<|endoftext|>'

/** What generate() takes by default. ERR_FORMAT for what is asked for and not supported. */
export function generationOf(json: Json | undefined, config: Json, file: string): GenerateOptions {
  // folders of older versions have the settings in config.json
  const from = { ...pick(config, json ? ['eos_token_id'] : IN_CONFIG), ...json }
  const unsupported = Object.entries(NEUTRAL).filter(
    ([name, neutral]) => from[name] !== undefined && from[name] !== null && !neutral.includes(from[name] as never),
  )
  if (unsupported.length > 0)
    throw new WeftError(
      'ERR_FORMAT',
      `${file} asks for what is not supported: ${unsupported.map(([name]) => `${name}: ${show(from[name])}`).join(', ')}`,
      { hint: 'loadPretrained(folder, { generationConfig: false }) leaves the file alone' },
    )
  const ends = from['eos_token_id']
  const stopTokens = (Array.isArray(ends) ? ends : [ends]).filter((id): id is number => Number.isInteger(id))
  const number = (name: string): number | undefined => (typeof from[name] === 'number' ? (from[name] as number) : undefined)
  const sampled = from['do_sample'] === true
  const [temperature, topK, topP] = [number('temperature'), number('top_k'), number('top_p')]
  const penalty = number('repetition_penalty')
  const most = number('max_new_tokens')
  return {
    ...(stopTokens.length > 0 ? { stopTokens } : {}),
    temperature: sampled ? (temperature ?? 1) : 0,
    ...(sampled && topK ? { topK } : {}),
    ...(sampled && topP !== undefined ? { topP } : {}),
    ...(most === undefined ? {} : { maxTokens: most }),
    ...(penalty === undefined || penalty === 1 ? {} : { repetitionPenalty: penalty }),
  }
}

/** Settings that config.json may have. */
const IN_CONFIG: readonly string[] = ['eos_token_id', 'do_sample', 'temperature', 'top_k', 'top_p', 'repetition_penalty', 'num_beams']

/** Values of generation_config.json that ask for nothing. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  penalty_alpha: [0],
  no_repeat_ngram_size: [0],
  encoder_no_repeat_ngram_size: [0],
  min_length: [0],
  min_new_tokens: [0],
  min_p: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  length_penalty: [1],
  encoder_repetition_penalty: [1],
  diversity_penalty: [0],
  bad_words_ids: [],
  force_words_ids: [],
  sequence_bias: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  exponential_decay_length_penalty: [],
  guidance_scale: [1],
  watermarking_config: [],
  num_return_sequences: [1],
}

const pick = (json: Json, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter((name) => json[name] !== undefined).map((name) => [name, json[name]]))

/** The chat template: chat_template.jinja, or that of tokenizer_config.json; undefined where there is none. */
export async function chatTemplateIn(folder: string): Promise<ChatTemplate | undefined> {
  const settings = (await jsonIn(folder, 'tokenizer_config.json')) ?? {}
  const source = (await textIn(folder, 'chat_template.jinja')) ?? settings['chat_template']
  if (source === undefined || source === null) return undefined
  const named = Array.isArray(source)
    ? source.find((one: unknown) => isRecord(one) && one['name'] === 'default' && typeof one['template'] === 'string')
    : undefined
  const text: unknown = isRecord(named) ? named['template'] : source
  if (typeof text !== 'string') throw new WeftError('ERR_FORMAT', `${folder}: the chat template is not a text: ${show(source)}`)
  return new ChatTemplate(text, specialTokens(settings))
}

/** bos_token and the like, as texts. */
function specialTokens(settings: Json): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token']) {
    const value = settings[name]
    const text: unknown = isRecord(value) ? value['content'] : value
    if (typeof text === 'string') found[name] = text
  }
  return found
}
