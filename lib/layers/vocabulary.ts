// Vocabulary: the tokens of a lookup layer and their ids, given or learned from data.
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { type Batches, eachBatch, flattened, type Nested } from './host_values.js'
import { Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'

export interface LookupOptions<T> {
  /** Tokens at most, special ones included. Default: all. */
  maxTokens?: number | null
  /** Ids for what is not in the vocabulary; 0: it is refused. Default 1. */
  numOovIndices?: number
  /** A value with the id 0 that says "nothing here"; it is left out of the modes that count. Default: none. */
  maskToken?: T | null
  /** What getVocabulary() writes for unknown ones. */
  oovToken?: T
  /** The tokens in order, with or without the special ones, instead of adapt(). */
  vocabulary?: readonly T[] | null
  /** Whether the vectors of the other modes always have maxTokens values. Default false. */
  padToMaxTokens?: boolean
}
export const LOOKUP_OPTIONS: OptionTable<LookupOptions<never>> = {
  maxTokens: 'any',
  numOovIndices: 'integer',
  maskToken: 'any',
  oovToken: 'any',
  vocabulary: 'any',
  padToMaxTokens: 'boolean',
}

/** Learns which values there are, the most frequent first, and gives each an id after those of the special tokens. */
export abstract class VocabularyLayer<T extends string | number, C extends LookupOptions<T>, I, M extends string> extends Layer<C, I> {
  protected override readonly castsInputs: boolean = false
  protected readonly mode: M
  protected readonly oov: number
  /** Without special tokens. */
  protected tokens: readonly T[] = []
  protected ids: ReadonlyMap<T, number> = new Map()
  /** How many of the samples given to adapt() have each token, and how many samples there were. */
  protected documents: { readonly of: readonly number[]; readonly all: number } | undefined

  constructor(what: string, config: C & LayerOptions, mode: M, unknown: T) {
    super(config)
    this.mode = mode
    this.unknown = config.oovToken ?? unknown
    const { maxTokens, maskToken, padToMaxTokens } = config
    this.oov = integerOption(what, 'numOovIndices', config.numOovIndices ?? 1, 0)
    if (maskToken !== undefined && maskToken !== null) this.token('maskToken', maskToken)
    if (typeof maxTokens === 'number') integerOption(what, 'maxTokens', maxTokens, this.specials.length + 1)
    else if (maxTokens !== undefined && maxTokens !== null)
      throw new WeftError('ERR_ARGUMENT', `${what}: maxTokens is an integer or null, got ${show(maxTokens)}`)
    if (padToMaxTokens && (mode === 'int' || typeof maxTokens !== 'number'))
      throw new WeftError('ERR_ARGUMENT', `${what}: padToMaxTokens needs maxTokens, and an outputMode other than 'int'`)
  }

  private readonly unknown: T

  /** The value if it can be a token; ERR_ARGUMENT otherwise. */
  protected abstract token(what: string, value: unknown): T
  /** Which of two equally frequent tokens comes first: negative for a. */
  protected abstract order(a: T, b: T): number

  protected get mask(): T | undefined {
    return this.config.maskToken ?? undefined
  }
  /** The special tokens: of mode 'int' the mask's, then those of unknown values. */
  protected get specials(): readonly T[] {
    return [...(this.mode === 'int' && this.mask !== undefined ? [this.mask] : []), ...new Array<T>(this.oov).fill(this.unknown)]
  }
  /** The first id of unknown values. */
  protected get firstUnknown(): number {
    return this.specials.length - this.oov
  }
  /** Extent of the vectors of the modes that count. */
  protected get depth(): number {
    return this.config.padToMaxTokens ? this.config.maxTokens! : this.vocabularySize
  }

  /** Tokens by id. */
  getVocabulary({ includeSpecialTokens = true }: { includeSpecialTokens?: boolean } = {}): T[] {
    return [...(includeSpecialTokens ? this.specials : []), ...this.tokens]
  }
  /** Ids are below this. */
  get vocabularySize(): number {
    return this.specials.length + this.tokens.length
  }

  setVocabulary(vocabulary: readonly T[]): void {
    if (!Array.isArray(vocabulary) || vocabulary.length === 0)
      throw this.error('ERR_ARGUMENT', `setVocabulary: expected a list of tokens, got ${show(vocabulary)}`)
    const special = this.specials
    const begins = special.length > 0 && special.every((token, i) => vocabulary[i] === token) ? special.length : 0
    const tokens = vocabulary.slice(begins).map((value) => this.token('setVocabulary', value))
    const seen = new Set<unknown>(special)
    if (this.mask !== undefined) seen.add(this.mask)
    for (const token of tokens) {
      if (seen.has(token)) throw this.error('ERR_ARGUMENT', `setVocabulary: ${show(token)} stands there twice, or is a special token`)
      seen.add(token)
    }
    const { maxTokens } = this.config
    if (typeof maxTokens === 'number' && tokens.length + special.length > maxTokens)
      throw this.error(
        'ERR_ARGUMENT',
        `setVocabulary: ${tokens.length + special.length} tokens, special ones included; maxTokens is ${maxTokens}`,
      )
    this.tokens = tokens
    this.ids = new Map(tokens.map((token, i) => [token, i + special.length]))
  }

  /**
   * Learns the vocabulary: the most frequent values of nested lists, or of an iterable of them (done when the call
   * returns); also of an async iterable, or of batches of a data.Dataset.
   */
  async adapt(data: Batches<T> | Nested<T>): Promise<void> {
    if (this.config.vocabulary) throw this.error('ERR_STATE', 'adapt: the vocabulary was given as an option')
    const counts = new Map<T, number>()
    const documents = new Map<T, number>()
    let samples = 0
    const count = (values: unknown): void => {
      const { list, shape } = this.listOf('adapt', values)
      const length = shape.slice(1).reduce((a, b) => a * b, 1)
      for (let at = 0; at < list.length; at += Math.max(1, length)) {
        const sample = list.slice(at, at + length)
        samples++
        for (const value of sample) counts.set(value, (counts.get(value) ?? 0) + 1)
        for (const value of new Set(sample)) documents.set(value, (documents.get(value) ?? 0) + 1)
      }
    }
    const pending = eachBatch(data, count)
    if (pending) await pending
    for (const token of [this.mask, this.unknown]) if (token !== undefined) counts.delete(token)
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || this.order(a[0], b[0])).map(([token]) => token)
    const { maxTokens } = this.config
    const kept = typeof maxTokens === 'number' ? sorted.slice(0, maxTokens - this.specials.length) : sorted
    if (kept.length === 0) throw this.error('ERR_ARGUMENT', 'adapt: no token is left for the vocabulary')
    this.documents = { of: kept.map((token) => documents.get(token)!), all: samples }
    this.setVocabulary(kept)
  }

  /** The values of nested lists, in order. */
  protected listOf(what: string, values: unknown): { list: T[]; shape: number[] } {
    return flattened(`${this.name}: ${what}`, values, (value) => this.token(what, value))
  }

  protected checkKnown(): void {
    if (this.tokens.length === 0)
      throw this.error('ERR_STATE', 'there is no vocabulary yet', [], 'Call adapt(values) first, or give a vocabulary')
  }

  override toConfig(): object {
    const { vocabulary: _, ...config } = super.toConfig() as LookupOptions<T>
    return this.tokens.length === 0 ? config : { ...config, vocabulary: this.tokens }
  }
}
