// Sealed files: AES-256-GCM in chunks, read in memory alone. What is cut off, edited, moved or taken from another file
// is found.
//
//   magic (8 bytes) | salt (32) | commitment (32) | chunks
//
// Each chunk is 256 KiB of the file, encrypted, and its tag (16 bytes); the last one is shorter. File key and
// commitment come from the version's data key, the salt and the file's name by HKDF-SHA-256, so that no two files share
// a key. The nonce of a chunk is its number, and whether it is the last one: no nonce is used twice with a key, and no
// chunk counts in another place (Hoang et al., "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance",
// 2015: STREAM).
import { createCipheriv, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { WeftError } from '../../core/error.js'
import { type Sink, writeNew } from '../../io/folder.js'
import { RegularFile } from '../../io/regular_file.js'
import { canUsePool, CIPHER, decryptHere, decryptInPool, NONCE_BYTES, type SealedChunks, TAG_BYTES } from './decryption.js'

const MAGIC = Buffer.from('WEFTSEA1')
const SALT_BYTES = 32
const HEADER_BYTES = MAGIC.length + SALT_BYTES + 32
export const CHUNK_BYTES: number = 256 << 10
const STORED_BYTES = CHUNK_BYTES + TAG_BYTES

function keysOf(dataKey: Uint8Array, salt: Uint8Array, name: string): { key: Buffer; commitment: Buffer } {
  const bytes = Buffer.from(hkdfSync('sha256', dataKey, salt, `weft sealed file ${name}`, 64))
  return { key: bytes.subarray(0, 32), commitment: bytes.subarray(32) }
}

function nonceOf(chunk: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUInt32BE(chunk, 4)
  nonce[11] = last ? 1 : 0
  return nonce
}

/** Writes a file that is not there yet, sealed under the name that it has when it is open. */
export async function writeSealed(file: string, dataKey: Uint8Array, name: string, write: (sink: Sink) => Promise<void>): Promise<void> {
  const salt = randomBytes(SALT_BYTES)
  const { key, commitment } = keysOf(dataKey, salt, name)
  const header = Buffer.concat([MAGIC, salt, commitment])
  await writeNew(file, async (handle) => {
    const put = async (bytes: Buffer): Promise<void> => {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten
    }
    const seal = async (plain: Uint8Array, index: number, last: boolean): Promise<void> => {
      const cipher = createCipheriv(CIPHER, key, nonceOf(index, last)).setAAD(header)
      await put(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]))
    }
    await put(header)
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    let [filled, index] = [0, 0]
    await write({
      write: async (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          // a full chunk waits: it may be the last
          if (filled === CHUNK_BYTES) {
            await seal(chunk, index++, false)
            filled = 0
          }
          const part = bytes.subarray(at, at + CHUNK_BYTES - filled)
          chunk.set(part, filled)
          filled += part.length
          at += part.length
        }
        return { bytesWritten: bytes.length }
      },
    })
    await seal(chunk.subarray(0, filled), index, true)
    chunk.fill(0)
  })
}

/** A sealed file that is open: read as if it were the file that was sealed. */
export class SealedFile extends RegularFile {
  /** The last one that was wanted in part: the other part mostly is next. */
  private chunk: { readonly index: number; readonly bytes: Promise<Uint8Array> } | undefined

  private constructor(
    file: string,
    handle: FileHandle,
    facts: Stats,
    size: number,
    private readonly count: number,
    private key: Buffer,
    private readonly header: Buffer,
  ) {
    super(file, handle, facts, size)
  }

