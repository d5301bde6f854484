// Borders and repetition of sequences, images and volumes: zeroPadding1d to 3d, cropping1d to 3d, upSampling1d and 3d.
// upSampling2d, which can interpolate, is in resampling.ts.
import { WeftError } from '../core/error.js'
import { type OptionTable, show } from '../core/options.js'
import { shapeText } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import * as ops from '../ops/index.js'
import { type LayerFactory, layer } from './declare.js'
import { IMAGES, SEQUENCES, VOLUMES } from './input_spec.js'
import { type InputSpec, Layer, type LayerOptions } from './layer.js'
import { integerOption, pairOption } from './options.js'

type Pair = readonly [number, number]
/** Places at the begin and the end of sequences: one number for both, or two. */
export type Ends = number | Pair
/** Places on the sides of an image: all, [height, width], or [[top, bottom], [left, right]]. */
export type Sides = number | Pair | readonly [Pair, Pair]
/** Places on the sides of a volume: all, [depth, height, width], or a pair for each. */
export type Sides3 = number | readonly [number, number, number] | readonly [Pair, Pair, Pair]

const COUNTS = ['', '', 'two', 'three']

/** A number for each axis between batch and channels. */
function eachOption(what: string, name: string, value: unknown, rank: number): readonly unknown[] {
  if (typeof value === 'number') return new Array<unknown>(rank).fill(value)
  if (Array.isArray(value) && value.length === rank) return value
  const pairs = name === 'size' ? '' : ` or ${COUNTS[rank]} pairs`
  const list = pairs === '' ? ` or ${COUNTS[rank]} of them` : `, ${COUNTS[rank]} of them${pairs}`
  throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be an integer${list}, got ${show(value)}`)
}

/** The places before and after the values of an axis. */
function endsOption(what: string, name: string, value: unknown): Pair {
  const [before, after] = pairOption(what, name, value, 0)
  return [before, after]
}

/** The same for each axis; of sequences the setting is that of their one axis. */
const sidesOption = (what: string, name: string, value: unknown, rank: number): readonly Pair[] =>
  (rank === 1 ? [value] : eachOption(what, name, value, rank)).map((side) => endsOption(what, name, side))

/** Moves values of any dtype; `sides` has a pair for each axis between batch and channels. */
abstract class Bordering<C extends object> extends Layer<C> {
  protected override readonly castsInputs: boolean = false
  protected override readonly keepsRange: boolean = true
  protected abstract readonly sides: readonly Pair[]
}

abstract class ZeroPadding<C extends object> extends Bordering<C> {
  call(x: Tensor): Tensor {
    return ops.pad(x, [[0, 0], ...this.sides, [0, 0]])
  }
}

abstract class Cropping<C extends object> extends Bordering<C> {
  call(x: Tensor): Tensor {
    const size = x.shape.slice(1, -1).map((extent, i) => extent - this.sides[i]![0] - this.sides[i]![1])
    if (size.some((extent) => extent < 1))
      throw this.error('ERR_SHAPE', `cropping ${show(this.sides)} leaves nothing of inputs of shape ${shapeText(x.shape.slice(1))}`, [
        x.shape,
      ])
    return ops.slice(x, [0, ...this.sides.map(([before]) => before), 0], [x.shape[0]!, ...size, x.shape.at(-1)!])
  }
}

export interface ZeroPadding1dOptions {
  /** Default 1. */
  padding?: Ends
}

export class ZeroPadding1d extends ZeroPadding<ZeroPadding1dOptions> {
  static override readonly className: string = 'ZeroPadding1d'
  static override readonly options: OptionTable<ZeroPadding1dOptions> = { padding: 'any' }
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  protected readonly sides: readonly Pair[]

  constructor(config: ZeroPadding1dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.zeroPadding1d', 'padding', config.padding ?? 1, 1)
  }
}

/** Steps of zeros before and after sequences [batch, steps, channels]. */
export const zeroPadding1d: LayerFactory<typeof ZeroPadding1d> = layer(ZeroPadding1d)

export interface ZeroPadding2dOptions {
  /** Default 1. */
  padding?: Sides
}

export class ZeroPadding2d extends ZeroPadding<ZeroPadding2dOptions> {
  static override readonly className: string = 'ZeroPadding2d'
  static override readonly options: OptionTable<ZeroPadding2dOptions> = { padding: 'any' }
  protected override inputSpec: InputSpec | undefined = IMAGES
  protected readonly sides: readonly Pair[]

  constructor(config: ZeroPadding2dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.zeroPadding2d', 'padding', config.padding ?? 1, 2)
  }
}

/** Zeros around images [batch, height, width, channels]. */
export const zeroPadding2d: LayerFactory<typeof ZeroPadding2d> = layer(ZeroPadding2d)

export interface ZeroPadding3dOptions {
  /** Default 1. */
  padding?: Sides3
}

export class ZeroPadding3d extends ZeroPadding<ZeroPadding3dOptions> {
  static override readonly className: string = 'ZeroPadding3d'
  static override readonly options: OptionTable<ZeroPadding3dOptions> = { padding: 'any' }
  protected override inputSpec: InputSpec | undefined = VOLUMES
  protected readonly sides: readonly Pair[]

  constructor(config: ZeroPadding3dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.zeroPadding3d', 'padding', config.padding ?? 1, 3)
  }
}

/** Zeros around volumes [batch, depth, height, width, channels]. */
export const zeroPadding3d: LayerFactory<typeof ZeroPadding3d> = layer(ZeroPadding3d)

export interface Cropping1dOptions {
  /** Default 1. */
  cropping?: Ends
}

export class Cropping1d extends Cropping<Cropping1dOptions> {
  static override readonly className: string = 'Cropping1d'
  static override readonly options: OptionTable<Cropping1dOptions> = { cropping: 'any' }
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  protected readonly sides: readonly Pair[]

  constructor(config: Cropping1dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.cropping1d', 'cropping', config.cropping ?? 1, 1)
  }
}

/** Sequences [batch, steps, channels] without their first and last steps. */
export const cropping1d: LayerFactory<typeof Cropping1d> = layer(Cropping1d)

export interface Cropping2dOptions {
  /** Default 0. */
  cropping?: Sides
}

export class Cropping2d extends Cropping<Cropping2dOptions> {
  static override readonly className: string = 'Cropping2d'
  static override readonly options: OptionTable<Cropping2dOptions> = { cropping: 'any' }
  protected override inputSpec: InputSpec | undefined = IMAGES
  protected readonly sides: readonly Pair[]

  constructor(config: Cropping2dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.cropping2d', 'cropping', config.cropping ?? 0, 2)
  }
}

/** Images [batch, height, width, channels] without their borders. */
export const cropping2d: LayerFactory<typeof Cropping2d> = layer(Cropping2d)

export interface Cropping3dOptions {
  /** Default 1. */
  cropping?: Sides3
}

export class Cropping3d extends Cropping<Cropping3dOptions> {
  static override readonly className: string = 'Cropping3d'
  static override readonly options: OptionTable<Cropping3dOptions> = { cropping: 'any' }
  protected override inputSpec: InputSpec | undefined = VOLUMES
  protected readonly sides: readonly Pair[]

  constructor(config: Cropping3dOptions & LayerOptions = {}) {
    super(config)
    this.sides = sidesOption('layers.cropping3d', 'cropping', config.cropping ?? 1, 3)
  }
}

/** Volumes [batch, depth, height, width, channels] without their borders. */
export const cropping3d: LayerFactory<typeof Cropping3d> = layer(Cropping3d)

/** Repeats the places of each axis between batch and channels. */
abstract class Repeating<C extends object> extends Layer<C> {
  protected override readonly castsInputs: boolean = false
  protected override readonly keepsRange: boolean = true
  protected abstract readonly times: readonly number[]

  call(x: Tensor): Tensor {
    return repeated(x, this.times)
  }
}

/** Each place so many times along each axis between batch and channels. */
export function repeated(x: Tensor, times: readonly number[]): Tensor {
  const [batch, ...places] = x.shape.slice(0, -1) as [number, ...number[]]
  const channels = x.shape.at(-1)!
  const apart = [batch, ...places.flatMap((n) => [n, 1]), channels]
  const wide = ops.broadcastTo(ops.reshape(x, apart), [batch, ...places.flatMap((n, i) => [n, times[i]!]), channels])
  return ops.reshape(wide, [batch, ...places.map((n, i) => n * times[i]!), channels])
}

export interface UpSampling1dOptions {
  /** How many times each step is there. Default 2. */
  size?: number
}

export class UpSampling1d extends Repeating<UpSampling1dOptions> {
  static override readonly className: string = 'UpSampling1d'
  static override readonly options: OptionTable<UpSampling1dOptions> = { size: 'integer' }
  protected override inputSpec: InputSpec | undefined = SEQUENCES
  protected readonly times: readonly number[]

  constructor(config: UpSampling1dOptions & LayerOptions = {}) {
    super(config)
    this.times = [integerOption('layers.upSampling1d', 'size', config.size ?? 2)]
  }
}

/** Sequences [batch, steps, channels] with each step repeated: [batch, steps · size, channels]. */
export const upSampling1d: LayerFactory<typeof UpSampling1d> = layer(UpSampling1d)

export interface UpSampling3dOptions {
  /** How many times each place is there along depth, height and width, or one number for all. Default 2. */
  size?: number | readonly [number, number, number]
}

export class UpSampling3d extends Repeating<UpSampling3dOptions> {
  static override readonly className: string = 'UpSampling3d'
  static override readonly options: OptionTable<UpSampling3dOptions> = { size: 'any' }
  protected override inputSpec: InputSpec | undefined = VOLUMES
  protected readonly times: readonly number[]

  constructor(config: UpSampling3dOptions & LayerOptions = {}) {
    super(config)
    this.times = eachOption('layers.upSampling3d', 'size', config.size ?? 2, 3).map((n) => integerOption('layers.upSampling3d', 'size', n))
  }
}

/** Volumes [batch, depth, height, width, channels] with the places of each axis repeated. */
export const upSampling3d: LayerFactory<typeof UpSampling3d> = layer(UpSampling3d)
