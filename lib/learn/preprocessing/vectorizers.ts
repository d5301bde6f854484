// countVectorizer, tfidfVectorizer: texts as counts of their terms, and as weights of them. Rules and numbers:
// scikit-learn 1.2.
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable, show } from '../../core/options.js'
import { type Definition, register } from '../estimator.js'
import { compareLabels } from '../matrix.js'
import { checkTerms, type TermOptions, termsOf, TOKEN_PATTERN } from './terms.js'
import { TransformerBase } from './transformer.js'

export interface CountVectorizerOptions extends TermOptions {
  /** Terms of fewer texts are left out: a share below 1, or a number of texts. Default 1. */
  minDf?: number
  /** Terms of more texts are left out: a share up to 1, or a number of texts. Default 1: none. */
  maxDf?: number
  /** Keeps the terms that occur most. Default null: all. */
  maxFeatures?: number | null
  /** The terms, in order. Default null: those of the training part, sorted. */
  vocabulary?: readonly string[] | null
  /** 1 for terms that occur, however often. Default false. */
  binary?: boolean
}

export interface TfidfVectorizerOptions extends CountVectorizerOptions {
  /** Length 1 of each row: the sum of squares ('l2', the default), of amounts ('l1'), or as it is (null). */
  norm?: 'l1' | 'l2' | null
  /** Weights by idf = ln((1 + texts) / (1 + texts with the term)) + 1. Default true. */
  useIdf?: boolean
  /** False: idf = ln(texts / texts with the term) + 1. Default true. */
  smoothIdf?: boolean
  /** 1 + ln(count) instead of counts. Default false. */
  sublinearTf?: boolean
}

const COUNT_TABLE: OptionTable<CountVectorizerOptions> = {
  analyzer: ['word', 'char', 'charWb'],
  ngramRange: 'list',
  lowercase: 'boolean',
  stopWords: 'list',
  tokenPattern: 'string',
  minDf: 'number',
  maxDf: 'number',
  maxFeatures: 'any',
  vocabulary: 'any',
  binary: 'boolean',
}
const COUNT_DEFAULTS: Required<CountVectorizerOptions> = {
  analyzer: 'word',
  ngramRange: [1, 1],
  lowercase: true,
  stopWords: [],
  tokenPattern: TOKEN_PATTERN,
  minDf: 1,
  maxDf: 1,
  maxFeatures: null,
  vocabulary: null,
  binary: false,
}

function checkCount(kind: string, params: Required<CountVectorizerOptions>): void {
  checkTerms(kind, params)
  const { minDf, maxDf, maxFeatures, vocabulary } = params
  for (const [name, value] of Object.entries({ minDf, maxDf }))
    if (!(value >= 0) || (value > 1 && !Number.isInteger(value)))
      throw new WeftError('ERR_ARGUMENT', `${kind}: ${name} is a share up to 1 or a number of texts, got ${show(value)}`)
  if (maxFeatures !== null && !(Number.isInteger(maxFeatures) && maxFeatures >= 1))
    throw new WeftError('ERR_ARGUMENT', `${kind}: maxFeatures is an integer from 1 on or null, got ${show(maxFeatures)}`)
  if (vocabulary === null) return
  const good = Array.isArray(vocabulary) && vocabulary.length > 0 && vocabulary.every((term) => typeof term === 'string')
  if (!good || new Set(vocabulary).size !== vocabulary.length)
    throw new WeftError('ERR_ARGUMENT', `${kind}: vocabulary is a list of different terms, got ${show(vocabulary)}`)
}

const COUNT: Definition<CountVectorizerOptions> = {
  kind: 'countVectorizer',
  table: COUNT_TABLE,
  defaults: COUNT_DEFAULTS,
  check: (params) => checkCount('countVectorizer', params),
}
const TFIDF: Definition<TfidfVectorizerOptions> = {
  kind: 'tfidfVectorizer',
  table: {
    ...COUNT_TABLE,
    norm: 'any',
    useIdf: 'boolean',
    smoothIdf: 'boolean',
    sublinearTf: 'boolean',
  } satisfies OptionTable<TfidfVectorizerOptions>,
  defaults: { ...COUNT_DEFAULTS, norm: 'l2', useIdf: true, smoothIdf: true, sublinearTf: false },
  check(params) {
    checkCount('tfidfVectorizer', params)
    if (params.norm !== null && params.norm !== 'l1' && params.norm !== 'l2')
      throw new WeftError('ERR_ARGUMENT', `tfidfVectorizer: norm is 'l1', 'l2' or null, got ${show(params.norm)}`)
  },
}

