// Activations as layers.
import type { DynamicShape } from '../core/spec.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { type ActivationLike, getActivation, notProbabilities } from '../activations.js'
import { unknownName, WeftError } from '../core/error.js'
import type { ConstraintLike } from '../constraints.js'
import type { InitializerLike } from '../initializers/index.js'
import * as ops from '../ops/index.js'
import type { RegularizerLike } from '../regularizers.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { ShapeOf } from '../core/tensor_types.js'
import { type ApplyOptions, Layer, type LayerOptions } from './layer.js'

abstract class ActivationLayer<C extends object> extends Layer<C> {
  protected override readonly supportsMasking: boolean = true

  override callWithoutActivation(x: Tensor): Tensor {
    return x
  }

  protected numberOption(what: string, name: string, value: number, low: number = Number.NEGATIVE_INFINITY): number {
    if (typeof value !== 'number' || Number.isNaN(value) || value < low) {
      throw new WeftError(
        'ERR_ARGUMENT',
        `${what}: ${name} must be a number${low === Number.NEGATIVE_INFINITY ? '' : ` of at least ${low}`}, got ${show(value)}`,
      )
    }
    return value
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Tensor<ShapeOf<X>> {
    return super.apply(x, options)
  }
}

export interface ActivationOptions {
  /** A name, as 'relu', or a function. */
  activation: ActivationLike
}

export class Activation extends ActivationLayer<ActivationOptions> {
  static override readonly className: string = 'Activation'
  static override readonly options: OptionTable<ActivationOptions> = { activation: 'any' }
  private readonly fn: (x: Tensor) => Tensor

  constructor(config: ActivationOptions & LayerOptions) {
    super(config)
    if (config.activation === undefined) throw unknownName('activation', undefined, ['linear', 'relu', 'sigmoid', 'tanh', 'softmax'])
    const activation = getActivation(config.activation)
    this.activationName = activation.name
    this.notProbabilities = notProbabilities(activation)
    this.fn = activation.apply
  }

  call(x: Tensor): Tensor {
    return this.fn(x)
  }
}

/** An activation by name, or a function. */
export const activation: LayerFactory<typeof Activation> = layer(Activation)

export interface ReluOptions {
  /** Largest output; default: none. */
  maxValue?: number
  /** Slope below the threshold. Default 0. */
  negativeSlope?: number
  /** Where the values begin to pass. Default 0. */
  threshold?: number
}

/** x from the threshold on, negativeSlope · (x - threshold) below, at most maxValue. */
export class Relu extends ActivationLayer<ReluOptions> {
  static override readonly className: string = 'Relu'
  static override readonly options: OptionTable<ReluOptions> = { maxValue: 'any', negativeSlope: 'number', threshold: 'number' }
  private readonly slope: number
  private readonly threshold: number

  constructor(config: ReluOptions & LayerOptions = {}) {
    super(config)
    if (config.maxValue !== undefined && config.maxValue !== null) this.numberOption('layers.relu', 'maxValue', config.maxValue, 0)
    this.slope = this.numberOption('layers.relu', 'negativeSlope', config.negativeSlope ?? 0, 0)
    this.threshold = this.numberOption('layers.relu', 'threshold', config.threshold ?? 0, 0)
    if (this.slope === 0 && this.threshold === 0 && (config.maxValue ?? null) === null) this.activationName = 'relu'
  }

  call(x: Tensor): Tensor {
    const most = this.config.maxValue ?? undefined
    if (this.threshold === 0) {
      const y = this.slope === 0 ? ops.relu(x) : ops.leakyRelu(x, this.slope)
      return most === undefined ? y : ops.minimum(y, most)
    }
    const above = ops.mul(most === undefined ? x : ops.minimum(x, most), ops.cast(ops.greaterEqual(x, this.threshold), x.dtype))
    return this.slope === 0 ? above : ops.add(above, ops.mul(ops.minimum(ops.sub(x, this.threshold), 0), this.slope))
  }
}

/** max(x, 0), with options. */
export const relu: LayerFactory<typeof Relu> = layer(Relu)

export interface LeakyReluOptions {
  /** Slope below 0. Default 0.3. */
  negativeSlope?: number
}

export class LeakyRelu extends ActivationLayer<LeakyReluOptions> {
  static override readonly className: string = 'LeakyRelu'
  static override readonly options: OptionTable<LeakyReluOptions> = { negativeSlope: 'number' }
  private readonly slope: number

