// Tokenizer: words or characters as ids by how often they occur, exactly as Keras' Tokenizer (keras_preprocessing 1.1).
import { checkShape, integer, itemsOf } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { byInteger, countsFromJson, dictionaryFromJson, dictionaryToJson } from './keras_json.js'
import { checkedTexts, DEFAULT_FILTERS, describe, WORD_OPTIONS, type WordOptions, wordSplitter } from './words.js'

export interface TokenizerOptions extends WordOptions {
  /** Ids used are below this: the numWords - 1 most frequent words. Default: all words. */
  numWords?: number
  /** Whether every character is a token. Default false. */
  charLevel?: boolean
  /** A word with id 1 that replaces unknown words. Default: unknown words are left out. */
  oovToken?: string
}

/** A text, or its tokens. */
export type Text = string | readonly string[]
export type Sequence = ArrayLike<number>
export type MatrixMode = 'binary' | 'count' | 'freq' | 'tfidf'
const MODES: readonly MatrixMode[] = ['binary', 'count', 'freq', 'tfidf']
/** Words that a tokenizer from a file may have, as many as other vocabularies. */
const MOST_WORDS = 2 ** 24

const TOKENIZER_OPTIONS: OptionTable<TokenizerOptions> = { numWords: 'integer', ...WORD_OPTIONS, charLevel: 'boolean', oovToken: 'string' }

/** Keras' tokenizer JSON. */
export interface TokenizerJson {
  class_name: 'Tokenizer'
  config: Record<string, unknown>
}

/** Numbers words from 1, the most frequent first (of equals, the first seen). Id 0 is for padding. */
export class Tokenizer {
  readonly options: Readonly<TokenizerOptions>
  /** Texts and sequences it was fitted on. */
  documentCount = 0
  private readonly counts = new Map<string, number>()
  private readonly docs = new Map<string, number>()
  private readonly docsById = new Map<number, number>()
  private ids = new Map<string, number>()
  private words = new Map<number, string>()
  private isFitted = false
  /** The dictionaries as objects, until the next fit. */
  private readonly shown = new Map<object, object>()
  private readonly split: (text: string) => string[]

  constructor(options: TokenizerOptions = {}) {
    const what = 'text.tokenizer'
    checkOptions(what, options, TOKENIZER_OPTIONS)
    const { numWords, oovToken, charLevel: _, ...wordOptions } = options
    if (numWords !== undefined) integer(what, 'numWords', numWords, 1)
    if (oovToken !== undefined && typeof oovToken !== 'string') {
      throw new WeftError('ERR_ARGUMENT', `${what}: oovToken must be a string, got ${describe(oovToken)}`)
    }
    this.split = wordSplitter(what, wordOptions)
    this.options = Object.freeze({ ...options })
  }

  /** Id of every word; also of those that numWords leaves out. */
  get wordIndex(): Record<string, number> {
    return this.asObject(this.ids)
  }
  /** Word of every id. */
  get indexWord(): Record<number, string> {
    return this.asObject(this.words)
  }
  /** How often each word occurred. */
  get wordCounts(): Record<string, number> {
    return this.asObject(this.counts)
  }
  /** In how many texts each word occurred. */
  get wordDocs(): Record<string, number> {
    return this.asObject(this.docs)
  }
  /** In how many texts or sequences each id occurred. */
  get indexDocs(): Record<number, number> {
    return this.asObject(this.docsById)
  }
  /** Ids are below this: what an embedding needs as inputDim. */
  get vocabularySize(): number {
    const size = this.ids.size + 1
    return this.options.numWords === undefined ? size : Math.min(this.options.numWords, size)
  }

  /** Learns the words of texts; calls add up. */
  fitOnTexts(texts: Iterable<Text>): void {
    for (const text of textsOf('fitOnTexts', texts)) {
      this.documentCount++
      const tokens = this.tokensOf(text)
      for (const token of tokens) this.counts.set(token, (this.counts.get(token) ?? 0) + 1)
      for (const token of new Set(tokens)) this.docs.set(token, (this.docs.get(token) ?? 0) + 1)
    }
    this.shown.clear()
    const { oovToken } = this.options
    const order = [...this.counts].sort((a, b) => b[1] - a[1]).map(([word]) => word)
    if (oovToken !== undefined) order.unshift(oovToken)
    // a word that is the oovToken itself keeps its later id, as in Keras
    this.ids = new Map(order.map((word, i) => [word, i + 1]))
    this.words = new Map([...this.ids].map(([word, id]) => [id, word]))
    for (const [word, count] of this.docs) this.docsById.set(this.ids.get(word)!, count)
    this.isFitted = true
  }

