// Pre-tokenizers of tokenizer.json files: how a text is cut into the pieces that a model encodes one by one.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { listOf } from './json_parts.js'
import { literal, toRegExp } from './regular_expression.js'

/** @param first whether the text stands at the begin of what is encoded */
export type PreTokenizer = (text: string, first?: boolean) => string[]

export type Pattern = 'gpt2' | 'cl100k' | 'o200k'
/** How the byte-level vocabularies of OpenAI cut texts. */
export const patterns: Readonly<Record<Pattern, string>> = {
  gpt2: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  cl100k: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  o200k: [
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`,
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?`,
    String.raw`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ].join('|'),
}

const PUNCTUATION = '\\p{P}!-\\/:-@\\[-`\\{-~'
const gpt2 = toRegExp(patterns.gpt2)
const bert = new RegExp(`[^\\p{White_Space}${PUNCTUATION}]+|[${PUNCTUATION}]`, 'gu')
const punctuation = new RegExp(`[^${PUNCTUATION}]+|[${PUNCTUATION}]`, 'gu')

const matches =
  (expression: RegExp): PreTokenizer =>
  (text) =>
    text.match(expression) ?? []

/** The text's matches, and with `between` what lies between them. */
function pieces(text: string, expression: RegExp, between: boolean, matched: boolean): string[] {
  const found: string[] = []
  let end = 0
  for (const match of text.matchAll(expression)) {
    if (between && match.index > end) found.push(text.slice(end, match.index))
    if (matched && match[0] !== '') found.push(match[0])
    end = match.index + match[0].length
  }
  if (between && end < text.length) found.push(text.slice(end))
  return found
}

/** Pieces of which each match is joined with the one before it, or behind it. */
function merged(parts: readonly string[], expression: RegExp, withNext: boolean): string[] {
  const whole = new RegExp(`^(?:${expression.source})$`, expression.flags.replace('g', ''))
  const found: string[] = []
  let open = false
  for (const part of parts) {
    const matches = whole.test(part)
    if (found.length > 0 && (withNext ? open && !matches : matches && !open)) found[found.length - 1] += part
    else found.push(part)
    open = matches
  }
  return found
}

/** SentencePiece's blanks: they are written as a character of their own, and one is put before the text. */
function metaspaceOf(json: Record<string, unknown>): PreTokenizer {
  const { replacement = '▁', split = true, add_prefix_space: old } = json
  const scheme = json['prepend_scheme'] ?? (old === false ? 'never' : 'always')
  if (typeof replacement !== 'string' || (scheme !== 'always' && scheme !== 'first' && scheme !== 'never'))
    throw new WeftError('ERR_FORMAT', `the Metaspace pre-tokenizer is not known: ${show(json)}`)
  const mark = new RegExp(`(?=${literal(replacement)})`, 'u')
  return (text, first = true) => {
    const plain = text.replaceAll(' ', replacement)
    const begins = scheme === 'always' || (scheme === 'first' && first)
    const whole = begins && plain !== '' && !plain.startsWith(replacement) ? replacement + plain : plain
    return split ? whole.split(mark) : [whole]
  }
}

function splitOf(json: Record<string, unknown>): PreTokenizer {
  const { pattern, behavior, invert = false } = json
  const source = isRecord(pattern) ? (pattern['Regex'] ?? pattern['String']) : undefined
  if (!isRecord(pattern) || typeof source !== 'string') throw new WeftError('ERR_FORMAT', 'the pattern of a Split pre-tokenizer is missing')
  const expression = pattern['Regex'] === undefined ? new RegExp(literal(source), 'gu') : toRegExp(source)
  if (behavior === 'Isolated') return (text) => pieces(text, expression, true, true)
  if (behavior === 'Removed') return (text) => pieces(text, expression, !invert, Boolean(invert))
  if (behavior === 'MergedWithPrevious' && !invert) return (text) => merged(pieces(text, expression, true, true), expression, false)
  if (behavior === 'MergedWithNext' && !invert) return (text) => merged(pieces(text, expression, true, true), expression, true)
  throw new WeftError('ERR_FORMAT', `the behavior ${show(behavior)} of a Split pre-tokenizer is not known`, {
    hint: 'Known: Isolated, Removed, MergedWithPrevious, MergedWithNext',
  })
}

/** The pre-tokenizer of a description in JSON; ERR_FORMAT for kinds that are not known. */
export function preTokenizerOf(json: unknown): PreTokenizer {
  if (json === null || json === undefined) return (text) => [text]
  if (!isRecord(json)) throw new WeftError('ERR_FORMAT', 'the pre-tokenizer of the tokenizer is not an object')
  switch (json['type']) {
    case 'ByteLevel': {
      const { add_prefix_space: prefix = true, use_regex: cuts = true } = json
      const cut: PreTokenizer = cuts ? matches(gpt2) : (text) => [text]
      return prefix ? (text) => cut(text.startsWith(' ') ? text : ` ${text}`) : cut
    }
    case 'BertPreTokenizer':
      return matches(bert)
    case 'Whitespace':
      return matches(/[\p{L}\p{M}\p{N}\p{Pc}]+|[^\p{L}\p{M}\p{N}\p{Pc}\p{White_Space}]+/gu)
    case 'WhitespaceSplit':
      return matches(/\P{White_Space}+/gu)
    case 'Punctuation':
      if ((json['behavior'] ?? 'Isolated') !== 'Isolated') {
        throw new WeftError('ERR_FORMAT', `the behavior ${show(json['behavior'])} of the Punctuation pre-tokenizer is not known`)
      }
      return matches(punctuation)
    case 'Digits':
      return matches(json['individual_digits'] ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu)
    case 'Split':
      return splitOf(json)
    case 'Metaspace':
      return metaspaceOf(json)
    case 'Sequence': {
      const parts = listOf(json, 'pretokenizers').map(preTokenizerOf)
      return (text, first) => parts.reduce((result, part) => result.flatMap((piece, i) => part(piece, first && i === 0)), [text])
    }
    default:
      throw new WeftError('ERR_FORMAT', `the pre-tokenizer ${show(json['type'])} of the tokenizer is not known`, {
        hint: 'Known: ByteLevel, BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Split, Metaspace, Sequence',
      })
  }
}

/** Whether the pieces are encoded as bytes. */
export function isByteLevel(json: unknown): boolean {
  if (!isRecord(json)) return false
  return json['type'] === 'ByteLevel' || (json['type'] === 'Sequence' && listOf(json, 'pretokenizers').some(isByteLevel))
}
