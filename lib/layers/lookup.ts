// stringLookup and integerLookup: values of a vocabulary as ids, or as vectors of 0 and 1, as Keras 3.
import { isInteger } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { wholeNumbers } from '../ops/ids.js'
import { CATEGORY_MODES, type CategoryMode, encoded } from './category_encoding.js'
import { type LayerFactory, layer } from './declare.js'
import { hashOf, laterFirst, type Nested } from './host_values.js'
import type { LayerOptions } from './layer.js'
import { choiceOption } from './options.js'
import { LOOKUP_OPTIONS, type LookupOptions, VocabularyLayer } from './vocabulary.js'

/** 'int': ids. The others: vectors as of layers.categoryEncoding; 'tfIdf': counts times the weight of each token. */
export type LookupMode = 'int' | CategoryMode | 'tfIdf'
const LOOKUP_MODES: readonly LookupMode[] = ['int', ...CATEGORY_MODES, 'tfIdf']

export interface StringLookupOptions extends LookupOptions<string> {
  /** Default 'int'. */
  outputMode?: LookupMode
  /** Of mode 'tfIdf' with a vocabulary: the weight of each token, without the special ones. */
  idfWeights?: readonly number[] | null
}

/**
 * Strings live on the host: apply() takes nested lists of them and gives a Tensor. It stands before a model or in a
 * data pipeline, not inside a model. Several ids for unknown strings are chosen by MurmurHash3, where Keras has
 * FarmHash.
 */
export class StringLookup extends VocabularyLayer<string, StringLookupOptions, Nested<string>, LookupMode> {
  static override readonly className: string = 'StringLookup'
  static override readonly options: OptionTable<StringLookupOptions> = { ...LOOKUP_OPTIONS, outputMode: LOOKUP_MODES, idfWeights: 'any' }

  constructor(config: StringLookupOptions & LayerOptions = {}) {
    super('layers.stringLookup', config, config?.outputMode ?? 'int', '[UNK]')
    const { vocabulary, idfWeights } = config
    if (vocabulary) this.setVocabulary(vocabulary)
    if ((idfWeights ?? undefined) === undefined) {
      if (vocabulary && this.mode === 'tfIdf') throw this.error('ERR_ARGUMENT', "a vocabulary with outputMode 'tfIdf' needs idfWeights")
    } else if (this.mode !== 'tfIdf' || idfWeights!.length !== this.tokens.length)
      throw this.error('ERR_ARGUMENT', `idfWeights go with outputMode 'tfIdf', one for each token; got ${show(idfWeights)}`)
  }

  protected token(what: string, value: unknown): string {
    if (typeof value === 'string') return value
    throw this.error('ERR_ARGUMENT', `${what}: expected a string, got ${show(value)}`)
  }
  protected order(a: string, b: string): number {
    return laterFirst(a, b)
  }

  /** ids of the shape of the lists; of the other modes one vector for each sample. */
  override apply(x: Nested<string>): Tensor {
    if (x instanceof Tensor)
      throw this.error('ERR_ARGUMENT', 'apply takes strings, got a Tensor', [], 'Strings cannot enter a model: look them up before it')
    return this.call(x)
  }

  call(x: Nested<string>): Tensor {
    this.checkKnown()
    const { list, shape } = this.listOf('apply', x)
    const ids = tensor(
      Int32Array.from(list, (value) => this.idOf(value)),
      shape,
    )
    if (this.mode === 'int') return ids
    // what is masked has a column after all others, which is cut off
    const vectors = encoded(ids, this.depth + 1, this.mode === 'tfIdf' ? 'count' : this.mode, this.dtype)
    const counts = vectors.slice(
      vectors.shape.map(() => 0),
      [...vectors.shape.slice(0, -1), this.depth],
    )
    return this.mode === 'tfIdf' ? counts.mul(tensor(this.idf, { dtype: this.dtype })) : counts
  }

  private idOf(value: string): number {
    if (value === this.mask) return this.mode === 'int' ? 0 : this.depth
    const known = this.ids.get(value)
    if (known !== undefined) return known
    if (this.oov > 0) return this.firstUnknown + (this.oov === 1 ? 0 : hashOf(value) % this.oov)
    throw this.error('ERR_DATA', `${show(value)} is not in the vocabulary, and numOovIndices is 0`)
  }

  /** Of each column: unknown ones weigh as much as the mean token. */
  private get idf(): number[] {
    const own = this.config.idfWeights ?? this.documents?.of.map((n) => Math.log(1 + this.documents!.all / (1 + n))) ?? []
    const mean = own.reduce((sum, weight) => sum + weight, 0) / Math.max(1, own.length)
    const all = [...new Array<number>(this.oov).fill(mean), ...own]
    return [...all, ...new Array<number>(this.depth - all.length).fill(0)]
  }

