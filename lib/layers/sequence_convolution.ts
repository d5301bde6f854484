// Convolutions of sequences made of those of images of one row: separableConv1d, conv1dTranspose.
import type { DynamicShape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { WeftError } from '../core/error.js'
import * as ops from '../ops/index.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { Convolution } from './convolution.js'
import { type LayerFactory, layer } from './declare.js'
import { SEQUENCES } from './input_spec.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding, singleOption } from './options.js'
import { SeparableConv2d, type SeparableConv2dLayerOptions } from './separable_convolution.js'
import { TRANSPOSED_OPTIONS, type TransposedOptions } from './transposed_convolution.js'

export interface SeparableConv1dLayerOptions
  extends Omit<SeparableConv2dLayerOptions, 'kernelSize' | 'strides' | 'padding' | 'dilationRate'> {
  /** Steps that the kernel covers. */
  kernelSize: number | readonly [number]
  /** Default 1. */
  strides?: number | readonly [number]
  /** 'causal': no output sees a later step. Default 'valid'. */
  padding?: Padding | 'causal'
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: number | readonly [number]
}

export class SeparableConv1d extends Convolution<SeparableConv1dLayerOptions> {
  static override readonly className: string = 'SeparableConv1d'
  static override readonly options: OptionTable<SeparableConv1dLayerOptions> = SeparableConv2d.options

  protected override inputSpec: InputSpec | undefined = SEQUENCES
  private pointwise!: Variable
  private readonly size: number
  private readonly strides: number
  private readonly dilation: number
  private readonly padding: Padding | 'causal'
  private readonly multiplier: number

  constructor(config: SeparableConv1dLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.separableConv1d'
    integerOption(what, 'filters', config.filters)
    this.size = singleOption(what, 'kernelSize', config.kernelSize)
    this.strides = singleOption(what, 'strides', config.strides ?? 1)
    this.dilation = singleOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same', 'causal'])
    this.multiplier = integerOption(what, 'depthMultiplier', config.depthMultiplier ?? 1)
    if (this.strides > 1 && this.dilation > 1)
      throw new WeftError('ERR_ARGUMENT', `${what}: strides ${this.strides} and dilationRate ${this.dilation} cannot both be above 1`)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, ...o } = this.config
    this.addKernel('depthwiseKernel', [this.size, channels, this.multiplier], {
      initializer: o.depthwiseInitializer,
      regularizer: o.depthwiseRegularizer,
      constraint: o.depthwiseConstraint,
    })
    this.pointwise = this.addWeight({
      name: 'pointwiseKernel',
      shape: [1, channels * this.multiplier, filters],
      initializer: o.pointwiseInitializer ?? 'glorotUniform',
      regularizer: o.pointwiseRegularizer,
      constraint: o.pointwiseConstraint,
    })
    this.addBias(filters)
    this.fixChannels(SEQUENCES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const causal = this.padding === 'causal'
    const before = causal ? (this.size - 1) * this.dilation : 0
    const padded = before > 0 ? ops.pad(x, [[0, 0], [before, 0], [0, 0]]) : x // biome-ignore format: one axis each
    const rows = ops.depthwiseConv2d(ops.expandDims(padded, 1), ops.expandDims(this.computedKernel(), 0), {
      // of one row, which a stride does not skip
      strides: [this.strides, this.strides],
      padding: this.padding === 'same' ? 'same' : 'valid',
      dilations: [1, this.dilation],
    })
    return this.biased(ops.squeeze(ops.conv2d(rows, ops.expandDims(this.pointwise, 0)), 1))
  }
}

/**
 * Convolution of each channel of sequences by itself, with depthMultiplier results, and then across channels: [batch,
 * steps, channels] → [batch, steps', filters] (Chollet 2017).
 */
export const separableConv1d: LayerFactory<typeof SeparableConv1d> = layer(SeparableConv1d)

/** Sizes are numbers of steps. */
export type Conv1dTransposeLayerOptions = TransposedOptions<number | readonly [number]>

export class Conv1dTranspose extends Convolution<Conv1dTransposeLayerOptions> {
  static override readonly className: string = 'Conv1dTranspose'
  static override readonly options: OptionTable<Conv1dTransposeLayerOptions> = TRANSPOSED_OPTIONS

  protected override inputSpec: InputSpec | undefined = SEQUENCES
  private readonly size: number
  private readonly strides: number
  private readonly padding: Padding
  private readonly outputPadding: number | undefined

  constructor(config: Conv1dTransposeLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.conv1dTranspose'
    integerOption(what, 'filters', config.filters)
    this.size = singleOption(what, 'kernelSize', config.kernelSize)
    this.strides = singleOption(what, 'strides', config.strides ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.outputPadding = config.outputPadding === undefined ? undefined : singleOption(what, 'outputPadding', config.outputPadding, 0)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [this.size, filters, channels], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(SEQUENCES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const extra = this.outputPadding
    const made = ops.conv2dTranspose(ops.expandDims(x, 1), ops.expandDims(this.computedKernel(), 0), {
      strides: [1, this.strides],
      padding: this.padding,
      ...(extra === undefined ? {} : { outputPadding: [0, extra] as [number, number] }),
    })
    return this.biased(ops.squeeze(made, 1))
  }
}

/** Transposed convolution, which lengthens by the strides: [batch, steps, channels] → [batch, steps', filters]. */
export const conv1dTranspose: LayerFactory<typeof Conv1dTranspose> = layer(Conv1dTranspose)
