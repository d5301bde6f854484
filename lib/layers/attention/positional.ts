// Where in a sequence a step stands: learned and sine positions, and tokens with their positions.
import { tensor } from '../../core/create.js'
import type { DynamicShape } from '../../core/spec.js'
import { type OptionTable, show } from '../../core/options.js'
import { type LayerFactory, layer } from '../declare.js'
import { WeftError } from '../../core/error.js'
import type { InitializerLike } from '../../initializers/index.js'
import { add, broadcastTo, dynamicSlice, notEqual, slice, zeros } from '../../ops/index.js'
import type { Tensor, Variable } from '../../core/tensor.js'
import { type ApplyOptions, type InputSpec, Layer, type LayerOptions } from '../layer.js'
import { SEQUENCES } from '../input_spec.js'
import { integerOption } from '../options.js'
import { lookedUp, TABLE } from '../stored_weights.js'
import { isInferring, isSymbolic } from '../symbolic.js'
import { wholeNumbers } from '../../ops/ids.js'

export interface PositionEmbeddingOptions {
  /** The most steps. */
  sequenceLength: number
  /** Default glorotUniform. */
  initializer?: InitializerLike
}

/** A learned vector for each position, in the shape of the input [batch, steps, features]: to be added to it. */
export class PositionEmbedding extends Layer<PositionEmbeddingOptions> {
  static override readonly className: string = 'PositionEmbedding'
  static override readonly options: OptionTable<PositionEmbeddingOptions> = { sequenceLength: 'integer', initializer: 'any' }
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  /** [sequenceLength, features] */
  embeddings!: Variable

  constructor(config: PositionEmbeddingOptions & LayerOptions) {
    super(config)
    integerOption('layers.positionEmbedding', 'sequenceLength', config.sequenceLength)
  }

  override build(inputShape: DynamicShape): void {
    const { sequenceLength, initializer = 'glorotUniform' } = this.config
    this.embeddings = this.addWeight({ name: 'embeddings', shape: [sequenceLength, this.extentOf(inputShape, 2)], initializer })
    this.inputSpec = { ...SEQUENCES, axes: { 2: this.extentOf(inputShape, 2) } }
  }

  call(x: Tensor): Tensor {
    return broadcastTo(this.rows(x.shape[1]!), x.shape)
  }

  /** @internal The vectors of positions 0 to steps - 1, or from `position` int32 [1] on: [steps, features]. */
  rows(steps: number, position?: Tensor): Tensor {
    const { sequenceLength } = this.config
    if (steps > sequenceLength && isInferring()) return zeros([steps, this.embeddings.shape[1]!], { dtype: this.dtype })
    if (steps > sequenceLength)
      throw this.error(
        'ERR_SHAPE',
        `a sequence of ${steps} steps is longer than sequenceLength ${sequenceLength}`,
        [],
        'Cut it, or make the layer longer',
      )
    if (position) return dynamicSlice(this.embeddings, position, { axis: 0, size: steps })
    return steps === sequenceLength ? this.embeddings : slice(this.embeddings, [0, 0], [steps, this.embeddings.shape[1]!])
  }
}

/** A learned vector for each position, in the shape of the input. */
export const positionEmbedding: LayerFactory<typeof PositionEmbedding> = layer(PositionEmbedding)

export interface SinePositionEncodingOptions {
  /** Default 10,000. */
  maxWavelength?: number
}

/**
 * Sines and cosines of the position at wavelengths from 2π to 2π·maxWavelength, in the shape of the input: to be added
 * to it (Vaswani et al. 2017).
 */
export class SinePositionEncoding extends Layer<SinePositionEncodingOptions> {
  static override readonly className: string = 'SinePositionEncoding'
  static override readonly options: OptionTable<SinePositionEncodingOptions> = { maxWavelength: 'number' }
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  private readonly maxWavelength: number

  constructor(config: SinePositionEncodingOptions & LayerOptions = {}) {
    super(config)
    this.maxWavelength = config.maxWavelength ?? 10_000
    if (typeof this.maxWavelength !== 'number' || !(this.maxWavelength > 0))
      throw new WeftError('ERR_ARGUMENT', `layers.sinePositionEncoding: maxWavelength must be positive, got ${show(config.maxWavelength)}`)
  }

