// Folders of saved models, replaced as a whole while others read them and save to them.
//
// A save is prepared in a folder of its own, flushed to the disk, and then put in place:
// - Where there is no folder yet, the prepared one is renamed to it.
// - Where there is one, the prepared one is renamed to COMMIT inside it. From this moment on the new model is the
//   saved one: a file of the model is the one in COMMIT, or, where COMMIT has none of that name, the one in the
//   folder. Then each file is moved out of COMMIT to its place in the folder, and COMMIT is removed. The folder itself
//   stays, so it may be a mount point, and it always holds a model.
//
// Every step is one rename. A process may end between any two of them: what is left is a whole model, and the next
// save goes on from there. Nobody holds a lock. Whoever finds COMMIT occupied moves its files out, as its owner does
// too, and then puts a COMMIT of its own there.
//
// A reader opens the files and then looks whether each of them is still the one in force. If so, they were so together
// at one moment, and stay as they are while they are open, because files are replaced but never written to. If not, a
// save came between, and the reader begins anew.
import { type FileHandle, lstat, mkdir, open, readdir, readlink, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { isStagingName, removeLeftovers, stagingName } from './leftovers.js'
import { refusePublished, unpublish } from './published.js'
import { RegularFile } from './regular_file.js'
import { isSystemError, systemError } from '../core/system_error.js'
import { makeFolder } from '../core/make_folder.js'
import { inTurn } from './turns.js'

export const MODEL_FILE = 'model.json'
export const WEIGHTS_FILE = 'weights.safetensors'
export const OPTIMIZER_FILE = 'optimizer.safetensors'
export const TRAINING_FILE = 'training.json'
export const FILES: readonly string[] = [WEIGHTS_FILE, OPTIMIZER_FILE, TRAINING_FILE, MODEL_FILE]

const COMMIT = '.weft-commit'
/** What file systems put into an empty volume. */
const NOT_OURS: ReadonlySet<string> = new Set(['lost+found'])
const MOST_TRIES = 10_000

/** The files of a saved model, open, all of one save. */
export type OpenFiles = ReadonlyMap<string, RegularFile>

/** Where an earlier format kept the old model for the moment between the renames of its replacement. */
const previous = (folder: string): string => `${folder}.previous`

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined

/** Runs `attempt` on the path of a file that is in force: the one in COMMIT, or else the one in the folder. */
async function inForce<T>(folder: string, name: string, attempt: (file: string) => Promise<T>): Promise<T> {
  try {
    return await attempt(path.join(folder, COMMIT, name))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  return await attempt(path.join(folder, name))
}

/** Opens files of a folder so that all are of one save; undefined when a save came between. */
async function openTogether(folder: string, names: readonly string[]): Promise<Map<string, RegularFile> | undefined> {
  const files = new Map<string, RegularFile>()
  let good = false
  try {
    for (const name of names) files.set(name, await inForce(folder, name, (file) => RegularFile.open(file)))
    good = true
    for (const [name, { facts }] of files) {
      const now = await inForce(folder, name, stat)
      if (now.ino !== facts.ino || now.dev !== facts.dev) good = false
    }
  } catch (error) {
    good = false
    // a file that is missing may have been moved between the two looks at its places
    if (!isSystemError(error, 'ENOENT') || (await missingFor(folder, names))) throw error
  } finally {
    if (!good) for (const file of files.values()) await file.close()
  }
  return good ? files : undefined
}

/** Whether one of the files has been missing in both places for a moment. */
async function missingFor(folder: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    let found = false
    for (let look = 0; look < 5 && !found; look++) {
      if (look > 0) await pause(look)
      found = await inForce(folder, name, lstat).then(
        () => true,
        () => false,
      )
    }
    if (!found) return true
  }
  return false
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Calls `read` with files of a saved model, all of one save. ERR_FORMAT when one is missing or not a regular file. */
export async function withFiles<T>(folder: string, names: readonly string[], read: (files: OpenFiles) => Promise<T>): Promise<T> {
  let files: Map<string, RegularFile> | undefined
  try {
    for (let tries = 0; files === undefined; tries++) {
      if (tries === MOST_TRIES) throw new WeftError('ERR_STATE', `${folder} is saved to without a pause; it could not be read`)
      files = await openTogether(folder, names)
    }
  } catch (error) {
    const file = isSystemError(error) ? (error.path ?? folder) : folder
    throw systemError(`${file} cannot be read`, error, 'ERR_FORMAT')
  }
  try {
    return await read(files)
  } finally {
    for (const file of files.values()) await file.close()
  }
}

/**
 * The folder that holds the model: itself, or what an interrupted save of an earlier format has left.
 * ERR_FORMAT when there is none.
 */
export async function findFolder(folder: string): Promise<string> {
  try {
    await stat(folder)
    return folder
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw systemError(`${folder} cannot be read`, error, 'ERR_FORMAT')
  }
  if (await exists(previous(folder))) return previous(folder)
  throw new WeftError('ERR_FORMAT', `there is no saved model at ${folder}`)
}

/** Whether something is in the folder that a save has put there: its model file. */
export const holdsModel = (folder: string): Promise<boolean> =>
  inForce(folder, MODEL_FILE, stat).then(
    () => true,
    () => false,
  )

/** Whether a folder holds what is left of a model that was being removed, and nothing else. */
export async function isRemainder(folder: string): Promise<boolean> {
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => !isStagingName(name) && !NOT_OURS.has(name))
  return !names.includes(TRAINING_FILE) && names.every((name) => name === COMMIT || FILES.includes(name))
}

/** Where bytes are written to, one after the other. */
export interface Sink {
  write(bytes: Uint8Array): Promise<{ bytesWritten: number }>
}
/** Makes a file that is not there yet. */
export type WriteNew = (file: string, write: (sink: Sink) => Promise<void>) => Promise<void>

/** Opens a file for writing that is not there yet, and flushes it to the disk in the end. */
export async function writeNew(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await write(handle)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Flushes the names in a folder to the disk. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch {
    // some file systems cannot flush folders; the files themselves are flushed
  } finally {
    await handle.close()
  }
}

/**
 * The real path of a folder or file, which need not be there yet, nor the one a link names. Makes the folders above it,
 * unless `makes` is false: they are then to be there.
 */
export async function realPlace(wanted: string, { makes = true }: { makes?: boolean } = {}): Promise<string> {
  let folder = wanted
  for (let links = 0; links < 40; links++) {
    try {
      return await realpath(folder)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    const target = await readlink(folder).catch(() => undefined)
    if (target !== undefined) {
      folder = path.resolve(path.dirname(folder), target)
      continue
    }
    if (makes) await makeFolder(path.dirname(folder))
    return path.join(await realpath(path.dirname(folder)), path.basename(folder))
  }
  return folder
}

/**
 * Throws unless the folder may be saved to: absent, empty, or a saved model that was not published. Returns whether it
 * is there.
 */
async function checkReplaceable(folder: string, isModel: (folder: string) => Promise<boolean>): Promise<boolean> {
  const facts = await stat(folder).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
  if (facts === undefined) return false
  if (!facts.isDirectory()) throw new WeftError('ERR_ARGUMENT', `save: ${folder} is a file`, { hint: 'Choose the name of a folder' })
  await refusePublished('save', folder)
  const entries = (await readdir(folder)).filter((name) => !isStagingName(name) && !NOT_OURS.has(name))
  if (entries.length === 0 || (await isModel(folder))) return true
  throw new WeftError('ERR_ARGUMENT', `save: ${folder} is not empty and not a saved model; it is left alone`, {
    hint: 'Choose another folder',
  })
}

/** Moves the files of COMMIT to their places; several processes may do so at once. */
export async function settle(folder: string): Promise<void> {
  const commit = path.join(folder, COMMIT)
  for (const name of FILES) {
    await rename(path.join(commit, name), path.join(folder, name)).catch((error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error
    })
  }
  await rmdir(commit).catch((error: unknown) => {
    if (!isSystemError(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  })
}

/** Puts a prepared folder in force inside an existing one. */
async function commit(prepared: string, folder: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    await settle(folder)
    try {
      await rename(prepared, path.join(folder, COMMIT))
      break
    } catch (error) {
      if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST') || tries === MOST_TRIES) throw error
    }
  }
  await flushFolder(folder)
  await settle(folder)
  await flushFolder(folder)
}

/**
 * Fills a new folder by `fill` and puts its files in the place of those in `target`.
 * When anything fails, what was there stays.
 * Saves to one folder follow each other in the order of the calls.
 * @param isModel whether an existing folder that is not empty may be replaced
 */
export function replaceFolder(
  target: string,
  fill: (folder: string) => Promise<void>,
  isModel: (folder: string) => Promise<boolean> = holdsModel,
): Promise<void> {
  const wanted = path.resolve(target)
  return inTurn(wanted, async () => {
    try {
      const folder = await realPlace(wanted)
      // another name of the same folder may be in the queue under its real path
      await (folder === wanted ? replace(folder, fill, isModel) : inTurn(folder, () => replace(folder, fill, isModel)))
    } catch (error) {
      throw systemError(`save: ${wanted} cannot be written`, error, 'ERR_ARGUMENT')
    }
  })
}

async function replace(
  folder: string,
  fill: (folder: string) => Promise<void>,
  isModel: (folder: string) => Promise<boolean>,
): Promise<void> {
  const parent = path.dirname(folder)
  await removeLeftovers(parent)
  if (!(await exists(folder)) && (await exists(previous(folder)))) await rename(previous(folder), folder)
  const there = await checkReplaceable(folder, isModel)
  if (there) await removeLeftovers(folder)
  // inside an existing folder, because that may be a disk of its own
  const prepared = path.join(there ? folder : parent, stagingName())
  await mkdir(prepared)
  try {
    await fill(prepared)
    await flushFolder(prepared)
    if (there || !(await appear(prepared, folder))) {
      await checkReplaceable(folder, isModel)
      await unpublish(folder)
      await commit(prepared, folder)
    } else await flushFolder(parent)
  } catch (error) {
    await rm(prepared, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
}

/** Renames the prepared folder to one that was not there; false when another process was faster. */
async function appear(prepared: string, folder: string): Promise<boolean> {
  if (await exists(folder)) return false
  try {
    await rename(prepared, folder)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOTEMPTY', 'EEXIST')) return false
    throw error
  }
}
