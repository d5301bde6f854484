// The bytes of a text file, piece by piece: unpacked where it is gzipped, and in UTF-8.
import { isUtf8 } from 'node:buffer'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { TextDecoder } from 'node:util'
import { createGunzip } from 'node:zlib'
import { WeftError } from '../core/error.js'
import type { OptionTable } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'

export interface FileOptions {
  /** Longest row in bytes; a longer one is an error. Default 16 MiB. */
  maxLineBytes?: number
  /**
   * Most bytes of the file, unpacked. Default: no limit; of .gz files 1 GiB, or 200 times the packed size where that is
   * more.
   */
  maxBytes?: number
}
export const FILE_OPTIONS: OptionTable<FileOptions> = { maxLineBytes: 'integer', maxBytes: 'number' }

export const LONGEST_LINE: number = 2 ** 24
const LEAST_UNPACKED = 2 ** 30
const MOST_PACKED = 200
/** Bytes read at once. */
const PIECE = 2 ** 18

/** The path of a file that is there. ERR_ARGUMENT for another one, and for limits of no use. */
export function fileOf(what: string, file: Place, options: FileOptions): string {
  const path = pathOf(what, file, 'file')
  if (!existsSync(path)) throw new WeftError('ERR_ARGUMENT', `${what}: no file '${path}'`)
  for (const name of ['maxLineBytes', 'maxBytes'] as const) {
    const bytes = options[name]
    if (bytes !== undefined && !(bytes >= 1)) throw new WeftError('ERR_ARGUMENT', `${what}: ${name} must be at least 1, got ${bytes}`)
  }
  return path
}

/** A row that is longer than asked for. */
export const tooLong = (path: string, longest: number, reason: string): WeftError =>
  new WeftError('ERR_FORMAT', `${path}: a row has more than ${longest} bytes`, { hint: `${reason} Else give a larger maxLineBytes` })

/** Bytes at the end that begin a character whose rest is in the next piece. */
function begun(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** Looks at the pieces of a file: ERR_DATA for bytes that are no UTF-8, which would become other letters unseen. */
class Letters {
  private rest: Buffer = Buffer.alloc(0)
  /** Bytes before the rest. */
  private before = 0

  constructor(private readonly path: string) {}

  check(piece: Buffer, last: boolean): void {
    const bytes = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece])
    const whole = bytes.subarray(0, bytes.length - (last ? 0 : begun(bytes)))
    if (!isUtf8(whole)) {
      const read = Buffer.from(whole.toString('utf8'), 'utf8')
      let at = 0
      while (read[at] === whole[at]) at++
      throw new WeftError('ERR_DATA', `${this.path}: byte ${this.before + at + 1} is no text in UTF-8`, {
        hint: 'Save the file as UTF-8, as by: iconv -f latin1 -t utf-8 old > new',
      })
    }
    this.before += whole.length
    this.rest = Buffer.from(bytes.subarray(whole.length))
  }
}

/** The bytes of the file, unpacked, in UTF-8. ERR_DATA for other bytes. */
export async function* bytesOf(path: string, options: FileOptions): AsyncGenerator<Buffer, void> {
  const packed = path.endsWith('.gz')
  const most = options.maxBytes ?? (packed ? Math.max(LEAST_UNPACKED, MOST_PACKED * statSync(path).size) : Number.POSITIVE_INFINITY)
  const bytes = createReadStream(path, { highWaterMark: PIECE })
  // what fails in between destroys the last stream with the error, so the loop below throws it
  const stream = packed ? pipeline(bytes, createGunzip({ chunkSize: PIECE }), () => {}) : bytes
  let count = 0
  let wide: TextDecoder | undefined
  const letters = new Letters(path)
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      if (count === 0 && piece[0] === 0xff && piece[1] === 0xfe) wide = new TextDecoder('utf-16le')
      count += piece.length
      if (count > most) {
        throw new WeftError('ERR_FORMAT', `${path}: the file has more than ${most} bytes${packed ? ' unpacked' : ''}`, {
          hint: 'Give a larger maxBytes if that is right',
        })
      }
      if (!wide) letters.check(piece, false)
      yield wide ? Buffer.from(wide.decode(piece, { stream: true }), 'utf8') : piece
    }
    letters.check(Buffer.alloc(0), true)
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    throw new WeftError('ERR_FORMAT', `${path}: ${(cause as Error).message}`, { cause })
  } finally {
    bytes.destroy()
  }
}
