// ngramModel: a language model that counts: the baseline for those that learn.
import { randomInt } from 'node:crypto'
import { draws } from '../data/shuffle.js'
import { integer, isList } from '../core/checks.js'
import { unknownName, WeftError } from '../core/error.js'
import { checkCall, checkOptions, type OptionTable } from '../core/options.js'
import { NgramCounts } from './ngram_counts.js'
import { type Smoothed, type Smoothing, smoothings } from './ngram_smoothing.js'
import { describe } from './words.js'

export interface NgramOptions {
  /** Length of the longest n-grams: a token is predicted from the order - 1 before it. Default 5. */
  order?: number
  /** 'kneserNey' (default): interpolated and modified. 'wittenBell': interpolated. */
  smoothing?: Smoothing
  /** For ids: how many there are. Default: one more than the largest in fit(). */
  vocabularySize?: number
}

const NGRAM_OPTIONS: OptionTable<NgramOptions> = { order: 'integer', smoothing: 'string', vocabularySize: 'integer' }

export interface SampleOptions {
  /** How many tokens to draw. Default 100. */
  length?: number
  /** What the sample continues. Default: nothing, as if no token had come before. */
  prompt?: NgramText
  /** Below 1 prefers likely tokens, above 1 unlikely ones. Default 1. */
  temperature?: number
  /** Default: another sample each time. */
  seed?: number
}

const SAMPLE_OPTIONS: OptionTable<SampleOptions> = { length: 'integer', prompt: 'any', temperature: 'number', seed: 'number' }

/** A text, whose characters (code points) are the tokens, or ids of tokens. */
export type NgramText = string | ArrayLike<number>

/** Tokens of one sample. */
const MOST_SAMPLED = 2 ** 24

/** Characters that fit() has not seen share this token. */
const UNKNOWN = 0

/**
 * Interpolated n-gram model of characters or token ids. Every token has a probability above 0, and they add up to 1.
 */
export class NgramModel {
  readonly order: number
  readonly smoothing: Smoothing
  private readonly counts: NgramCounts
  private readonly givenSize: number | undefined
  /** Of texts: ids of characters, from 1. */
  private readonly characters = new Map<string, number>()
  private kind: 'text' | 'ids' | undefined
  private largestId = -1
  private smoothed: Smoothed | undefined

  constructor(options: NgramOptions = {}) {
    checkOptions('text.ngramModel', options, NGRAM_OPTIONS)
    const { order = 5, smoothing = 'kneserNey', vocabularySize } = options
    integer('text.ngramModel', 'order', order, 1, 64)
    if (!Object.hasOwn(smoothings, smoothing)) throw unknownName('smoothing of text.ngramModel', smoothing, Object.keys(smoothings))
    if (vocabularySize !== undefined) integer('text.ngramModel', 'vocabularySize', vocabularySize, 1)
    this.order = order
    this.smoothing = smoothing
    this.givenSize = vocabularySize
    this.counts = new NgramCounts(order)
  }

  /** Different tokens that get a probability: ids, or the characters seen and one for all others. */
  get vocabularySize(): number {
    return this.kind === 'text' ? this.characters.size + 1 : (this.givenSize ?? this.largestId + 1)
  }

  /** Counts a text, ids, or a list of either; n-grams do not span two of a list. Calls add up. */
  fit(texts: NgramText | readonly NgramText[]): this {
    for (const text of isCorpus(texts) ? texts : [texts]) {
      const kind = kindOf('fit', text)
      if (this.kind !== undefined && this.kind !== kind) {
        throw new WeftError('ERR_ARGUMENT', `fit: the model counts ${this.kind === 'text' ? 'characters' : 'ids'}, got ${kind}`)
      }
      this.kind = kind
      if (typeof text === 'string') {
        const found = Array.from(text)
        for (const character of found) if (!this.characters.has(character)) this.characters.set(character, this.characters.size + 1)
        this.counts.add(found.map((character) => this.characters.get(character)!))
      } else {
        for (let i = 0; i < text.length; i++) this.checkId('fit', text[i]!, this.givenSize ?? 2 ** 31)
        for (let i = 0; i < text.length; i++) this.largestId = Math.max(this.largestId, text[i]!)
        this.counts.add(text)
      }
    }
    this.smoothed = undefined
    return this
  }

  /** -log₂ of the probability of each token given those before it, averaged; bits per character for texts. */
  bitsPerToken(texts: NgramText | readonly NgramText[]): number {
    const smoothed = this.ready()
    let bits = 0
    let tokens = 0
    for (const text of isCorpus(texts) ? texts : [texts]) {
      const ids = this.idsOf('bitsPerToken', text)
      let context = 0
      for (let i = 0; i < ids.length; i++) {
        bits -= Math.log2(this.probability(smoothed, context, ids[i]!))
        context = this.counts.advance(context, ids[i]!)
      }
      tokens += ids.length
    }
    if (tokens === 0) throw new WeftError('ERR_ARGUMENT', 'bitsPerToken: the text is empty')
    return bits / tokens
  }

  /** 2 to the bitsPerToken: as uncertain as a choice among so many tokens. */
  perplexity(texts: NgramText | readonly NgramText[]): number {
    return 2 ** this.bitsPerToken(texts)
  }

