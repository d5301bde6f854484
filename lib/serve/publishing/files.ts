// Files of a repository: read in parts with their checksums, written and replaced as a whole.
import { createHash } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { flushFolder, writeNew } from '../../io/folder.js'
import { stagingName } from '../../io/leftovers.js'
import type { FileFacts } from '../../io/manifest.js'
import { CHUNK_BYTES, RegularFile } from '../../io/regular_file.js'

/** The bytes of a file, in parts that share their memory. */
export async function* chunksOf(file: RegularFile): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.size))
  for (let at = 0; at < file.size; at += buffer.length) {
    const chunk = buffer.subarray(0, file.size - at)
    await file.read(chunk, at)
    yield chunk
  }
}

/** Size and checksum of what is on the disk. */
export async function factsOfFile(place: string): Promise<FileFacts> {
  const file = await RegularFile.open(place)
  try {
    const hash = createHash('sha256')
    for await (const chunk of chunksOf(file)) hash.update(chunk)
    return { bytes: file.size, sha256: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

export const writeText = (file: string, text: string): Promise<void> => writeNew(file, (handle) => handle.writeFile(text))

/** Replaces a file by one rename. */
export async function replaceText(file: string, text: string): Promise<void> {
  const fresh = path.join(path.dirname(file), `${stagingName()}.json`)
  try {
    await writeText(fresh, text)
    await rename(fresh, file)
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined)
    throw error
  }
  await flushFolder(path.dirname(file))
}
