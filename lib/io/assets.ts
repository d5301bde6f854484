// Assets of saved models: JSON values, tokenizers, text vectorizations and scalers. Each comes back as its own class.
import { Scaler, scalerFromJson } from '../data/scalers.js'
import { layerFromJson, type LayerJson, layerToJson } from '../layers/serialize.js'
import { TextVectorization } from '../layers/text_vectorization.js'
import { isRecord } from '../core/tree.js'
import { SubwordTokenizer } from '../text/subword_tokenizer.js'
import { Tokenizer } from '../text/tokenizer.js'
import { tokenizerFromJson } from '../text/tokenizer_file.js'

/** The only key of the JSON object that describes a tokenizer, a layer, or a scaler. */
const TOKENIZER = '@tokenizer'
const LAYER = '@layer'
const SCALER = '@scaler'

/** The assets as JSON, with tokenizers, layers and scalers marked by the key above. */
export function assetsToJson(value: unknown): unknown {
  if (value instanceof Tokenizer || value instanceof SubwordTokenizer) return { [TOKENIZER]: value.toJSON() }
  if (value instanceof TextVectorization) return { [LAYER]: layerToJson(value) }
  if (value instanceof Scaler) return { [SCALER]: value.toJSON() }
  if (Array.isArray(value)) return value.map(assetsToJson)
  // what knows its own JSON, as dates do, is left to JSON.stringify
  if (!isRecord(value) || typeof value['toJSON'] === 'function') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, assetsToJson(item)]))
}

/** The assets that assetsToJson() described. */
export function assetsFromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(assetsFromJson)
  if (!isRecord(value)) return value
  const keys = Object.keys(value)
  if (keys.length === 1 && keys[0] === TOKENIZER) return tokenizerFromJson(value[TOKENIZER] as object)
  if (keys.length === 1 && keys[0] === LAYER) return layerFromJson(value[LAYER] as LayerJson)
  if (keys.length === 1 && keys[0] === SCALER) return scalerFromJson(value[SCALER])
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, assetsFromJson(item)]))
}
