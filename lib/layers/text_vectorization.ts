// TextVectorization: texts to tensors of token ids or counts, with a vocabulary learned from texts, as Keras 3's layer.
import { tensor } from '../core/create.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { unknownName, WeftError } from '../core/error.js'
import { Tensor } from '../core/tensor.js'
import { laterFirst } from './host_values.js'
import { type CallOptions, Layer, type LayerOptions } from './layer.js'
import { choiceOption, integerOption } from './options.js'

export type Standardize = 'lowerAndStripPunctuation' | 'lower' | 'stripPunctuation'
export type VectorizationMode = 'int' | 'multiHot' | 'count' | 'tfIdf'

export interface TextVectorizationOptions {
  /** Tokens at most, '' (padding; mode 'int' only) and '[UNK]' included. Default: all. */
  maxTokens?: number | null
  /**
   * What is done to a text first: a name, a function, or null for nothing. Default 'lowerAndStripPunctuation':
   * Unicode's lower case, and ASCII punctuation left out.
   */
  standardize?: Standardize | ((text: string) => string) | null
  /** How texts become tokens. Default 'whitespace'; null: the whole text is one. */
  split?: 'whitespace' | 'character' | ((text: string) => string[]) | null
  /**
   * Also n-grams of tokens, joined by blanks: all up to this length, or of the lengths listed. Default: tokens alone.
   */
  ngrams?: number | readonly number[] | null
  /**
   * 'int' (default): ids [batch, tokens], 0 padding and 1 unknown. Else float32 [batch, vocabulary], whose column 0 is
   * for unknown ones: whether a token occurs, how often, or that times ln(1 + texts / (1 + texts with it)).
   */
  outputMode?: VectorizationMode
  /**
   * Length of the rows of mode 'int': longer ones are cut, shorter ones get zeros at the end. Default: the longest of
   * the batch.
   */
  outputSequenceLength?: number | null
  /** Whether the rows of the other modes always have maxTokens columns. Default false. */
  padToMaxTokens?: boolean
  /** Tokens by frequency, with or without '' and '[UNK]', instead of adapt(). */
  vocabulary?: readonly string[] | null
  /** Of mode 'tfIdf' with a vocabulary: the weight of each token, without the special ones. */
  idfWeights?: readonly number[] | null
}

