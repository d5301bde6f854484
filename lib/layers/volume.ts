// Volumes [batch, depth, height, width, channels]: convolutions and pooling, each made of those of images: depth joins
// the channels, or the batch.
import type { DynamicShape, Shape } from '../core/spec.js'
import type { OptionTable } from '../core/options.js'
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import * as ops from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type KernelOptions, KERNEL_OPTIONS } from './activated.js'
import { Convolution } from './convolution.js'
import { type LayerFactory, layer } from './declare.js'
import { VOLUMES } from './input_spec.js'
import { type InputSpec, Layer, type LayerOptions } from './layer.js'
import { choiceOption, integerOption, type Padding } from './options.js'
import { valueOf } from './stored_weights.js'

/** A size along depth, height and width, or one number for all. */
export type Size3 = number | readonly [number, number, number]
type Triple = [number, number, number]

function tripleOption(what: string, name: string, value: unknown): Triple {
  if (typeof value === 'number') return [integer(what, name, value, 1), value, value]
  if (!Array.isArray(value) || value.length !== 3)
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: ${name} must be an integer or three of them, got ${value === undefined ? 'nothing' : show(value)}`,
    )
  return value.map((n) => integer(what, name, n, 1)) as Triple
}

export interface Conv3dLayerOptions extends KernelOptions {
  /** Number of outputs. */
  filters: number
  /** Depth, height and width of the kernel, or one number for all. */
  kernelSize: Size3
  /** Default 1. */
  strides?: Size3
  /** Default 'valid'. */
  padding?: Padding
  /** Distance of the kernel's places in the input. Default 1. */
  dilationRate?: Size3
}

export class Conv3d extends Convolution<Conv3dLayerOptions> {
  static override readonly className: string = 'Conv3d'
  static override readonly options: OptionTable<Conv3dLayerOptions> = {
    filters: 'integer',
    kernelSize: 'any',
    strides: 'any',
    padding: 'any',
    dilationRate: 'any',
    ...KERNEL_OPTIONS,
  }

  protected override inputSpec: InputSpec | undefined = VOLUMES
  private readonly size: Triple
  private readonly strides: Triple
  private readonly dilations: Triple
  private readonly padding: Padding

  constructor(config: Conv3dLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.conv3d'
    integerOption(what, 'filters', config.filters)
    this.size = tripleOption(what, 'kernelSize', config.kernelSize)
    this.strides = tripleOption(what, 'strides', config.strides ?? 1)
    this.dilations = tripleOption(what, 'dilationRate', config.dilationRate ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
    if (this.strides.some((n) => n > 1) && this.dilations.some((n) => n > 1))
      throw new WeftError('ERR_ARGUMENT', `${what}: strides [${this.strides}] and dilationRate [${this.dilations}] cannot both be above 1`)
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, channels, filters], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(VOLUMES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const [depth, ...size] = this.size
    const [stride, ...strides] = this.strides
    const [dilation, ...dilations] = this.dilations
    const reach = (depth - 1) * dilation + 1
    const [batch, , height, width, channels] = x.shape as Shape & [number, number, number, number, number]
    const padded = this.padding === 'same' ? padDepth(x, reach, stride) : x
    const out = Math.floor((padded.shape[1]! - reach) / stride) + 1
    if (out < 1) throw this.error('ERR_SHAPE', `a kernel of depth ${reach} does not fit into [${x.shape}]`, [x.shape])
    // the places of depth that a result looks at become channels: [batch * out, height, width, depth * channels]
    const places = Array.from({ length: out * depth }, (_, i) => Math.floor(i / depth) * stride + (i % depth) * dilation)
    const seen = ops.reshape(ops.gather(padded, places, 1), [batch * out, depth, height, width, channels])
    const images = ops.reshape(ops.transpose(seen, [0, 2, 3, 1, 4]), [batch * out, height, width, depth * channels])
    const { filters } = this.config
    const kernel = ops.reshape(ops.transpose(valueOf(this.kernel), [1, 2, 0, 3, 4]), [...size, depth * channels, filters])
    const options = { strides: strides as [number, number], padding: this.padding, dilations: dilations as [number, number] }
    const y = ops.conv2d(images, kernel, options)
    return this.biased(ops.reshape(y, [batch, out, y.shape[1]!, y.shape[2]!, filters]))
  }
}

/** x with zeros before and after along depth, as 'same' asks for. */
function padDepth(x: Tensor, reach: number, stride: number): Tensor {
  const depth = x.shape[1]!
  const total = Math.max((Math.ceil(depth / stride) - 1) * stride + reach - depth, 0)
  const before = Math.floor(total / 2)
  return total === 0
    ? x
    : ops.pad(x, [
        [0, 0],
        [before, total - before],
        [0, 0],
        [0, 0],
        [0, 0],
      ])
}

/** Convolution of volumes [batch, depth, height, width, channels] → [batch, depth', height', width', filters]. */
export const conv3d: LayerFactory<typeof Conv3d> = layer(Conv3d)

export interface Conv3dTransposeLayerOptions extends KernelOptions {
  /** Channels of the output. */
  filters: number
  /** Depth, height and width of the kernel, or one number for all. */
  kernelSize: Size3
  /** Default 1. */
  strides?: Size3
  /** Default 'valid'. */
  padding?: Padding
}

export class Conv3dTranspose extends Convolution<Conv3dTransposeLayerOptions> {
  static override readonly className: string = 'Conv3dTranspose'
  static override readonly options: OptionTable<Conv3dTransposeLayerOptions> = {
    filters: 'integer',
    kernelSize: 'any',
    strides: 'any',
    padding: 'any',
    ...KERNEL_OPTIONS,
  }

  protected override inputSpec: InputSpec | undefined = VOLUMES
  private readonly size: Triple
  private readonly strides: Triple
  private readonly padding: Padding

  constructor(config: Conv3dTransposeLayerOptions & LayerOptions) {
    super(config)
    const what = 'layers.conv3dTranspose'
    integerOption(what, 'filters', config.filters)
    this.size = tripleOption(what, 'kernelSize', config.kernelSize)
    this.strides = tripleOption(what, 'strides', config.strides ?? 1)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
  }

  override build(inputShape: DynamicShape): void {
    const channels = this.extentOf(inputShape, -1)
    const { filters, kernelInitializer: initializer, kernelRegularizer: regularizer, kernelConstraint: constraint } = this.config
    this.addKernel('kernel', [...this.size, filters, channels], { initializer, regularizer, constraint })
    this.addBias(filters)
    this.fixChannels(VOLUMES, channels)
  }

  protected override linear(x: Tensor): Tensor {
    const [window, ...size] = this.size
    const [stride, ...strides] = this.strides
    const [batch, depth, height, width, channels] = x.shape as Shape & [number, number, number, number, number]
    const { filters } = this.config
    // all places of the kernel along depth at once: [batch * depth, height', width', window * filters]
    const kernel = ops.reshape(ops.transpose(valueOf(this.kernel), [1, 2, 0, 3, 4]), [...size, window * filters, channels])
    const images = ops.reshape(x, [batch * depth, height, width, channels])
    const made = ops.conv2dTranspose(images, kernel, { strides: strides as [number, number], padding: this.padding })
    const [, rows, columns] = made.shape as Shape & [number, number, number, number]
    const length = depth * stride + window - 1
    const parts = ops.split(ops.reshape(made, [batch, depth, rows, columns, window * filters]), window, -1)
    const placed = parts.map((part, i) => {
      // zeros between the places, then i zeros before them
      const apart = ops.pad(ops.reshape(part, [batch, depth, 1, rows, columns * filters]), [
        [0, 0],
        [0, 0],
        [0, stride - 1],
        [0, 0],
        [0, 0],
      ])
      const spread = ops.reshape(apart, [batch, depth * stride, rows, columns, filters])
      return ops.pad(spread, [
        [0, 0],
        [i, length - depth * stride - i],
        [0, 0],
        [0, 0],
        [0, 0],
      ])
    })
    const whole = placed.reduce((sum, part) => ops.add(sum, part))
    const begin = this.padding === 'same' ? Math.floor(Math.max(window - stride, 0) / 2) : 0
    const extent = this.padding === 'same' ? depth * stride : Math.max(depth * stride, (depth - 1) * stride + window)
    return this.biased(ops.slice(whole, [0, begin, 0, 0, 0], [batch, extent, rows, columns, filters]))
  }
}

/** Transposed convolution of volumes, which enlarges by the strides. */
export const conv3dTranspose: LayerFactory<typeof Conv3dTranspose> = layer(Conv3dTranspose)

export interface Pooling3dOptions {
  /** Depth, height and width of the window. Default 2. */
  poolSize?: Size3
  /** Default: poolSize. */
  strides?: Size3
  /** Default 'valid'. */
  padding?: Padding
}

const POOL_OPTIONS: OptionTable<Pooling3dOptions> = { poolSize: 'any', strides: 'any', padding: 'any' }

abstract class Pooling3d extends Layer<Pooling3dOptions> {
  protected override readonly keepsRange: boolean = true
  protected override inputSpec: InputSpec | undefined = VOLUMES
  private readonly size: Triple
  private readonly strides: Triple
  private readonly padding: Padding

  constructor(what: string, config: Pooling3dOptions & LayerOptions) {
    super(config)
    this.size = tripleOption(what, 'poolSize', config.poolSize ?? 2)
    this.strides = config.strides === undefined || config.strides === null ? this.size : tripleOption(what, 'strides', config.strides)
    this.padding = choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same'])
  }

  protected abstract readonly pool: typeof ops.maxPool2d

  /** Images first, then along depth: windows are products, and so is the number of places in them. */
  call(x: Tensor): Tensor {
    const [batch, depth, height, width, channels] = x.shape as Shape & [number, number, number, number, number]
    const { padding } = this
    const [[window, ...size], [stride, ...strides]] = [this.size, this.strides]
    const images = ops.reshape(x, [batch * depth, height, width, channels])
    const flat = this.pool(images, { poolSize: size as [number, number], strides: strides as [number, number], padding })
    const [, rows, columns] = flat.shape as Shape & [number, number, number, number]
    const columnsOfDepth = ops.reshape(flat, [batch, depth, rows * columns, channels])
    const y = this.pool(columnsOfDepth, { poolSize: [window, 1], strides: [stride, 1], padding })
    return ops.reshape(y, [batch, y.shape[1]!, rows, columns, channels])
  }
}

export class MaxPooling3d extends Pooling3d {
  static override readonly className: string = 'MaxPooling3d'
  static override readonly options: OptionTable<Pooling3dOptions> = POOL_OPTIONS
  protected override readonly pool: typeof ops.maxPool2d = ops.maxPool2d

  constructor(config: Pooling3dOptions & LayerOptions = {}) {
    super('layers.maxPooling3d', config)
  }
}

/** The largest value of each window of a volume. */
export const maxPooling3d: LayerFactory<typeof MaxPooling3d> = layer(MaxPooling3d)

export class AveragePooling3d extends Pooling3d {
  static override readonly className: string = 'AveragePooling3d'
  static override readonly options: OptionTable<Pooling3dOptions> = POOL_OPTIONS
  protected override readonly pool: typeof ops.maxPool2d = ops.averagePool2d

  constructor(config: Pooling3dOptions & LayerOptions = {}) {
    super('layers.averagePooling3d', config)
  }
}

/** The mean of each window of a volume, over the places inside. */
export const averagePooling3d: LayerFactory<typeof AveragePooling3d> = layer(AveragePooling3d)
