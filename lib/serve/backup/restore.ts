// restore: a repository as a snapshot has it. It is written aside, read back and compared, and then takes the place of
// the one that is there, which stays under another name.
import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, realpath, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { flushFolder, writeNew } from '../../io/folder.js'
import { removeLeftovers, stagingName } from '../../io/leftovers.js'
import { RegularFile } from '../../io/regular_file.js'
import { writeAll } from '../../io/safetensors.js'
import { isSystemError, systemError } from '../../core/system_error.js'
import { makeFolder } from '../../core/make_folder.js'
import { chunksOf, factsOfFile } from '../publishing/files.js'
import { Trust } from '../publishing/signed_manifest.js'
import { damagedVersions } from './damage.js'
import { objectPath, readSnapshot, type Snapshot } from './snapshot.js'

export interface RestoreOptions {
  /** Default: the newest one. */
  snapshot?: string
  /** Public Ed25519 keys (PEM, or paths): a snapshot that none of them has signed is refused. */
  signedBy?: readonly string[]
  /** Restores aside, compares, and takes it away again: what is there stays. Default false. */
  check?: boolean
}

export interface Restored {
  readonly snapshot: string
  readonly files: number
  readonly bytes: number
  /** Where the repository is that was there before; undefined where none was. */
  readonly previous: string | undefined
  /** Versions that were damaged when they were backed up. */
  readonly damaged: readonly string[]
}

const OPTIONS: OptionTable<RestoreOptions> = { snapshot: 'string', signedBy: 'list', check: 'boolean' }

/**
 * Brings a snapshot back. Every file is compared with its checksum as it is written, and again as it is read back from
 * the disk, before anything that is there is touched. ERR_FORMAT where a snapshot or an object was damaged, ERR_STATE
 * where the disk is full; what was there stays then.
 *
 * Where the repository is a symbolic link, the link is replaced by one rename. Where it is a folder, two renames follow
 * each other: the old one gives way, the new one takes its place.
 */
export async function restore(backups: string, repository: string, options: RestoreOptions = {}): Promise<Restored> {
  checkCall('restore(backups, repository, options)', arguments, OPTIONS)
  const trust = options.signedBy && new Trust(options.signedBy)
  const [from, target] = [path.resolve(backups), path.resolve(repository)]
  try {
    const snapshot = await readSnapshot(from, options.snapshot, trust)
    await makeFolder(path.dirname(target))
    const link = await isLink(target)
    // beside the folder, so that a rename is enough
    const folder = link ? await realpath(target) : path.join(await realpath(path.dirname(target)), path.basename(target))
    const kept = await realpath(from)
    const lies = isWithin(kept, folder) || ['objects', 'snapshots'].some((name) => isWithin(folder, path.join(kept, name)))
    if (lies && !options.check)
      throw new WeftError('ERR_ARGUMENT', `restore: ${repository} and ${backups} lie in each other, and the backups would give way`, {
        hint: 'Choose a folder beside the backups',
      })
    const parent = path.dirname(folder)
    await removeLeftovers(parent)
    const prepared = path.join(parent, stagingName())
    try {
      await mkdir(prepared)
      await write(from, snapshot, prepared)
      await compare(snapshot, prepared)
      const damaged = await damagedVersions(prepared, snapshot.files)
      let previous: string | undefined
      if (options.check) await rm(prepared, { recursive: true })
      else previous = link ? await switchLink(target, folder, prepared, snapshot.id) : await switchFolder(folder, prepared, snapshot.id)
      const bytes = [...snapshot.files.values()].reduce((sum, file) => sum + file.bytes, 0)
      return { snapshot: snapshot.id, files: snapshot.files.size, bytes, previous, damaged }
    } catch (error) {
      await rm(prepared, { recursive: true, force: true }).catch(() => undefined)
      throw error
    }
  } catch (error) {
    throw systemError(`restore: ${repository} cannot be restored from ${backups}`, error, 'ERR_ARGUMENT')
  }
}

/** Whether a place is a folder, or lies in it. */
const isWithin = (place: string, folder: string): boolean => `${place}${path.sep}`.startsWith(`${folder}${path.sep}`)

const isLink = async (target: string): Promise<boolean> =>
  (
    await lstat(target).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return undefined
      throw error
    })
  )?.isSymbolicLink() ?? false

async function write(backups: string, { files }: Snapshot, prepared: string): Promise<void> {
  const folders = new Set([prepared])
  for (const [name, { bytes, sha256 }] of files) {
    const place = path.join(prepared, ...name.split('/'))
    await makeFolder(path.dirname(place))
    for (let folder = path.dirname(place); folder !== prepared; folder = path.dirname(folder)) folders.add(folder)
    const object = await RegularFile.openIfThere(objectPath(backups, sha256))
    if (object === undefined) throw new WeftError('ERR_FORMAT', `restore: '${name}' is missing in ${backups}`)
    try {
      const hash = createHash('sha256')
      await writeNew(place, async (handle) => {
        for await (const chunk of chunksOf(object)) await writeAll(handle, chunk, hash)
      })
      if (object.size !== bytes || hash.digest('hex') !== sha256)
        throw new WeftError('ERR_FORMAT', `restore: '${name}' was damaged in ${backups}`, {
          hint: 'Restore an older snapshot; a backup with { full: true } replaces it where the repository still has the file',
        })
    } finally {
      await object.close()
    }
  }
  for (const folder of folders) await flushFolder(folder)
}

/** Reads back what was written. */
async function compare({ files }: Snapshot, prepared: string): Promise<void> {
  for (const [name, { sha256 }] of files)
    if ((await factsOfFile(path.join(prepared, ...name.split('/')))).sha256 !== sha256)
      throw new WeftError('ERR_STATE', `restore: '${name}' is not read back as it was written`, { hint: 'Check the disk' })
}

async function switchFolder(folder: string, prepared: string, id: string): Promise<string | undefined> {
  const entries = await readdir(folder).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
  const before = `${folder}.before-${id}-${Date.now()}`
  const there = entries !== undefined && entries.length > 0
  if (there) await rename(folder, before)
  try {
    await rename(prepared, folder)
  } catch (error) {
    if (there) await rename(before, folder)
    throw error
  }
  await flushFolder(path.dirname(folder))
  return there ? before : undefined
}

async function switchLink(link: string, folder: string, prepared: string, id: string): Promise<string> {
  const place = `${folder}.restored-${id}-${Date.now()}`
  await rename(prepared, place)
  const fresh = path.join(path.dirname(link), stagingName())
  try {
    await symlink(place, fresh)
    await rename(fresh, link)
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined)
    await rename(place, prepared)
    throw error
  }
  await flushFolder(path.dirname(link))
  return folder
}
