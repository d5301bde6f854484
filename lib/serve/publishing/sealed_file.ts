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
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { WeftError } from '../../core/error.js'
import { type Sink, writeNew } from '../../io/folder.js'
import { RegularFile } from '../../io/regular_file.js'

const MAGIC = Buffer.from('WEFTSEA1')
const SALT_BYTES = 32
const HEADER_BYTES = MAGIC.length + SALT_BYTES + 32
export const CHUNK_BYTES: number = 256 << 10
const TAG_BYTES = 16
const STORED_BYTES = CHUNK_BYTES + TAG_BYTES
/** What is decrypted in one call: its memory is used again at once, and the collector has less to do. */
const PIECE_BYTES = 16 << 10
/** 1 MiB: what is decrypted at a time keeps the event loop for about a millisecond. */
const CHUNKS_A_READ = 4
const CIPHER = 'aes-256-gcm'

function keysOf(dataKey: Uint8Array, salt: Uint8Array, name: string): { key: Buffer; commitment: Buffer } {
  const bytes = Buffer.from(hkdfSync('sha256', dataKey, salt, `weft sealed file ${name}`, 64))
  return { key: bytes.subarray(0, 32), commitment: bytes.subarray(32) }
}

function nonceOf(chunk: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12)
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
  private chunk: { readonly index: number; readonly bytes: Uint8Array } | undefined
  /** What is being decrypted, and what is read meanwhile. */
  private readonly stored = [0, 1].map(() => Buffer.allocUnsafe(CHUNKS_A_READ * STORED_BYTES)) as [Buffer, Buffer]

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
    for (let at = 0; at < target.length; ) {
      const index = Math.floor((position + at) / CHUNK_BYTES)
      const from = position + at - index * CHUNK_BYTES
      const whole = Math.min(Math.floor((target.length - at) / CHUNK_BYTES), this.count - 1 - index)
      if (from === 0 && whole > 0) {
        await this.readWhole(target.subarray(at, at + whole * CHUNK_BYTES), index)
        at += whole * CHUNK_BYTES
        continue
      }
      const part = (await this.chunkAt(index)).subarray(from, from + target.length - at)
      target.set(part, at)
      at += part.length
    }
  }

  /** Whole chunks, to where they are wanted: the next ones are read while some are decrypted. */
  private async readWhole(target: Uint8Array, first: number): Promise<void> {
    const count = target.length / CHUNK_BYTES
    const fetch = async (at: number): Promise<Buffer> => {
      const buffer = this.stored[(at / CHUNKS_A_READ) & 1]!.subarray(0, Math.min(CHUNKS_A_READ, count - at) * STORED_BYTES)
      await this.readStored(buffer, HEADER_BYTES + (first + at) * STORED_BYTES)
      return buffer
    }
    let coming: Promise<Buffer> | undefined = fetch(0)
    try {
      for (let at = 0; coming !== undefined; ) {
        const stored: Buffer = await coming
        const next: number = at + stored.length / STORED_BYTES
        coming = next < count ? fetch(next) : undefined
        for (let from = 0; from < stored.length; from += STORED_BYTES, at++)
          this.open(stored.subarray(from, from + STORED_BYTES), first + at, target.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES))
      }
    } finally {
      // the file is not closed under a read
      await coming?.catch(() => undefined)
    }
  }

  override async close(): Promise<void> {
    this.chunk?.bytes.fill(0)
    this.chunk = undefined
    this.key.fill(0)
    await super.close()
  }

  private async chunkAt(index: number): Promise<Uint8Array> {
    if (this.chunk?.index === index) return this.chunk.bytes
    const at = HEADER_BYTES + index * STORED_BYTES
    const stored = Buffer.allocUnsafe(Math.min(STORED_BYTES, this.facts.size - at))
    await this.readStored(stored, at)
    const bytes = new Uint8Array(stored.length - TAG_BYTES)
    this.open(stored, index, bytes)
    this.chunk = { index, bytes }
    return bytes
  }

  /** Decrypts a chunk into `target`, which is cleared where the chunk is not as it was sealed. */
  private open(stored: Uint8Array, index: number, target: Uint8Array): void {
    const nonce = nonceOf(index, index === this.count - 1)
    const decipher = createDecipheriv(CIPHER, this.key, nonce, { authTagLength: TAG_BYTES }).setAAD(this.header)
    decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES))
    try {
      for (let at = 0; at < target.length; at += PIECE_BYTES)
        target.set(decipher.update(stored.subarray(at, Math.min(at + PIECE_BYTES, target.length))), at)
      // nothing more comes; it throws where the tag is not that of the bytes
      decipher.final()
    } catch (cause) {
      target.fill(0)
      throw new WeftError(
        'ERR_FORMAT',
        `${this.path} is not as it was sealed: part ${index + 1} of ${this.count} was edited, moved or cut off`,
        { cause },
      )
    }
  }
}
