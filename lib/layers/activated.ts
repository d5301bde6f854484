// Layers that end in an activation: dense, convolutions, activation layers.
import type { OptionTable } from '../core/options.js'
import { type Activation, type ActivationLike, getActivation, notProbabilities } from '../activations.js'
import type { ConstraintLike } from '../constraints.js'
import type { InitializerLike } from '../initializers/index.js'
import { div } from '../ops/index.js'
import type { RegularizerFunction, RegularizerLike } from '../regularizers.js'
import type { Tensor } from '../core/tensor.js'
import { getRegularizer } from './weight_options.js'
import { type CallOptions, Layer, type LayerOptions } from './layer.js'

export interface BiasOptions {
  /** Default true. */
  useBias?: boolean
  /** Default zeros. */
  biasInitializer?: InitializerLike
  /** Penalty of the bias. Default: none. */
  biasRegularizer?: RegularizerLike
  /** Applied to the bias after each update. Default: none. */
  biasConstraint?: ConstraintLike
}

/** Options of layers with a kernel and a bias. */
export interface KernelOptions extends BiasOptions {
  /** Default linear. */
  activation?: ActivationLike
  /** Default glorotUniform. */
  kernelInitializer?: InitializerLike
  /** Penalty of the kernel. Default: none. */
  kernelRegularizer?: RegularizerLike
  /** Applied to the kernel after each update. Default: none. */
  kernelConstraint?: ConstraintLike
  /** Penalty of the outputs, divided by the batch size. */
  activityRegularizer?: RegularizerLike
}

export const BIAS_OPTIONS: OptionTable<BiasOptions> = {
  useBias: 'boolean',
  biasInitializer: 'any',
  biasRegularizer: 'any',
  biasConstraint: 'any',
}
export const KERNEL_OPTIONS: OptionTable<KernelOptions> = {
  ...BIAS_OPTIONS,
  activation: 'any',
  kernelInitializer: 'any',
  kernelRegularizer: 'any',
  kernelConstraint: 'any',
  activityRegularizer: 'any',
}

export abstract class ActivatedLayer<C extends { activation?: ActivationLike; activityRegularizer?: RegularizerLike }> extends Layer<C> {
  protected readonly activation: Activation
  private readonly activityRegularizer: RegularizerFunction | undefined

  constructor(config: C & LayerOptions) {
    super(config)
    this.activation = getActivation(config.activation)
    this.activationName = this.activation.name
    this.notProbabilities = notProbabilities(this.activation)
    this.activityRegularizer = getRegularizer(config.activityRegularizer)
  }

  /** What the activation is applied to. */
  protected abstract linear(x: Tensor, options: CallOptions): Tensor

  call(x: Tensor, options: CallOptions): Tensor {
    const y = this.activated(x, options)
    if (this.activityRegularizer) this.addLoss(div(this.activityRegularizer(y), Math.max(1, y.shape[0]!)))
    return y
  }

  /** The activation of linear(). */
  protected activated(x: Tensor, options: CallOptions): Tensor {
    return this.activation.apply(this.linear(x, options))
  }

  override callWithoutActivation(x: Tensor, options: CallOptions): Tensor {
    return this.linear(x, options)
  }
}
