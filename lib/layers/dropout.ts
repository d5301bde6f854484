// Dropout and noise: only while training, from a random state of the layer that is saved with the model.
import { type DynamicShape } from '../core/spec.js'
import { factoryName } from '../core/named.js'
import { type OptionTable, show } from '../core/options.js'
import { type LayerFactory, layer } from './declare.js'
import { WeftError } from '../core/error.js'
import * as ops from '../ops/index.js'
import { randomState } from '../core/random.js'
import type { Tensor, Variable } from '../core/tensor.js'
import type { ShapeOf } from '../core/tensor_types.js'
import { IMAGES, SEQUENCES } from './input_spec.js'
import { type ApplyOptions, type CallOptions, type InputSpec, Layer, type LayerOptions } from './layer.js'
import { rateOption } from './options.js'

abstract class Random<C extends { seed?: number }> extends Layer<C> {
  protected override readonly supportsMasking: boolean = true
  protected state!: Variable

  override build(_inputShape: DynamicShape): void {
    this.state = this.addState('randomState', randomState(this.config.seed))
  }

  override apply<X extends Tensor>(x: X, options?: ApplyOptions): Tensor<ShapeOf<X>> {
    return super.apply(x, options)
  }
}

export interface DropoutLayerOptions {
  /** Share of the values that are dropped, in [0, 1). */
  rate: number
  /** Shape of the choice, repeated along axes of 1; null: as the input. Default: the input's. */
  noiseShape?: DynamicShape
  /** By default the numbers follow setSeed(). */
  seed?: number
}

/** Drops values, and scales the others by 1 / (1 - rate) (Srivastava et al. 2014). */
export class Dropout extends Random<DropoutLayerOptions> {
  static override readonly className: string = 'Dropout'
  static override readonly options: OptionTable<DropoutLayerOptions> = { rate: 'number', noiseShape: 'any', seed: 'number' }
  protected override readonly keepsRange: boolean = true

  constructor(config: DropoutLayerOptions & LayerOptions) {
    super(config)
    rateOption('layers.dropout', this.config.rate)
    const { noiseShape } = config
    if (noiseShape !== undefined && noiseShape !== null && !Array.isArray(noiseShape))
      throw new WeftError('ERR_ARGUMENT', `layers.dropout: noiseShape must be a list, got ${show(noiseShape)}`)
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    const { rate, noiseShape } = this.config
    if (!training || rate === 0) return x
    if (!noiseShape) return ops.dropout(x, rate, { state: this.state })
    if (noiseShape.length !== x.rank)
      throw this.error(
        'ERR_SHAPE',
        `noiseShape [${noiseShape.map(String).join(', ')}] does not have an extent for each axis of the input [${x.shape}]`,
        [x.shape],
      )
    const shape = noiseShape.map((extent, axis) => extent ?? x.shape[axis]!)
    return ops.mul(x, ops.dropout(ops.ones(shape, { dtype: x.dtype }), rate, { state: this.state }))
  }
}

/** Drops values while training. */
export const dropout: LayerFactory<typeof Dropout> = layer(Dropout)

export interface SpatialDropoutOptions {
  /** Share of the channels that are dropped, from 0 on and below 1. */
  rate: number
  /** Fixes the numbers; by default they follow setSeed(). */
  seed?: number
}

const RATE_OPTIONS: OptionTable<SpatialDropoutOptions> = { rate: 'number', seed: 'number' }

abstract class SpatialDropout extends Random<SpatialDropoutOptions> {
  protected override readonly keepsRange: boolean = true

  constructor(config: SpatialDropoutOptions & LayerOptions) {
    super(config)
    rateOption(`layers.${factoryName(this.className)}`, this.config.rate)
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    const { rate } = this.config
    if (!training || rate === 0) return x
    const shape = x.shape.map((extent, axis) => (axis === 0 || axis === x.rank - 1 ? extent : 1))
    return ops.mul(x, ops.dropout(ops.ones(shape, { dtype: x.dtype }), rate, { state: this.state }))
  }
}

/** Drops whole channels of sequences [batch, steps, channels]. */
export class SpatialDropout1d extends SpatialDropout {
  static override readonly className: string = 'SpatialDropout1d'
  static override readonly options: OptionTable<SpatialDropoutOptions> = RATE_OPTIONS
  protected override inputSpec: InputSpec | undefined = SEQUENCES
}

