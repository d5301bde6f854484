// What addWeight() is told of a weight.
import type { ConstraintLike } from '../constraints.js'
import type { OptionTable } from '../core/options.js'
import type { DType, Shape } from '../core/spec.js'
import type { InitializerLike } from '../initializers/index.js'
import type { RegularizerLike } from '../regularizers.js'
import type { MatrixLayout } from './stored_weights.js'

export interface WeightOptions {
  /** Unique in the layer: the name in saved models. */
  name: string
  /** The shape. */
  shape: Shape
  /** Default glorotUniform. */
  initializer?: InitializerLike
  /** Default true. */
  trainable?: boolean
  /** Default: the layer's. */
  dtype?: DType
  /** Penalty of the weight. Default: none. */
  regularizer?: RegularizerLike | undefined
  /** Applied to the weight after each update. Default: none. */
  constraint?: ConstraintLike | undefined
  /** The weight is a matrix that may be stored in fewer bits: the layer reads it by valueOf() or storedProduct(). */
  matrix?: MatrixLayout | undefined
}

export const WEIGHT_OPTIONS: OptionTable<WeightOptions> = {
  name: 'string',
  shape: 'any',
  initializer: 'any',
  trainable: 'boolean',
  dtype: 'string',
  regularizer: 'any',
  constraint: 'any',
  matrix: 'any',
}
