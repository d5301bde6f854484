// Decryption: chunks of a sealed file, opened where their bytes are wanted. Threads of the pool do it with Node's own
// libcrypto; where Node does not show that to addons, node:crypto does it here.
import { createDecipheriv } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { guard } from '../../core/error.js'
import { native } from '../../core/addon.js'

export const CIPHER = 'aes-256-gcm'
export const TAG_BYTES = 16
export const NONCE_BYTES = 12
/** What node:crypto decrypts in one call: its memory is used again at once, and the collector has less to do. */
const PIECE_BYTES = 16 << 10

/** Chunks that lie one behind the other, each followed by its tag. */
export interface SealedChunks {
  readonly key: Uint8Array
  /** What was authenticated with each of them. */
  readonly associated: Uint8Array
  /** One behind the other. */
  readonly nonces: Uint8Array
  /** Bytes of each chunk but the last, without its tag. */
  readonly chunkBytes: number
}

/** A place in an open file. */
export interface FilePlace {
  readonly file: number
  readonly position: number
}

/**
 * Decrypts chunks into `target`. Resolves with how many were as they were sealed: fewer than there are where one is
 * not, or cannot be read. The bytes of that one are then zeros; those behind it count for nothing.
 */
export type Decrypt = (chunks: SealedChunks, stored: Uint8Array, target: Uint8Array) => Promise<number>

/** Whether threads of the pool can decrypt. */
export const canUsePool = (): boolean => native.opensSealed()

/** As many threads of Node's pool, which has four, as there are processors. */
const THREADS = Math.min(4, availableParallelism())

/**
 * Read and decrypted on threads of the pool, which take one chunk after the other. Neither what is stored nor `target`
 * may change meanwhile.
 */
export const decryptInPool = (
  { key, associated, nonces, chunkBytes }: SealedChunks,
  stored: Uint8Array | FilePlace,
  target: Uint8Array,
  threads: number = THREADS,
): Promise<number> =>
  guard(() =>
    stored instanceof Uint8Array
      ? native.openSealed(key, associated, nonces, chunkBytes, stored, 0, target, threads)
      : native.openSealed(key, associated, nonces, chunkBytes, stored.file, stored.position, target, threads),
  )

/** On the thread of JavaScript, with node:crypto. */
export const decryptHere: Decrypt = async ({ key, associated, nonces, chunkBytes }, stored, target) => {
  const count = nonces.length / NONCE_BYTES
  for (let index = 0; index < count; index++) {
    const chunk = target.subarray(index * chunkBytes, (index + 1) * chunkBytes)
    const sealed = stored.subarray(index * (chunkBytes + TAG_BYTES))
    const nonce = nonces.subarray(index * NONCE_BYTES, (index + 1) * NONCE_BYTES)
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated)
    decipher.setAuthTag(sealed.subarray(chunk.length, chunk.length + TAG_BYTES))
    for (let at = 0; at < chunk.length; at += PIECE_BYTES)
      chunk.set(decipher.update(sealed.subarray(at, Math.min(at + PIECE_BYTES, chunk.length))), at)
    try {
      // nothing more comes; it throws where the tag is not that of the bytes
      decipher.final()
    } catch {
      chunk.fill(0)
      return index
    }
  }
  return count
}
