// Augmentation that moves pixels: randomFlip, randomRotation, randomTranslation, randomZoom, randomCrop.
import { WeftError } from '../core/error.js'
import { factoryName } from '../core/named.js'
import { type OptionTable, show } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { Augmentation, type ImageShape, type Range, rangeOption, type SeedOption } from './augmentation.js'
import { type LayerFactory, layer } from './declare.js'
import type { CallOptions, LayerOptions } from './layer.js'
import { integerOption } from './options.js'
import { FILL_MODES, type FillOptions, placesOf, SAMPLING_INTERPOLATIONS, sampledApart, sampledAt } from './sampling.js'

/** 'horizontal': left and right change places; 'vertical': top and bottom do. */
export type FlipMode = 'horizontal' | 'vertical' | 'horizontalAndVertical'
const FLIP_MODES: readonly FlipMode[] = ['horizontal', 'vertical', 'horizontalAndVertical']

export interface RandomFlipOptions extends SeedOption {
  /** Default 'horizontalAndVertical': each by itself. */
  mode?: FlipMode
}

/** Flips every other image on average. */
export class RandomFlip extends Augmentation<RandomFlipOptions> {
  static override readonly className: string = 'RandomFlip'
  static override readonly options: OptionTable<RandomFlipOptions> = { mode: FLIP_MODES, seed: 'number' }
  protected override readonly castsInputs: boolean = false

  constructor(config: RandomFlipOptions & LayerOptions = {}) {
    super(config)
  }

  protected augment(x: Tensor, [n]: ImageShape): Tensor {
    const { mode = 'horizontalAndVertical' } = this.config
    const flipped = (images: Tensor, axis: number): Tensor =>
      ops.where(ops.less(this.draw([n, 1, 1, 1], [0, 1]), 0.5), ops.reverse(images, axis), images)
    const sideways = mode === 'vertical' ? x : flipped(x, 2)
    return mode === 'horizontal' ? sideways : flipped(sideways, 1)
  }
}

/** Flips images at random while training, each with probability 1/2. */
export const randomFlip: LayerFactory<typeof RandomFlip> = layer(RandomFlip)

const FILL_OPTIONS: OptionTable<FillOptions & SeedOption> = {
  fillMode: FILL_MODES,
  fillValue: 'number',
  interpolation: SAMPLING_INTERPOLATIONS,
  seed: 'number',
}

/** Takes pixels from other places of the image. */
abstract class Moving<C extends FillOptions & SeedOption> extends Augmentation<C> {
  constructor(config: C & LayerOptions) {
    super(config)
    const { fillValue = 0 } = config
    if (!Number.isFinite(fillValue))
      throw new WeftError('ERR_ARGUMENT', `layers.${factoryName(this.className)}: fillValue is a finite number, got ${show(fillValue)}`)
  }
}

export interface RandomRotationOptions extends FillOptions, SeedOption {
  /** Shares of a whole turn, from -1 to 1, counter-clockwise: a number f for [-f, f], or two. */
  factor: Range
}

export class RandomRotation extends Moving<RandomRotationOptions> {
  static override readonly className: string = 'RandomRotation'
  static override readonly options: OptionTable<RandomRotationOptions> = { factor: 'any', ...FILL_OPTIONS }
  private readonly turns: readonly [number, number]

  constructor(config: RandomRotationOptions & LayerOptions) {
    super(config)
    this.turns = rangeOption(this.className, 'factor', config.factor)
  }

  protected augment(x: Tensor, shape: ImageShape): Tensor {
    const angle = ops.mul(this.draw([shape[0], 1], this.turns), 2 * Math.PI)
    const [cos, sin] = [ops.cos(angle), ops.sin(angle)]
    const [n, height, width] = shape
    // [n, height, width], of parts for each row and each column
    const across = (t: Tensor): Tensor => ops.expandDims(ops.mul(t, placesOf(width, x.device)), 1)
    const down = (t: Tensor): Tensor => ops.expandDims(ops.mul(t, placesOf(height, x.device)), -1)
    const flat = (t: Tensor): Tensor => ops.reshape(t, [n, height * width])
    const [column, row] = [flat(ops.sub(across(cos), down(sin))), flat(ops.add(across(sin), down(cos)))]
    return sampledAt(x, column, row, Math.hypot((height - 1) / 2, (width - 1) / 2), this.config)
  }
}

/** Turns each image about its middle by a random angle while training. */
export const randomRotation: LayerFactory<typeof RandomRotation> = layer(RandomRotation)

export interface RandomTranslationOptions extends FillOptions, SeedOption {
  /** Shares of the height, from -1 to 1, downwards: a number f for [-f, f], or two. */
  heightFactor: Range
  /** Shares of the width, from -1 to 1, to the right: a number f for [-f, f], or two. */
  widthFactor: Range
}

export class RandomTranslation extends Moving<RandomTranslationOptions> {
  static override readonly className: string = 'RandomTranslation'
  static override readonly options: OptionTable<RandomTranslationOptions> = { heightFactor: 'any', widthFactor: 'any', ...FILL_OPTIONS }
  private readonly vertical: readonly [number, number]
  private readonly horizontal: readonly [number, number]