  /** Counts in how many sequences each id occurs, for sequencesToMatrix in mode 'tfidf' without texts. */
  fitOnSequences(sequences: readonly Sequence[]): void {
    const lists = idLists('fitOnSequences', sequences)
    this.shown.clear()
    for (const sequence of lists) {
      this.documentCount++
      for (const id of new Set(sequence)) this.docsById.set(id, (this.docsById.get(id) ?? 0) + 1)
    }
  }

  /**
   * Ids of the words of each text. Words unknown or beyond numWords become oovToken's id, or are left out without one.
   */
  textsToSequences(texts: Iterable<Text>): number[][] {
    return [...this.textsToSequencesGenerator(texts)]
  }

  /** textsToSequences, one text at a time. */
  *textsToSequencesGenerator(texts: Iterable<Text>): Generator<number[], void> {
    this.checkFitted('textsToSequences')
    const { numWords = Number.POSITIVE_INFINITY } = this.options
    const oov = this.oovId()
    for (const text of textsOf('textsToSequences', texts)) {
      const sequence: number[] = []
      for (const token of this.tokensOf(text)) {
        const id = this.ids.get(token)
        const used = id !== undefined && id < numWords ? id : oov
        if (used !== undefined) sequence.push(used)
      }
      yield sequence
    }
  }

  /**
   * The words of each sequence joined by blanks. Ids unknown or beyond numWords become oovToken, or are left out
   * without one.
   */
  sequencesToTexts(sequences: Iterable<Sequence>): string[] {
    this.checkFitted('sequencesToTexts')
    const { numWords = Number.POSITIVE_INFINITY } = this.options
    const oov = this.oovId()
    const oovWord = oov === undefined ? undefined : this.words.get(oov)
    return idLists('sequencesToTexts', sequences).map((sequence) =>
      sequence
        .map((id) => (id < numWords ? (this.words.get(id) ?? oovWord) : oovWord))
        .filter((word) => word !== undefined)
        .join(' '),
    )
  }

  /** textsToSequences, then sequencesToMatrix. */
  textsToMatrix(texts: Iterable<Text>, mode: MatrixMode = 'binary'): Tensor {
    return this.sequencesToMatrix(this.textsToSequences(texts), mode)
  }