  /**
   * Opens a file that was sealed under this name. ERR_FORMAT where it was not, or with another data key, or is not
   * whole.
   */
  static async unseal(file: string, dataKey: Uint8Array, name: string): Promise<SealedFile> {
    const { handle, facts } = await RegularFile.opened(file)
    try {
      const count = Math.max(1, Math.ceil((facts.size - HEADER_BYTES) / STORED_BYTES))
      const size = facts.size - HEADER_BYTES - count * TAG_BYTES
      const header = Buffer.alloc(HEADER_BYTES)
      await handle.read(header, 0, HEADER_BYTES, 0)
      if (size < 0 || !header.subarray(0, MAGIC.length).equals(MAGIC))
        throw new WeftError('ERR_FORMAT', `${file} is not a whole sealed file`)
      const { key, commitment } = keysOf(dataKey, header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES), name)
      if (!timingSafeEqual(commitment, header.subarray(MAGIC.length + SALT_BYTES)))
        throw new WeftError('ERR_FORMAT', `${file} was not sealed with this version's key, under this name: it was replaced or edited`)
      const opened = new SealedFile(file, handle, facts, size, count, key, header)
      // where it is not the last chunk, the file was cut off
      await opened.chunkAt(count - 1)
      return opened
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  override async read(target: Uint8Array, position: number): Promise<void> {
    if (position + target.length > this.size) throw new WeftError('ERR_FORMAT', `${this.path} ends at byte ${this.size}`)
    const parts: Promise<void>[] = []
    for (let at = 0; at < target.length; ) {
      const index = Math.floor((position + at) / CHUNK_BYTES)
      const from = position + at - index * CHUNK_BYTES
      const whole = Math.min(Math.floor((target.length - at) / CHUNK_BYTES), this.count - 1 - index)
      const isWhole = from === 0 && whole > 0
      const part = target.subarray(at, at + (isWhole ? whole * CHUNK_BYTES : CHUNK_BYTES - from))
      parts.push(isWhole ? this.open(index, part) : this.copy(index, from, part))
      at += part.length
    }
    // all of them end before the file is closed, and before the memory is used for something else
    for (const end of await Promise.allSettled(parts)) if (end.status === 'rejected') throw end.reason
  }

  /** What was opened before need not be what is held. */
  override async hold(): Promise<Uint8Array> {
    const bytes = await super.hold()
    this.chunk = undefined
    return bytes
  }

  override async close(): Promise<void> {
    const chunk = await this.chunk?.bytes.catch(() => undefined)
    chunk?.fill(0)
    this.chunk = undefined
    this.key.fill(0)
    await super.close()
  }

  private async copy(index: number, from: number, target: Uint8Array): Promise<void> {
    target.set((await this.chunkAt(index)).subarray(from, from + target.length))
  }

  private chunkAt(index: number): Promise<Uint8Array> {
    if (this.chunk?.index !== index) this.chunk = { index, bytes: this.plainChunk(index) }
    return this.chunk.bytes
  }

  private async plainChunk(index: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(CHUNK_BYTES, this.size - index * CHUNK_BYTES))
    await this.open(index, bytes)
    return bytes
  }

  /** Chunks to where they are wanted; one that is not as it was sealed is cleared there. */
  private async open(first: number, target: Uint8Array): Promise<void> {
    const count = Math.max(1, Math.ceil(target.length / CHUNK_BYTES))
    let opened = 0
    if (canUsePool() && !this.isHeld)
      opened = await decryptInPool(this.chunksFrom(first, count), { file: this.fd, position: placeOf(first) }, target)
    // one after the other where the pool cannot; else for the error that says why it could not
    for (const stored = Buffer.allocUnsafe(opened < count ? STORED_BYTES : 0); opened < count; opened++) {
      const part = target.subarray(opened * CHUNK_BYTES, (opened + 1) * CHUNK_BYTES)
      const sealed = stored.subarray(0, part.length + TAG_BYTES)
      await this.readStored(sealed, placeOf(first + opened))
      if ((await decryptHere(this.chunksFrom(first + opened, 1), sealed, part)) === 1) continue
      throw new WeftError(
        'ERR_FORMAT',
        `${this.path} is not as it was sealed: part ${first + opened + 1} of ${this.count} was edited, moved or cut off`,
      )
    }
  }

  private chunksFrom(first: number, count: number): SealedChunks {
    const nonces = Buffer.concat(Array.from({ length: count }, (_, i) => nonceOf(first + i, first + i === this.count - 1)))
    return { key: this.key, associated: this.header, nonces, chunkBytes: CHUNK_BYTES }
  }
}

/** Where a chunk lies in the file. */
const placeOf = (chunk: number): number => HEADER_BYTES + chunk * STORED_BYTES
