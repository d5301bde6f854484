// images.load: a picture as a Tensor of bytes.
import { isTypedArray } from '../core/checks.js'
import { tensor } from '../core/create.js'
import { WeftError } from '../core/error.js'
import { checkCall, isDetached, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import type { Tensor } from '../core/tensor.js'
import { RegularFile } from '../io/regular_file.js'
import { checkReading, decoded, READING_OPTIONS, type ReadingOptions } from './decode.js'

export interface LoadOptions extends ReadingOptions {
  /** Where the Tensor goes: 'cpu', 'cuda:0', ... Default: the current device. */
  device?: string
}
const OPTIONS: OptionTable<LoadOptions> = { ...READING_OPTIONS, device: 'string' }

/** The most bytes of a file that are read. */
const MOST_BYTES = 1 << 30

/** The bytes of a picture's file. */
export async function bytesOf(what: string, file: string): Promise<Uint8Array> {
  return RegularFile.use(file, async (opened) => {
    if (opened.size > MOST_BYTES)
      throw new WeftError('ERR_FORMAT', `${what}: ${file} has ${opened.size} bytes, at most ${MOST_BYTES} are read`)
    const bytes = Buffer.allocUnsafeSlow(opened.size)
    await opened.read(bytes, 0)
    return bytes
  })
}

/**
 * A picture as uint8 [height, width, channels], from 0 to 255: red, green and blue, whatever the file holds. Of
 * animations it is the first frame. Colours are brought to sRGB, 16 bits to 8. Reads png, jpeg, webp, gif, tiff and
 * avif, by what the file holds and not by its name. ERR_FORMAT, with the file's name, for what is damaged or something
 * else; ERR_STATE where the package sharp is not installed.
 * @param picture a file, or the bytes of one
 */
export async function load(picture: Place | Uint8Array | ArrayBuffer, options: LoadOptions = {}): Promise<Tensor> {
  const what = 'images.load'
  checkCall(`${what}(picture, options)`, arguments, OPTIONS)
  checkReading(what, options)
  const { data, shape } = await (isBytes(picture)
    ? decoded(what, 'the picture', viewOf(what, picture), options)
    : fromFile(what, pathOf(what, picture, 'file'), options))
  return tensor(data, { shape, ...(options.device === undefined ? {} : { device: options.device }) })
}

const fromFile = async (what: string, file: string, options: ReadingOptions): ReturnType<typeof decoded> =>
  decoded(what, file, await bytesOf(what, file), options)

const isBytes = (value: unknown): value is Uint8Array | ArrayBuffer => value instanceof ArrayBuffer || ArrayBuffer.isView(value)

function viewOf(what: string, bytes: unknown): Uint8Array {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes)
  if (!isTypedArray(bytes) || !(bytes instanceof Uint8Array || bytes instanceof Uint8ClampedArray))
    throw new WeftError('ERR_ARGUMENT', `${what}: the bytes of a picture are a Uint8Array or an ArrayBuffer, got ${show(bytes)}`)
  if (isDetached(bytes)) throw new WeftError('ERR_ARGUMENT', `${what}: the buffer of the picture was transferred away`)
  // a copy: the reading goes on while the caller may change them
  return Uint8Array.from(bytes)
}
