// wordPiece: WordPiece tokenizers, as BERT uses them, trained on texts or read from files.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { addedToken, splitterOf } from './added_tokens.js'
import { normalizerOf } from './normalizers.js'
import { trainPairs } from './pair_training.js'
import { preTokenizerOf } from './pre_tokenizers.js'
import { SubwordTokenizer } from './subword_tokenizer.js'
import { bertTemplate } from './templates.js'
import { loadSubword, readText, subwordFromJson } from './tokenizer_file.js'
import { checkTraining, textsToTrain } from './training_options.js'
import { WordPieceModel } from './word_pieces.js'

export interface BertTextOptions {
  /** Whether to lower the case. Default true. */
  lowercase?: boolean
  /** Whether accents go. Default: as lowercase. */
  stripAccents?: boolean
  /** Whether every Chinese character is a word. Default true. */
  splitChinese?: boolean
}

export interface WordPieceOptions extends BertTextOptions {
  /** Tokens at most: special ones, characters, and what is learned. */
  vocabularySize: number
  /**
   * They have the first ids. '[UNK]' must be one; '[CLS]' and '[SEP]' are put around texts. Default [PAD], [UNK],
   * [CLS], [SEP], [MASK].
   */
  specialTokens?: readonly string[]
  /** Pairs that occur less often are not merged. Default 2. */
  minFrequency?: number
  /** Keeps only the most frequent characters; words with others are unknown. Default: all. */
  limitAlphabet?: number
}

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const
const PREFIX = '##'
const BERT_OPTIONS: OptionTable<BertTextOptions> = { lowercase: 'boolean', stripAccents: 'boolean', splitChinese: 'boolean' }
const WORD_PIECE_OPTIONS: OptionTable<WordPieceOptions> = {
  vocabularySize: 'integer',
  specialTokens: 'list',
  minFrequency: 'integer',
  limitAlphabet: 'number',
  ...BERT_OPTIONS,
}

const normalizerJson = ({ lowercase = true, stripAccents, splitChinese = true }: BertTextOptions): object => ({
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: splitChinese,
  strip_accents: stripAccents ?? null,
  lowercase,
})

function tokenizerOf(ids: ReadonlyMap<string, number>, special: readonly string[], options: BertTextOptions): SubwordTokenizer {
  const [cls, sep] = [ids.get('[CLS]'), ids.get('[SEP]')]
  return new SubwordTokenizer({
    model: new WordPieceModel(ids, { unknownToken: '[UNK]', prefix: PREFIX, maxWordLength: 100 }),
    added_tokens: special.map((content) => addedToken(ids.get(content)!, content)),
    normalizer: normalizerJson(options),
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: cls === undefined || sep === undefined ? null : bertTemplate(['[CLS]', cls], ['[SEP]', sep]),
    decoder: { type: 'WordPiece', prefix: PREFIX, cleanup: true },
  })
}

function train(texts: Iterable<string>, options: WordPieceOptions): SubwordTokenizer {
  const what = 'text.wordPiece.train'
  checkCall(`${what}(texts, options)`, arguments, WORD_PIECE_OPTIONS)
  const { vocabularySize, specialTokens = SPECIAL, minFrequency = 2, limitAlphabet = Number.POSITIVE_INFINITY } = options ?? {}
  checkTraining(what, vocabularySize, minFrequency, specialTokens)
  if (!specialTokens.includes('[UNK]')) throw new WeftError('ERR_ARGUMENT', `${what}: specialTokens must have '[UNK]'`)
  const normalize = normalizerOf(normalizerJson(options))
  const cut = preTokenizerOf({ type: 'BertPreTokenizer' })
  const split = splitterOf(
    specialTokens.map((content, id) => addedToken(id, content)),
    (content) => content,
  )
  const counts = new Map<string, number>()
  for (const text of textsToTrain(what, texts)) {
    for (const part of split(text)) {
      if (typeof part === 'number') continue
      for (const word of cut(normalize(part))) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
  }
  const words = [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([word, count]) => ({ characters: Array.from(word), count }))
  const known = alphabetOf(words, limitAlphabet)
  const kept = words
    .filter(({ characters }) => characters.every((character) => known.has(character)))
    .map(({ characters, count }) => ({ symbols: characters.map((character, i) => (i === 0 ? character : PREFIX + character)), count }))
  const tokens = [...new Set([...specialTokens, ...[...known].sort(), ...[...new Set(kept.flatMap(({ symbols }) => symbols))].sort()])]
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const join = (left: string, right: string): string => left + right.slice(PREFIX.length)
  trainPairs({
    words: kept.map(({ symbols, count }) => ({ symbols: symbols.map((symbol) => idOf.get(symbol)!), count })),
    tokens,
    vocabularySize,
    minFrequency,
    join,
  })
  return tokenizerOf(new Map(tokens.map((token, id) => [token, id])), specialTokens, options)
}

/** The characters that occur, the most frequent `limit` of them. */
function alphabetOf(words: readonly { characters: readonly string[]; count: number }[], limit: number): Set<string> {
  const counts = new Map<string, number>()
  for (const { characters, count } of words) for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + count)
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return new Set(sorted.slice(0, Math.min(limit, sorted.length)).map(([character]) => character))
}

async function loadVocabulary(file: string, options: BertTextOptions = {}): Promise<SubwordTokenizer> {
  checkCall('text.wordPiece.loadVocabulary(file, options)', arguments, BERT_OPTIONS)
  const lines = (await readText(file)).split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  const ids = new Map(lines.map((token, id) => [token, id]))
  if (ids.size < lines.length) throw new WeftError('ERR_FORMAT', `${file}: ${lines.length - ids.size} tokens are listed twice`)
  return tokenizerOf(
    ids,
    SPECIAL.filter((token) => ids.has(token)),
    options,
  )
}

/** Ways to a WordPiece tokenizer. */
export interface WordPiece {
  /**
   * Learns a vocabulary from texts, by merging pairs as BPE does. Equal texts give equal vocabularies, whatever their
   * order.
   */
  train(texts: Iterable<string>, options: WordPieceOptions): SubwordTokenizer
  /** Reads BERT's vocab.txt: a token on each line, whose number from 0 is its id. */
  loadVocabulary(file: string, options?: BertTextOptions): Promise<SubwordTokenizer>
  /** Reads tokenizer.json. */
  load(file: string): Promise<SubwordTokenizer>
  /** The tokenizer of a tokenizer.json: its text, or the parsed object. */
  fromJSON(json: string | object): SubwordTokenizer
}

/** WordPiece, as BERT uses it. */
export const wordPiece: WordPiece = {
  train,
  loadVocabulary,
  async load(file) {
    checkCall('text.wordPiece.load(file)', arguments)
    return loadSubword(file, 'WordPiece')
  },
  fromJSON(json) {
    checkCall('text.wordPiece.fromJSON(json)', arguments)
    return subwordFromJson(json, 'WordPiece')
  },
}