/** Drops channels of sequences while training. */
export const spatialDropout1d: LayerFactory<typeof SpatialDropout1d> = layer(SpatialDropout1d)

/** Drops whole channels of images [batch, height, width, channels]. */
export class SpatialDropout2d extends SpatialDropout {
  static override readonly className: string = 'SpatialDropout2d'
  static override readonly options: OptionTable<SpatialDropoutOptions> = RATE_OPTIONS
  protected override inputSpec: InputSpec | undefined = IMAGES
}

/** Drops channels of images while training. */
export const spatialDropout2d: LayerFactory<typeof SpatialDropout2d> = layer(SpatialDropout2d)

export interface GaussianNoiseOptions {
  /** Standard deviation of the noise. */
  stddev: number
  /** Fixes the numbers; by default they follow setSeed(). */
  seed?: number
}

/** Adds normal noise. */
export class GaussianNoise extends Random<GaussianNoiseOptions> {
  static override readonly className: string = 'GaussianNoise'
  static override readonly options: OptionTable<GaussianNoiseOptions> = { stddev: 'number', seed: 'number' }

  constructor(config: GaussianNoiseOptions & LayerOptions) {
    super(config)
    if (typeof config.stddev !== 'number' || !(config.stddev >= 0))
      throw new WeftError('ERR_ARGUMENT', `layers.gaussianNoise: stddev must be at least 0, got ${show(config.stddev)}`)
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    if (!training || this.config.stddev === 0) return x
    return ops.add(x, ops.randomNormal(x.shape, { deviation: this.config.stddev, dtype: x.dtype, state: this.state }))
  }
}

/** Adds normal noise while training. */
export const gaussianNoise: LayerFactory<typeof GaussianNoise> = layer(GaussianNoise)

/** Multiplies by normal noise of mean 1 and standard deviation √(rate / (1 - rate)) (Srivastava et al. 2014). */
export class GaussianDropout extends Random<SpatialDropoutOptions> {
  static override readonly className: string = 'GaussianDropout'
  static override readonly options: OptionTable<SpatialDropoutOptions> = RATE_OPTIONS

  constructor(config: SpatialDropoutOptions & LayerOptions) {
    super(config)
    rateOption('layers.gaussianDropout', this.config.rate)
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    const { rate } = this.config
    if (!training || rate === 0) return x
    return ops.mul(x, ops.randomNormal(x.shape, { mean: 1, deviation: Math.sqrt(rate / (1 - rate)), dtype: x.dtype, state: this.state }))
  }
}

/** Multiplies by normal noise of mean 1 while training. */
export const gaussianDropout: LayerFactory<typeof GaussianDropout> = layer(GaussianDropout)

export interface AlphaDropoutOptions extends SpatialDropoutOptions {
  /** Shape of the choice, repeated along axes of 1; null: as the input. Default: the input's. */
  noiseShape?: DynamicShape
}

/** What selu tends to: dropped values take it, so that mean and variance stay. */
const SATURATED = -1.7580993408473766

/** Dropout that keeps mean and variance of what selu makes (Klambauer et al. 2017). */
export class AlphaDropout extends Random<AlphaDropoutOptions> {
  static override readonly className: string = 'AlphaDropout'
  static override readonly options: OptionTable<AlphaDropoutOptions> = { ...RATE_OPTIONS, noiseShape: 'any' }

  constructor(config: AlphaDropoutOptions & LayerOptions) {
    super(config)
    rateOption('layers.alphaDropout', this.config.rate)
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    const { rate, noiseShape } = this.config
    if (!training || rate === 0) return x
    const shape = noiseShape ? noiseShape.map((extent, axis) => extent ?? x.shape[axis]!) : x.shape
    // 1 where a value stays, 0 where it goes
    const kept = ops.mul(ops.dropout(ops.ones(shape, { dtype: x.dtype }), rate, { state: this.state }), 1 - rate)
    const scale = ((1 - rate) * (1 + rate * SATURATED ** 2)) ** -0.5
    const mixed = ops.add(ops.mul(x, kept), ops.mul(ops.sub(1, kept), SATURATED))
    return ops.add(ops.mul(mixed, scale), -scale * SATURATED * rate)
  }
}

/** Drops values while training, so that mean and variance stay: goes with activation 'selu'. */
export const alphaDropout: LayerFactory<typeof AlphaDropout> = layer(AlphaDropout)
