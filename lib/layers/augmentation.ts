// Augmentation: the base of layers that change images at random while training, and the checks of their options.
import { WeftError } from '../core/error.js'
import { factoryName } from '../core/named.js'
import { show } from '../core/options.js'
import { randomState } from '../core/random.js'
import type { DynamicShape, Shape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { randomUniform } from '../ops/index.js'
import { IMAGES } from './input_spec.js'
import { type CallOptions, type InputSpec, Layer } from './layer.js'

/** Two numbers, or one f for [-f, f]. */
export type Range = number | readonly [number, number]

export interface SeedOption {
  /** Fixes the numbers; by default they follow setSeed(). */
  seed?: number
}

/** Images [batch, height, width, channels]; what is drawn for each is a state of the layer, saved with the model. */
export abstract class Augmentation<C extends SeedOption> extends Layer<C> {
  protected override readonly keepsRange: boolean = true
  protected override inputSpec: InputSpec | undefined = IMAGES
  protected state!: Variable

  override build(_inputShape: DynamicShape): void {
    this.state = this.addState('randomState', randomState(this.config.seed))
  }

  call(x: Tensor, { training }: CallOptions): Tensor {
    return training && x.size > 0 ? this.augment(x, x.shape as ImageShape) : x
  }

  /** The images changed. */
  protected abstract augment(x: Tensor, shape: ImageShape): Tensor

  /** float32 numbers from one of two to the other. */
  protected draw(shape: Shape, [low, high]: readonly [number, number]): Tensor {
    return randomUniform(shape, { low, high, state: this.state })
  }
}

export type ImageShape = readonly [batch: number, height: number, width: number, channels: number]

/** The option as two numbers in [least, most], the smaller one first. */
export function rangeOption(className: string, name: string, value: unknown, least = -1, most = 1): readonly [number, number] {
  const list = typeof value === 'number' ? [-Math.abs(value), Math.abs(value)] : value
  const good = (one: unknown): boolean => typeof one === 'number' && one >= least && one <= most
  // one number may stand for a range that goes below the least one
  if (Array.isArray(list) && list.length === 2 && (typeof value === 'number' ? good(value) : list.every(good)))
    return list[0] <= list[1] ? [list[0] as number, list[1] as number] : [list[1] as number, list[0] as number]
  const got = value === undefined ? 'nothing' : show(value)
  throw new WeftError(
    'ERR_ARGUMENT',
    `layers.${factoryName(className)}: ${name} is a number or two of them, from ${least} to ${most}, got ${got}`,
  )
}

/** The lowest and the highest value that images have, as an option says. */
export function valueRangeOption(className: string, value: unknown): readonly [number, number] {
  if (Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] < value[1]) return [value[0], value[1]]
  throw new WeftError('ERR_ARGUMENT', `layers.${factoryName(className)}: valueRange is [lowest, highest], got ${show(value)}`, {
    hint: 'Write [0, 1] for images that are rescaled, [0, 255] for bytes',
  })
}
