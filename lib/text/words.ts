// Words of a text: Keras' splitting, and segmentation by Unicode rules for languages that write no spaces.
import { createHash } from 'node:crypto'
import { integer, itemsOf } from '../core/checks.js'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'

/** 'intl': words by Intl.Segmenter. 'character': every Chinese or Japanese character is a word. */
export type Segmenter = 'intl' | 'character'

export interface WordOptions {
  /** Characters to leave out, each replaced by `split`. Default: ASCII punctuation except ', tabs and newlines. */
  filters?: string
  /** Whether to lower the case first. Default true. */
  lower?: boolean
  /** What separates words. Default ' '. */
  split?: string
  /** How to divide what stands between separators, for languages without spaces. Default: not at all. */
  segmenter?: Segmenter
  /** The language for the segmenter 'intl', as 'zh'. Default: the locale of the process. */
  locale?: string
}

export const WORD_OPTIONS: OptionTable<WordOptions> = {
  filters: 'string',
  lower: 'boolean',
  split: 'string',
  segmenter: 'string',
  locale: 'string',
}

export const DEFAULT_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'

/** A function from a text to its words. Checks the options once. */
export function wordSplitter(what: string, options: WordOptions = {}): (text: string) => string[] {
  const { filters = DEFAULT_FILTERS, lower = true, split = ' ', segmenter, locale } = options
  if (typeof filters !== 'string')
    throw new WeftError('ERR_ARGUMENT', `${what}: filters must be a string, got ${show(filters)}`, {
      hint: "'' filters nothing",
    })
  if (typeof split !== 'string' || split === '') {
    throw new WeftError('ERR_ARGUMENT', `${what}: split must be a string of at least one character, got ${show(split)}`, {
      hint: 'Set charLevel: true in a tokenizer to split into characters',
    })
  }
  const segment = segmenter === undefined ? undefined : segmenterOf(what, segmenter, locale)
  // by code point: a filter may be an emoji
  const codes = Array.from(filters, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
  const dropped = codes.length === 0 ? undefined : new RegExp(`[${codes.join('')}]`, 'gu')
  return (text) => {
    if (typeof text !== 'string') throw new WeftError('ERR_ARGUMENT', `${what}: a text must be a string, got ${describe(text)}`)
    const cased = lower ? text.toLowerCase() : text
    const kept = dropped ? cased.replace(dropped, () => split) : cased
    const words = kept.split(split).filter((word) => word !== '')
    return segment ? words.flatMap(segment) : words
  }
}

function segmenterOf(what: string, kind: Segmenter, locale: string | undefined): (text: string) => string[] {
  if (kind === 'character') return (text) => (text.match(CHARACTERS) ?? []).filter(isWord)
  if (kind !== 'intl') throw unknownName(`segmenter of ${what}`, kind, ['intl', 'character'])
  let segmenter: Intl.Segmenter
  try {
    segmenter = new Intl.Segmenter(locale, { granularity: 'word' })
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `${what}: unknown locale ${show(locale)}`, { hint: "Write it as 'zh' or 'en-GB'", cause })
  }
  return (text) => Array.from(segmenter.segment(text), ({ segment }) => segment).filter(isWord)
}

/**
 * Single characters of scripts without spaces (with their marks), and runs of anything else between blanks and
 * punctuation.
 */
const CHARACTERS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}]\p{M}*|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\s\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+/gu

/** Blanks and punctuation are no words; numbers, symbols and emoji are. */
const isWord = (segment: string): boolean => !/^[\p{P}\p{Z}\p{Cc}\p{Cf}]*$/u.test(segment)

/** How an error names a value that is no text. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' || typeof value === 'number' ? show(value) : typeof value
}

/** The texts, each checked when its turn comes; `kind`: what isText takes. */
export function* checkedTexts<T>(what: string, texts: Iterable<T>, isText: (text: unknown) => text is T, kind: string): Generator<T, void> {
  if (typeof texts === 'string' || typeof texts?.[Symbol.iterator] !== 'function') {
    const got = typeof texts === 'string' ? 'one text' : describe(texts)
    throw new WeftError('ERR_ARGUMENT', `${what}: expected a list of texts, got ${got}`, { hint: 'Write [text] for a single one' })
  }
  let i = 0
  // a typed array whose buffer was transferred away cannot be walked over
  for (const text of ArrayBuffer.isView(texts) ? itemsOf(what, texts, 'a list of texts') : texts) {
    if (!isText(text)) throw new WeftError('ERR_ARGUMENT', `${what}: text ${i} must be ${kind}, got ${describe(text)}`)
    i++
    yield text
  }
}

/** The words of a text, lowered, filtered and split as Keras' text_to_word_sequence. */
export function textToWordSequence(text: string, options: WordOptions = {}): string[] {
  checkCall('text.textToWordSequence(text, options)', arguments, WORD_OPTIONS)
  return wordSplitter('text.textToWordSequence', options)(text)
}

export interface HashingOptions extends WordOptions {
  /** 'md5' (default), or a function from a word to an integer. */
  hashFunction?: 'md5' | ((word: string) => number | bigint)
}

const HASHING_OPTIONS: OptionTable<HashingOptions> = { ...WORD_OPTIONS, hashFunction: 'any' }

/**
 * Ids of words by hashing, in 1 ... n - 1 without a vocabulary; different words may share one. As Keras' hashing_trick
 * with 'md5'.
 */
export function hashingTrick(text: string, n: number, options: HashingOptions = {}): number[] {
  const what = 'text.hashingTrick'
  checkCall('text.hashingTrick(text, n, options)', arguments, HASHING_OPTIONS)
  integer(what, 'n', n, 2, Number.MAX_SAFE_INTEGER)
  const { hashFunction = 'md5', ...rest } = options
  if (hashFunction !== 'md5' && typeof hashFunction !== 'function') throw unknownName(`hash of ${what}`, hashFunction, ['md5'])
  const buckets = BigInt(n - 1)
  return wordSplitter(
    what,
    rest,
  )(text).map((word) => {
    const hash = BigInt(hashFunction === 'md5' ? `0x${createHash('md5').update(word).digest('hex')}` : hashFunction(word))
    // the remainder of a floor division, as Python's %
    return Number(((hash % buckets) + buckets) % buckets) + 1
  })
}