  /** The tokens of ids, in lists of the same shape: what Keras' invert does. */
  decode(ids: Tensor | Nested<number>): Nested<string> {
    this.checkKnown()
    const vocabulary = this.getVocabulary()
    const visit = (value: unknown): Nested<string> => {
      if (Array.isArray(value)) return value.map(visit)
      if (isInteger(value, 0, vocabulary.length - 1)) return vocabulary[value as number]!
      throw this.error('ERR_DATA', `decode: ids are integers from 0 to ${vocabulary.length - 1}, got ${show(value)}`)
    }
    return visit(ids instanceof Tensor ? ids.arraySync() : ids)
  }

  override toConfig(): object {
    const config = super.toConfig() as StringLookupOptions
    return this.mode === 'tfIdf' && this.tokens.length > 0
      ? { ...config, idfWeights: this.idf.slice(this.oov, this.oov + this.tokens.length) }
      : config
  }
}

/** Strings as ids of a vocabulary, which is given or learned by adapt(): 0 is unknown, then by frequency. */
export const stringLookup: LayerFactory<typeof StringLookup> = layer(StringLookup)

export interface IntegerLookupOptions extends LookupOptions<number> {
  /** Default 'int'. */
  outputMode?: Exclude<LookupMode, 'tfIdf'>
}

/** Integers as ids of a vocabulary, inside a model too: each is found by halving the sorted vocabulary. */
export class IntegerLookup extends VocabularyLayer<number, IntegerLookupOptions, Tensor, Exclude<LookupMode, 'tfIdf'>> {
  static override readonly className: string = 'IntegerLookup'
  static override readonly options: OptionTable<IntegerLookupOptions> = { ...LOOKUP_OPTIONS, outputMode: ['int', ...CATEGORY_MODES] }

  constructor(config: IntegerLookupOptions & LayerOptions = {}) {
    super(
      'layers.integerLookup',
      config,
      choiceOption('layers.integerLookup', 'outputMode', config?.outputMode ?? 'int', ['int', ...CATEGORY_MODES]),
      -1,
    )
    if (config.vocabulary) this.setVocabulary(config.vocabulary)
  }

  protected token(what: string, value: unknown): number {
    if (isInteger(value, -(2 ** 31), 2 ** 31 - 1)) return value as number
    throw this.error('ERR_ARGUMENT', `${what}: expected an integer of 32 bits, got ${show(value)}`)
  }
  protected order(a: number, b: number): number {
    return b - a
  }
  protected override listOf(what: string, values: unknown): { list: number[]; shape: number[] } {
    const list = values instanceof Tensor ? values.arraySync() : ArrayBuffer.isView(values) ? Array.from(values as Int32Array) : values
    return super.listOf(what, list)
  }

  call(x: Tensor): Tensor {
    this.checkKnown()
    const values = wholeNumbers(x)
    const constant = (list: readonly number[]): Tensor => tensor(Int32Array.from(list), { shape: [list.length], device: x.device })
    const sorted = [...this.tokens].sort((a, b) => a - b)
    const table = constant(sorted)
    // how many tokens are smaller: steps of half the rest, down to 1
    let below = ops.zerosLike(values)
    for (let step = 2 ** Math.floor(Math.log2(sorted.length)); step >= 1; step /= 2) {
      const next = ops.minimum(ops.add(below, step), sorted.length)
      below = ops.where(ops.less(ops.gather(table, ops.sub(next, 1)), values), next, below)
    }
    const place = ops.minimum(below, sorted.length - 1)
    const found = ops.equal(ops.gather(table, place), values)
    const known = ops.gather(constant(sorted.map((token) => this.ids.get(token)!)), place)
    const many = this.oov > 1
    // without an id for unknown values there is none to look up, which fails the step
    const unknown = many
      ? ops.add(ops.mod(values, this.oov), this.firstUnknown)
      : ops.fullLike(values, this.oov === 0 ? -1 : this.firstUnknown)
    const { mask } = this
    const masked = mask === undefined ? undefined : ops.equal(values, mask)
    const hidden = ops.fullLike(values, this.mode === 'int' ? 0 : this.depth)
    const looked = ops.where(found, known, unknown)
    const ids = ops.gather(ops.arange(this.depth + 1), masked ? ops.where(masked, hidden, looked) : looked)
    if (this.mode === 'int') return ids
    const vectors = encoded(ids, this.depth + 1, this.mode, this.dtype)
    return ops.slice(
      vectors,
      vectors.shape.map(() => 0),
      [...vectors.shape.slice(0, -1), this.depth],
    )
  }
}

/** Integers as ids of a vocabulary, which is given or learned by adapt(): 0 is unknown, then by frequency. */
export const integerLookup: LayerFactory<typeof IntegerLookup> = layer(IntegerLookup)
