// Normalizers of tokenizer.json files: what is done to a text before it is cut.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { listOf } from './json_parts.js'
import { toRegExp } from './regular_expression.js'

export type Normalizer = (text: string) => string

/** Chinese characters, which BERT takes one by one. */
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu

export interface BertNormalization {
  clean_text?: boolean
  handle_chinese_chars?: boolean
  /** null: as `lowercase`. */
  strip_accents?: boolean | null
  lowercase?: boolean
}

const stripAccents: Normalizer = (text) => text.normalize('NFD').replace(/\p{Mn}/gu, '')

/**
 * J. Devlin et al., BERT (2018): control characters leave, blanks become spaces, Chinese characters stand alone, case
 * and accents go.
 */
function bert({ clean_text = true, handle_chinese_chars = true, strip_accents = null, lowercase = true }: BertNormalization): Normalizer {
  return (text) => {
    let result = text
    if (clean_text) result = result.replace(/(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, '').replace(/\p{White_Space}/gu, ' ')
    if (handle_chinese_chars) result = result.replace(CHINESE, ' $& ')
    if (lowercase) result = result.toLowerCase()
    return (strip_accents ?? lowercase) ? stripAccents(result) : result
  }
}

/** The normalizer of a description in JSON; ERR_FORMAT for kinds that are not known. */
export function normalizerOf(json: unknown): Normalizer {
  if (json === null || json === undefined) return (text) => text
  if (!isRecord(json)) throw new WeftError('ERR_FORMAT', 'the normalizer of the tokenizer is not an object')
  switch (json['type']) {
    case 'BertNormalizer':
      return bert(json as BertNormalization)
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = json['type']
      return (text) => text.normalize(form)
    }
    case 'Lowercase':
      return (text) => text.toLowerCase()
    case 'StripAccents':
      return (text) => text.replace(/\p{Mn}/gu, '')
    case 'Prepend': {
      const { prepend } = json
      if (typeof prepend !== 'string') throw new WeftError('ERR_FORMAT', 'the text of a Prepend normalizer is missing')
      return (text) => (text === '' ? text : prepend + text)
    }
    case 'Strip': {
      const [left, right] = [json['strip_left'] !== false, json['strip_right'] !== false]
      return (text) => text.replace(left ? /^\p{White_Space}+/u : '', '').replace(right ? /\p{White_Space}+$/u : '', '')
    }
    case 'Replace': {
      const { pattern, content } = json
      const source = isRecord(pattern) ? (pattern['Regex'] ?? pattern['String']) : undefined
      if (!isRecord(pattern) || typeof source !== 'string' || typeof content !== 'string')
        throw new WeftError('ERR_FORMAT', `a Replace normalizer is not { pattern, content }: ${show(json)}`)
      const expression = pattern['Regex'] === undefined ? undefined : toRegExp(source)
      return (text) => (expression ? text.replace(expression, () => content) : text.split(source).join(content))
    }
    case 'Sequence': {
      const parts = listOf(json, 'normalizers').map(normalizerOf)
      return (text) => parts.reduce((result, part) => part(result), text)
    }
    default:
      throw new WeftError('ERR_FORMAT', `the normalizer ${show(json['type'])} of the tokenizer is not known`, {
        hint: 'Known: BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Sequence',
      })
  }
}
