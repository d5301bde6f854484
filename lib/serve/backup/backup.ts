// backup: a snapshot of a repository. Files that an earlier snapshot has are not stored again.
import { createHash, randomBytes } from 'node:crypto'
import { readdir, realpath, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { checkCall, type OptionTable } from '../../core/options.js'
import { flushFolder, writeNew } from '../../io/folder.js'
import { isStagingName, removeLeftovers, stagingName } from '../../io/leftovers.js'
import type { FileFacts } from '../../io/manifest.js'
import { RegularFile } from '../../io/regular_file.js'
import { writeAll } from '../../io/safetensors.js'
import { systemError } from '../../core/system_error.js'
import { makeFolder } from '../../core/make_folder.js'
import { chunksOf, factsOfFile } from '../publishing/files.js'
import { Signer } from '../publishing/signed_manifest.js'
import { damagedVersions } from './damage.js'
import { objectPath, openBackups, type Snapshot, writeSnapshot } from './snapshot.js'

export interface BackupOptions {
  /**
   * Reads what is stored already too, and replaces what was damaged there. Default false: only its size is compared.
   */
  full?: boolean
  /** Private Ed25519 key (PEM, or the path of a file with it) that signs the snapshot. */
  sign?: string
}

export interface BackupResult {
  readonly snapshot: string
  readonly files: number
  readonly bytes: number
  /** Bytes that no earlier snapshot had. */
  readonly stored: number
  /** Versions whose files are not as they were saved or published: they are in the snapshot as they are. */
  readonly damaged: readonly string[]
  /** Links and devices, which are left out. */
  readonly skipped: readonly string[]
}

const OPTIONS: OptionTable<BackupOptions> = { full: 'boolean', sign: 'string' }
/** A version that is saved to while it is read is read again. */
const MOST_TRIES = 3

/**
 * Keeps all files of a repository in a folder of backups, as a snapshot that restore() brings back. The repository may
 * be served and published to meanwhile. ERR_STATE where the disk is full; snapshots that there were stay as they are.
 */
export async function backup(repository: string, backups: string, options: BackupOptions = {}): Promise<BackupResult> {
  checkCall('backup(repository, backups, options)', arguments, OPTIONS)
  const signer = options.sign === undefined ? undefined : new Signer(options.sign)
  const target = path.resolve(backups)
  try {
    const root = await realpath(repository)
    await openBackups(target)
    if (`${await realpath(target)}${path.sep}`.startsWith(`${root}${path.sep}`))
      throw new WeftError('ERR_ARGUMENT', `backup: ${backups} lies in the repository`, {
        hint: 'Choose a folder beside it, on another disk',
      })
    await removeLeftovers(path.join(target, 'objects'))
    let taken = await take(root, target, options.full ?? false)
    let damaged = await damagedVersions(root, taken.files)
    for (let tries = 1; damaged.length > 0 && tries < MOST_TRIES; tries++) {
      const again = await take(root, target, false)
      taken = { ...again, stored: taken.stored + again.stored }
      damaged = await damagedVersions(root, taken.files)
    }
    const { files, stored, skipped } = taken
    const snapshot: Snapshot = { id: newId(), files }
    await writeSnapshot(target, snapshot, signer)
    const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0)
    return { snapshot: snapshot.id, files: files.size, bytes, stored, damaged, skipped }
  } catch (error) {
    throw systemError(`backup: ${repository} cannot be kept in ${backups}`, error, 'ERR_ARGUMENT')
  }
}

/** Sorts by time: 20301231T235959999Z-1a2b. */
const newId = (): string => `${new Date().toISOString().replaceAll(/[-:.]/g, '')}-${randomBytes(2).toString('hex')}`

interface Taken {
  readonly files: Map<string, FileFacts>
  readonly stored: number
  readonly skipped: string[]
}

async function take(root: string, backups: string, full: boolean): Promise<Taken> {
  const files = new Map<string, FileFacts>()
  const skipped: string[] = []
  let stored = 0
  const visit = async (relative: string): Promise<void> => {
    const entries = await readdir(path.join(root, relative), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = relative === '' ? entry.name : `${relative}/${entry.name}`
      if (isStagingName(entry.name.replace(/\.json$/, ''))) continue
      if (entry.isDirectory()) await visit(name)
      else if (entry.isFile()) {
        const kept = await keep(path.join(root, name), backups, full)
        if (kept === undefined) continue
        files.set(name, kept.facts)
        stored += kept.stored
      } else skipped.push(name)
    }
  }
  await visit('')
  return { files, stored, skipped }
}

/** Stores a file unless it is there; undefined where the file is gone. */
async function keep(file: string, backups: string, full: boolean): Promise<{ facts: FileFacts; stored: number } | undefined> {
  const opened = await RegularFile.openIfThere(file)
  if (opened === undefined) return undefined
  try {
    const hash = createHash('sha256')
    for await (const chunk of chunksOf(opened)) hash.update(chunk)
    const facts = { bytes: opened.size, sha256: hash.digest('hex') }
    if (await isStored(objectPath(backups, facts.sha256), facts, full)) return { facts, stored: 0 }
    return { facts: await store(opened, backups), stored: opened.size }
  } finally {
    await opened.close()
  }
}

async function isStored(object: string, { bytes, sha256 }: FileFacts, full: boolean): Promise<boolean> {
  const opened = await RegularFile.openIfThere(object)
  if (opened === undefined) return false
  await opened.close()
  return full ? (await factsOfFile(object)).sha256 === sha256 : opened.size === bytes
}

/** Copies the file to its object, which is named by what was written. */
async function store(file: RegularFile, backups: string): Promise<FileFacts> {
  const fresh = path.join(backups, 'objects', stagingName())
  const hash = createHash('sha256')
  try {
    await writeNew(fresh, async (handle) => {
      for await (const chunk of chunksOf(file)) await writeAll(handle, chunk, hash)
    })
    const sha256 = hash.digest('hex')
    const object = objectPath(backups, sha256)
    await makeFolder(path.dirname(object))
    await rename(fresh, object)
    await flushFolder(path.dirname(object))
    return { bytes: file.size, sha256 }
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined)
    throw error
  }
}
