// Augmentation that changes values: randomContrast, randomBrightness.
import type { OptionTable } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { Augmentation, type ImageShape, type Range, rangeOption, type SeedOption, valueRangeOption } from './augmentation.js'
import { type LayerFactory, layer } from './declare.js'
import type { LayerOptions } from './layer.js'

const BYTES: readonly [number, number] = [0, 255]

interface ValueRangeOption extends SeedOption {
  /** The lowest and highest value of images; results are cut to them. Default [0, 255]; [0, 1] after rescaling. */
  valueRange?: readonly [number, number]
}

export interface RandomContrastOptions extends ValueRangeOption {
  /** From 0 to 1: contrasts from 1 - f to 1 + f; of two, from 1 - the first to 1 + the second. */
  factor: Range
}

export class RandomContrast extends Augmentation<RandomContrastOptions> {
  static override readonly className: string = 'RandomContrast'
  static override readonly options: OptionTable<RandomContrastOptions> = { factor: 'any', valueRange: 'any', seed: 'number' }
  private readonly contrasts: readonly [number, number]
  private readonly values: readonly [number, number]

  constructor(config: RandomContrastOptions & LayerOptions) {
    super(config)
    const { factor, valueRange = BYTES } = config
    rangeOption(this.className, 'factor', factor, 0, 1)
    const [less, more] = typeof factor === 'number' ? [factor, factor] : factor
    this.contrasts = [1 - less, 1 + more]
    this.values = valueRangeOption(this.className, valueRange)
  }

  protected augment(x: Tensor, [n]: ImageShape): Tensor {
    const contrast = ops.cast(this.draw([n, 1, 1, 1], this.contrasts), x.dtype)
    const mean = ops.mean(x, [1, 2], { keepDims: true })
    return ops.clip(ops.add(ops.mul(ops.sub(x, mean), contrast), mean), ...this.values)
  }
}

/** (x - mean) · contrast + mean of each channel, with a random contrast for each image, while training. */
export const randomContrast: LayerFactory<typeof RandomContrast> = layer(RandomContrast)

export interface RandomBrightnessOptions extends ValueRangeOption {
  /** Shares of the value range that are added, from -1 to 1: a number f for [-f, f], or two. */
  factor: Range
}

export class RandomBrightness extends Augmentation<RandomBrightnessOptions> {
  static override readonly className: string = 'RandomBrightness'
  static override readonly options: OptionTable<RandomBrightnessOptions> = { factor: 'any', valueRange: 'any', seed: 'number' }
  private readonly shares: readonly [number, number]
  private readonly values: readonly [number, number]

  constructor(config: RandomBrightnessOptions & LayerOptions) {
    super(config)
    this.shares = rangeOption(this.className, 'factor', config.factor)
    this.values = valueRangeOption(this.className, config.valueRange ?? BYTES)
  }

  protected augment(x: Tensor, [n]: ImageShape): Tensor {
    const [low, high] = this.values
    const added = ops.cast(ops.mul(this.draw([n, 1, 1, 1], this.shares), high - low), x.dtype)
    return ops.clip(ops.add(x, added), low, high)
  }
}

/** Makes each image brighter or darker at random while training. */
export const randomBrightness: LayerFactory<typeof RandomBrightness> = layer(RandomBrightness)
