// Files opened for reading: regular ones only, so that no pipe is waited for and no device is read without an end.
import { constants, readSync, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { WeftError } from '../core/error.js'
import { isSystemError, systemError } from '../core/system_error.js'

/** What is read or hashed at a time. */
export const CHUNK_BYTES: number = 8 << 20
/** The most of a JSON file that is read: about what fits in one string. */
const MOST_JSON_BYTES = 256 << 20

/** What stands where a regular file should. */
export const kindOf = (facts: Pick<Stats, 'isDirectory' | 'isFIFO' | 'isSocket'>): string => {
  if (facts.isDirectory()) return 'a folder'
  if (facts.isFIFO()) return 'a named pipe'
  if (facts.isSocket()) return 'a socket'
  return 'a device'
}

/** A regular file that is open for reading. It stays as it is while others put a new file in its place. */
export class RegularFile {
  readonly path: string
  readonly size: number
  readonly facts: Stats
  private readonly handle: FileHandle
  private held: Uint8Array | undefined

  protected constructor(file: string, handle: FileHandle, facts: Stats, size: number = facts.size) {
    this.path = file
    this.handle = handle
    this.facts = facts
    this.size = size
  }

  /** Opens a file. Throws the system's error where there is none, ERR_FORMAT when it is not a regular one. */
  static async open(file: string): Promise<RegularFile> {
    const { handle, facts } = await RegularFile.opened(file)
    return new RegularFile(file, handle, facts)
  }

  /** What `read` makes of a file that a user names: ERR_FORMAT where it cannot be opened. It is closed afterwards. */
  static async use<T>(file: string, read: (opened: RegularFile) => Promise<T>): Promise<T> {
    const opened = await RegularFile.open(file).catch((error: unknown) => {
      throw systemError(`${file} cannot be read`, error, 'ERR_FORMAT')
    })
    try {
      return await read(opened)
    } finally {
      await opened.close()
    }
  }

  /** Opens a file as `open` does; undefined where there is none. */
  static async openIfThere(file: string): Promise<RegularFile | undefined> {
    try {
      return await RegularFile.open(file)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** The text of a file; undefined where there is none. */
  static async textIfThere(file: string): Promise<string | undefined> {
    const opened = await RegularFile.openIfThere(file)
    return opened?.text().finally(() => opened.close())
  }

  protected static async opened(file: string): Promise<{ handle: FileHandle; facts: Stats }> {
    const check = (facts: Stats): void => {
      if (!facts.isFile()) throw new WeftError('ERR_FORMAT', `${file} is ${kindOf(facts)}, not a regular file`)
    }
    // opening a device can have effects of its own
    check(await stat(file))
    const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const facts = await handle.stat()
      check(facts)
      return { handle, facts }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Fills `target` with the bytes from `position` on. ERR_FORMAT where the file ends before. */
  read(target: Uint8Array, position: number): Promise<void> {
    return this.readStored(target, position)
  }

  /** The same, while the caller waits. */
  readSync(target: Uint8Array, position: number): void {
    try {
      for (let at = 0; at < target.length; ) {
        const count = readSync(this.handle.fd, target, at, Math.min(CHUNK_BYTES, target.length - at), position + at)
        if (count === 0)
          throw new WeftError('ERR_FORMAT', `${this.path} ends at byte ${position + at}, it became shorter while it was read`)
        at += count
      }
    } catch (error) {
      throw systemError(`${this.path} cannot be read`, error, 'ERR_FORMAT')
    }
  }

  /** Reads the whole file into memory, and returns it: what is read later is what is there now. */
  async hold(): Promise<Uint8Array> {
    if (this.held !== undefined) return this.held
    if (this.facts.size > MOST_JSON_BYTES)
      throw new WeftError('ERR_FORMAT', `${this.path} has ${this.facts.size} bytes, at most ${MOST_JSON_BYTES} are held in memory`)
    const bytes = Buffer.allocUnsafe(this.facts.size)
    await this.readStored(bytes, 0)
    this.held = bytes
    return bytes
  }

  /** Whether what is read is what hold() has read. */
  protected get isHeld(): boolean {
    return this.held !== undefined
  }
  /** The system's number of the open file. */
  protected get fd(): number {
    return this.handle.fd
  }

  /** Reads the bytes as they lie in the file. */
  protected async readStored(target: Uint8Array, position: number): Promise<void> {
    if (this.held !== undefined) {
      const part = this.held.subarray(position, position + target.length)
      if (part.length < target.length) throw new WeftError('ERR_FORMAT', `${this.path} ends at byte ${this.held.length}`)
      target.set(part)
      return
    }
    try {
      for (let at = 0; at < target.length; ) {
        const length = Math.min(CHUNK_BYTES, target.length - at)
        const { bytesRead } = await this.handle.read(target, at, length, position + at)
        if (bytesRead === 0)
          throw new WeftError('ERR_FORMAT', `${this.path} ends at byte ${position + at}, it became shorter while it was read`)
        at += bytesRead
      }
    } catch (error) {
      throw systemError(`${this.path} cannot be read`, error, 'ERR_FORMAT')
    }
  }

  /** The whole file as text. */
  async text(): Promise<string> {
    if (this.size > MOST_JSON_BYTES)
      throw new WeftError('ERR_FORMAT', `${this.path} has ${this.size} bytes, JSON files of up to ${MOST_JSON_BYTES} are read`)
    const bytes = Buffer.allocUnsafe(this.size)
    await this.read(bytes, 0)
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      throw new WeftError('ERR_FORMAT', `${this.path} is not UTF-8 text`)
    }
  }

  /**
   * The JSON object in the file. Errors name the place, never the content: the file may be another one than was meant.
   */
  async json(): Promise<Record<string, unknown>> {
    return jsonObject(await this.text(), this.path)
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

/**
 * The JSON object of a text; ERR_FORMAT that names `what` and the place of the mistake, but does not quote the text.
 */
export function jsonObject(text: string, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const position = /at position (\d+)/.exec((error as Error).message)?.[1]
    throw new WeftError(
      'ERR_FORMAT',
      `${what} is not JSON${position === undefined ? '' : `: a mistake at character ${position} of ${text.length}`}`,
    )
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new WeftError('ERR_FORMAT', `${what} does not hold a JSON object`)
}
