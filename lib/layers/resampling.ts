// Images of another size: upSampling2d, resizing, centerCrop.
import type { OptionTable } from '../core/options.js'
import type { Shape } from '../core/spec.js'
import * as ops from '../ops/index.js'
import { type Interpolation, INTERPOLATIONS } from '../ops/resize.js'
import type { Tensor } from '../core/tensor.js'
import { repeated } from './borders.js'
import { type LayerFactory, layer } from './declare.js'
import { IMAGES } from './input_spec.js'
import { type InputSpec, Layer, type LayerOptions } from './layer.js'
import { choiceOption, integerOption, pairOption, type Size } from './options.js'

export type { Interpolation } from '../ops/resize.js'

abstract class Resampling<C extends object> extends Layer<C> {
  protected override readonly keepsRange: boolean = true
  protected override inputSpec: InputSpec | undefined = IMAGES
}

export interface UpSampling2dOptions {
  /** How many times as many rows and columns. Default 2. */
  size?: Size
  /** Default 'nearest': rows and columns are repeated. */
  interpolation?: Interpolation
}

export class UpSampling2d extends Resampling<UpSampling2dOptions> {
  static override readonly className: string = 'UpSampling2d'
  static override readonly options: OptionTable<UpSampling2dOptions> = { size: 'any', interpolation: INTERPOLATIONS }
  // repeated values are the values
  protected override readonly castsInputs: boolean
  private readonly size: [number, number]
  private readonly interpolation: Interpolation

  constructor(config: UpSampling2dOptions & LayerOptions = {}) {
    super(config)
    this.size = pairOption('layers.upSampling2d', 'size', config.size ?? 2)
    this.interpolation = choiceOption('layers.upSampling2d', 'interpolation', config.interpolation ?? 'nearest', INTERPOLATIONS)
    this.castsInputs = this.interpolation !== 'nearest'
  }

  call(x: Tensor): Tensor {
    if (this.interpolation === 'nearest') return repeated(x, this.size)
    const [, h, w] = x.shape as Shape & [number, number, number, number]
    const [rows, columns] = this.size
    return ops.resize(x, [h * rows, w * columns], { interpolation: this.interpolation })
  }
}

/** Images with each row and column repeated, or with values in between. */
export const upSampling2d: LayerFactory<typeof UpSampling2d> = layer(UpSampling2d)

export interface ResizingOptions {
  /** Rows of the result. */
  height: number
  /** Columns of the result. */
  width: number
  /** Default 'bilinear'. Images that become smaller are not smoothed. */
  interpolation?: Interpolation
}

export class Resizing extends Resampling<ResizingOptions> {
  static override readonly className: string = 'Resizing'
  static override readonly options: OptionTable<ResizingOptions> = { height: 'integer', width: 'integer', interpolation: INTERPOLATIONS }

  constructor(config: ResizingOptions & LayerOptions) {
    super(config)
    integerOption('layers.resizing', 'height', config.height)
    integerOption('layers.resizing', 'width', config.width)
  }

  call(x: Tensor): Tensor {
    const { height, width, interpolation = 'bilinear' } = this.config
    return ops.resize(x, [height, width], { interpolation })
  }
}

/** Images of another size: [batch, any, any, channels] → [batch, height, width, channels]. */
export const resizing: LayerFactory<typeof Resizing> = layer(Resizing)

export interface CenterCropOptions {
  /** Rows of the result, at most those of the images. */
  height: number
  /** Columns of the result, at most those of the images. */
  width: number
}

export class CenterCrop extends Resampling<CenterCropOptions> {
  static override readonly className: string = 'CenterCrop'
  static override readonly options: OptionTable<CenterCropOptions> = { height: 'integer', width: 'integer' }
  protected override readonly castsInputs: boolean = false

  constructor(config: CenterCropOptions & LayerOptions) {
    super(config)
    integerOption('layers.centerCrop', 'height', config.height)
    integerOption('layers.centerCrop', 'width', config.width)
  }

  call(x: Tensor): Tensor {
    const [n, rows, columns, c] = x.shape as Shape & [number, number, number, number]
    const { height, width } = this.config
    if (height > rows || width > columns)
      throw this.error(
        'ERR_SHAPE',
        `images of ${rows} × ${columns} have no middle of ${height} × ${width}`,
        [x.shape],
        'Use layers.resizing',
      )
    return ops.slice(x, [0, Math.floor((rows - height) / 2), Math.floor((columns - width) / 2), 0], [n, height, width, c])
  }
}

/** The middle of images. */
export const centerCrop: LayerFactory<typeof CenterCrop> = layer(CenterCrop)
