// conv2dTranspose: a convolution that enlarges, the gradient of a convolution with regard to its image.
import type { OptionTable } from '../core/options.js'
import type { DynamicShape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { KERNEL_OPTIONS, type KernelOptions } from './activated.js'
import { Convolution } from './convolution.js'
import { type LayerFactory, layer } from './declare.js'
import { IMAGES } from './input_spec.js'
import type { InputSpec, LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding, pairOption, type Size } from './options.js'

/** Options of transposed convolutions. S: a size along each axis, or one number for all. */
export interface TransposedOptions<S> extends KernelOptions {
  /** Channels of the output. */
  filters: number
  /** Places that the kernel covers. */
  kernelSize: S
  /** Default 1. */
  strides?: S
  /** Default 'valid'. */
  padding?: Padding
  /** Places added at the end, below the strides. */
  outputPadding?: S
}
export const TRANSPOSED_OPTIONS: OptionTable<TransposedOptions<unknown>> = {
  filters: 'integer',
  kernelSize: 'any',
  strides: 'any',
  padding: 'any',
  outputPadding: 'any',
  ...KERNEL_OPTIONS,
}

/** Sizes are [height, width], or one number for both. */
export type Conv2dTransposeLayerOptions = TransposedOptions<Size>

export class Conv2dTranspose extends Convolution<Conv2dTransposeLayerOptions> {
  static override readonly className: string = 'Conv2dTranspose'
  static override readonly options: OptionTable<Conv2dTransposeLayerOptions> = TRANSPOSED_OPTIONS

  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly strides: [number, number]
  private readonly padding: Padding
  private readonly outputPadding: [number, number] | undefined

  constructor(config: Conv2dTransposeLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.conv2dTranspose'
    integerOption(what, 'filters', config.filters)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.strides = pairOption(what, 'strides', config.strides ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    this.outputPadding = config.outputPadding === undefined ? undefined : pairOption(what, 'outputPadding', config.outputPadding, 0)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, filters, channels], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(IMAGES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const options = this.outputPadding === undefined ? {} : { outputPadding: this.outputPadding }
    return this.biased(ops.conv2dTranspose(x, this.computedKernel(), { strides: this.strides, padding: this.padding, ...options }))
  }
}

/**
 * Transposed convolution, which enlarges by the strides: [batch, height, width, channels] → [batch, height', width',
 * filters].
 */
export const conv2dTranspose: LayerFactory<typeof Conv2dTranspose> = layer(Conv2dTranspose)
