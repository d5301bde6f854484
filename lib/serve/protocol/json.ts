// JSON of requests: UTF-8 without a byte order mark, not nested deeper than the limit, which is found before anything
// is made of it.
import { isUtf8 } from 'node:buffer'
import { invalid, tooLarge } from './tensors.js'

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/** How deep lists and objects are nested. */
export function depthOf(bytes: Uint8Array): number {
  let [depth, deepest, inText] = [0, 0, false]
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (inText) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inText = false
    } else if (byte === QUOTE) inText = true
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > deepest) deepest = depth
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
  }
  return deepest
}

/** Whether there are more than `most` of a character. */
function hasMore(text: string, character: string, most: number): boolean {
  let at = -1
  for (let count = 0; count <= most; count++) {
    at = text.indexOf(character, at + 1)
    if (at < 0) return false
  }
  return true
}

/** A JSON object of a client. */
export function objectOfJson(bytes: Uint8Array, maxDepth: number): Record<string, unknown> {
  if (!isUtf8(bytes)) throw invalid('the JSON is not UTF-8')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  // with few brackets there is no need to look how deep they are
  const half = maxDepth >> 1
  if ((hasMore(text, '[', half) || hasMore(text, '{', half)) && depthOf(bytes) > maxDepth)
    throw tooLarge(`the JSON is nested more than ${maxDepth} deep`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('the request is not JSON')
  }
  if (!isObject(value))
    throw invalid(`the request is a JSON object, got ${Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value}`)
  return value
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member of the object itself; what it inherits is no member. */
export const member = (object: Record<string, unknown>, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined)