interface VectorizerState {
  terms: string[]
  /** Empty where terms are not weighted. */
  idf: Float64Array
}

/** Counts of the terms of a text, by their place among all. */
type Counts = Map<number, number>
/** Values of a dense result: 2 GiB. */
const MOST_VALUES = 2 ** 28

abstract class Vectorizer<O extends CountVectorizerOptions> extends TransformerBase<O, VectorizerState, readonly string[]> {
  /** Weights of the terms, from the number of texts with each. */
  protected abstract weightsOf(texts: number, withTerm: readonly number[]): Float64Array
  protected abstract rowOf(counts: Counts, width: number, idf: Float64Array): number[]

  override async fit(x: readonly string[]): Promise<this> {
    const what = `${this.kind}.fit`
    const texts = textsOf(what, x)
    const listed = texts.map(termsOf(this.kind, this.params as Required<TermOptions>))
    const { vocabulary } = this.params
    const terms = vocabulary ? [...vocabulary] : this.chosen(what, listed)
    const place = new Map(terms.map((term, i) => [term, i]))
    const withTerm = terms.map(() => 0)
    for (const list of listed)
      for (const term of new Set(list)) {
        const at = place.get(term)
        if (at !== undefined) withTerm[at]!++
      }
    this.learned = { terms, idf: this.weightsOf(texts.length, withTerm) }
    return this
  }

  /** A row for each text, a column for each term; terms that are not among those fitted count for nothing. */
  override async transform(x: readonly string[]): Promise<number[][]> {
    const { vocabulary } = this.params
    const { terms, idf } =
      this.learned === undefined && vocabulary ? { terms: [...vocabulary], idf: new Float64Array(0) } : this.state('transform')
    const texts = textsOf(`${this.kind}.transform`, x)
    if (texts.length * terms.length > MOST_VALUES)
      throw new WeftError('ERR_ARGUMENT', `${this.kind}: ${texts.length} texts by ${terms.length} terms are more than 2^28 values`, {
        hint: 'Use maxFeatures or minDf, or transform fewer texts at a time',
      })
    const place = new Map(terms.map((term, i) => [term, i]))
    const list = termsOf(this.kind, this.params as Required<TermOptions>)
    return texts.map((text) => {
      const counts: Counts = new Map()
      for (const term of list(text)) {
        const at = place.get(term)
        if (at !== undefined) counts.set(at, this.params.binary ? 1 : (counts.get(at) ?? 0) + 1)
      }
      return this.rowOf(counts, terms.length, idf)
    })
  }

  /** The terms, in the order of the columns. */
  override getFeatureNamesOut(): string[] {
    return [...this.state('getFeatureNamesOut').terms]
  }
  /** The column of each term. */
  get vocabulary(): Map<string, number> {
    return new Map(this.state('vocabulary').terms.map((term, i) => [term, i]))
  }

  /** The terms of some texts within the limits, sorted. */
  private chosen(what: string, listed: readonly (readonly string[])[]): string[] {
    const { minDf = 1, maxDf = 1, maxFeatures } = this.params
    const found = new Map<string, { count: number; texts: number }>()
    for (const list of listed) {
      const seen = new Set<string>()
      for (const term of list) {
        const own = found.get(term) ?? { count: 0, texts: 0 }
        own.count += this.params.binary && seen.has(term) ? 0 : 1
        if (!seen.has(term)) own.texts++
        seen.add(term)
        found.set(term, own)
      }
    }
    if (found.size === 0)
      throw new WeftError('ERR_DATA', `${what}: the ${listed.length} texts have no terms`, { hint: 'Are they empty, or stop words alone?' })
    const least = minDf < 1 ? minDf * listed.length : minDf
    const most = maxDf <= 1 ? maxDf * listed.length : maxDf
    if (most < least) throw new WeftError('ERR_ARGUMENT', `${what}: maxDf ${maxDf} is below minDf ${minDf}`)
    const terms = [...found.keys()].filter((term) => found.get(term)!.texts >= least && found.get(term)!.texts <= most).sort(compareLabels)
    if (terms.length === 0)
      throw new WeftError('ERR_DATA', `${what}: none of the ${found.size} terms is within minDf ${minDf} and maxDf ${maxDf}`, {
        hint: 'Use a smaller minDf or a larger maxDf',
      })
    if (maxFeatures === null || maxFeatures === undefined || terms.length <= maxFeatures) return terms
    return terms
      .sort((a, b) => found.get(b)!.count - found.get(a)!.count || compareLabels(a, b))
      .slice(0, maxFeatures)
      .sort(compareLabels)
  }
}

