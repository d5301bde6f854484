// Tokenizers from JSON of any kind known: Keras' tokenizer JSON, and Hugging Face's tokenizer.json.
import { readFile } from 'node:fs/promises'
import { checkCall, show } from '../core/options.js'
import { WeftError } from '../core/error.js'
import { isRecord } from '../core/tree.js'
import { SubwordTokenizer } from './subword_tokenizer.js'
import { Tokenizer } from './tokenizer.js'

/** What can be saved with a model; loading makes an object of the same class. */
export type AnyTokenizer = Tokenizer | SubwordTokenizer

function parsed(json: string | object): unknown {
  if (typeof json !== 'string') return json
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `tokenizer JSON: the text is not JSON: ${(cause as Error).message}`, { cause })
  }
}

/**
 * The tokenizer of Keras' tokenizer JSON or of a tokenizer.json: the text, or the parsed object. ERR_FORMAT when it is
 * neither.
 */
export function tokenizerFromJson(json: string | object): AnyTokenizer {
  checkCall('text.tokenizerFromJson(json)', arguments)
  return fromJson(json)
}

function fromJson(json: string | object): AnyTokenizer {
  const value = parsed(json)
  try {
    if (isRecord(value) && value['class_name'] === 'Tokenizer') return Tokenizer.fromJSON(value)
    return SubwordTokenizer.fromJSON(value)
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    // lists in lists in lists, and the like
    throw new WeftError('ERR_FORMAT', `tokenizer JSON: no tokenizer can be made from it (${(cause as Error).name})`, { cause })
  }
}

/** The text of a file; ERR_FORMAT when it cannot be read. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `${show(file)} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** tokenizerFromJson() of a file. */
export async function loadTokenizer(file: string): Promise<AnyTokenizer> {
  checkCall('text.loadTokenizer(file)', arguments)
  return fromJson(await readText(file))
}

const checkType = (tokenizer: AnyTokenizer, type: SubwordTokenizer['type']): SubwordTokenizer => {
  if (tokenizer instanceof SubwordTokenizer && tokenizer.type === type) return tokenizer
  const found = tokenizer instanceof SubwordTokenizer ? tokenizer.type : "Keras' Tokenizer"
  throw new WeftError('ERR_FORMAT', `the tokenizer is ${found}, not ${type}`, {
    hint: 'text.loadTokenizer() and text.tokenizerFromJson() read every kind',
  })
}

export const subwordFromJson = (json: string | object, type: SubwordTokenizer['type']): SubwordTokenizer => checkType(fromJson(json), type)
export const loadSubword = async (file: string, type: SubwordTokenizer['type']): Promise<SubwordTokenizer> =>
  checkType(fromJson(await readText(file)), type)
