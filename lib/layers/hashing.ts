// hashing: strings and integers as numbers of bins, without a vocabulary.
import { isInteger } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { CATEGORY_MODES, type CategoryMode, encoded } from './category_encoding.js'
import { type LayerFactory, layer } from './declare.js'
import { flattened, hashOf, type Nested } from './host_values.js'
import { Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'

export interface HashingOptions {
  /** Number of bins, that of the mask included; at most 2³¹. */
  numBins: number
  /** A value that gets bin 0, which no other gets. Default: none. */
  maskValue?: string | number | null
  /** An integer that makes it another hash. Default 0. */
  salt?: number
  /** 'int': the number of the bin. The others: vectors as of layers.categoryEncoding. Default 'int'. */
  outputMode?: 'int' | CategoryMode
}

/** Numbers of bins are int32, and hashes have 32 bits. */
const MOST_BINS = 2 ** 31

/** Takes nested lists on the host, or tensors of integers whose values are there, and stands before a model. */
export class Hashing extends Layer<HashingOptions, Nested<string | number>> {
  static override readonly className: string = 'Hashing'
  static override readonly options: OptionTable<HashingOptions> = {
    numBins: 'integer',
    maskValue: 'any',
    salt: 'integer',
    outputMode: ['int', ...CATEGORY_MODES],
  }

  constructor(config: HashingOptions & LayerOptions) {
    super(config)
    const { maskValue } = config
    integerOption('layers.hashing', 'numBins', config.numBins, maskValue === undefined || maskValue === null ? 1 : 2)
    if (config.numBins > MOST_BINS)
      throw this.error('ERR_ARGUMENT', `numBins must be at most ${MOST_BINS}, got ${show(config.numBins)}: bins are int32`)
    if (maskValue !== undefined && maskValue !== null) this.checked('maskValue', maskValue)
  }

  private checked(what: string, value: unknown): string | number {
    if (typeof value === 'string' || isInteger(value)) return value as string | number
    throw this.error('ERR_ARGUMENT', `${what}: expected a string or an integer, got ${show(value)}`)
  }

  /** Numbers of bins in the shape of the lists; of the other modes one vector for each sample. */
  override apply(x: Nested<string | number> | Tensor): Tensor {
    return this.call((x instanceof Tensor ? x.arraySync() : x) as Nested<string | number>)
  }

  call(x: Nested<string | number>): Tensor {
    const { numBins, maskValue, salt = 0, outputMode = 'int' } = this.config
    const masks = maskValue !== undefined && maskValue !== null
    const { list, shape } = flattened(`${this.name}: apply`, x, (value) => this.checked('apply', value))
    const bin = (value: string | number): number => {
      if (masks && value === maskValue) return 0
      const hash = hashOf(String(value), salt)
      return masks ? 1 + (hash % (numBins - 1)) : hash % numBins
    }
    const bins = tensor(Int32Array.from(list, bin), shape)
    return outputMode === 'int' ? bins : encoded(bins, numBins, outputMode, this.dtype)
  }
}

/**
 * The number of a bin for each string or integer, by MurmurHash3 of its text. Keras has other hash functions, and so
 * other bins.
 */
export const hashing: LayerFactory<typeof Hashing> = layer(Hashing)
