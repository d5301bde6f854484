// Assets of saved models: JSON values, tokenizers, text vectorizations and scalers. Each comes back as its own class.
import { scalerFromJson } from '../data/scaler_json.js'
import { Scaler } from '../data/scalers.js'
import { layerFromJson, type LayerJson, layerToJson } from '../layers/serialize.js'
import { TextVectorization } from '../layers/text_vectorization.js'
import { isRecord, isValue, mapLeaves } from '../core/tree.js'
import { SubwordTokenizer } from '../text/subword_tokenizer.js'
import { Tokenizer } from '../text/tokenizer.js'
import { tokenizerFromJson } from '../text/tokenizer_file.js'

/** The only key of the JSON object that describes a tokenizer, a layer, or a scaler. */
const TOKENIZER = '@tokenizer'
const LAYER = '@layer'
const SCALER = '@scaler'

/** A record with one of the keys above alone. */
const isMarked = (value: unknown): value is Record<string, unknown> =>
  isRecord(value) && Object.keys(value).length === 1 && [TOKENIZER, LAYER, SCALER].some((key) => Object.hasOwn(value, key))

/** The assets as JSON, with tokenizers, layers and scalers marked by the key above. */
export function assetsToJson(value: unknown): unknown {
  // what knows its own JSON, as dates do, is left to JSON.stringify
  const isAsset = (part: unknown): part is unknown => isValue(part) || (isRecord(part) && typeof part['toJSON'] === 'function')
  return mapLeaves(value, isAsset, (asset) => {
    if (asset instanceof Tokenizer || asset instanceof SubwordTokenizer) return { [TOKENIZER]: asset.toJSON() }
    if (asset instanceof TextVectorization) return { [LAYER]: layerToJson(asset) }
    return asset instanceof Scaler ? { [SCALER]: asset.toJSON() } : asset
  })
}

/** The assets that assetsToJson() described. */
export function assetsFromJson(value: unknown): unknown {
  return mapLeaves(value, isMarked, (asset) => {
    if (TOKENIZER in asset) return tokenizerFromJson(asset[TOKENIZER] as object)
    return LAYER in asset ? layerFromJson(asset[LAYER] as LayerJson) : scalerFromJson(asset[SCALER])
  })
}
