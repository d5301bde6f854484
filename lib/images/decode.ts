// Bytes of a picture as pixels.
import { WeftError } from '../core/error.js'
import type { OptionTable } from '../core/options.js'
import { show } from '../core/options.js'
import { isInteger } from '../core/checks.js'
import { type Colour, type Pipeline, sharpFor } from './sharp.js'

/** How a picture is taken to another size when it is read. */
export type ReadingMethod = 'nearest' | 'bilinear' | 'bicubic'
const READING_METHODS: readonly ReadingMethod[] = ['nearest', 'bilinear', 'bicubic']

export interface ReadingOptions {
  /** 3: red, green, blue (default); 1: grey; 4: with alpha. */
  channels?: 1 | 3 | 4
  /** [height, width]. Default: as the picture is. */
  size?: readonly [number, number]
  /** Default 'bilinear'. Pictures that become smaller are smoothed, as PIL does; 'nearest' ones are not. */
  method?: ReadingMethod
  /** Cuts the middle part of the wanted shape out instead of stretching the picture. Default false. */
  cropToAspectRatio?: boolean
  /** Adds black margins instead of stretching the picture. Default false. */
  padToAspectRatio?: boolean
  /**
   * What transparent pixels lie on, red, green and blue from 0 to 255. Default: alpha is left out, and the colours
   * behind it stay as they are stored (as PIL, Keras and PyTorch do).
   */
  background?: readonly [number, number, number]
  /** Turned upright as the camera says (EXIF). Default true. */
  orient?: boolean
}
export const READING_OPTIONS: OptionTable<ReadingOptions> = {
  channels: 'any',
  size: 'any',
  method: READING_METHODS,
  cropToAspectRatio: 'boolean',
  padToAspectRatio: 'boolean',
  background: 'any',
  orient: 'boolean',
}

/** Pixels from 0 to 255, row by row. */
export interface Pixels {
  readonly data: Uint8Array
  readonly shape: [height: number, width: number, channels: number]
}

export function checkReading(what: string, { channels, size, background, ...options }: ReadingOptions): void {
  if (channels !== undefined && ![1, 3, 4].includes(channels))
    throw new WeftError('ERR_ARGUMENT', `${what}: channels is 1 (grey), 3 (colours) or 4 (with alpha), got ${show(channels)}`)
  if (size !== undefined) checkSize(what, size)
  const isByte = (value: unknown): boolean => isInteger(value, 0, 255)
  if (background !== undefined && !(Array.isArray(background) && background.length === 3 && background.every(isByte)))
    throw new WeftError('ERR_ARGUMENT', `${what}: background is [red, green, blue], each from 0 to 255, got ${show(background)}`)
  const { cropToAspectRatio = false, padToAspectRatio = false } = options
  if (cropToAspectRatio && padToAspectRatio)
    throw new WeftError('ERR_ARGUMENT', `${what}: a picture is cropped or padded, not both`, {
      hint: 'Give one of cropToAspectRatio and padToAspectRatio',
    })
  for (const name of ['cropToAspectRatio', 'padToAspectRatio', 'method'] as const)
    if (size === undefined && options[name] !== undefined && options[name] !== false)
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} says how to reach a size, and there is none`, {
        hint: 'Write size: [height, width]',
      })
}

/** The most pixels on a side that sharp makes. */
const MOST_EXTENT = 16383

export function checkSize(what: string, size: unknown): asserts size is readonly [number, number] {
  if (!Array.isArray(size) || size.length !== 2 || !size.every((extent) => isInteger(extent, 1, MOST_EXTENT)))
    throw new WeftError('ERR_ARGUMENT', `${what}: a size is [height, width], two integers from 1 to ${MOST_EXTENT}, got ${show(size)}`)
}

/** The formats that are read, by how their files begin. Others of sharp's run programs or ask for further files. */
const FORMATS: readonly (readonly [name: string, begin: RegExp])[] = [
  ['png', /^\x89PNG\r\n/],
  ['jpeg', /^\xff\xd8\xff/],
  ['webp', /^RIFF[\s\S]{4}WEBP/],
  ['gif', /^GIF8[79]a/],
  ['tiff', /^(?:II\*\0|MM\0\*)/],
  ['avif', /^[\s\S]{4}ftypavi[fs]/],
]
export const FORMAT_NAMES: string = FORMATS.map(([name]) => name).join(', ')

/** Throws ERR_FORMAT unless the bytes begin as a picture does. */
function checkFormat(what: string, name: string, bytes: Uint8Array): void {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.length)).toString('latin1')
  if (FORMATS.some(([, pattern]) => pattern.test(begin))) return
  const why = bytes.length === 0 ? 'is empty' : 'is no picture of a format that is read'
  throw new WeftError('ERR_FORMAT', `${what}: ${name} ${why}`, { hint: `Formats: ${FORMAT_NAMES}` })
}

const KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic' } as const
const BLACK: Colour = { r: 0, g: 0, b: 0, alpha: 1 }
/** Pictures of more pixels are refused, as sharp does by default. */
const MOST_PIXELS = 0x3fff ** 2

/**
 * @param name what the bytes are, for messages
 */
export async function decoded(what: string, name: string, bytes: Uint8Array, options: ReadingOptions): Promise<Pixels> {
  checkFormat(what, name, bytes)
  const sharp = await sharpFor(what)
  const { channels = 3, size, method = 'bilinear', background, orient = true } = options
  // a picture that ends too early is an error; sharp's default takes mere warnings for errors too
  let pipeline: Pipeline = sharp(bytes, { failOn: 'error', limitInputPixels: MOST_PIXELS })
  if (orient) pipeline = pipeline.rotate()
  if (background) pipeline = pipeline.flatten({ background: { r: background[0], g: background[1], b: background[2], alpha: 1 } })
  if (size)
    pipeline = pipeline.resize({
      width: size[1],
      height: size[0],
      fit: options.cropToAspectRatio ? 'cover' : options.padToAspectRatio ? 'contain' : 'fill',
      kernel: KERNELS[method],
      fastShrinkOnLoad: false,
      background: BLACK,
    })
  pipeline = pipeline.toColourspace('srgb')
  pipeline = channels === 4 ? pipeline.ensureAlpha() : pipeline.removeAlpha()
  try {
    const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
    return withChannels({ data, shape: [info.height, info.width, info.channels] }, channels)
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `${what}: ${name} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'The picture is damaged, or was cut off; save it anew',
    })
  }
}

/** Grey of three colours is that of ITU-R BT.601, in integers as PIL computes it. */
function withChannels({ data, shape: [height, width, own] }: Pixels, channels: number): Pixels {
  const count = height * width
  const shape: Pixels['shape'] = [height, width, channels]
  // bytes of their own: those of sharp lie in memory that its library gave
  if (own === channels) return { data: Uint8Array.from(data), shape }
  const made = new Uint8Array(count * channels)
  for (let i = 0; i < count; i++) {
    const at = i * own
    const [r, g, b] = own < 3 ? [data[at]!, data[at]!, data[at]!] : [data[at]!, data[at + 1]!, data[at + 2]!]
    if (channels === 1) made[i] = own < 3 ? r : (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16
    else made.set([r, g, b, ...(channels === 4 ? [own % 2 === 0 ? data[at + own - 1]! : 255] : [])], i * channels)
  }
  return { data: made, shape }
}
