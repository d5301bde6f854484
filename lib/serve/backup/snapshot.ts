// Snapshots of a repository in a folder of backups: objects/ has each file once, under its checksum; snapshots/ says
// which files a repository had. A snapshot is written when all of its objects are there: one that was interrupted is
// none.
import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { WeftError } from '../../core/error.js'
import { isRecord } from '../../core/tree.js'
import type { FileFacts } from '../../io/manifest.js'
import { RegularFile } from '../../io/regular_file.js'
import { checkCall } from '../../core/options.js'
import { systemError } from '../../core/system_error.js'
import { makeFolder } from '../../core/make_folder.js'
import { replaceText, writeText } from '../publishing/files.js'
import { factsOf, type Signer, type Trust } from '../publishing/signed_manifest.js'

const FORMAT = 'weft backup snapshot'
const MARKER = 'weft-backup.json'
const MARKER_TEXT = '{ "format": "weft backups", "version": 1 }\n'
const ID = /^\d{8}T\d{9}Z-[0-9a-f]{4}$/

export interface Snapshot {
  readonly id: string
  /** By path in the repository, with '/' between its parts. */
  readonly files: ReadonlyMap<string, FileFacts>
}

export const objectPath = (backups: string, sha256: string): string => path.join(backups, 'objects', sha256.slice(0, 2), sha256)
const snapshotPath = (backups: string, id: string): string => path.join(backups, 'snapshots', `${id}.json`)

/** Makes the folder of backups where there is none. ERR_ARGUMENT for one with other things in it. */
export async function openBackups(backups: string): Promise<void> {
  await makeFolder(backups)
  if ((await readdir(backups)).length === 0) await writeText(path.join(backups, MARKER), MARKER_TEXT)
  await checkBackups(backups)
  for (const name of ['objects', 'snapshots']) await makeFolder(path.join(backups, name))
}

async function checkBackups(backups: string): Promise<void> {
  const there = await stat(path.join(backups, MARKER)).catch(() => undefined)
  if (there === undefined)
    throw new WeftError('ERR_ARGUMENT', `${backups} holds no backups of weftjs`, {
      hint: 'Choose an empty folder, or one that does not exist',
    })
}

const checksumOf = (facts: object): string => createHash('sha256').update(JSON.stringify(facts)).digest('hex')

/** Writes the snapshot; from then on it can be restored. */
export async function writeSnapshot(backups: string, { id, files }: Snapshot, signer: Signer | undefined): Promise<void> {
  const facts = { format: FORMAT, formatVersion: 1, id, files: Object.fromEntries(files) }
  const text = `${JSON.stringify({ ...facts, sha256: checksumOf(facts) }, undefined, 2)}\n`
  if (signer) await writeText(`${snapshotPath(backups, id)}.sig`, signer.signatureText('snapshot', text))
  await replaceText(snapshotPath(backups, id), text)
}

/** Names of the snapshots, the oldest first. */
export async function snapshotIds(backups: string): Promise<string[]> {
  checkCall('snapshotIds(backups)', arguments)
  await checkBackups(backups)
  const names = await readdir(path.join(backups, 'snapshots')).catch((error: unknown) => {
    throw systemError(`${backups} has no snapshots`, error, 'ERR_FORMAT')
  })
  return names.flatMap((name) => (name.endsWith('.json') && ID.test(name.slice(0, -5)) ? [name.slice(0, -5)] : [])).sort()
}

/** A snapshot, the newest one unless one is named. ERR_FORMAT where it is not whole, or not signed by a trusted key. */
export async function readSnapshot(backups: string, wanted: string | undefined, trust: Trust | undefined): Promise<Snapshot> {
  const ids = await snapshotIds(backups)
  const id = wanted ?? ids.at(-1)
  if (id === undefined || !ids.includes(id))
    throw new WeftError(
      'ERR_NOT_FOUND',
      id === undefined ? `${backups} has no snapshot` : `${backups} has no snapshot '${id.slice(0, 100)}'`,
      {
        ...(ids.length > 0 ? { hint: `The newest are ${ids.slice(-3).join(', ')}` } : {}),
      },
    )
  const file = snapshotPath(backups, id)
  const text = (await RegularFile.textIfThere(file))!
  trust?.check('snapshot', `snapshot ${id}`, text, await RegularFile.textIfThere(`${file}.sig`))
  const broken = (why: string): WeftError => new WeftError('ERR_FORMAT', `${file} is not a whole snapshot: ${why}`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw broken('it is not JSON')
  }
  const { sha256, ...facts } = isRecord(json) ? json : {}
  const { format, formatVersion, id: own, files } = facts as Record<string, unknown>
  if (format !== FORMAT || formatVersion !== 1 || own !== id || !isRecord(files)) throw broken('it has another format, or another name')
  if (sha256 !== checksumOf(facts)) throw broken('its checksum differs')
  const found = factsOf(files, file)
  for (const name of found.keys()) if (!isInside(name)) throw broken('it has names that lead out of the repository')
  return { id, files: found }
}

/** Whether a path stays below the folder it is put into, on every system. */
const isInside = (name: string): boolean =>
  !/[\\\0:]/.test(name) && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