  call(x: Tensor): Tensor {
    const [, steps, features] = x.shape as [number, number, number]
    const values = Float64Array.from({ length: steps * features }, (_, i) => {
      const column = i % features
      const angle = Math.floor(i / features) / this.maxWavelength ** ((2 * Math.floor(column / 2)) / features)
      return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
    })
    return broadcastTo(tensor(values, { shape: [steps, features], dtype: x.dtype, device: x.device }), x.shape)
  }
}

/** Sines and cosines of each position, in the shape of the input. */
export const sinePositionEncoding: LayerFactory<typeof SinePositionEncoding> = layer(SinePositionEncoding)

export interface TokenAndPositionEmbeddingOptions {
  /** Ids are 0 to vocabularySize - 1. */
  vocabularySize: number
  /** The most steps. */
  sequenceLength: number
  /** Length of the vectors. */
  embeddingDim: number
  /** Of both tables. Default uniform in ±0.05. */
  embeddingsInitializer?: InitializerLike
  /** Id 0 is padding: the output carries a mask. Default false. */
  maskZero?: boolean
}

/** Ids [batch, steps] → the sum of a vector for the token and one for its position: [batch, steps, embeddingDim]. */
export class TokenAndPositionEmbedding extends Layer<TokenAndPositionEmbeddingOptions> {
  static override readonly className: string = 'TokenAndPositionEmbedding'
  static override readonly options: OptionTable<TokenAndPositionEmbeddingOptions> = {
    vocabularySize: 'integer',
    sequenceLength: 'integer',
    embeddingDim: 'integer',
    embeddingsInitializer: 'any',
    maskZero: 'boolean',
  }
  protected override readonly castsInputs: boolean = false
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec | undefined = { rank: 2, layout: 'batch, steps' }
  /** [vocabularySize, embeddingDim] */
  embeddings!: Variable
  private readonly positions: PositionEmbedding

  constructor(config: TokenAndPositionEmbeddingOptions & LayerOptions) {
    super(config)
    const what = 'layers.tokenAndPositionEmbedding'
    integerOption(what, 'vocabularySize', config.vocabularySize)
    integerOption(what, 'sequenceLength', config.sequenceLength)
    integerOption(what, 'embeddingDim', config.embeddingDim)
    const { sequenceLength, embeddingsInitializer = 'randomUniform' } = config
    this.positions = new PositionEmbedding({ sequenceLength, initializer: embeddingsInitializer, name: 'positions', dtype: this.dtype })
  }

  override build(_inputShape: DynamicShape): void {
    const { vocabularySize, embeddingDim, embeddingsInitializer = 'randomUniform' } = this.config
    this.embeddings = this.addWeight({
      name: 'embeddings',
      shape: [vocabularySize, embeddingDim],
      initializer: embeddingsInitializer,
      matrix: TABLE,
    })
    this.positions.build([null, null, embeddingDim])
  }

  call(ids: Tensor): Tensor {
    return this.embed(ids)
  }

  /** @internal The ids' vectors, the first at position 0 or at `position` int32 [1]. */
  embed(ids: Tensor, position?: Tensor): Tensor {
    return add(lookedUp(this.embeddings, wholeNumbers(ids)), this.positions.rows(ids.shape[1]!, position))
  }

  /** The sum of the vectors; with maskZero it carries a mask, whether or not the ids do. */
  override apply(ids: Tensor, options: ApplyOptions = {}): Tensor {
    const y = super.apply(ids, options)
    if (this.config.maskZero && !isSymbolic(y)) y.mask = notEqual(wholeNumbers(ids), 0)
    return y
  }
}

/** Ids [batch, steps] → vectors of tokens and positions [batch, steps, embeddingDim]. */
export const tokenAndPositionEmbedding: LayerFactory<typeof TokenAndPositionEmbedding> = layer(TokenAndPositionEmbedding)
