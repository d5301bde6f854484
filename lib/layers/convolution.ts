// Convolutions: conv1d, conv2d, depthwiseConv2d. Images [batch, height, width, channels], kernels
// HWIO.
import type { DynamicShape, Shape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import type { ActivationLike } from '../activations.js'
import type { ConstraintLike } from '../constraints.js'
import { WeftError } from '../core/error.js'
import type { InitializerLike } from '../initializers/index.js'
import * as ops from '../ops/index.js'
import type { RegularizerLike } from '../regularizers.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { ActivatedLayer, BIAS_OPTIONS, type BiasOptions, KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import { IMAGES, SEQUENCES } from './input_spec.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { valueOf } from './stored_weights.js'
import { choiceOption, integerOption, type Padding, pairOption, type Size, singleOption } from './options.js'

interface ConvShared extends KernelOptions {
  /** Number of outputs. */
  filters: number
  /** Channels in and out are cut into this many independent groups. Default 1. */
  groups?: number
}
export interface Conv1dLayerOptions extends ConvShared {
  /** Steps that the kernel covers. */
  kernelSize: number | readonly [number]
  /** Default 1. */
  strides?: number | readonly [number]
  /** 'causal': no output sees a later step. Default 'valid'. */
  padding?: Padding | 'causal'
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: number | readonly [number]
}
export interface Conv2dLayerOptions extends ConvShared {
  /** Height and width of the kernel, or one number for both. */
  kernelSize: Size
  /** Default 1. */
  strides?: Size
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: Size
}

const CONV_OPTIONS: OptionTable<Conv2dLayerOptions> = {
  filters: 'integer',
  kernelSize: 'any',
  strides: 'any',
  padding: 'any',
  dilationRate: 'any',
  groups: 'integer',
  ...KERNEL_OPTIONS,
}

function checkStrides(what: string, strides: readonly number[], dilations: readonly number[]): void {
  if (strides.some((n) => n > 1) && dilations.some((n) => n > 1)) {
    throw new WeftError('ERR_ARGUMENT', `${what}: strides [${strides}] and dilationRate [${dilations}] cannot both be above 1`)
  }
}

export abstract class Convolution<
  C extends BiasOptions & { activation?: ActivationLike; activityRegularizer?: RegularizerLike },
> extends ActivatedLayer<C> {
  kernel!: Variable
  bias: Variable | undefined

  protected addKernel(
    name: string,
    shape: Shape,
    options: { initializer: InitializerLike | undefined; regularizer: RegularizerLike | undefined; constraint: ConstraintLike | undefined },
  ): void {
    this.kernel = this.addWeight({
      name,
      shape,
      ...options,
      initializer: options.initializer ?? 'glorotUniform',
      matrix: { inputs: shape.length - 1 },
    })
  }

  protected addBias(outputs: number): void {
    if (!(this.config.useBias ?? true)) return
    this.bias = this.addWeight({
      name: 'bias',
      shape: [outputs],
      initializer: this.config.biasInitializer ?? 'zeros',
      regularizer: this.config.biasRegularizer,
      constraint: this.config.biasConstraint,
    })
  }

  /** The kernel as it is multiplied. */
  protected computedKernel(): Tensor {
    return valueOf(this.kernel)
  }

  protected biased(y: Tensor): Tensor {
    return this.bias ? ops.add(y, this.bias) : y
  }

  protected fixChannels(spec: InputSpec, channels: number): void {
    this.inputSpec = { ...spec, axes: { [-1]: channels } }
  }
}

abstract class GroupedConvolution<C extends ConvShared> extends Convolution<C> {
  protected readonly groups: number

  constructor(what: string, config: C & LayerOptions) {
    super(config)
    integerOption(what, 'filters', config.filters)
    this.groups = integerOption(what, 'groups', config.groups ?? 1)
    if (config.filters % this.groups !== 0)
      throw new WeftError('ERR_ARGUMENT', `${what}: groups must divide filters, got ${this.groups} groups and ${config.filters} filters`)
  }

  protected buildFilters(size: readonly number[], channels: number, spec: InputSpec): void {
    if (channels % this.groups !== 0)
      throw this.error('ERR_SHAPE', `${this.groups} groups do not divide the ${channels} channels of the input`)
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [...size, channels / this.groups, filters], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(spec, channels)
  }
}

export class Conv2d extends GroupedConvolution<Conv2dLayerOptions> {
  static override readonly className: string = 'Conv2d'
  static override readonly options: OptionTable<Conv2dLayerOptions> = CONV_OPTIONS

  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly dilations: [number, number]
  private readonly padding: Padding

  constructor(config: Conv2dLayerOptions & LayerOptions) {
    const what = 'layers.conv2d'
    super(what, config)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.dilations = pairOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    checkStrides(what, this.strides, this.dilations)
  }

  override build(inputShape: DynamicShape): void {
    this.buildFilters(this.size, this.extentOf(inputShape, -1), IMAGES)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(
      ops.conv2d(x, this.computedKernel(), {
        strides: this.strides,
        padding: this.padding,
        dilations: this.dilations,
        groups: this.groups,
      }),
    )
  }
}

/** Convolution of images [batch, height, width, channels] → [batch, height', width', filters]. */
export const conv2d: LayerFactory<typeof Conv2d> = layer(Conv2d)

export class Conv1d extends GroupedConvolution<Conv1dLayerOptions> {
  static override readonly className: string = 'Conv1d'
  static override readonly options: OptionTable<Conv1dLayerOptions> = CONV_OPTIONS

  protected override inputSpec: InputSpec | undefined = SEQUENCES
  private readonly size: number
  private readonly strides: number
  private readonly dilation: number
  private readonly padding: Padding | 'causal'

  constructor(config: Conv1dLayerOptions & LayerOptions) {
    const what = 'layers.conv1d'
    super(what, config)
    this.size = singleOption(what, 'kernelSize', config.kernelSize)
    this.strides = singleOption(what, 'strides', config.strides ?? 1)
    this.dilation = singleOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same', 'causal'])
    checkStrides(what, [this.strides], [this.dilation])
  }

  override build(inputShape: DynamicShape): void {
    this.buildFilters([this.size], this.extentOf(inputShape, -1), SEQUENCES)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(
      ops.conv1d(x, this.computedKernel(), { strides: this.strides, padding: this.padding, dilations: this.dilation, groups: this.groups }),
    )
  }
}

/** Convolution of sequences [batch, steps, channels] → [batch, steps', filters]. */
export const conv1d: LayerFactory<typeof Conv1d> = layer(Conv1d)

export interface DepthwiseConv2dLayerOptions extends BiasOptions {
  /** Height and width of the kernel, or one number for both. */
  kernelSize: Size
  /** Default 1. */
  strides?: Size
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: Size
  /** Outputs for each channel. Default 1. */
  depthMultiplier?: number
  /** Default linear. */
  activation?: ActivationLike
  /** Default glorotUniform. */
  depthwiseInitializer?: InitializerLike
  /** Penalty of the kernel. Default: none. */
  depthwiseRegularizer?: RegularizerLike
  /** Applied to the kernel after each update. Default: none. */
  depthwiseConstraint?: ConstraintLike
  /** Penalty of the outputs, divided by the batch size. Default: none. */
  activityRegularizer?: RegularizerLike
}

export class DepthwiseConv2d extends Convolution<DepthwiseConv2dLayerOptions> {
  static override readonly className: string = 'DepthwiseConv2d'
  static override readonly options: OptionTable<DepthwiseConv2dLayerOptions> = {
    kernelSize: 'any',
    strides: 'any',
    padding: 'any',
    dilationRate: 'any',
    depthMultiplier: 'integer',
    activation: 'any',
    depthwiseInitializer: 'any',
    depthwiseRegularizer: 'any',
    depthwiseConstraint: 'any',
    activityRegularizer: 'any',
    ...BIAS_OPTIONS,
  }

  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly dilations: [number, number]
  private readonly padding: Padding
  private readonly multiplier: number

  constructor(config: DepthwiseConv2dLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.depthwiseConv2d'
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.dilations = pairOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.multiplier = integerOption(what, 'depthMultiplier', config.depthMultiplier ?? 1)
    checkStrides(what, this.strides, this.dilations)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { depthwiseInitializer: initializer, depthwiseRegularizer: regularizer, depthwiseConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, channels, this.multiplier], { initializer, regularizer, constraint })
    this.addBias(channels * this.multiplier)
    this.fixChannels(IMAGES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(
      ops.depthwiseConv2d(x, this.computedKernel(), { strides: this.strides, padding: this.padding, dilations: this.dilations }),
    )
  }
}

/**
 * Convolution of each channel by itself: [batch, height, width, channels] → [batch, height', width', channels ·
 * depthMultiplier].
 */
export const depthwiseConv2d: LayerFactory<typeof DepthwiseConv2d> = layer(DepthwiseConv2d)
