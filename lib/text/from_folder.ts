// text.fromFolder: texts in files, one folder for each class.
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { TextDecoder } from 'node:util'
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable, show } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { systemError } from '../core/system_error.js'
import { Dataset } from '../data/dataset.js'

export interface TextFolderOptions {
  /** The folders to take, in the order of their class numbers. Default: all, in the order of their names. */
  classNames?: readonly string[]
  /** Endings of the files to take: ['.txt']. Default: all files, but those whose names begin with a dot. */
  extensions?: readonly string[]
  /** As TextDecoder names it: 'utf-8' (default), 'latin1', 'gb18030'. Bytes that are no such text are ERR_DATA. */
  encoding?: string
  /** Largest file. Default 16 MiB. */
  maxFileBytes?: number
}
const OPTIONS: OptionTable<TextFolderOptions> = { classNames: 'list', extensions: 'list', encoding: 'string', maxFileBytes: 'integer' }

export interface TextSample {
  text: string
  /** The number of its class: the place of its folder among classNames. */
  y: number
  /** The path of the file. */
  file: string
}

/** The texts of a folder. */
export class TextFolder extends Dataset<TextSample> {
  /** Names of the folders, by class number. */
  readonly classNames: readonly string[]

  /** @internal */
  constructor(classNames: readonly string[], files: readonly { file: string; y: number }[], read: (file: string) => Promise<string>) {
    async function* texts(order?: Uint32Array): AsyncGenerator<TextSample, void> {
      for (let i = 0; i < files.length; i++) {
        const { file, y } = files[order ? order[i]! : i]!
        yield { text: await read(file), y, file }
      }
    }
    super({ size: files.length, open: () => texts(), openIn: (order) => texts(order) })
    this.classNames = classNames
  }
}

/**
 * The texts in the files of a folder that has one folder for each class, with folders inside of them, as a Dataset of
 * samples { text, y, file }: classes in the order of their names, files in the order of their paths. Files are listed
 * now, and read when their turn comes. ERR_DATA where a class has no files.
 */
export function fromFolder(folder: Place, options: TextFolderOptions = {}): TextFolder {
  const what = 'text.fromFolder'
  checkCall(`${what}(folder, options)`, arguments, OPTIONS)
  const { extensions, encoding = 'utf-8', maxFileBytes = 2 ** 24 } = options
  const root = pathOf(what, folder)
  for (const name of ['classNames', 'extensions'] as const)
    if (options[name] !== undefined && (options[name].length === 0 || !Array.from(options[name]).every((one) => typeof one === 'string')))
      throw new WeftError('ERR_ARGUMENT', `${what}: ${name} is a list of texts, got ${show(options[name])}`)
  if (options.classNames && new Set(options.classNames).size !== options.classNames.length)
    throw new WeftError('ERR_ARGUMENT', `${what}: classNames has a name twice: ${show(options.classNames)}`)
  try {
    new TextDecoder(encoding)
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `${what}: unknown encoding ${show(encoding)}`, { cause, hint: "Use 'utf-8' or 'latin1'" })
  }
  if (!isFolder(root)) throw new WeftError('ERR_ARGUMENT', `${what}: no folder '${root}'`)
  const found = foldersIn(root)
  const classNames = options.classNames ? [...options.classNames] : found
  const absent = classNames.find((name) => !found.includes(name))
  if (absent !== undefined || classNames.length === 0)
    throw new WeftError('ERR_ARGUMENT', `${what}: '${root}' has no folder ${absent === undefined ? 'of a class' : show(absent)}`, {
      hint: `One folder for each class is expected, as '${path.join(root, 'spam')}'. Found: ${found.join(', ') || 'none'}`,
    })
  const files = classNames.flatMap((name, y) => {
    const own = filesIn(path.join(root, name), extensions)
    if (own.length > 0) return own.map((file) => ({ file, y }))
    throw new WeftError('ERR_DATA', `${what}: the class '${name}' has no files${extensions ? ` that end in ${extensions.join(', ')}` : ''}`)
  })
  return new TextFolder(classNames, files, (file) => readText(file, encoding, maxFileBytes))
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
/** Whether a folder is there; a name that the system refuses is none. */
function isFolder(place: string): boolean {
  try {
    return statSync(place).isDirectory()
  } catch {
    return false
  }
}
const foldersIn = (place: string): string[] =>
  readdirSync(place)
    .filter((name) => !name.startsWith('.') && isFolder(path.join(place, name)))
    .sort(byName)

/** Files in a folder and those in it, links followed. */
function filesIn(folder: string, extensions: readonly string[] | undefined, above: readonly string[] = []): string[] {
  const real = realpathSync(folder)
  // a link to a folder around this one
  if (above.includes(real)) return []
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort(byName)
    .flatMap((name) => {
      const place = path.join(folder, name)
      const stat = statSync(place, { throwIfNoEntry: false })
      if (stat?.isDirectory()) return filesIn(place, extensions, [...above, real])
      return stat?.isFile() && (extensions === undefined || extensions.some((ending) => name.endsWith(ending))) ? [place] : []
    })
}

async function readText(file: string, encoding: string, most: number): Promise<string> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw systemError(`${file} cannot be read`, error, 'ERR_DATA')
  })
  try {
    const { size } = await handle.stat()
    if (size > most)
      throw new WeftError('ERR_DATA', `${file}: ${size} bytes`, { hint: `Is it a text? Else give a maxFileBytes above ${most}` })
    return new TextDecoder(encoding, { fatal: true }).decode(await handle.readFile())
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw systemError(`${file} cannot be read`, cause, 'ERR_DATA')
    throw new WeftError('ERR_DATA', `${file}: its bytes are no text in ${encoding}`, {
      cause,
      hint: "Name its encoding: { encoding: 'latin1' }",
    })
  } finally {
    await handle.close()
  }
}