  constructor(config: RandomTranslationOptions & LayerOptions) {
    super(config)
    this.vertical = rangeOption(this.className, 'heightFactor', config.heightFactor)
    this.horizontal = rangeOption(this.className, 'widthFactor', config.widthFactor)
  }

  protected augment(x: Tensor, shape: ImageShape): Tensor {
    const [n, height, width] = shape
    const moved = (range: readonly [number, number], extent: number): Tensor =>
      ops.sub(placesOf(extent, x.device), ops.mul(this.draw([n, 1], range), extent))
    const down = moved(this.vertical, height)
    return sampledApart(x, moved(this.horizontal, width), down, this.config)
  }
}

/** Moves each image up or down and sideways at random while training. */
export const randomTranslation: LayerFactory<typeof RandomTranslation> = layer(RandomTranslation)

export interface RandomZoomOptions extends FillOptions, SeedOption {
  /**
   * What is seen of the height beyond the image itself, from -1 to 1: positive zooms out, negative in. A number f for
   * [-f, f], or two.
   */
  heightFactor: Range
  /** The same of the width. Default: that of the height, so that shapes stay as they are. */
  widthFactor?: Range | null
}

export class RandomZoom extends Moving<RandomZoomOptions> {
  static override readonly className: string = 'RandomZoom'
  static override readonly options: OptionTable<RandomZoomOptions> = { heightFactor: 'any', widthFactor: 'any', ...FILL_OPTIONS }
  private readonly vertical: readonly [number, number]
  private readonly horizontal: readonly [number, number] | undefined

  constructor(config: RandomZoomOptions & LayerOptions) {
    super(config)
    const { heightFactor, widthFactor } = config
    this.vertical = rangeOption(this.className, 'heightFactor', heightFactor)
    this.horizontal =
      widthFactor === undefined || widthFactor === null ? undefined : rangeOption(this.className, 'widthFactor', widthFactor)
  }

  protected augment(x: Tensor, shape: ImageShape): Tensor {
    const zoom = (range: readonly [number, number]): Tensor => ops.add(this.draw([shape[0], 1], range), 1)
    const tall = zoom(this.vertical)
    const wide = this.horizontal ? zoom(this.horizontal) : tall
    const [, height, width] = shape
    return sampledApart(x, ops.mul(placesOf(width, x.device), wide), ops.mul(placesOf(height, x.device), tall), this.config)
  }
}

/** Enlarges or shrinks each image at random while training; its size stays. */
export const randomZoom: LayerFactory<typeof RandomZoom> = layer(RandomZoom)

export interface RandomCropOptions extends SeedOption {
  /** Rows of the result. */
  height: number
  /** Columns of the result. */
  width: number
}

export class RandomCrop extends Augmentation<RandomCropOptions> {
  static override readonly className: string = 'RandomCrop'
  static override readonly options: OptionTable<RandomCropOptions> = { height: 'integer', width: 'integer', seed: 'number' }

  constructor(config: RandomCropOptions & LayerOptions) {
    super(config)
    integerOption('layers.randomCrop', 'height', config.height)
    integerOption('layers.randomCrop', 'width', config.width)
  }

  override call(x: Tensor, { training }: CallOptions): Tensor {
    const [, rows, columns] = x.shape as unknown as ImageShape
    const { height, width } = this.config
    return training && rows >= height && columns >= width ? this.augment(x, x.shape as unknown as ImageShape) : this.middle(x)
  }

  protected augment(x: Tensor, [, rows, columns]: ImageShape): Tensor {
    const { height, width } = this.config
    const part = (images: Tensor, axis: number, all: number, kept: number): Tensor => {
      if (all === kept) return images
      const begin = ops.randomInteger([1], 0, all - kept + 1, { state: this.state })
      return ops.gather(images, ops.add(begin, ops.arange(0, kept, 1, { dtype: 'int32', device: x.device })), axis)
    }
    return part(part(x, 1, rows, height), 2, columns, width)
  }

  /** The largest part in the middle that has the shape of the result, taken to its size. */
  private middle(x: Tensor): Tensor {
    const [n, rows, columns, channels] = x.shape as unknown as ImageShape
    const { height, width } = this.config
    const tall = Math.max(1, Math.min(rows, Math.floor((columns * height) / width)))
    const wide = Math.max(1, Math.min(columns, Math.floor((rows * width) / height)))
    const part = ops.slice(x, [0, Math.floor((rows - tall) / 2), Math.floor((columns - wide) / 2), 0], [n, tall, wide, channels])
    return tall === height && wide === width ? part : ops.resize(part, [height, width])
  }
}

/**
 * While training a random part of height × width, the same of all images of a batch; else, and of images that are
 * smaller than that, the largest part in the middle with that ratio, resized.
 */
export const randomCrop: LayerFactory<typeof RandomCrop> = layer(RandomCrop)
