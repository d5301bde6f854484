// Images of another size: upSampling2d, resizing, centerCrop.
import { tensor } from '../core/create.js'
import type { OptionTable } from '../core/options.js'
import type { Shape } from '../core/spec.js'
import * as ops from '../ops/index.js'
import type { Tensor } from '../core/tensor.js'
import { type LayerFactory, layer } from './declare.js'
import { IMAGES } from './input_spec.js'
import { type InputSpec, Layer, type LayerOptions } from './layer.js'
import { choiceOption, integerOption, pairOption, type Size } from './options.js'

/**
 * 'nearest': the value of the place that is closest; 'bilinear': between the four closest, with pixels as squares (half
 * pixel centers, as Keras); 'bilinearAsymmetric': with pixels as their upper left corners (as TensorFlow.js, and
 * 'asymmetric' of ONNX).
 */
export type Interpolation = 'nearest' | 'bilinear' | 'bilinearAsymmetric'
const INTERPOLATIONS: readonly Interpolation[] = ['nearest', 'bilinear', 'bilinearAsymmetric']

/** What each of `to` places takes from each of `from`: [to, from]. */
function shares(from: number, to: number, interpolation: Interpolation): Float32Array {
  const matrix = new Float32Array(to * from)
  for (let place = 0; place < to; place++) {
    if (interpolation === 'nearest') {
      matrix[place * from + Math.min(from - 1, Math.floor(((place + 0.5) * from) / to))] = 1
      continue
    }
    const half = interpolation === 'bilinear' ? 0.5 : 0
    const source = Math.min(from - 1, Math.max(0, ((place + half) * from) / to - half))
    const low = Math.floor(source)
    const high = Math.min(low + 1, from - 1)
    matrix[place * from + low]! += 1 - (source - low)
    matrix[place * from + high]! += source - low
  }
  return matrix
}

/** x [n, height, width, channels] → [n, rows, columns, channels]: two products with what each place takes. */
function resized(x: Tensor, rows: number, columns: number, interpolation: Interpolation): Tensor {
  const [n, height, width, channels] = x.shape as Shape & [number, number, number, number]
  const along = (from: number, to: number): Tensor =>
    tensor(shares(from, to, interpolation), { shape: [to, from], dtype: x.dtype, device: x.device })
  const high = ops.matMul(along(height, rows), ops.reshape(x, [n, height, width * channels]))
  const wide = ops.matMul(along(width, columns), ops.reshape(high, [n * rows, width, channels]))
  return ops.reshape(wide, [n, rows, columns, channels])
}

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
    const [n, h, w, c] = x.shape as Shape & [number, number, number, number]
    const [rows, columns] = this.size
    if (this.interpolation !== 'nearest') return resized(x, h * rows, w * columns, this.interpolation)
    const repeated: Shape = [n, h, rows, w, columns, c]
    return ops.reshape(ops.broadcastTo(ops.reshape(x, [n, h, 1, w, 1, c]), repeated), [n, h * rows, w * columns, c])
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
    return resized(x, height, width, interpolation)
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