function textsOf(what: string, x: unknown): readonly string[] {
  if (typeof x === 'string')
    throw new WeftError('ERR_ARGUMENT', `${what}: one text was given, a list is expected`, { hint: 'Write [text]' })
  if (!Array.isArray(x) || x.length === 0) throw new WeftError('ERR_ARGUMENT', `${what}: expected a list of texts, got ${show(x)}`)
  const bad = x.findIndex((text) => typeof text !== 'string')
  if (bad >= 0)
    throw new WeftError('ERR_DATA', `${what}: text ${bad} is ${show(x[bad])}`, {
      hint: 'Give a list of texts: rows.map((row) => row.text)',
    })
  return x as string[]
}

/** Texts as counts of their terms. */
export class CountVectorizer extends Vectorizer<CountVectorizerOptions> {
  constructor(options: CountVectorizerOptions = {}) {
    super(COUNT, options)
  }
  protected override weightsOf(): Float64Array {
    return new Float64Array(0)
  }
  protected override rowOf(counts: Counts, width: number): number[] {
    const row = new Array<number>(width).fill(0)
    for (const [at, count] of counts) row[at] = count
    return row
  }
}

/** Texts as weights of their terms: count · idf, in rows of length 1. */
export class TfidfVectorizer extends Vectorizer<TfidfVectorizerOptions> {
  constructor(options: TfidfVectorizerOptions = {}) {
    super(TFIDF, options)
  }

  /** The weight of each term. */
  get idf(): Float64Array {
    return Float64Array.from(this.state('idf').idf)
  }

  protected override weightsOf(texts: number, withTerm: readonly number[]): Float64Array {
    const { useIdf, smoothIdf } = this.params
    if (!useIdf) return new Float64Array(0)
    const more = smoothIdf ? 1 : 0
    const absent = withTerm.indexOf(0)
    if (!smoothIdf && absent >= 0)
      throw new WeftError(
        'ERR_DATA',
        `tfidfVectorizer.fit: the term ${show(this.params.vocabulary?.[absent])} is in no text, its idf is infinite`,
        {
          hint: 'Leave out smoothIdf: false',
        },
      )
    return Float64Array.from(withTerm, (n) => Math.log((texts + more) / (n + more)) + 1)
  }

  protected override rowOf(counts: Counts, width: number, idf: Float64Array): number[] {
    if (this.params.useIdf) this.state('transform')
    const { norm, sublinearTf } = this.params
    const row = new Array<number>(width).fill(0)
    let sum = 0
    for (const [at, count] of [...counts].sort(([a], [b]) => a - b)) {
      const value = (sublinearTf ? 1 + Math.log(count) : count) * (idf[at] ?? 1)
      row[at] = value
      sum += norm === 'l2' ? value * value : Math.abs(value)
    }
    const length = norm === null || sum === 0 ? 1 : norm === 'l2' ? Math.sqrt(sum) : sum
    if (length !== 1) for (const at of counts.keys()) row[at]! /= length
    return row
  }
}

/** Texts as counts of their words, or of other terms. */
export function countVectorizer(options: CountVectorizerOptions = {}): CountVectorizer {
  checkCall('countVectorizer(options)', arguments)
  return new CountVectorizer(options)
}
register('countVectorizer', (params: CountVectorizerOptions) => new CountVectorizer(params) as never)

/** Texts as weights of their words: frequent in the text, rare in others. */
export function tfidfVectorizer(options: TfidfVectorizerOptions = {}): TfidfVectorizer {
  checkCall('tfidfVectorizer(options)', arguments)
  return new TfidfVectorizer(options)
}
register('tfidfVectorizer', (params: TfidfVectorizerOptions) => new TfidfVectorizer(params) as never)
