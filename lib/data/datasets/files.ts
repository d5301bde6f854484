// Files of a data set: where they are looked for, and reading them with their size and hash checked.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { WeftError } from '../../core/error.js'
import { checkOptions, type OptionTable } from '../../core/options.js'
import { type Verbosity, whileWorking } from '../../core/progress_bar.js'

export interface DatasetOptions {
  /** The folder to look in first. */
  dir?: string
  /** Check sizes and hashes of the official files. Default: true; false takes other files of the same format. */
  verify?: boolean
  /**
   * Default: on a terminal, what is loaded and since when, where it takes longer than two seconds. 0: silent, 1: at
   * once, 2: a line at the end.
   */
  verbose?: Verbosity
}

const LOAD_OPTIONS: OptionTable<DatasetOptions> = { dir: 'string', verify: 'boolean', verbose: 'any' }

/** One official file: its size and, where it is known, its SHA-256, both of the unpacked contents. */
export interface OfficialFile {
  name: string
  bytes: number
  sha256?: string
}

export interface FileSet {
  /** The set's name in messages. */
  title: string
  /** Folder names that distributions and other tools use for it. */
  folders: readonly string[]
  files: readonly OfficialFile[]
  /** How to get it. */
  hint: string
}

const SYSTEM = ['/usr/share/datasets', '/usr/local/share/datasets']

/** Folders a set is looked for in, first to last: `dir`, WEFT_DATA, the system's, the cache. */
export function places(set: FileSet, dir: string | undefined): string[] {
  const cache = path.join(process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'weft')
  const roots = [...(process.env['WEFT_DATA'] ? [process.env['WEFT_DATA']] : []), ...SYSTEM, cache]
  const under = (root: string): string[] => set.folders.map((folder) => path.join(root, folder))
  return [...(dir === undefined ? [] : [dir, ...under(dir)]), ...roots.flatMap(under)]
}

/** The file in a folder, plain or gzipped. */
function present(folder: string, name: string): string | undefined {
  return [path.join(folder, name), path.join(folder, `${name}.gz`)].find((file) => existsSync(file))
}

/** The first place that holds any of the set's files, with the path of each; undefined when no place does. */
export function find(set: FileSet, dir: string | undefined): { folder: string; paths: (string | undefined)[] } | undefined {
  for (const folder of places(set, dir)) {
    const paths = set.files.map((file) => present(folder, file.name))
    if (paths.some((file) => file !== undefined)) return { folder, paths }
  }
  return undefined
}

const listing = (files: readonly OfficialFile[]): string =>
  files.map((file) => `${file.name} (${file.bytes} bytes, or gzipped as ${file.name}.gz)`).join(', ')

/** Contents of all files of the set, unpacked, in the set's order. Never fetches anything. */
export async function load(set: FileSet, options: DatasetOptions): Promise<Uint8Array[]> {
  checkOptions(`datasets.${set.title}`, options, LOAD_OPTIONS)
  const found = find(set, options.dir)
  if (!found) {
    throw new WeftError(
      'ERR_ARGUMENT',
      `${set.title}: the files were not found: ${listing(set.files)}; looked in ${places(set, options.dir).join(', ')}`,
      {
        hint: `Nothing is downloaded. ${set.hint}, then name their folder with { dir } or WEFT_DATA`,
      },
    )
  }
  const missing = set.files.filter((_, i) => found.paths[i] === undefined)
  if (missing.length > 0) {
    throw new WeftError('ERR_ARGUMENT', `${set.title}: ${found.folder} has only some of the files; missing: ${listing(missing)}`, {
      hint: `${set.hint}, or name another folder with { dir }`,
    })
  }
  return await whileWorking(`${set.title}: reading ${found.folder}`, options.verbose, async () => {
    const contents: Uint8Array[] = []
    for (const [i, file] of set.files.entries()) contents.push(await read(found.paths[i]!, file, options.verify ?? true))
    return contents
  })
}

/** Reads a file in pieces, so that neither unpacking nor hashing holds the event loop. */
async function read(file: string, official: OfficialFile, verify: boolean): Promise<Uint8Array> {
  const gzipped = file.endsWith('.gz')
  const hash = verify && official.sha256 !== undefined ? createHash('sha256') : undefined
  const wrongSize = (found: string): WeftError =>
    new WeftError('ERR_FORMAT', `${file}: ${found} bytes${gzipped ? ' unpacked' : ''}, but ${official.name} has ${official.bytes}`, {
      hint: again,
    })
  const pieces: Uint8Array[] = []
  let bytes = 0
  const stream = createReadStream(file, { highWaterMark: 1 << 20 })
  // a failure of either end ends the loop below
  const contents = gzipped ? pipeline(stream, createGunzip({ chunkSize: 1 << 20 }), () => {}) : stream
  try {
    for await (const piece of contents as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      bytes += piece.length
      if (verify && bytes > official.bytes) throw wrongSize(`more than ${official.bytes}`)
      hash?.update(piece)
    }
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    throw new WeftError('ERR_FORMAT', `${file}: ${(cause as Error).message}`, { cause, hint: 'The file is damaged; get it again' })
  }
  if (verify && bytes !== official.bytes) throw wrongSize(String(bytes))
  if (hash) {
    const found = hash.digest('hex')
    if (found !== official.sha256) {
      throw new WeftError('ERR_FORMAT', `${file}: SHA-256 ${found}, but that of ${official.name} is ${official.sha256}`, { hint: again })
    }
  }
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const again = 'It is damaged or another file; get it again, or load a file of your own with { verify: false }'
