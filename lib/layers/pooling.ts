// Pooling: the largest or the mean value of windows, or of a whole image or sequence.
import type { OptionTable } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { averagePool1d, averagePool2d, cast, div, expandDims, max, maximum, maxPool1d, maxPool2d, mean, mul, sum } from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { IMAGES, SEQUENCES, VOLUMES } from './input_spec.js'
import { type CallOptions, type InputSpec, Layer, type LayerOptions } from './layer.js'
import { choiceOption, type Padding, pairOption, type Size, singleOption } from './options.js'

export interface Pooling2dOptions {
  /** Height and width of the window. Default 2. */
  poolSize?: Size
  /** Default: poolSize. */
  strides?: Size
  /** Default 'valid'. */
  padding?: Padding
}

const POOL_OPTIONS: OptionTable<Pooling2dOptions> = { poolSize: 'any', strides: 'any', padding: 'any' }

abstract class Pooling2d extends Layer<Pooling2dOptions> {
  protected override readonly keepsRange: boolean = true
  protected override inputSpec: InputSpec | undefined = IMAGES
  protected readonly window: { poolSize: [number, number]; strides: [number, number]; padding: Padding }

  constructor(what: string, config: Pooling2dOptions & LayerOptions) {
    super(config)
    const poolSize = pairOption(what, 'poolSize', config.poolSize ?? 2)
    const strides = config.strides === undefined || config.strides === null ? poolSize : pairOption(what, 'strides', config.strides)
    this.window = { poolSize, strides, padding: choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same']) }
  }
}

export class MaxPooling2d extends Pooling2d {
  static override readonly className: string = 'MaxPooling2d'
  static override readonly options: OptionTable<Pooling2dOptions> = POOL_OPTIONS

  constructor(config: Pooling2dOptions & LayerOptions = {}) {
    super('layers.maxPooling2d', config)
  }
  call(x: Tensor): Tensor {
    return maxPool2d(x, this.window)
  }
}

/** The largest value of each window of an image. */
export const maxPooling2d: LayerFactory<typeof MaxPooling2d> = layer(MaxPooling2d)

export class AveragePooling2d extends Pooling2d {
  static override readonly className: string = 'AveragePooling2d'
  static override readonly options: OptionTable<Pooling2dOptions> = POOL_OPTIONS

  constructor(config: Pooling2dOptions & LayerOptions = {}) {
    super('layers.averagePooling2d', config)
  }
  call(x: Tensor): Tensor {
    return averagePool2d(x, this.window)
  }
}

/** The mean of each window of an image, over the places inside. */
export const averagePooling2d: LayerFactory<typeof AveragePooling2d> = layer(AveragePooling2d)

export interface Pooling1dOptions {
  /** Steps in the window. Default 2. */
  poolSize?: number | readonly [number]
  /** Default: poolSize. */
  strides?: number | readonly [number]
  /** Default 'valid'. */
  padding?: Padding
}

abstract class Pooling1d extends Layer<Pooling1dOptions> {
  protected override readonly keepsRange: boolean = true
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  protected readonly window: { poolSize: number; strides: number; padding: Padding }

  constructor(what: string, config: Pooling1dOptions & LayerOptions) {
    super(config)
    const poolSize = singleOption(what, 'poolSize', config.poolSize ?? 2)
    const strides = config.strides === undefined || config.strides === null ? poolSize : singleOption(what, 'strides', config.strides)
    this.window = { poolSize, strides, padding: choiceOption(what, 'padding', config.padding ?? 'valid', ['valid', 'same']) }
  }
}

export class MaxPooling1d extends Pooling1d {
  static override readonly className: string = 'MaxPooling1d'
  static override readonly options: OptionTable<Pooling1dOptions> = POOL_OPTIONS

  constructor(config: Pooling1dOptions & LayerOptions = {}) {
    super('layers.maxPooling1d', config)
  }
  call(x: Tensor): Tensor {
    return maxPool1d(x, this.window)
  }
}

/** The largest value of each window of steps. */
export const maxPooling1d: LayerFactory<typeof MaxPooling1d> = layer(MaxPooling1d)

export class AveragePooling1d extends Pooling1d {
  static override readonly className: string = 'AveragePooling1d'
  static override readonly options: OptionTable<Pooling1dOptions> = POOL_OPTIONS

