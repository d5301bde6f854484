// ImageProcessor: images as a vision model was trained on them, by the preprocessor_config.json of its folder.
import { WeftError } from '../core/error.js'
import { checkCall, show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { cast, div, mul, sub } from '../ops/index.js'
import { tensor } from '../core/create.js'
import type { Json } from './config.js'

/** Steps that change pixels and are not done here. */
const UNSUPPORTED: readonly string[] = ['do_pad', 'do_flip_channel_order', 'do_reduce_labels']

export class ImageProcessor {
  /** Height and width that the model takes; undefined where any will do. */
  readonly size: readonly [number, number] | undefined
  private readonly factor: number
  private readonly mean: readonly number[] | undefined
  private readonly deviation: readonly number[] | undefined

  /** @internal */
  constructor(json: Json, file: string) {
    const wrong = (why: string): WeftError => new WeftError('ERR_FORMAT', `${file}: ${why}`)
    for (const name of UNSUPPORTED) if (json[name] === true) throw wrong(`${name}: true is not supported`)
    const list = (name: string): readonly number[] => {
      const value = json[name] ?? [0.5, 0.5, 0.5]
      if (Array.isArray(value) && value.length > 0 && value.every((x) => typeof x === 'number' && Number.isFinite(x)))
        return value as number[]
      throw wrong(`${name} must be a list of numbers, got ${show(value)}`)
    }
    const factor = json['rescale_factor'] ?? 1 / 255
    if (typeof factor !== 'number') throw wrong(`rescale_factor must be a number, got ${show(factor)}`)
    this.factor = json['do_rescale'] === false ? 1 : factor
    const normalizes = json['do_normalize'] !== false
    this.mean = normalizes ? list('image_mean') : undefined
    this.deviation = normalizes ? list('image_std') : undefined
    this.size = json['do_center_crop'] === true ? (sizeOf(json['crop_size']) ?? sizeOf(json['size'])) : sizeOf(json['size'])
  }

  /**
   * Pixels from 0 to 255 [batch, height, width, channels] → what the model takes: rescaled, less the mean of each
   * channel, over its deviation. Images are not resized: ERR_SHAPE for another height and width than `size`.
   */
  apply(images: Tensor): Tensor {
    checkCall('imageProcessor.apply(images)', arguments)
    if (!(images instanceof Tensor)) throw new WeftError('ERR_ARGUMENT', `imageProcessor.apply: expected a Tensor, got ${show(images)}`)
    const { size, mean, deviation, factor } = this
    const [, height, width, channels] = images.shape
    const fits = size === undefined || (height === size[0] && width === size[1])
    if (images.rank !== 4 || !fits || (mean && mean.length !== 1 && mean.length !== channels))
      throw new WeftError(
        'ERR_SHAPE',
        `imageProcessor.apply: expected images of shape [batch, ${size?.join(', ') ?? 'height, width'}, ${mean?.length ?? 'channels'}], got [${images.shape}]`,
        { shapes: [images.shape], hint: size ? `Resize them to ${size[0]} × ${size[1]} first` : 'One image needs expandDims(0)' },
      )
    const scaled = mul(images.dtype === 'float32' ? images : cast(images, 'float32'), factor)
    if (!mean || !deviation) return scaled
    const row = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), { device: images.device })
    return div(sub(scaled, row(mean)), row(deviation))
  }
}

/** { height, width }, or one number for both. */
function sizeOf(size: unknown): readonly [number, number] | undefined {
  if (typeof size === 'number') return [size, size]
  if (!isRecord(size)) return undefined
  const { height, width } = size
  return typeof height === 'number' && typeof width === 'number' ? [height, width] : undefined
}
