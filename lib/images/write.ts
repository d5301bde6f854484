// images.write: a Tensor as a picture in a file.
import path from 'node:path'
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { isFloat } from '../core/spec.js'
import type { TensorLike } from '../core/tensor.js'
import { type ShapedArray, toHost } from '../data/host.js'
import { writeNew } from '../io/folder.js'
import { replaceFile } from '../io/replace_file.js'
import { sharpFor } from './sharp.js'

export type WriteFormat = 'png' | 'jpeg' | 'webp'

export interface WriteOptions {
  /** Default: by the end of the file's name. */
  format?: WriteFormat
  /** 1 to 100, of jpeg and webp. Default 90. */
  quality?: number
  /** Webp without loss. Default false. */
  lossless?: boolean
  /**
   * The values that are black and white, [least, most]. Default [0, 255] for integers and [0, 1] for floats. Values
   * outside are refused.
   */
  range?: readonly [number, number]
}
const OPTIONS: OptionTable<WriteOptions> = { format: ['png', 'jpeg', 'webp'], quality: 'integer', lossless: 'boolean', range: 'any' }

const ENDS: Readonly<Record<string, WriteFormat>> = { '.png': 'png', '.jpg': 'jpeg', '.jpeg': 'jpeg', '.webp': 'webp' }

/**
 * Writes a picture [height, width, channels], [height, width] or a batch of one. Channels: 1 grey, 3 red, green and
 * blue, 4 with alpha. What was in the file stays until the new one is whole. ERR_DATA for values outside of `range`,
 * ERR_STATE where the package sharp is not installed.
 */
export async function write(file: Place, x: TensorLike | ShapedArray, options: WriteOptions = {}): Promise<void> {
  const what = 'images.write'
  checkCall(`${what}(file, x, options)`, arguments, OPTIONS)
  const target = pathOf(what, file, 'file')
  const format = options.format ?? ENDS[path.extname(target).toLowerCase()]
  if (format === undefined)
    throw new WeftError('ERR_ARGUMENT', `${what}: the name ${show(path.basename(target))} says no format`, {
      hint: `End it in ${Object.keys(ENDS).join(', ')}, or give { format }`,
    })
  const { quality = 90, lossless = false } = options
  integer(what, 'quality', quality, 1, 100)
  if (options.quality !== undefined && format === 'png')
    throw new WeftError('ERR_ARGUMENT', `${what}: png files have no quality, nothing is lost in them`)
  if (lossless && format !== 'webp') throw new WeftError('ERR_ARGUMENT', `${what}: lossless is of webp files, not of ${format} files`)
  const { data, shape, dtype } = await toHost(x, what)
  const [height, width, channels] = extentsOf(what, shape)
  if (format === 'jpeg' && channels === 4)
    throw new WeftError('ERR_ARGUMENT', `${what}: jpeg files have no alpha, and x has 4 channels`, {
      hint: 'Write a png file, or x.slice([0, 0, 0], [height, width, 3])',
    })
  const bytes = bytesOf(what, data as ArrayLike<number>, isFloat(dtype), options.range)
  const sharp = await sharpFor(what)
  const raw = sharp(bytes, { raw: { width, height, channels } })
  const encoded = format === 'png' ? raw.png() : format === 'jpeg' ? raw.jpeg({ quality }) : raw.webp({ quality, lossless })
  const made = await (channels === 1 ? encoded.toColourspace('b-w') : encoded).toBuffer().catch((cause: Error) => {
    throw new WeftError('ERR_ARGUMENT', `${what}: no ${format} file of a picture [${shape}] can be made: ${cause.message}`, {
      cause,
      hint: 'A webp file has at most 16383 pixels on a side, a jpeg file 65535; write a png file',
    })
  })
  await replaceFile(what, target, (fresh) => writeNew(fresh, async (handle) => void (await handle.writeFile(made))))
}

function extentsOf(what: string, shape: readonly number[]): [height: number, width: number, channels: number] {
  const single = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape
  const [height, width, channels] = single.length === 2 ? [...single, 1] : single
  if (single.length < 2 || single.length > 3 || ![1, 3, 4].includes(channels!) || height! < 1 || width! < 1)
    throw new WeftError('ERR_SHAPE', `${what}: a picture is [height, width, channels] of 1, 3 or 4 channels, got [${shape}]`, {
      shapes: [shape],
      ...(shape.length === 4 ? { hint: 'Write one of the batch at a time' } : {}),
    })
  return [height!, width!, channels!]
}

/** The values as bytes: those of the range evenly from 0 to 255, rounded. */
function bytesOf(what: string, values: ArrayLike<number>, floats: boolean, range: readonly [number, number] | undefined): Uint8Array {
  const isRange = range === undefined || (Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] < range[1])
  if (!isRange) throw new WeftError('ERR_ARGUMENT', `${what}: range is [least, most], got ${show(range)}`)
  const [low, high] = range ?? (floats ? [0, 1] : [0, 255])
  const bytes = new Uint8Array(values.length)
  // what rounding of float32 leaves above and below
  const slack = floats ? (high - low) * 1e-5 : 0
  for (let i = 0; i < bytes.length; i++) {
    const value = Number(values[i])
    if (!(value >= low - slack && value <= high + slack))
      throw new WeftError('ERR_DATA', `${what}: the value ${value} is not within [${low}, ${high}]`, {
        hint:
          floats && range === undefined
            ? 'Floats are from 0 to 1; say { range: [0, 255] } for others'
            : 'Use clip(), or say { range: [least, most] }',
      })
    bytes[i] = Math.min(255, Math.max(0, Math.round(((value - low) / (high - low)) * 255)))
  }
  return bytes
}