  /**
   * A row for each sequence and a column for each id: float32 [sequences, numWords]. 'binary': whether it occurs;
   * 'count': how often;
   * 'freq': how often by length of the sequence; 'tfidf': (1 + ln count) · ln(1 + documents / (1 + documents with the
   * id)).
   */
  sequencesToMatrix(sequences: readonly Sequence[], mode: MatrixMode = 'binary'): Tensor {
    if (!MODES.includes(mode)) throw unknownName('mode of sequencesToMatrix', mode, MODES)
    const columns = this.options.numWords ?? this.ids.size + 1
    if (this.options.numWords === undefined && this.ids.size === 0) {
      throw new WeftError('ERR_STATE', 'sequencesToMatrix: the number of columns is not known', {
        hint: 'Give the tokenizer numWords, or call fitOnTexts() first',
      })
    }
    if (mode === 'tfidf' && this.documentCount === 0) {
      throw new WeftError('ERR_STATE', "sequencesToMatrix: mode 'tfidf' needs counts of documents", { hint: 'Call fitOnTexts() first' })
    }
    const lists = idLists('sequencesToMatrix', sequences)
    checkShape('sequencesToMatrix', [lists.length, columns])
    const values = new Float32Array(lists.length * columns)
    for (const [row, sequence] of lists.entries()) {
      const counts = new Map<number, number>()
      for (let i = 0; i < sequence.length; i++) {
        const id = sequence[i]!
        if (!Number.isInteger(id) || id < 0) {
          throw new WeftError('ERR_ARGUMENT', `sequencesToMatrix: sequence ${row} has ${describe(id)}, which is not an id`)
        }
        if (id < columns) counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      for (const [id, count] of counts) values[row * columns + id] = this.weigh(mode, id, count, sequence.length)
    }
    return tensor(values, [lists.length, columns])
  }

  /**
   * What JSON.stringify() writes: Keras' tokenizer JSON. Keras itself reads it unless it has a segmenter, which Keras
   * does not know.
   */
  toJSON(): TokenizerJson {
    const { numWords, filters = DEFAULT_FILTERS, lower = true, split = ' ', charLevel = false, oovToken, segmenter, locale } = this.options
    return {
      class_name: 'Tokenizer',
      config: {
        num_words: numWords ?? null,
        filters,
        lower,
        split,
        char_level: charLevel,
        oov_token: oovToken ?? null,
        document_count: this.documentCount,
        word_counts: dictionaryToJson(this.counts),
        word_docs: dictionaryToJson(this.docs),
        index_docs: dictionaryToJson(this.docsById),
        index_word: dictionaryToJson(this.words),
        word_index: dictionaryToJson(this.ids),
        ...(segmenter !== undefined && { segmenter }),
        ...(locale !== undefined && { locale }),
      },
    }
  }

  /** The tokenizer of Keras' tokenizer JSON: the string, or the parsed object. ERR_FORMAT when it is none. */
  static fromJSON(json: string | object): Tokenizer {
    let value: unknown = json
    if (typeof json === 'string') {
      try {
        value = JSON.parse(json)
      } catch (cause) {
        throw new WeftError('ERR_FORMAT', 'tokenizer JSON: the string is not JSON', { cause })
      }
    }
    if (!isRecord(value) || value['class_name'] !== 'Tokenizer' || !isRecord(value['config'])) {
      throw new WeftError('ERR_FORMAT', "tokenizer JSON: expected { class_name: 'Tokenizer', config }")
    }
    const { config } = value
    // matrices have a column for each: a number that no vocabulary reaches would fill the memory
    if (typeof config['num_words'] === 'number' && config['num_words'] > MOST_WORDS)
      throw new WeftError('ERR_FORMAT', `tokenizer JSON: num_words is ${config['num_words']}, more than ${MOST_WORDS}`)
    const given = {
      numWords: config['num_words'] || undefined,
      filters: Array.isArray(config['filters']) ? config['filters'].join('') : config['filters'],
      lower: config['lower'],
      split: config['split'],
      charLevel: config['char_level'],
      oovToken: config['oov_token'] ?? undefined,
      segmenter: config['segmenter'],
      locale: config['locale'],
    }
    const made = new Tokenizer(Object.fromEntries(Object.entries(given).filter(([, option]) => option !== undefined)) as TokenizerOptions)
    const counts = (name: string): Map<string, number> => countsFromJson(config[name], name)
    for (const [word, count] of counts('word_counts')) made.counts.set(word, count)
    for (const [word, count] of counts('word_docs')) made.docs.set(word, count)
    for (const [id, count] of byInteger(counts('index_docs'), 'index_docs')) made.docsById.set(id, count)
    made.ids = counts('word_index')
    made.words = byInteger(dictionaryFromJson(config['index_word'], 'index_word') as Map<string, string>, 'index_word')
    made.documentCount = Number(config['document_count'] ?? 0)
    made.isFitted = made.ids.size > 0 || made.documentCount > 0
    return made
  }

  private asObject<K extends string | number, V>(dictionary: ReadonlyMap<K, V>): Record<K, V> {
    const known = this.shown.get(dictionary) ?? Object.fromEntries(dictionary)
    this.shown.set(dictionary, known)
    return known as Record<K, V>
  }

  private oovId(): number | undefined {
    return this.options.oovToken === undefined ? undefined : this.ids.get(this.options.oovToken)
  }

  private tokensOf(text: Text): readonly string[] {
    const { charLevel = false, lower = true } = this.options
    if (typeof text !== 'string') return lower ? text.map((token) => token.toLowerCase()) : text
    return charLevel ? Array.from(lower ? text.toLowerCase() : text) : this.split(text)
  }

  private weigh(mode: MatrixMode, id: number, count: number, length: number): number {
    if (mode === 'count') return count
    if (mode === 'freq') return count / length
    if (mode === 'binary') return 1
    return (1 + Math.log(count)) * Math.log(1 + this.documentCount / (1 + (this.docsById.get(id) ?? 0)))
  }

  private checkFitted(method: string): void {
    if (!this.isFitted) throw new WeftError('ERR_STATE', `${method}: the tokenizer knows no words yet`, { hint: 'Call fitOnTexts() first' })
  }
}

const isText = (text: unknown): text is Text =>
  typeof text === 'string' || (Array.isArray(text) && text.every((token) => typeof token === 'string'))
const textsOf = (method: string, texts: Iterable<Text>): Generator<Text, void> =>
  checkedTexts(method, texts, isText, 'a string or a list of strings')

const idLists = (method: string, sequences: Iterable<Sequence>): number[][] =>
  itemsOf(method, sequences, 'a list of sequences').map((sequence, row) => {
    const ids = itemsOf<number>(`${method}: sequence ${row}`, sequence, 'a list of ids')
    const stranger = ids.find((id) => typeof id !== 'number')
    if (stranger === undefined && !ids.includes(undefined as never)) return ids
    throw new WeftError('ERR_ARGUMENT', `${method}: sequence ${row} has ${describe(stranger)}, which is not an id`)
  })

/** A Keras Tokenizer. */
export function tokenizer(options: TokenizerOptions = {}): Tokenizer {
  checkCall('text.tokenizer(options)', arguments)
  return new Tokenizer(options)
}
