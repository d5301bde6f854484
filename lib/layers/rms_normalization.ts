// RMS normalization: each row divided by the root of the mean of its squares.
import { integer } from '../core/checks.js'
import type { DynamicShape } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import { rmsNorm } from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { Layer, type LayerOptions } from './layer.js'
import { withLastAxes } from './normalization.js'

export interface RmsNormalizationOptions {
  /** The axis that is normalized. Default -1. */
  axis?: number
  /** Added to the mean of the squares. Default 1e-6. */
  epsilon?: number
}

/** x / √(mean(x²) + ε) · scale along an axis, with a learned scale (Zhang and Sennrich 2019). */
export class RmsNormalization extends Layer<RmsNormalizationOptions> {
  static override readonly className: string = 'RmsNormalization'
  static override readonly options: OptionTable<RmsNormalizationOptions> = { axis: 'integer', epsilon: 'number' }
  protected override readonly supportsMasking: boolean = true
  scale!: Variable
  private readonly epsilon: number
  private axis = -1

  constructor(config: RmsNormalizationOptions & LayerOptions = {}) {
    super(config)
    const { axis = -1, epsilon = 1e-6 } = config
    this.epsilon = epsilon
    if (typeof epsilon !== 'number' || !(epsilon > 0))
      throw new WeftError('ERR_ARGUMENT', `layers.rmsNormalization: epsilon must be positive, got ${show(epsilon)}`)
    integer('layers.rmsNormalization', 'axis', axis)
  }

  override build(inputShape: DynamicShape): void {
    const { axis = -1 } = this.config
    this.axis = axis < 0 ? axis + inputShape.length : axis
    if (this.axis < 1 || this.axis >= inputShape.length)
      throw this.error('ERR_SHAPE', `axis ${axis} is not an axis of samples for inputs of rank ${inputShape.length}`)
    const features = this.extentOf(inputShape, this.axis)
    this.scale = this.addWeight({ name: 'scale', shape: [features], initializer: 'ones' })
    this.inputSpec = { rank: inputShape.length, axes: { [this.axis]: features } }
  }

  call(x: Tensor): Tensor {
    return withLastAxes(x, [this.axis], (moved) => rmsNorm(moved, this.scale, { epsilon: this.epsilon }))
  }
}

/** Features divided by their root mean square (Zhang and Sennrich 2019). */
export const rmsNormalization: LayerFactory<typeof RmsNormalization> = layer(RmsNormalization)
