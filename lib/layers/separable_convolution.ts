// separableConv2d: a convolution of each channel by itself, and then of all channels at each place.
import type { DynamicShape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import type { ConstraintLike } from '../constraints.js'
import type { InitializerLike } from '../initializers/index.js'
import type { RegularizerLike } from '../regularizers.js'
import * as ops from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { BIAS_OPTIONS } from './activated.js'
import { Convolution, DepthwiseConv2d, type DepthwiseConv2dLayerOptions } from './convolution.js'
import { type LayerFactory, layer } from './declare.js'
import { IMAGES } from './input_spec.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding, pairOption } from './options.js'

export interface SeparableConv2dLayerOptions extends DepthwiseConv2dLayerOptions {
  /** Number of outputs. */
  filters: number
  /** Default glorotUniform. */
  pointwiseInitializer?: InitializerLike
  /** Penalty of the kernel across channels. Default: none. */
  pointwiseRegularizer?: RegularizerLike
  /** Applied to the kernel across channels after each update. Default: none. */
  pointwiseConstraint?: ConstraintLike
}

export class SeparableConv2d extends Convolution<SeparableConv2dLayerOptions> {
  static override readonly className: string = 'SeparableConv2d'
  static override readonly options: OptionTable<SeparableConv2dLayerOptions> = {
    ...DepthwiseConv2d.options,
    filters: 'integer',
    pointwiseInitializer: 'any',
    pointwiseRegularizer: 'any',
    pointwiseConstraint: 'any',
    ...BIAS_OPTIONS,
  }

  protected override inputSpec: InputSpec | undefined = IMAGES
  private pointwise!: Variable
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly dilations: [number, number]
  private readonly padding: Padding
  private readonly multiplier: number

  constructor(config: SeparableConv2dLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.separableConv2d'
    integerOption(what, 'filters', config.filters)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.dilations = pairOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.multiplier = integerOption(what, 'depthMultiplier', config.depthMultiplier ?? 1)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, ...o } = this.config
    this.addKernel('depthwiseKernel', [...this.size, channels, this.multiplier], {
      initializer: o.depthwiseInitializer,
      regularizer: o.depthwiseRegularizer,
      constraint: o.depthwiseConstraint,
    })
    this.pointwise = this.addWeight({
      name: 'pointwiseKernel',
      shape: [1, 1, channels * this.multiplier, filters],
      initializer: o.pointwiseInitializer ?? 'glorotUniform',
      regularizer: o.pointwiseRegularizer,
      constraint: o.pointwiseConstraint,
    })
    this.addBias(filters)
    this.fixChannels(IMAGES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const { strides, padding, dilations } = this
    return this.biased(ops.conv2d(ops.depthwiseConv2d(x, this.computedKernel(), { strides, padding, dilations }), this.pointwise))
  }
}

/**
 * Convolution of each channel by itself, with depthMultiplier results, and then across channels (Chollet 2017):
 * [batch, height, width, channels] → [batch, height', width', filters].
 */
export const separableConv2d: LayerFactory<typeof SeparableConv2d> = layer(SeparableConv2d)
