// Published versions of a repository: what they are known by, and that nobody writes to them.
import { realpath, rm } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { jsonOf } from './json_file.js'

export const MANIFEST_FILE = 'manifest.json'
export const SIGNATURE_FILE = 'manifest.sig'
export const ENVELOPE_FILE = 'sealed.json'
export const PUBLISHED_FORMAT = 'weft published version'
export const SEALED_FORMAT = 'weft sealed model'

// other programs have files of these names, too: what is in them counts
const hasManifest = async (folder: string): Promise<boolean> =>
  (await jsonOf(path.join(folder, MANIFEST_FILE)))?.['format'] === PUBLISHED_FORMAT
async function hasSignature(folder: string): Promise<boolean> {
  const { keyId, signature } = (await jsonOf(path.join(folder, SIGNATURE_FILE))) ?? {}
  return typeof keyId === 'string' && KEY_ID.test(keyId) && typeof signature === 'string'
}
const KEY_ID = /^[0-9a-f]{16}$/

/** Whether a folder is an encrypted version. */
export const isSealed = async (folder: string): Promise<boolean> =>
  (await jsonOf(path.join(folder, ENVELOPE_FILE)))?.['format'] === SEALED_FORMAT

/**
 * Whether a folder is a version that publish() made, or a copy of one; its manifest may be damaged where it is signed.
 */
export const isPublished = async (folder: string): Promise<boolean> =>
  (await hasManifest(folder)) || (await hasSignature(folder)) || (await isSealed(folder))

/**
 * ERR_ARGUMENT where a folder that is to be written to is a published version, at the place that its manifest names. A
 * copy elsewhere is a folder like others.
 */
export async function refusePublished(what: string, place: string): Promise<void> {
  if (!(await isPublished(place))) return
  const folder = await realpath(place)
  const [model, version] = [path.basename(path.dirname(folder)), path.basename(folder)]
  const manifest = await jsonOf(path.join(folder, MANIFEST_FILE))
  // a damaged one names nothing: then a number is the name of a version
  const isInPlace =
    manifest?.['format'] === PUBLISHED_FORMAT
      ? manifest['model'] === model && `${manifest['version'] as number}` === version
      : /^[1-9][0-9]*$/.test(version)
  if (!isInPlace) return
  throw new WeftError('ERR_ARGUMENT', `${what}: ${folder} is version ${version} of '${model}', which was published: it does not change`, {
    hint: `Save the model elsewhere, and publish it as a new version: npx weftjs publish <folder> ${path.dirname(path.dirname(folder))} --name ${model}`,
  })
}

/** Takes the manifest and the signature away: another model is put into the copy of a version that has them. */
export async function unpublish(folder: string): Promise<void> {
  const files = [(await hasManifest(folder)) && MANIFEST_FILE, (await hasSignature(folder)) && SIGNATURE_FILE]
  for (const file of files) if (file !== false) await rm(path.join(folder, file), { force: true })
}
