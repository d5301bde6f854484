// Folders of a repository: <root>/<model>/<version>/. Names are taken from listings of the folders, never from a
// request.
import { lstat, open, readdir } from 'node:fs/promises'
import { constants } from 'node:fs'
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { FILES } from '../../io/folder.js'
import { formatOf } from '../../io/formats.js'
import { isSavedModel } from '../../io/manifest.js'
import { isPublished } from '../../io/published.js'
import { MODEL_NAME, type ModelSettings, settingsOf, VERSION } from './settings.js'

export interface FoundModel {
  readonly name: string
  readonly settings: ModelSettings
  /** Folders by version. */
  readonly versions: ReadonlyMap<number, string>
}

const SETTINGS_FILE = 'serve.json'
/** What a folder with a model in it has, of ours or of another program. */
export const MODEL_FILE: RegExp = /^(model|config)\.json$|\.(keras|onnx)$/i
const LONE = /\.(keras|onnx)$/i
const MOST_SETTINGS = 1 << 20

/** Names of the models; what is no folder, a link, or has another kind of name is none. */
export async function modelNames(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && MODEL_NAME.test(entry.name))
    .map(({ name }) => name)
    .sort()
}

/**
 * ERR_ARGUMENT where a folder that is to be a repository is a model, or has the versions of one: each would be taken
 * for a model of its own.
 */
export async function checkRepository(what: string, root: string): Promise<void> {
  const entries = await readdir(root, { withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const hasModels = await holdsVersions(root, folders)
  // a file in which a whole model is may lie beside the models that are published from it
  const isFile = folders.length === 0 && what !== 'publish' && files.some((name) => LONE.test(name))
  if (!hasModels && (isFile || (await isModelAt(root, files))))
    throw new WeftError('ERR_ARGUMENT', `${what}: ${root} is a model, not a folder of models`, {
      hint: `Put it into one: npx weftjs publish ${root} ./models`,
    })
  const numbers = folders.filter((name) => VERSION.test(name))
  let hasVersions = files.includes(SETTINGS_FILE) && numbers.length > 0 && !hasModels
  for (const name of numbers) hasVersions ||= await isPublished(path.join(root, name))
  if (hasVersions)
    throw new WeftError('ERR_ARGUMENT', `${what}: ${root} has the versions of one model, and is not a folder of models`, {
      hint: `Name the folder above it: ${path.dirname(root)}`,
    })
}

/** Whether files of a folder, taken together, are a model: told by what is in them, or all names of a saved one. */
async function isModelAt(root: string, files: readonly string[]): Promise<boolean> {
  if (FILES.every((name) => files.includes(name)) || (await isPublished(root)) || (await isSavedModel(root))) return true
  return (await formatOf(root).catch(() => undefined))?.load !== undefined
}

/** Whether one of the folders is that of a model: it has folders with numbers for names. */
async function holdsVersions(root: string, folders: readonly string[]): Promise<boolean> {
  for (const name of folders.filter((one) => MODEL_NAME.test(one))) {
    const entries = await readdir(path.join(root, name), { withFileTypes: true }).catch(() => [])
    if (entries.some((entry) => entry.isDirectory() && VERSION.test(entry.name))) return true
  }
  return false
}

/** Undefined where there is no such model. A model saved right into its folder is version 1 of it. */
export async function findModel(root: string, wanted: string): Promise<FoundModel | undefined> {
  const name = (await modelNames(root)).find((one) => one === wanted)
  if (name === undefined) return undefined
  const folder = path.join(root, name)
  const entries = await readdir(folder, { withFileTypes: true })
  const settings = entries.some((entry) => entry.name === SETTINGS_FILE)
    ? settingsOf(name, await readSettings(path.join(folder, SETTINGS_FILE), name))
    : {}
  // other names, numbers with leading zeros and links are no versions
  const versions = new Map(
    entries
      .filter((entry) => entry.isDirectory() && VERSION.test(entry.name))
      .map((entry) => [Number(entry.name), path.join(folder, entry.name)]),
  )
  if (versions.size === 0 && entries.some((entry) => entry.isFile() && MODEL_FILE.test(entry.name))) versions.set(1, folder)
  return { name, settings, versions }
}

async function readSettings(file: string, model: string): Promise<string> {
  const unreadable = (cause?: unknown): WeftError => new WeftError('ERR_FORMAT', `serve.json of model '${model}' cannot be read`, { cause })
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stat = await handle.stat()
      if (!stat.isFile() || stat.size > MOST_SETTINGS) throw unreadable()
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw error instanceof WeftError ? error : unreadable(error)
  }
}

/** Text that differs when a file of the folder was written or replaced. */
export async function fingerprint(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort()
  const parts = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs, ino } = await lstat(path.join(folder, name))
      return `${name}:${size}:${mtimeMs}:${ino}`
    }),
  )
  return parts.join('|')
}
