// Added tokens: texts such as '<|endoftext|>' that are one token wherever they stand, and are found before anything
// else is done.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { literal } from './regular_expression.js'

export interface AddedToken {
  id: number
  content: string
  /** Marks structure, as the end of a text; decode() can leave it out. */
  special: boolean
  /** Takes the blanks to its left, or right, with it. */
  lstrip: boolean
  rstrip: boolean
  /** Found only where the characters before and after it are no letters or digits. */
  single_word: boolean
  /** Found in the normalized text, not in the text as given. */
  normalized: boolean
}

export const addedToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})

/** The `added_tokens` of a file. */
export function addedTokensOf(json: unknown): AddedToken[] {
  if (json === undefined || json === null) return []
  if (!Array.isArray(json)) throw new WeftError('ERR_FORMAT', 'added_tokens of the tokenizer is not a list')
  return json.map((entry: unknown) => {
    if (!isRecord(entry) || typeof entry['content'] !== 'string' || !Number.isInteger(entry['id']) || (entry['id'] as number) < 0) {
      throw new WeftError('ERR_FORMAT', `an added token of the tokenizer is not { id, content }: ${show(entry)}`)
    }
    const flags = Object.fromEntries(
      ['special', 'lstrip', 'rstrip', 'single_word', 'normalized'].map((flag) => [flag, Boolean(entry[flag])]),
    )
    return { ...addedToken(entry['id'] as number, entry['content']), ...flags }
  })
}

/** Parts of a text: ids of added tokens, and what stands between them. */
export type Splitter = (text: string) => (string | number)[]

/** Finds tokens, at every place the longest; `shown` is how a token looks in the text. */
export function splitterOf(tokens: readonly AddedToken[], shown: (content: string) => string): Splitter {
  const sorted = tokens.map((token) => ({ ...token, text: shown(token.content) })).filter(({ text }) => text !== '')
  if (sorted.length === 0) return (text) => [text]
  sorted.sort((a, b) => b.text.length - a.text.length)
  const expression = new RegExp(
    sorted
      .map(({ text, lstrip, rstrip, single_word }) => {
        const alone = single_word ? `(?<![\\p{L}\\p{N}_])${literal(text)}(?![\\p{L}\\p{N}_])` : literal(text)
        return `(${lstrip ? '\\p{White_Space}*' : ''}${alone}${rstrip ? '\\p{White_Space}*' : ''})`
      })
      .join('|'),
    'gu',
  )
  return (text) => {
    const parts: (string | number)[] = []
    let end = 0
    for (const match of text.matchAll(expression)) {
      if (match.index > end) parts.push(text.slice(end, match.index))
      parts.push(sorted[match.slice(1).findIndex((group) => group !== undefined)]!.id)
      end = match.index + match[0].length
    }
    if (end < text.length) parts.push(text.slice(end))
    return parts
  }
}
