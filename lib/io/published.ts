// Published versions of a repository: what they are known by, and that nobody writes to them.
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { jsonOf } from './json_file.js'

export const MANIFEST_FILE = 'manifest.json'
export const SIGNATURE_FILE = 'manifest.sig'
export const ENVELOPE_FILE = 'sealed.json'
export const PUBLISHED_FORMAT = 'weft published version'

const isThere = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

/** Whether a folder is an encrypted version. */
export const isSealed = (folder: string): Promise<boolean> => isThere(path.join(folder, ENVELOPE_FILE))

/** Whether a folder is a version that publish() made: signed, encrypted, or with a manifest of its own. */
export async function isPublished(folder: string): Promise<boolean> {
  if ((await isSealed(folder)) || (await isThere(path.join(folder, SIGNATURE_FILE)))) return true
  // other programs have files of this name, too
  return (await jsonOf(path.join(folder, MANIFEST_FILE)))?.['format'] === PUBLISHED_FORMAT
}

/** ERR_ARGUMENT where a folder that is to be written to is a published version. */
export async function refusePublished(what: string, place: string): Promise<void> {
  if (!(await isPublished(place))) return
  const folder = await realpath(place)
  const [model, version] = [path.basename(path.dirname(folder)), path.basename(folder)]
  throw new WeftError('ERR_ARGUMENT', `${what}: ${folder} is version ${version} of '${model}', which was published: it does not change`, {
    hint: `Save the model elsewhere, and publish it as a new version: npx weftjs publish <folder> ${path.dirname(path.dirname(folder))} --name ${model}`,
  })
}