  /**
   * The probability of every token after a context: by id, or for texts by character, with '' for all characters that
   * were never seen.
   */
  probabilities(context: NgramText = this.kind === 'ids' ? [] : ''): Map<string | number, number> {
    const tokens = this.distribution(this.contextOf('probabilities', context))
    if (this.kind === 'ids') return new Map(tokens.entries())
    return new Map(['', ...this.characters.keys()].map((character, id) => [character, tokens[id]!]))
  }

  /** Draws a text, or ids where the model counts ids. The prompt is not part of it. */
  sample(options: SampleOptions = {}): string | number[] {
    checkCall('sample(options)', arguments, SAMPLE_OPTIONS)
    const { length = 100, prompt, temperature = 1, seed } = options
    integer('sample', 'length', length, 0, MOST_SAMPLED)
    if (typeof temperature !== 'number' || !(temperature > 0)) {
      throw new WeftError('ERR_ARGUMENT', `sample: temperature must be above 0, got ${describe(temperature)}`)
    }
    if (seed !== undefined && !Number.isSafeInteger(seed)) {
      throw new WeftError('ERR_ARGUMENT', `sample: seed must be an integer, got ${describe(seed)}`)
    }
    const draw = draws(seed ?? randomInt(2 ** 31), 0)
    let context = prompt === undefined ? 0 : this.contextOf('sample', prompt)
    const ids: number[] = []
    while (ids.length < length) {
      const tokens = this.distribution(context)
      // unknown characters have no character to show
      if (this.kind === 'text') tokens[UNKNOWN] = 0
      const id = chosen(tokens, temperature, draw(2 ** 32) / 2 ** 32)
      ids.push(id)
      context = this.counts.advance(context, id)
    }
    if (this.kind === 'ids') return ids
    const characters = ['', ...this.characters.keys()]
    return ids.map((id) => characters[id]).join('')
  }

  private ready(): Smoothed {
    if (this.kind === undefined)
      throw new WeftError('ERR_STATE', 'the n-gram model has counted nothing yet', { hint: 'Call fit(text) first' })
    this.smoothed ??= smoothings[this.smoothing](this.counts)
    return this.smoothed
  }

  /** Of a token after the n-gram of a node, from the shortest context to the longest. */
  private probability(smoothed: Smoothed, node: number, token: number): number {
    const { amount, total, backoff } = smoothed
    const shorter = node === 0 ? 1 / this.vocabularySize : this.probability(smoothed, this.counts.suffixes[node]!, token)
    if (total[node] === 0) return shorter
    const child = this.counts.child(node, token)
    return (child < 0 ? 0 : amount(child) / total[node]!) + backoff[node]! * shorter
  }

  private distribution(context: number): Float64Array {
    const smoothed = this.ready()
    return Float64Array.from({ length: this.vocabularySize }, (_, token) => this.probability(smoothed, context, token))
  }

  private contextOf(what: string, context: NgramText): number {
    let node = 0
    const ids = this.idsOf(what, context)
    for (let i = 0; i < ids.length; i++) node = this.counts.advance(node, ids[i]!)
    return node
  }

  private idsOf(what: string, text: NgramText): ArrayLike<number> {
    this.ready()
    const kind = kindOf(what, text)
    if (kind !== this.kind) {
      throw new WeftError('ERR_ARGUMENT', `${what}: the model counts ${this.kind === 'text' ? 'characters' : 'ids'}, got ${kind}`)
    }
    if (typeof text === 'string') return Array.from(text, (character) => this.characters.get(character) ?? UNKNOWN)
    for (let i = 0; i < text.length; i++) this.checkId(what, text[i]!, this.vocabularySize)
    return text
  }

  private checkId(what: string, id: number, size: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new WeftError('ERR_DATA', `${what}: ids are integers from 0 to ${size - 1}, got ${describe(id)}`, {
        hint: 'Give the model the vocabularySize of its tokenizer',
      })
    }
  }
}

const isCorpus = (texts: NgramText | readonly NgramText[]): texts is readonly NgramText[] =>
  Array.isArray(texts) && texts.length > 0 && typeof texts[0] !== 'number'

function kindOf(what: string, text: NgramText): 'text' | 'ids' {
  if (typeof text === 'string') return 'text'
  if (isList(text)) return 'ids'
  throw new WeftError('ERR_ARGUMENT', `${what}: expected a text or an array of ids, got ${describe(text)}`)
}

/** The token at a share (0 to 1) of the sum of probabilities to the power of 1 / temperature. */
function chosen(tokens: Float64Array, temperature: number, share: number): number {
  const most = tokens.reduce((a, b) => Math.max(a, b), 0)
  const weights = tokens.map((p) => (p === 0 ? 0 : (p / most) ** (1 / temperature)))
  let left = share * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [id, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return id
  }
  return weights.indexOf(1)
}

/** An n-gram language model; see NgramModel. */
export function ngramModel(options: NgramOptions = {}): NgramModel {
  checkCall('text.ngramModel(options)', arguments)
  return new NgramModel(options)
}
