// model.json: the structure and assets of a saved model, and the size and checksum of each file in its folder, itself
// included.
import { createHash } from 'node:crypto'
import { show } from '../core/options.js'
import { WeftError } from '../core/error.js'
import { isRecord } from '../core/tree.js'
import { MODEL_FILE, withFiles } from './folder.js'
import type { RegularFile } from './regular_file.js'
import { checkDepth, checkLayer } from './schema.js'

export const FORMAT = 'weft model'
/** Version 1 had no checksums, and named weights after layers where version 2 has their paths. */
const VERSION = 2

/** Size and checksum of a file. */
export interface FileFacts {
  readonly bytes: number
  readonly sha256: string
}

export interface Manifest {
  readonly version: number
  readonly model: unknown
  readonly assets: Record<string, unknown>
  /** By name; empty in version 1. */
  readonly files: ReadonlyMap<string, FileFacts>
}

/** The text of a JSON file. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

const checksum = (value: object): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** The text of model.json. `content` is plain JSON, as it comes from JSON.parse(). */
export function manifestText(content: { model: unknown; assets: unknown }, files: ReadonlyMap<string, FileFacts>): string {
  const { model, assets } = content
  const facts = { format: FORMAT, version: VERSION, model, assets, files: Object.fromEntries(files) }
  return jsonText({ ...facts, sha256: checksum(facts) })
}

/** What model.json says; ERR_FORMAT unless it is a model of this format, and whole. */
export async function readManifest(file: RegularFile, verify: boolean): Promise<Manifest> {
  const { sha256, ...json } = await file.json()
  if (json['format'] !== FORMAT) throw new WeftError('ERR_FORMAT', `${file.path} does not describe a saved model`)
  const { version, model, assets = {}, files = {} } = json
  if (!Number.isInteger(version) || (version as number) < 1) throw new WeftError('ERR_FORMAT', `${file.path} has no version of the format`)
  if ((version as number) > VERSION) {
    throw new WeftError('ERR_FORMAT', `${file.path} has version ${show(version)} of the format, this weftjs reads up to ${VERSION}`, {
      hint: 'Update weftjs',
    })
  }
  checkDepth(file.path, json)
  if (verify && version !== 1 && sha256 !== checksum(json)) throw notAsSaved(file.path)
  checkLayer(file.path, model, 'model')
  if (!isRecord(assets)) throw new WeftError('ERR_FORMAT', `${file.path}: assets are not a record`)
  return { version: version as number, model, assets, files: version === 1 ? new Map() : filesOf(file.path, files) }
}

function filesOf(file: string, files: unknown): Map<string, FileFacts> {
  const isFacts = (facts: unknown): facts is FileFacts =>
    isRecord(facts) && Number.isSafeInteger(facts['bytes']) && typeof facts['sha256'] === 'string'
  if (!isRecord(files) || !Object.values(files).every(isFacts))
    throw new WeftError('ERR_FORMAT', `${file}: files are not a record of sizes and checksums`)
  return new Map(Object.entries(files as Record<string, FileFacts>))
}

/** The error for a file whose checksum differs. */
export function notAsSaved(file: string): WeftError {
  return new WeftError('ERR_FORMAT', `${file} is not as it was saved: its checksum differs`, {
    hint: 'It was damaged, edited, or put there from another save. loadModel(folder, { verify: false }) reads it as it is',
  })
}

/** Whether a folder holds a model of this format. */
export async function isSavedModel(folder: string): Promise<boolean> {
  try {
    await withFiles(folder, [MODEL_FILE], (files) => readManifest(files.get(MODEL_FILE)!, false))
    return true
  } catch (error) {
    if (error instanceof WeftError && error.code === 'ERR_FORMAT') return false
    throw error
  }
}
