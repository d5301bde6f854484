// Layers of 8 bits: kernels of int8 with a scale for each output, products summed in int32. Made by quantize().
import type { DynamicShape, Shape } from '../core/spec.js'
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { withDevice } from '../core/device.js'
import { outsideTrace } from '../core/graph.js'
import type { Tensor, TensorLike, Variable } from '../core/tensor.js'
import { variable } from '../core/variable.js'
import { isRecord } from '../core/tree.js'
import type { ActivationLike } from '../activations.js'
import { ActivatedLayer } from '../layers/activated.js'
import { layer } from '../layers/declare.js'
import { IMAGES } from '../layers/input_spec.js'
import type { CallOptions, InputSpec, LayerOptions } from '../layers/layer.js'
import { choiceOption, integerOption, type Padding, pairOption, type Size } from '../layers/options.js'
import { type Pooling2dOptions, MaxPooling2d } from '../layers/pooling.js'
import { Rescaling, type RescalingOptions } from '../layers/scaling.js'
import { isInferring } from '../layers/symbolic.js'
import { cast } from '../ops/index.js'
import { FUSED_ACTIVATIONS, type FusedActivation } from '../ops/dense.js'
import { int8Conv2d, int8Dense, packInt8, quantize, type QuantizedRange } from '../ops/quantized.js'

/** What quantized layers are told of their numbers. */
export interface Int8Options {
  /** Default linear. */
  activation?: ActivationLike
  /** Default true. */
  useBias?: boolean
  /** The range of the inputs; 'dynamic': each row has its own. */
  input: QuantizedRange | 'dynamic'
  /** The result is uint8 of this range; default: float32. */
  output?: QuantizedRange
  /** The inputs are uint8 of the range `input` already. Default false. */
  takesBytes?: boolean
  /** Each output has a scale of its own. Default true. */
  perChannel?: boolean
  /** Bits of the kernel's values. Default 8. */
  bits?: number
}

const INT8_OPTIONS: OptionTable<Int8Options> = {
  activation: 'any',
  useBias: 'boolean',
  input: 'any',
  output: 'any',
  takesBytes: 'boolean',
  perChannel: 'boolean',
  bits: 'integer',
}