  constructor(config: LeakyReluOptions & LayerOptions = {}) {
    super(config)
    this.slope = this.numberOption('layers.leakyRelu', 'negativeSlope', config.negativeSlope ?? 0.3)
  }

  call(x: Tensor): Tensor {
    return ops.leakyRelu(x, this.slope)
  }
}

/** x above 0, negativeSlope · x below. */
export const leakyRelu: LayerFactory<typeof LeakyRelu> = layer(LeakyRelu)

export interface PreluOptions {
  /** Default zeros. */
  alphaInitializer?: InitializerLike
  /** Penalty of the slopes. Default: none. */
  alphaRegularizer?: RegularizerLike
  /** Applied to the slopes after each update. Default: none. */
  alphaConstraint?: ConstraintLike
  /** Axes of the input along which the slopes are shared, as [1, 2] for one slope per channel of images. */
  sharedAxes?: readonly number[]
}

/** x above 0, a learned slope times x below (He et al. 2015). */
export class Prelu extends ActivationLayer<PreluOptions> {
  static override readonly className: string = 'Prelu'
  static override readonly options: OptionTable<PreluOptions> = {
    alphaInitializer: 'any',
    alphaRegularizer: 'any',
    alphaConstraint: 'any',
    sharedAxes: 'list',
  }
  alpha!: Variable

  constructor(config: PreluOptions & LayerOptions = {}) {
    super(config)
  }

  override build(inputShape: DynamicShape): void {
    const shared = this.config.sharedAxes ?? []
    this.alpha = this.addWeight({
      name: 'alpha',
      shape: inputShape.slice(1).map((_, i) => (shared.includes(i + 1) ? 1 : this.extentOf(inputShape, i + 1))),
      initializer: this.config.alphaInitializer ?? 'zeros',
      regularizer: this.config.alphaRegularizer,
      constraint: this.config.alphaConstraint,
    })
  }

  call(x: Tensor): Tensor {
    return ops.sub(ops.relu(x), ops.mul(this.alpha, ops.relu(ops.neg(x))))
  }
}

/** x above 0, a learned slope times x below. */
export const prelu: LayerFactory<typeof Prelu> = layer(Prelu)

export interface EluOptions {
  /** Default 1. */
  alpha?: number
}

export class Elu extends ActivationLayer<EluOptions> {
  static override readonly className: string = 'Elu'
  static override readonly options: OptionTable<EluOptions> = { alpha: 'number' }
  private readonly alpha: number

  constructor(config: EluOptions & LayerOptions = {}) {
    super(config)
    this.alpha = this.numberOption('layers.elu', 'alpha', config.alpha ?? 1)
  }

  call(x: Tensor): Tensor {
    return ops.elu(x, this.alpha)
  }
}

/** x above 0, alpha · (eˣ - 1) below. */
export const elu: LayerFactory<typeof Elu> = layer(Elu)

export interface ThresholdedReluOptions {
  /** Values up to it become 0. Default 1. */
  theta?: number
}

export class ThresholdedRelu extends ActivationLayer<ThresholdedReluOptions> {
  static override readonly className: string = 'ThresholdedRelu'
  static override readonly options: OptionTable<ThresholdedReluOptions> = { theta: 'number' }
  private readonly theta: number

  constructor(config: ThresholdedReluOptions & LayerOptions = {}) {
    super(config)
    this.theta = this.numberOption('layers.thresholdedRelu', 'theta', config.theta ?? 1, 0)
  }

  call(x: Tensor): Tensor {
    return ops.mul(x, ops.cast(ops.greater(x, this.theta), x.dtype))
  }
}

/** x above theta, 0 below (Konda et al. 2014). */
export const thresholdedRelu: LayerFactory<typeof ThresholdedRelu> = layer(ThresholdedRelu)

export interface SoftmaxOptions {
  /** Default -1. */
  axis?: number
}

export class Softmax extends ActivationLayer<SoftmaxOptions> {
  static override readonly className: string = 'Softmax'
  static override readonly options: OptionTable<SoftmaxOptions> = { axis: 'integer' }

  constructor(config: SoftmaxOptions & LayerOptions = {}) {
    super(config)
    if ((config.axis ?? -1) === -1) this.activationName = 'softmax'
  }

  call(x: Tensor): Tensor {
    return ops.softmax(x, this.config.axis ?? -1)
  }
}

/** Probabilities along an axis. */
export const softmax: LayerFactory<typeof Softmax> = layer(Softmax)
