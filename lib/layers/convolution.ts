// Convolutions: conv1d, conv2d, depthwiseConv2d, conv2dTranspose. Images [batch, height, width, channels], kernels HWIO.
import type { ActivationLike } from '../activations.js'
import type { ConstraintLike } from '../constraints.js'
import { WeftError } from '../core/error.js'
import type { InitializerLike } from '../initializers.js'
import type { Shape } from '../core/op.js'
import { add, conv1d, conv2d, conv2dTranspose, depthwiseConv2d } from '../ops/index.js'
import type { RegularizerLike } from '../regularizers.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { ActivatedLayer, BIAS_OPTIONS, type BiasOptions, KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import { IMAGES, SEQUENCES } from './input_spec.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding, pairOption, type Size, singleOption } from './options.js'

interface ConvShared extends KernelOptions {
  /** Number of outputs. */
  filters: number
  /** Channels in and out are cut into this many groups that do not see each other. Default 1. */
  groups?: number
}
export interface Conv1dOptions extends ConvShared {
  kernelSize: number | readonly [number]
  strides?: number | readonly [number]
  /** 'causal': no output sees a later step. Default 'valid'. */
  padding?: Padding | 'causal'
  dilationRate?: number | readonly [number]
}
export interface Conv2dLayerOptions extends ConvShared {
  kernelSize: Size
  /** Default 1. */
  strides?: Size
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: Size
}

const CONV_OPTIONS: readonly string[] = ['filters', 'kernelSize', 'strides', 'padding', 'dilationRate', 'groups', ...KERNEL_OPTIONS]

function checkStrides(what: string, strides: readonly number[], dilations: readonly number[]): void {
  if (strides.some((n) => n > 1) && dilations.some((n) => n > 1)) {
    throw new WeftError('ERR_ARGUMENT', `${what}: strides [${strides}] and dilationRate [${dilations}] cannot both be above 1`)
  }
}

abstract class Convolution<
  C extends BiasOptions & { activation?: ActivationLike; activityRegularizer?: RegularizerLike },
> extends ActivatedLayer<C> {
  kernel!: Variable
  bias: Variable | undefined

  protected addKernel(
    name: string,
    shape: Shape,
    options: { initializer: InitializerLike | undefined; regularizer: RegularizerLike | undefined; constraint: ConstraintLike | undefined },
  ): void {
    this.kernel = this.addWeight({ name, shape, ...options, initializer: options.initializer ?? 'glorotUniform' })
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

  protected biased(y: Tensor): Tensor {
    return this.bias ? add(y, this.bias) : y
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
  static override readonly options: readonly string[] = CONV_OPTIONS

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

  override build(inputShape: Shape): void {
    this.buildFilters(this.size, inputShape.at(-1)!, IMAGES)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(
      conv2d(x, this.kernel, { strides: this.strides, padding: this.padding, dilations: this.dilations, groups: this.groups }),
    )
  }
}

export class Conv1d extends GroupedConvolution<Conv1dOptions> {
  static override readonly className: string = 'Conv1d'
  static override readonly options: readonly string[] = CONV_OPTIONS

  protected override inputSpec: InputSpec | undefined = SEQUENCES
  private readonly size: number
  private readonly strides: number
  private readonly dilation: number
  private readonly padding: Padding | 'causal'

  constructor(config: Conv1dOptions & LayerOptions) {
    const what = 'layers.conv1d'
    super(what, config)
    this.size = singleOption(what, 'kernelSize', config.kernelSize)
    this.strides = singleOption(what, 'strides', config.strides ?? 1)
    this.dilation = singleOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same', 'causal'])
    checkStrides(what, [this.strides], [this.dilation])
  }

  override build(inputShape: Shape): void {
    this.buildFilters([this.size], inputShape.at(-1)!, SEQUENCES)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(
      conv1d(x, this.kernel, { strides: this.strides, padding: this.padding, dilations: this.dilation, groups: this.groups }),
    )
  }
}

export interface DepthwiseConv2dOptions extends BiasOptions {
  kernelSize: Size
  strides?: Size
  padding?: Padding
  dilationRate?: Size
  /** Outputs for each channel. Default 1. */
  depthMultiplier?: number
  activation?: ActivationLike
  depthwiseInitializer?: InitializerLike
  depthwiseRegularizer?: RegularizerLike
  depthwiseConstraint?: ConstraintLike
  activityRegularizer?: RegularizerLike
}

export class DepthwiseConv2d extends Convolution<DepthwiseConv2dOptions> {
  static override readonly className: string = 'DepthwiseConv2d'
  static override readonly options: readonly string[] = [
    'kernelSize',
    'strides',
    'padding',
    'dilationRate',
    'depthMultiplier',
    'activation',
    'depthwiseInitializer',
    'depthwiseRegularizer',
    'depthwiseConstraint',
    'activityRegularizer',
    ...BIAS_OPTIONS,
  ]

  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly dilations: [number, number]
  private readonly padding: Padding
  private readonly multiplier: number

  constructor(config: DepthwiseConv2dOptions & LayerOptions) {
    super(config)
    const what = 'layers.depthwiseConv2d'
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.dilations = pairOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.multiplier = integerOption(what, 'depthMultiplier', config.depthMultiplier ?? 1)
    checkStrides(what, this.strides, this.dilations)
  }

  override build(inputShape: Shape): void {
    const channels = inputShape.at(-1)!
    const { depthwiseInitializer: initializer, depthwiseRegularizer: regularizer, depthwiseConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, channels, this.multiplier], { initializer, regularizer, constraint })
    this.addBias(channels * this.multiplier)
    this.fixChannels(IMAGES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    return this.biased(depthwiseConv2d(x, this.kernel, { strides: this.strides, padding: this.padding, dilations: this.dilations }))
  }
}

export interface Conv2dTransposeOptions extends KernelOptions {
  filters: number
  kernelSize: Size
  strides?: Size
  padding?: Padding
  /** Rows and columns added at the bottom and right, below the strides. */
  outputPadding?: Size
}

export class Conv2dTranspose extends Convolution<Conv2dTransposeOptions> {
  static override readonly className: string = 'Conv2dTranspose'
  static override readonly options: readonly string[] = ['filters', 'kernelSize', 'strides', 'padding', 'outputPadding', ...KERNEL_OPTIONS]

  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly padding: Padding
  private readonly outputPadding: [number, number] | undefined

  constructor(config: Conv2dTransposeOptions & LayerOptions) {
    super(config)
    const what = 'layers.conv2dTranspose'
    integerOption(what, 'filters', config.filters)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.outputPadding = config.outputPadding === undefined ? undefined : pairOption(what, 'outputPadding', config.outputPadding, 0)
  }

  override build(inputShape: Shape): void {
    const channels = inputShape.at(-1)!
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, filters, channels], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(IMAGES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const options = this.outputPadding === undefined ? {} : { outputPadding: this.outputPadding }
    return this.biased(conv2dTranspose(x, this.kernel, { strides: this.strides, padding: this.padding, ...options }))
  }
}