  constructor(config: Pooling1dOptions & LayerOptions = {}) {
    super('layers.averagePooling1d', config)
  }
  call(x: Tensor): Tensor {
    return averagePool1d(x, this.window)
  }
}

/** The mean of each window of steps, over the places inside. */
export const averagePooling1d: LayerFactory<typeof AveragePooling1d> = layer(AveragePooling1d)

export interface GlobalPoolingOptions {
  /** Keeps the pooled axes with extent 1. Default false. */
  keepDims?: boolean
}

abstract class GlobalPooling extends Layer<GlobalPoolingOptions> {
  protected override readonly keepsRange: boolean = true
  protected get keepDims(): boolean {
    return this.config.keepDims ?? false
  }
}

export class GlobalMaxPooling2d extends GlobalPooling {
  static override readonly className: string = 'GlobalMaxPooling2d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = IMAGES

  call(x: Tensor): Tensor {
    return max(x, [1, 2], { keepDims: this.keepDims })
  }
}

/** The largest value of each channel: [batch, height, width, channels] → [batch, channels]. */
export const globalMaxPooling2d: LayerFactory<typeof GlobalMaxPooling2d> = layer(GlobalMaxPooling2d)

export class GlobalAveragePooling2d extends GlobalPooling {
  static override readonly className: string = 'GlobalAveragePooling2d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = IMAGES

  call(x: Tensor): Tensor {
    return mean(x, [1, 2], { keepDims: this.keepDims })
  }
}

/** The mean of each channel: [batch, height, width, channels] → [batch, channels]. */
export const globalAveragePooling2d: LayerFactory<typeof GlobalAveragePooling2d> = layer(GlobalAveragePooling2d)

export class GlobalMaxPooling3d extends GlobalPooling {
  static override readonly className: string = 'GlobalMaxPooling3d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = VOLUMES

  call(x: Tensor): Tensor {
    return max(x, [1, 2, 3], { keepDims: this.keepDims })
  }
}

/** The largest value of each channel: [batch, depth, height, width, channels] → [batch, channels]. */
export const globalMaxPooling3d: LayerFactory<typeof GlobalMaxPooling3d> = layer(GlobalMaxPooling3d)

export class GlobalAveragePooling3d extends GlobalPooling {
  static override readonly className: string = 'GlobalAveragePooling3d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = VOLUMES

  call(x: Tensor): Tensor {
    return mean(x, [1, 2, 3], { keepDims: this.keepDims })
  }
}

/** The mean of each channel: [batch, depth, height, width, channels] → [batch, channels]. */
export const globalAveragePooling3d: LayerFactory<typeof GlobalAveragePooling3d> = layer(GlobalAveragePooling3d)

export class GlobalMaxPooling1d extends GlobalPooling {
  static override readonly className: string = 'GlobalMaxPooling1d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = SEQUENCES

  call(x: Tensor): Tensor {
    return max(x, 1, { keepDims: this.keepDims })
  }
}

/** The largest value of each channel: [batch, steps, channels] → [batch, channels]. */
export const globalMaxPooling1d: LayerFactory<typeof GlobalMaxPooling1d> = layer(GlobalMaxPooling1d)

/** The mean over steps; with a mask, over the steps that are data. */
export class GlobalAveragePooling1d extends GlobalPooling {
  static override readonly className: string = 'GlobalAveragePooling1d'
  static override readonly options: OptionTable<GlobalPoolingOptions> = { keepDims: 'boolean' }
  protected override inputSpec: InputSpec | undefined = SEQUENCES

  call(x: Tensor, { mask }: CallOptions): Tensor {
    if (!mask) return mean(x, 1, { keepDims: this.keepDims })
    const valid = expandDims(cast(mask, x.dtype), -1) // [batch, steps, 1]
    const total = sum(mul(x, valid), 1, { keepDims: this.keepDims })
    // a row without any valid step gives 0
    return div(total, maximum(sum(valid, 1, { keepDims: this.keepDims }), 1))
  }

  override computeMask(): undefined {
    return undefined
  }
}

/** The mean of each channel over the steps, those that are data where there is a mask. */
export const globalAveragePooling1d: LayerFactory<typeof GlobalAveragePooling1d> = layer(GlobalAveragePooling1d)
