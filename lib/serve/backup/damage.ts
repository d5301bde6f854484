// Damaged versions: those whose files are not the ones that their manifest, or their model.json, lists.
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { MODEL_FILE } from '../../io/folder.js'
import { formatOf } from '../../io/formats.js'
import { type FileFacts, isSavedModel, readManifest } from '../../io/manifest.js'
import { isPublished, MANIFEST_FILE } from '../../io/published.js'
import { RegularFile } from '../../io/regular_file.js'
import { isSystemError } from '../../core/system_error.js'
import { parseSignedManifest } from '../publishing/signed_manifest.js'

/** Folders of damaged versions, by the checksums of the files that a repository has. */
export async function damagedVersions(root: string, files: ReadonlyMap<string, FileFacts>): Promise<string[]> {
  const folders = new Map<string, string>()
  for (const name of files.keys()) {
    const [folder, base] = [path.posix.dirname(name), path.posix.basename(name)]
    const counts = base === MANIFEST_FILE ? await isOurs(path.join(root, folder)) : base === MODEL_FILE && !folders.has(folder)
    if (counts) folders.set(folder, base)
  }
  const damaged: string[] = []
  for (const [folder, base] of folders) {
    const listed = await listedIn(path.join(root, folder, base), base)
    // a model of TensorFlow.js has a model.json of its own, without checksums
    if (!listed && base === MODEL_FILE && (await formatOf(path.join(root, folder)).catch(() => undefined))?.name === 'tfjs') continue
    const good = listed && [...listed].every(([name, { sha256 }]) => files.get(path.posix.join(folder, name))?.sha256 === sha256)
    if (!good) damaged.push(folder)
  }
  return damaged
}

/**
 * Whether a manifest.json is that of a published version, perhaps a damaged one: other programs have such files too.
 * One of a saved model that is no JSON is taken for ours.
 */
async function isOurs(folder: string): Promise<boolean> {
  if (await isPublished(folder)) return true
  try {
    JSON.parse((await RegularFile.textIfThere(path.join(folder, MANIFEST_FILE))) ?? '{}')
    return false
  } catch {
    return await isSavedModel(folder)
  }
}

/** What the file lists; undefined where it is not as it was written. */
async function listedIn(file: string, base: string): Promise<ReadonlyMap<string, FileFacts> | undefined> {
  try {
    const opened = await RegularFile.open(file)
    try {
      return base === MANIFEST_FILE ? parseSignedManifest(await opened.text(), file).files : (await readManifest(opened, true)).files
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (isSystemError(error) || (error instanceof WeftError && error.code === 'ERR_FORMAT')) return undefined
    throw error
  }
}