const UNKNOWN = '[UNK]'
const MODES: readonly VectorizationMode[] = ['int', 'multiHot', 'count', 'tfIdf']
const PUNCTUATION = /[!"#$%&()*+,\-./:;<=>?@[\\\]^_`{|}~']/g

const STANDARDIZE: Readonly<Record<Standardize, (text: string) => string>> = {
  lowerAndStripPunctuation: (text) => text.toLowerCase().replace(PUNCTUATION, ''),
  lower: (text) => text.toLowerCase(),
  stripPunctuation: (text) => text.replace(PUNCTUATION, ''),
}
const SPLIT: Readonly<Record<'whitespace' | 'character', (text: string) => string[]>> = {
  whitespace: (text) => text.split(/\s+/).filter((token) => token !== ''),
  character: (text) => Array.from(text),
}

/** The function that an option names. */
function chosen<T>(what: string, option: string | T | null, known: Readonly<Record<string, T>>, none: T): T {
  if (option === null) return none
  if (typeof option !== 'string') return option
  if (!Object.hasOwn(known, option)) throw unknownName(what, option, Object.keys(known))
  return known[option]!
}

/**
 * Strings live on the host: apply() takes them and gives a Tensor. It stands before a model or in a data pipeline, not
 * inside a model.
 */
export class TextVectorization extends Layer<TextVectorizationOptions, readonly string[], Tensor> {
  static override readonly className: string = 'TextVectorization'
  static override readonly options: OptionTable<TextVectorizationOptions> = {
    maxTokens: 'any',
    standardize: 'any',
    split: 'any',
    ngrams: 'any',
    outputMode: 'any',
    outputSequenceLength: 'any',
    padToMaxTokens: 'boolean',
    vocabulary: 'any',
    idfWeights: 'any',
  }

  private readonly mode: VectorizationMode
  private readonly tokensOf: (text: string) => string[]
  /** Without special tokens. */
  private tokens: readonly string[] = []
  private ids: ReadonlyMap<string, number> = new Map()
  /** By column of mode 'tfIdf'. */
  private idf: readonly number[] = []

  constructor(config: TextVectorizationOptions & LayerOptions = {}) {
    super(config)
    const what = 'layers.textVectorization'
    this.mode = choiceOption(what, 'outputMode', config.outputMode ?? 'int', MODES)
    const { maxTokens, outputSequenceLength, padToMaxTokens, vocabulary, idfWeights } = config
    const specials = this.mode === 'int' ? 2 : 1
    if (typeof maxTokens === 'number') integerOption(what, 'maxTokens', maxTokens, specials)
    if (typeof outputSequenceLength === 'number') {
      integerOption(what, 'outputSequenceLength', outputSequenceLength)
      if (this.mode !== 'int') throw this.error('ERR_ARGUMENT', `outputSequenceLength goes with outputMode 'int', not '${this.mode}'`)
    }
    if (padToMaxTokens && (this.mode === 'int' || typeof maxTokens !== 'number')) {
      throw this.error('ERR_ARGUMENT', "padToMaxTokens needs maxTokens, and an outputMode other than 'int'")
    }
    const { standardize: first = 'lowerAndStripPunctuation', split: second = 'whitespace' } = config
    const standardize = chosen(`standardize of ${what}`, first, STANDARDIZE, (text: string) => text)
    const split = chosen(`split of ${what}`, second, SPLIT, (text: string) => [text])
    const widths = ngramWidths(what, config.ngrams ?? null)
    this.tokensOf = (text) => {
      const tokens = split(standardize(text))
      if (widths === undefined) return tokens
      return widths.flatMap((n) => Array.from({ length: Math.max(0, tokens.length - n + 1) }, (_, i) => tokens.slice(i, i + n).join(' ')))
    }
    if (vocabulary !== undefined && vocabulary !== null) this.setVocabulary(vocabulary, idfWeights ?? undefined)
  }

  /**
   * Learns the vocabulary: the most frequent tokens of texts, or of batches of texts. It is learned when the call
   * returns, but for async iterables.
   */
  async adapt(texts: Iterable<string | readonly string[]> | AsyncIterable<string | readonly string[]>): Promise<void> {
    if (this.config.vocabulary) throw this.error('ERR_STATE', 'adapt: the vocabulary was given as an option')
    const counter = { counts: new Map<string, number>(), documents: new Map<string, number>(), texts: 0 }
    const count = (batch: string | readonly string[]): void => {
      for (const text of typeof batch === 'string' ? [batch] : batch) {
        const tokens = this.tokensOf(this.checkText('adapt', text))
        counter.texts++
        for (const token of tokens) counter.counts.set(token, (counter.counts.get(token) ?? 0) + 1)
        for (const token of new Set(tokens)) counter.documents.set(token, (counter.documents.get(token) ?? 0) + 1)
      }
    }
    if (typeof texts === 'string') throw this.error('ERR_ARGUMENT', 'adapt: expected a list of texts, got one', [], 'Write adapt([text])')
    if (Symbol.iterator in Object(texts)) for (const batch of texts as Iterable<string | readonly string[]>) count(batch)
    else if (Symbol.asyncIterator in Object(texts)) for await (const batch of texts) count(batch)
    else throw this.error('ERR_ARGUMENT', `adapt: expected a list of texts, got ${typeof texts}`)
    if (counter.texts === 0) throw this.error('ERR_ARGUMENT', 'adapt: there are no texts')
    counter.counts.delete('')
    counter.counts.delete(UNKNOWN)
    const sorted = [...counter.counts].sort((a, b) => b[1] - a[1] || laterFirst(a[0], b[0])).map(([token]) => token)
    const room = typeof this.config.maxTokens === 'number' ? this.config.maxTokens - this.specials.length : sorted.length
    const kept = sorted.slice(0, room)
    if (kept.length === 0) throw this.error('ERR_ARGUMENT', 'adapt: no token is left for the vocabulary')
    const idf = kept.map((token) => Math.log(1 + counter.texts / (1 + counter.documents.get(token)!)))
    this.setVocabulary(kept, this.mode === 'tfIdf' ? idf : undefined)
  }

  /** Tokens by id. */
  getVocabulary({ includeSpecialTokens = true }: { includeSpecialTokens?: boolean } = {}): string[] {
    return [...(includeSpecialTokens ? this.specials : []), ...this.tokens]
  }
  /** Ids, or columns of the modes that count, are below this. */
  get vocabularySize(): number {
    return this.specials.length + this.tokens.length
  }

  /** Sets the tokens, and with mode 'tfIdf' the weight of each. */
  setVocabulary(vocabulary: readonly string[], idfWeights?: readonly number[]): void {
    if (!Array.isArray(vocabulary) || vocabulary.length === 0) {
      throw this.error('ERR_ARGUMENT', `setVocabulary: expected a list of tokens, got ${show(vocabulary)}`)
    }
    const special = this.specials
    const begins = special.every((token, i) => vocabulary[i] === token) ? special.length : vocabulary[0] === UNKNOWN ? 1 : 0
    const tokens = vocabulary.slice(begins)
    const { maxTokens } = this.config
    const seen = new Set<unknown>(special)
    for (const token of tokens as unknown[]) {
      if (typeof token !== 'string') throw this.error('ERR_ARGUMENT', `setVocabulary: tokens are strings, got ${show(token)}`)
      if (seen.has(token)) throw this.error('ERR_ARGUMENT', `setVocabulary: ${show(token)} stands there twice, or is a special token`)
      seen.add(token)
    }
    if (typeof maxTokens === 'number' && tokens.length + special.length > maxTokens) {
      throw this.error(
        'ERR_ARGUMENT',
        `setVocabulary: ${tokens.length + special.length} tokens, special ones included; maxTokens is ${maxTokens}`,
      )
    }
    if ((this.mode === 'tfIdf') !== (idfWeights !== undefined)) {
      throw this.error('ERR_ARGUMENT', "setVocabulary: idfWeights go with outputMode 'tfIdf', and only with it")
    }
    if (idfWeights && idfWeights.length !== tokens.length) {
      throw this.error('ERR_ARGUMENT', `setVocabulary: ${idfWeights.length} idfWeights for ${tokens.length} tokens`)
    }
    this.tokens = tokens
    this.ids = new Map(tokens.map((token, i) => [token, i + special.length]))
    // unknown tokens weigh as much as the mean token
    this.idf = idfWeights ? [idfWeights.reduce((sum, weight) => sum + weight, 0) / Math.max(1, idfWeights.length), ...idfWeights] : []
  }

  /** A Tensor with a row for each text. */
  override apply(x: readonly string[]): Tensor {
    if (!Array.isArray(x)) {
      throw this.error(
        'ERR_ARGUMENT',
        `apply takes a list of texts, got ${x instanceof Tensor ? 'a Tensor' : typeof x}`,
        [],
        'Strings cannot enter a model: vectorize them before it, or in a data pipeline with encode(text)',
      )
    }
    return this.call(x)
  }

  call(x: readonly string[], _options?: CallOptions): Tensor {
    const rows = x.map((text) => this.row(text))
    const width =
      this.mode === 'int' ? (this.config.outputSequenceLength ?? rows.reduce((most, row) => Math.max(most, row.length), 0)) : this.columns
    const values = this.mode === 'int' ? new Int32Array(rows.length * width) : new Float32Array(rows.length * width)
    for (const [i, row] of rows.entries()) values.set(row.slice(0, width), i * width)
    return tensor(values, [rows.length, width])
  }

  /**
   * The row of one text, for data pipelines: ids, cut and padded to outputSequenceLength where there is one, or the
   * columns of the other modes.
   */
  encode(text: string): number[] {
    const row = this.row(text)
    const { outputSequenceLength: length } = this.config
    if (this.mode !== 'int' || typeof length !== 'number') return row
    return Array.from({ length }, (_, i) => row[i] ?? 0)
  }

  override computeOutputShape(): (number | null)[] {
    return [null, this.mode === 'int' ? (this.config.outputSequenceLength ?? null) : this.columns]
  }

  override toConfig(): object {
    const { idfWeights: _weights, vocabulary: _vocabulary, ...config } = super.toConfig() as TextVectorizationOptions
    if (this.tokens.length === 0) return config
    return { ...config, vocabulary: this.tokens, ...(this.mode === 'tfIdf' && { idfWeights: this.idf.slice(1) }) }
  }

  /** What JSON.stringify() writes. */
  toJSON(): object {
    return { className: this.className, config: this.toConfig() }
  }

  private get specials(): readonly string[] {
    return this.mode === 'int' ? ['', UNKNOWN] : [UNKNOWN]
  }
  private get columns(): number {
    return this.config.padToMaxTokens ? this.config.maxTokens! : this.vocabularySize
  }

  private row(text: string): number[] {
    if (this.tokens.length === 0)
      throw this.error('ERR_STATE', 'there is no vocabulary yet', [], 'Call adapt(texts) first, or give a vocabulary')
    const unknown = this.specials.length - 1
    const ids = this.tokensOf(this.checkText('apply', text)).map((token) =>
      token === '' && this.mode === 'int' ? 0 : (this.ids.get(token) ?? unknown),
    )
    if (this.mode === 'int') return ids
    const row = new Array<number>(this.columns).fill(0)
    for (const id of ids) row[id] = this.mode === 'multiHot' ? 1 : row[id]! + (this.mode === 'count' ? 1 : this.idf[id]!)
    return row
  }

  private checkText(method: string, text: unknown): string {
    if (typeof text === 'string') return text
    throw this.error('ERR_ARGUMENT', `${method}: a text must be a string, got ${text === null ? 'null' : typeof text}`)
  }
}

/** Texts as ids or counts of tokens, with the vocabulary given to adapt(); apply(['...']) gives a Tensor. */
export const textVectorization: LayerFactory<typeof TextVectorization> = layer(TextVectorization)

/** Lengths of the n-grams; undefined: tokens alone. */
function ngramWidths(what: string, ngrams: number | readonly number[] | null): number[] | undefined {
  if (ngrams === null) return undefined
  if (typeof ngrams === 'number') return Array.from({ length: integerOption(what, 'ngrams', ngrams) }, (_, i) => i + 1)
  if (!Array.isArray(ngrams) || ngrams.length === 0) {
    throw new WeftError('ERR_ARGUMENT', `${what}: ngrams must be an integer or a list of them, got ${show(ngrams)}`)
  }
  return ngrams.map((n: unknown) => integerOption(what, 'ngrams', n))
}
