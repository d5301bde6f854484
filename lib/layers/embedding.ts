// Embedding: a learned vector for each id.
import { isTypedArray } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { type DType, type DynamicShape, sameShape, type Shape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { layer } from './declare.js'
import type { ConstraintLike } from '../constraints.js'
import type { InitializerLike } from '../initializers/index.js'
import { cast, notEqual, reshape } from '../ops/index.js'
import type { RegularizerLike } from '../regularizers.js'
import { Tensor, type TensorLike, type Variable } from '../core/tensor.js'
import type { WithNew } from '../core/tensor_shapes.js'
import type { Result, ShapeOf, Unknown } from '../core/tensor_types.js'
import { warnOnce } from '../core/warnings.js'
import { type ApplyOptions, Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'
import { lookedUp, TABLE } from './stored_weights.js'
import { wholeNumbers } from '../ops/ids.js'

export interface EmbeddingOptions<N extends number = number> {
  /** Number of ids: they are 0 to inputDim - 1. */
  inputDim: number
  /** Length of the vectors. */
  outputDim: N
  /** Default uniform in ±0.05. */
  embeddingsInitializer?: InitializerLike
  /** Penalty of the table. Default: none. */
  embeddingsRegularizer?: RegularizerLike
  /** Applied to the table after each update. Default: none. */
  embeddingsConstraint?: ConstraintLike
  /** Id 0 is padding: later layers, losses and metrics leave these steps out. Default false. */
  maskZero?: boolean
  /**
   * First values [inputDim, outputDim], or a list of them alone. Not saved with the options: they are in the weights.
   */
  weights?: TensorLike
  /** Accepted with a warning: the length is found in the data. */
  inputLength?: number
}

/**
 * ids [batch, ...] → vectors [batch, ..., outputDim]. An id outside 0 to inputDim - 1 fails the step with ERR_DATA,
 * naming layer and id.
 */
export class Embedding<N extends number = number> extends Layer<EmbeddingOptions<N>> {
  static override readonly className: string = 'Embedding'
  static override readonly options: OptionTable<EmbeddingOptions> = {
    inputDim: 'integer',
    outputDim: 'integer',
    embeddingsInitializer: 'any',
    embeddingsRegularizer: 'any',
    embeddingsConstraint: 'any',
    maskZero: 'boolean',
    weights: 'any',
    inputLength: 'any',
  }
  protected override readonly castsInputs: boolean = false
  embeddings!: Variable

  constructor(config: EmbeddingOptions<N> & LayerOptions) {
    super(config)
    integerOption('layers.embedding', 'inputDim', config.inputDim)
    integerOption('layers.embedding', 'outputDim', config.outputDim)
    if (config.inputLength !== undefined && config.inputLength !== null)
      warnOnce('WEFT_INPUT_LENGTH', 'layers.embedding: Argument `inputLength` is deprecated. Just remove it.')
  }

  override build(_inputShape: DynamicShape): void {
    const { inputDim, outputDim, embeddingsInitializer, embeddingsRegularizer, embeddingsConstraint, weights } = this.config
    this.embeddings = this.addWeight({
      name: 'embeddings',
      shape: [inputDim, outputDim],
      initializer: weights === undefined ? (embeddingsInitializer ?? 'randomUniform') : (shape, dtype) => this.given(weights, shape, dtype),
      regularizer: embeddingsRegularizer,
      constraint: embeddingsConstraint,
      matrix: TABLE,
    })
  }

  private given(weights: TensorLike, shape: Shape, dtype: DType | undefined): Tensor {
    // a list of one matrix, as Keras takes them
    const only = Array.isArray(weights) && weights.length === 1 && !Array.isArray(weights[0]) ? (weights[0] as TensorLike) : weights
    const made = only instanceof Tensor ? only : tensor(only, isTypedArray(only) ? { shape } : {})
    const values = made.rank === 3 && made.shape[0] === 1 ? reshape(made, made.shape.slice(1)) : made
    if (!sameShape(values.shape, shape))
      throw this.error('ERR_SHAPE', `weights must have shape [${shape}], got [${values.shape}]`, [shape, values.shape])
    return dtype === undefined || values.dtype === dtype ? values : cast(values, dtype)
  }

  call(ids: Tensor): Tensor {
    const vectors = lookedUp(this.embeddings, wholeNumbers(ids))
    // the ids carry no mask: this is where it begins
    vectors.mask = this.computeMask(ids)
    return vectors
  }

  override computeMask(ids: Tensor): Tensor | undefined {
    return this.config.maskZero ? notEqual(ids, 0) : undefined
  }

  protected override readsMask(): boolean {
    return this.config.maskZero ?? false
  }

  override toConfig(): object {
    const { weights: _, ...config } = super.toConfig() as EmbeddingOptions
    return config
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Result<WithNew<ShapeOf<X>, N>, Unknown> {
    return super.apply(x, options)
  }
}

/** Vectors of ids: [batch, time] → [batch, time, outputDim]. */
export const embedding: <const N extends number>(options: EmbeddingOptions<N> & LayerOptions) => Embedding<N> = layer(Embedding) as never
