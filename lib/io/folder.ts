// Folders of saved models: written aside and renamed, so that a model under a name is always a whole one.
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'

export const MODEL_FILE = 'model.json'
export const WEIGHTS_FILE = 'weights.safetensors'
export const OPTIMIZER_FILE = 'optimizer.safetensors'
export const TRAINING_FILE = 'training.json'

const FORMAT = 'weft model'
const FORMAT_VERSION = 1

/** What model.json begins with. */
export const formatFacts: { readonly format: string; readonly version: number } = { format: FORMAT, version: FORMAT_VERSION }

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined
/** Where a model stays for the moment between the renames of its replacement. */
const previous = (folder: string): string => `${folder}.previous`

/** The contents of a saved model's JSON file; ERR_FORMAT when it is none. */
export async function readJson(file: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new WeftError('ERR_FORMAT', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
  throw new WeftError('ERR_FORMAT', `${file} does not hold a JSON object`)
}

/** model.json of a folder; ERR_FORMAT unless it is a model of this format. */
export async function readModelFile(folder: string): Promise<Record<string, unknown>> {
  const file = path.join(folder, MODEL_FILE)
  const json = await readJson(file)
  if (json['format'] !== FORMAT) throw new WeftError('ERR_FORMAT', `${file} does not describe a saved model`)
  if (typeof json['version'] !== 'number' || json['version'] > FORMAT_VERSION) {
    throw new WeftError(
      'ERR_FORMAT',
      `${file} has version ${String(json['version'])} of the format, this weftjs reads up to ${FORMAT_VERSION}`,
      { hint: 'Update weftjs' },
    )
  }
  return json
}

/** The folder that holds the model: itself, or what a save that was interrupted between its renames has left. */
export async function findFolder(folder: string): Promise<string> {
  if (await exists(folder)) return folder
  if (await exists(previous(folder))) return previous(folder)
  throw new WeftError('ERR_FORMAT', `there is no saved model at ${folder}`)
}

/** Writes JSON and flushes it to the disk. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(`${JSON.stringify(value, undefined, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch {
    // some file systems cannot flush folders; the files themselves are flushed
  } finally {
    await handle.close()
  }
}

/** Throws unless the folder may be replaced: absent, empty or a saved model. */
async function checkReplaceable(folder: string): Promise<boolean> {
  const facts = await stat(folder).catch(() => undefined)
  if (facts === undefined) return false
  if (!facts.isDirectory()) throw new WeftError('ERR_ARGUMENT', `save: ${folder} is a file`, { hint: 'Choose the name of a folder' })
  const entries = await readdir(folder)
  if (entries.length === 0) return true
  try {
    await readModelFile(folder)
  } catch {
    throw new WeftError('ERR_ARGUMENT', `save: ${folder} is not empty and not a saved model; it is left alone`, {
      hint: 'Choose another folder',
    })
  }
  return true
}

/** Fills a new folder by `fill` and puts it in the place of `target`. When anything fails, what was there stays. */
export async function replaceFolder(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const wanted = path.resolve(target)
  const folder = await realpath(wanted).catch(() => wanted)
  const aside = previous(folder)
  await mkdir(path.dirname(folder), { recursive: true })
  // an earlier save was interrupted between its renames
  if (!(await exists(folder)) && (await exists(aside))) await rename(aside, folder)
  const replaces = await checkReplaceable(folder)
  const fresh = `${folder}.saving-${randomBytes(6).toString('hex')}`
  await mkdir(fresh)
  try {
    await fill(fresh)
    await flushFolder(fresh)
    if (replaces) {
      await rm(aside, { recursive: true, force: true })
      await rename(folder, aside)
    }
    try {
      await rename(fresh, folder)
    } catch (error) {
      if (replaces) await rename(aside, folder)
      throw error
    }
    await flushFolder(path.dirname(folder))
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
  if (replaces) await rm(aside, { recursive: true, force: true })
}
