// Places of files as users name them: paths, file: URLs as text, and URL objects.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { WeftError } from './error.js'
import { show } from './options.js'

/** A path, or a file: URL as text or as an object. */
export type Place = string | URL

/** The absolute path of a place, without '.' and '..'. ERR_ARGUMENT when it is none. */
export function pathOf(what: string, place: unknown, kind: 'folder' | 'file' = 'folder'): string {
  if (place instanceof URL || (typeof place === 'string' && /^file:/i.test(place))) return fromUrl(what, place)
  if (typeof place !== 'string' || place === '') {
    throw new WeftError('ERR_ARGUMENT', `${what}: expected the name of a ${kind}, got ${show(place)}`, { hint: `Write ${what}('${kind}')` })
  }
  if (place.includes('\0')) throw new WeftError('ERR_ARGUMENT', `${what}: the name of a ${kind} cannot hold a zero byte`)
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(place)) throw otherUrl(what, place)
  return path.resolve(place)
}

function fromUrl(what: string, url: string | URL): string {
  const text = String(url)
  if (!/^file:/i.test(text)) throw otherUrl(what, text)
  try {
    return path.resolve(fileURLToPath(new URL(text)))
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `${what}: ${show(text)} does not name a local file`, {
      cause,
      hint: "Write it as 'file:///folder/model'",
    })
  }
}

function otherUrl(what: string, text: string): WeftError {
  return new WeftError('ERR_ARGUMENT', `${what}: ${show(text)} is not a file: URL`, {
    hint: 'Models are saved to and loaded from local folders; fetch or copy the files first',
  })
}