/** ERR_ARGUMENT unless the value says a range of uint8. */
function checkRange(what: string, name: string, range: unknown): void {
  if (isRecord(range) && typeof range['scale'] === 'number' && range['scale'] > 0 && Number.isInteger(range['zeroPoint'])) return
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is { scale, zeroPoint }, got ${show(range)}`, {
    hint: 'Such layers are made by quantize(net, { ... })',
  })
}

interface ProductFacts {
  scale: Tensor
  activation: FusedActivation
  bias?: Tensor
  output?: QuantizedRange
}

abstract class Int8Layer<C extends Int8Options> extends ActivatedLayer<C> {
  protected override readonly castsInputs: boolean = false
  kernel!: Variable
  /** float32 [outputs], or [1]. */
  kernelScale!: Variable
  bias: Variable | undefined

  constructor(what: string, config: C & LayerOptions) {
    super(config)
    if (config.input !== 'dynamic') checkRange(what, 'input', config.input)
    if (config.output !== undefined) checkRange(what, 'output', config.output)
  }

  protected addKernel(shape: Shape): void {
    const { useBias = true, perChannel = true } = this.config as Int8Options
    const outputs = shape.at(-1)!
    this.kernel = this.addWeight({ name: 'kernel', shape, dtype: 'int8', initializer: 'zeros' })
    const scales = { name: 'kernelScale', shape: [perChannel ? outputs : 1], trainable: false }
    this.kernelScale = this.addWeight({ ...scales, initializer: 'ones' })
    this.bias = useBias ? this.addWeight({ name: 'bias', shape: [outputs], initializer: 'zeros' }) : undefined
  }

  /** x · kernel + bias, with one of the activations that the product has. */
  protected abstract product(x: Tensor, activation: FusedActivation, output: QuantizedRange | undefined): Tensor

  protected facts(activation: FusedActivation, output: QuantizedRange | undefined): ProductFacts {
    return { scale: this.kernelScale, activation, ...(this.bias ? { bias: this.bias } : {}), ...(output ? { output } : {}) }
  }

  protected override linear(x: Tensor): Tensor {
    return this.product(this.own(x), 'linear', undefined)
  }

  protected override activated(x: Tensor, _options: CallOptions): Tensor {
    const { name = 'linear' } = this.activation
    const { output } = this.config as Int8Options
    const fused = FUSED_ACTIVATIONS.find((one) => one === name)
    return fused ? this.product(this.own(x), fused, output) : this.activation.apply(this.linear(x))
  }

  /** Bytes are numbers like others, unless a layer before has made them. */
  private own(x: Tensor): Tensor {
    const wanted = this.config.takesBytes ? 'uint8' : 'float32'
    return x.dtype === wanted ? x : cast(x, wanted)
  }
}

export interface QuantizedDenseOptions extends Int8Options {
  /** Number of outputs. */
  units: number
}

/** activation(x · kernel + bias) over the last axis, with a kernel of int8. */
export class QuantizedDense extends Int8Layer<QuantizedDenseOptions> {
  static override readonly className: string = 'QuantizedDense'
  static override readonly options: OptionTable<QuantizedDenseOptions> = { units: 'integer', ...INT8_OPTIONS }
  protected override readonly supportsMasking: boolean = true
  protected override inputSpec: InputSpec = { minRank: 2, layout: 'batch, features' }
  private packed: Variable | undefined

  constructor(config: QuantizedDenseOptions & LayerOptions) {
    super('layers.quantizedDense', config)
    integerOption('layers.quantizedDense', 'units', config.units)
  }

  override build(inputShape: DynamicShape): void {
    const features = this.extentOf(inputShape, -1)
    this.addKernel([features, this.config.units])
    const { kernel } = this
    const assign = kernel.assign.bind(kernel)
    const follow = (value: TensorLike): Variable => {
      assign(value)
      this.packed?.assign(packInt8(kernel))
      return kernel
    }
    Object.defineProperty(kernel, 'assign', { value: follow, writable: true, configurable: true })
    this.inputSpec = { minRank: 2, axes: { [-1]: features } }
  }

  protected product(x: Tensor, activation: FusedActivation, output: QuantizedRange | undefined): Tensor {
    const { input, units: n } = this.config
    return int8Dense(x, this.arranged(), { ...this.facts(activation, output), input, n })
  }

  /** The kernel in the order in which the product reads it, made once and again where the kernel changes. */
  private arranged(): Tensor {
    const { kernel } = this
    // shapes are inferred before a loaded kernel has its values
    if (isInferring()) return kernel
    if (this.packed?.device !== kernel.device) {
      this.packed?.dispose()
      this.packed = outsideTrace(() =>
        withDevice(kernel.device, () => {
          const values = packInt8(kernel)
          const made = variable(values, { name: kernel.name, trainable: false })
          values.dispose()
          return made
        }),
      )
    }
    return this.packed!
  }

  override dispose(): void {
    this.packed?.dispose()
    this.packed = undefined
    super.dispose()
  }
}
layer(QuantizedDense)

export interface QuantizedConv2dOptions extends Int8Options {
  filters: number
  kernelSize: Size
  strides?: Size
  padding?: Padding
  dilationRate?: Size
  groups?: number
}

/** Convolution of images with a kernel of int8. */
export class QuantizedConv2d extends Int8Layer<QuantizedConv2dOptions> {
  static override readonly className: string = 'QuantizedConv2d'
  static override readonly options: OptionTable<QuantizedConv2dOptions> = {
    filters: 'integer',
    kernelSize: 'any',
    strides: 'any',
    padding: 'any',
    dilationRate: 'any',
    groups: 'integer',
    ...INT8_OPTIONS,
  }
  protected override inputSpec: InputSpec | undefined = IMAGES
  private readonly size: [number, number]
  private readonly geometry: { strides: [number, number]; padding: Padding; dilations: [number, number]; groups: number }

  constructor(config: QuantizedConv2dOptions & LayerOptions) {
    const what = 'layers.quantizedConv2d'
    super(what, config)
    integerOption(what, 'filters', config.filters)
    if (config.input === 'dynamic') throw new WeftError('ERR_ARGUMENT', `${what}: input is { scale, zeroPoint }, got 'dynamic'`)
    this.size = pairOption(what, 'kernelSize', config.kernelSize)
    this.geometry = {
      strides: pairOption(what, 'strides', config.strides ?? 1),
      padding: choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same']),
      dilations: pairOption(what, 'dilationRate', config.dilationRate ?? 1),
      groups: integerOption(what, 'groups', config.groups ?? 1),
    }
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    this.addKernel([...this.size, channels / this.geometry.groups, this.config.filters])
    this.inputSpec = { ...IMAGES, axes: { [-1]: channels } }
  }

  protected product(x: Tensor, activation: FusedActivation, output: QuantizedRange | undefined): Tensor {
    const input = this.config.input as QuantizedRange
    return int8Conv2d(x, this.kernel, { ...this.facts(activation, output), ...this.geometry, input })
  }
}
layer(QuantizedConv2d)

/** The largest value of each window of an image of uint8. */
export class QuantizedMaxPooling2d extends MaxPooling2d {
  static override readonly className: string = 'QuantizedMaxPooling2d'
  static override readonly options: OptionTable<Pooling2dOptions> = MaxPooling2d.options
  protected override readonly castsInputs: boolean = false
}
layer(QuantizedMaxPooling2d)

/**
 * Bytes in the place of x · scale, of which they are the steps: those of images of uint8, and the nearest ones of
 * floats.
 */
export class QuantizedRescaling extends Rescaling {
  static override readonly className: string = 'QuantizedRescaling'
  static override readonly options: OptionTable<RescalingOptions> = Rescaling.options
  protected override readonly castsInputs: boolean = false

  override call(x: Tensor): Tensor {
    return x.dtype === 'uint8' ? x : quantize(cast(x, 'float32'), { scale: 1, zeroPoint: 0, dtype: 'uint8' })
  }
}
layer(QuantizedRescaling)
