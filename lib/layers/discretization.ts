// discretization: numbers as numbers of bins between boundaries, which are given or learned from data.
import { tensor } from '../core/create.js'
import { type OptionTable, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { CATEGORY_MODES, type CategoryMode, encoded } from './category_encoding.js'
import { type LayerFactory, layer } from './declare.js'
import { type Batches, eachBatch, flattened, type Nested } from './host_values.js'
import { Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'

export interface DiscretizationOptions {
  /** Rising numbers. Bin i holds the values from boundary i - 1 on and below boundary i. Instead of numBins. */
  binBoundaries?: readonly number[] | null
  /** How many bins of equally many values adapt() makes: at least 2. */
  numBins?: number | null
  /** 'int': the number of the bin. The others: vectors as of layers.categoryEncoding. Default 'int'. */
  outputMode?: 'int' | CategoryMode
}

export class Discretization extends Layer<DiscretizationOptions> {
  static override readonly className: string = 'Discretization'
  static override readonly options: OptionTable<DiscretizationOptions> = {
    binBoundaries: 'any',
    numBins: 'any',
    outputMode: ['int', ...CATEGORY_MODES],
  }

  /** undefined before adapt(). */
  private boundaries: readonly number[] | undefined

  constructor(config: DiscretizationOptions & LayerOptions = {}) {
    super(config)
    const { binBoundaries, numBins } = config
    const given = [binBoundaries, numBins].filter((value) => value !== undefined && value !== null)
    if (given.length !== 1)
      throw this.error('ERR_ARGUMENT', `give either binBoundaries or numBins, got ${given.length === 0 ? 'none' : 'both'}`)
    if (typeof numBins === 'number' || !binBoundaries) integerOption('layers.discretization', 'numBins', numBins, 2)
    else this.setBoundaries(binBoundaries)
  }

  private setBoundaries(boundaries: readonly number[]): void {
    const rises = Array.isArray(boundaries) && boundaries.every((b, i) => Number.isFinite(b) && (i === 0 || b > boundaries[i - 1]!))
    if (!rises || boundaries.length === 0)
      throw this.error('ERR_ARGUMENT', `binBoundaries must be a list of rising numbers, got ${show(boundaries)}`)
    this.boundaries = [...boundaries]
  }

  /** The boundaries between bins, one fewer than there are bins. */
  get binBoundaries(): readonly number[] {
    return this.boundaries ?? []
  }

  /**
   * Takes the boundaries from data: the quantiles at 1 / numBins, 2 / numBins, ... of all their values, between values
   * as numpy.quantile. All values are kept until the end. Data: a Tensor, nested lists, or an (async) iterable of them
   * or of batches of a data.Dataset. Boundaries that are equal become one.
   */
  async adapt(data: Tensor | Batches<number> | Nested<number>): Promise<void> {
    const { numBins } = this.config
    if (typeof numBins !== 'number') throw this.error('ERR_STATE', 'adapt: binBoundaries were given as an option')
    const all: number[] = []
    const pending = eachBatch(data, (batch) => {
      const values =
        batch instanceof Tensor
          ? Array.from(batch.dataSync() as Float32Array, Number)
          : ArrayBuffer.isView(batch)
            ? Array.from(batch as Float32Array)
            : batch
      const { list } = flattened(`${this.name}: adapt`, values, (value) => {
        if (typeof value === 'number' && !Number.isNaN(value)) return value
        throw this.error('ERR_ARGUMENT', `adapt: expected numbers, got ${show(value)}`)
      })
      for (const value of list) all.push(value)
    })
    if (pending) await pending
    if (all.length === 0) throw this.error('ERR_ARGUMENT', 'adapt: the data are empty')
    const sorted = Float64Array.from(all).sort()
    const quantiles = Array.from({ length: numBins - 1 }, (_, i) => {
      const at = ((i + 1) / numBins) * (sorted.length - 1)
      const low = Math.floor(at)
      return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!)
    })
    this.boundaries = quantiles.filter((value, i) => i === 0 || value > quantiles[i - 1]!)
  }

  call(x: Tensor): Tensor {
    const { outputMode = 'int' } = this.config
    const { boundaries } = this
    if (boundaries === undefined) throw this.error('ERR_STATE', 'there are no boundaries yet', [], 'Call adapt(values) first')
    // how many boundaries the value has reached; NaN reaches none
    const reached = ops.greaterEqual(
      ops.expandDims(x, -1),
      tensor([...boundaries], { shape: [boundaries.length], dtype: this.dtype, device: x.device }),
    )
    const bins = ops.sum(reached, -1)
    return outputMode === 'int' ? bins : encoded(bins, boundaries.length + 1, outputMode, this.dtype)
  }

  override toConfig(): object {
    const { numBins, binBoundaries, ...config } = super.toConfig() as DiscretizationOptions
    return this.boundaries === undefined ? { ...config, numBins } : { ...config, binBoundaries: binBoundaries ?? this.boundaries }
  }
}

/** Numbers as numbers of bins: below the first of n boundaries 0, from the last on n. */
export const discretization: LayerFactory<typeof Discretization> = layer(Discretization)
