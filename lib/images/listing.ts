// The pictures of a folder with a folder for each class.
import { readdirSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { systemError } from '../core/system_error.js'
import { draws, permutation } from '../data/shuffle.js'
import { FORMAT_NAMES } from './decode.js'

/** Names of files that are taken for pictures. */
const PICTURE = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i

export interface Listed {
  readonly file: string
  /** Place of its class. */
  readonly label: number
}
export interface Listing {
  readonly classNames: readonly string[]
  readonly pictures: readonly Listed[]
  /** Files that are no pictures by their names. */
  readonly ignored: readonly string[]
}

interface Found {
  readonly files: string[]
  readonly folders: string[]
}

/** What is in a folder, in the order of the characters' codes; hidden files and folders are left out. */
function entriesOf(what: string, folder: string): Found {
  const found: Found = { files: [], folders: [] }
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue
      const place = path.join(folder, entry.name)
      // links lead to what they name
      const facts = entry.isSymbolicLink() ? statSync(place) : entry
      if (facts.isDirectory()) found.folders.push(place)
      else found.files.push(place)
    }
  } catch (error) {
    throw systemError(`${what}: the folder '${folder}' cannot be read`, error, 'ERR_FORMAT')
  }
  const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  found.files.sort(byCode)
  found.folders.sort(byCode)
  return found
}

/** All files in a folder and the folders in it. */
function walk(what: string, folder: string, above: readonly string[] = []): string[] {
  const real = realpathSync(folder)
  if (above.includes(real)) throw new WeftError('ERR_FORMAT', `${what}: the links in '${folder}' go round in a circle`)
  const { files, folders } = entriesOf(what, folder)
  return [...files, ...folders.flatMap((inner) => walk(what, inner, [...above, real]))]
}

/** @param classNames the folders that are classes, in their order; undefined: all, by name */
export function listClasses(what: string, folder: string, classNames: readonly string[] | undefined): Listing {
  const { files, folders } = entriesOf(what, folder)
  const there = folders.map((place) => path.basename(place))
  const missing = classNames?.find((name) => !there.includes(name))
  if (missing !== undefined)
    throw new WeftError('ERR_FORMAT', `${what}: there is no folder ${show(missing)} in '${folder}'`, {
      hint: `Folders there: ${there.slice(0, 20).join(', ') || '(none)'}`,
    })
  const names = classNames ?? there
  if (names.length === 0)
    throw new WeftError('ERR_FORMAT', `${what}: '${folder}' holds no folders, so there are no classes`, {
      hint: files.some((file) => PICTURE.test(file))
        ? "Its pictures have no class: say { labels: 'none' }"
        : 'Put the pictures of each class in a folder of their own',
    })
  const [pictures, ignored]: [Listed[], string[]] = [[], [...files]]
  names.forEach((name, label) => {
    const inside = walk(what, path.join(folder, name))
    const own = inside.filter((file) => PICTURE.test(file))
    if (own.length === 0)
      throw new WeftError('ERR_FORMAT', `${what}: the class ${show(name)} has no pictures in '${path.join(folder, name)}'`, {
        hint: inside.length > 0 ? `Formats: ${FORMAT_NAMES}` : 'Remove the folder, or name the classes: { classNames: [...] }',
      })
    pictures.push(...own.map((file) => ({ file, label })))
    ignored.push(...inside.filter((file) => !PICTURE.test(file)))
  })
  return { classNames: names, pictures, ignored }
}

/** Pictures without classes, in any folder below. */
export function listAll(what: string, folder: string): Listing {
  const files = walk(what, folder)
  const pictures = files.filter((file) => PICTURE.test(file)).map((file) => ({ file, label: 0 }))
  if (pictures.length === 0)
    throw new WeftError('ERR_FORMAT', `${what}: there are no pictures in '${folder}'`, { hint: `Formats: ${FORMAT_NAMES}` })
  return { classNames: [], pictures, ignored: files.filter((file) => !PICTURE.test(file)) }
}

/** The pictures in two parts, of each class by itself; the first has at least one of each class. */
export function splitByClass(what: string, { pictures }: Listing, share: number, seed: number): { train: Listed[]; validation: Listed[] } {
  const [train, validation]: [Listed[], Listed[]] = [[], []]
  const draw = draws(seed, 0)
  for (const label of new Set(pictures.map((picture) => picture.label))) {
    const own = pictures.filter((picture) => picture.label === label)
    const count = Math.max(1, Math.floor(own.length * (1 - share)))
    const order = [...permutation(own.length, draw)]
    const kept = new Set(order.slice(0, count))
    own.forEach((picture, i) => (kept.has(i) ? train : validation).push(picture))
  }
  if (validation.length === 0)
    throw new WeftError(
      'ERR_ARGUMENT',
      `${what}: a validationSplit of ${share} leaves none of ${pictures.length} pictures for validation`,
      {
        hint: 'Take a larger share, or add pictures',
      },
    )
  return { train, validation }
}
