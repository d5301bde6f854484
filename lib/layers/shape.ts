// Layers that move values: flatten, reshape, permute, repeatVector.
import { isInteger } from '../core/checks.js'
import { sizeOf } from '../core/spec.js'
import type { NoOptions } from './declare.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import * as ops from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import type { Flat } from '../core/tensor_shapes.js'
import type { DTypeOf, Result, ShapeOf } from '../core/tensor_types.js'
import { type ApplyOptions, type InputSpec, Layer, type LayerOptions } from './layer.js'
import { integerOption } from './options.js'

/** Layers that keep the dtype of what they move. */
abstract class Moving<C extends object> extends Layer<C> {
  protected override readonly castsInputs: boolean = false
  protected override readonly keepsRange: boolean = true
}

/** [batch, ...] → [batch, all values of a sample]. */
export class Flatten extends Moving<object> {
  static override readonly className: string = 'Flatten'
  static override readonly options: OptionTable<NoOptions> = {}
  protected override inputSpec: InputSpec | undefined = { minRank: 1, layout: 'batch' }

  call(x: Tensor): Tensor {
    return ops.reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))])
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Result<Flat<ShapeOf<X>>, DTypeOf<X>> {
    return super.apply(x, options)
  }
}

/** [batch, ...] → [batch, values of a sample]. */
export const flatten: LayerFactory<typeof Flatten> = layer(Flatten)

export interface ReshapeOptions {
  /** The shape of a sample; one extent may be -1, for what is left. */
  targetShape: readonly number[]
}

export class Reshape extends Moving<ReshapeOptions> {
  static override readonly className: string = 'Reshape'
  static override readonly options: OptionTable<ReshapeOptions> = { targetShape: 'any' }

  constructor(config: ReshapeOptions & LayerOptions) {
    super(config)
    const { targetShape } = config
    const free = Array.isArray(targetShape) ? targetShape.filter((n) => n === -1).length : 2
    if (free > 1 || targetShape.some((n) => !isInteger(n, -1))) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `layers.reshape: targetShape must be a list of extents with at most one -1, got ${show(targetShape)}`,
      )
    }
  }

  call(x: Tensor): Tensor {
    const { targetShape } = this.config
    const size = sizeOf(x.shape.slice(1))
    const known = sizeOf(targetShape.filter((n) => n !== -1))
    const rest = known === 0 ? 0 : size / known
    const fits = targetShape.includes(-1) ? Number.isInteger(rest) && rest * known === size : known === size
    if (!fits) {
      throw this.error('ERR_SHAPE', `samples of shape [${x.shape.slice(1)}] have ${size} values and cannot take shape [${targetShape}]`, [
        x.shape,
        targetShape,
      ])
    }
    return ops.reshape(x, [x.shape[0]!, ...targetShape.map((n) => (n === -1 ? rest : n))])
  }
}

/** Samples in another shape. */
export const reshape: LayerFactory<typeof Reshape> = layer(Reshape)

export interface PermuteOptions {
  /** Axes of a sample in their new order, counted from 1; the batch stays first. */
  dims: readonly number[]
}

export class Permute extends Moving<PermuteOptions> {
  static override readonly className: string = 'Permute'
  static override readonly options: OptionTable<PermuteOptions> = { dims: 'any' }
  protected override inputSpec: InputSpec | undefined

  constructor(config: PermuteOptions & LayerOptions) {
    super(config)
    const { dims } = config
    if (!Array.isArray(dims) || [...dims].sort((a, b) => a - b).some((axis, i) => axis !== i + 1)) {
      throw new WeftError('ERR_ARGUMENT', `layers.permute: dims must name each of the axes 1 to n once, got ${show(dims)}`)
    }
    this.inputSpec = { rank: dims.length + 1, hint: 'dims names one axis for each axis of a sample' }
  }

  call(x: Tensor): Tensor {
    return ops.transpose(x, [0, ...this.config.dims])
  }
}

/** Axes of samples in another order. */
export const permute: LayerFactory<typeof Permute> = layer(Permute)

export interface RepeatVectorOptions {
  /** Number of repetitions. */
  n: number
}

/** [batch, features] → [batch, n, features]. */
export class RepeatVector extends Moving<RepeatVectorOptions> {
  static override readonly className: string = 'RepeatVector'
  static override readonly options: OptionTable<RepeatVectorOptions> = { n: 'integer' }
  protected override inputSpec: InputSpec | undefined = { rank: 2, layout: 'batch, features' }

  constructor(config: RepeatVectorOptions & LayerOptions) {
    super(config)
    integerOption('layers.repeatVector', 'n', config.n)
  }

  call(x: Tensor): Tensor {
    return ops.broadcastTo(ops.expandDims(x, 1), [x.shape[0]!, this.config.n, x.shape[1]!])
  }
}

/** [batch, features] → [batch, n, features]. */
export const repeatVector: LayerFactory<typeof RepeatVector> = layer(RepeatVector)
