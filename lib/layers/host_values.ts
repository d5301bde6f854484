// Values on the host that layers take before a model: strings or integers in nested lists, and where they come from.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { Tensor } from '../core/tensor.js'

/** One value, or nested lists of one length per level. */
export type Nested<T> = T | readonly Nested<T>[]
/**
 * What adapt() takes: nested lists, or an (async) iterable of them, or of batches of a data.Dataset, of which x is
 * taken.
 */
export type Batches<T> = Iterable<Nested<T> | { readonly x: unknown }> | AsyncIterable<Nested<T> | { readonly x: unknown }>

/** The values in order, and the extents of the lists. ERR_SHAPE where lists of one level differ in length. */
export function flattened<T>(what: string, values: unknown, check: (value: unknown) => T): { list: T[]; shape: number[] } {
  const shape: number[] = []
  for (let level: unknown = values; Array.isArray(level); level = (level as unknown[])[0]) shape.push(level.length)
  const list: T[] = []
  const visit = (value: unknown, depth: number): void => {
    if (depth === shape.length) {
      list.push(check(value))
      return
    }
    if (!Array.isArray(value) || value.length !== shape[depth])
      throw new WeftError('ERR_SHAPE', `${what}: lists of one level must have one length, got ${show(value)}`)
    for (const item of value) visit(item, depth + 1)
  }
  visit(values, 0)
  return { list, shape }
}

/**
 * Calls `visit` with each batch of what adapt() was given: at once for nested lists, tensors and iterables, so that
 * nothing is returned; a promise for async iterables.
 */
export function eachBatch(data: unknown, visit: (values: unknown) => void): Promise<void> | undefined {
  const valuesOf = (batch: unknown): unknown => {
    const isSample = typeof batch === 'object' && batch !== null && !(batch instanceof Tensor) && !Array.isArray(batch) && 'x' in batch
    return isSample ? batch.x : batch
  }
  if (Array.isArray(data) || data instanceof Tensor || ArrayBuffer.isView(data)) visit(data)
  else if (typeof data === 'object' && data !== null && Symbol.asyncIterator in data) {
    const each = async (): Promise<void> => {
      for await (const batch of data as AsyncIterable<unknown>) visit(valuesOf(batch))
    }
    return each()
  } else if (typeof data === 'object' && data !== null && Symbol.iterator in data)
    for (const batch of data as Iterable<unknown>) visit(valuesOf(batch))
  else throw new WeftError('ERR_ARGUMENT', `adapt: expected lists of values or an iterable of them, got ${show(data)}`)
  return undefined
}

/**
 * MurmurHash3, its 32-bit form, of the text's UTF-8 bytes (Appleby 2011): 0 up to 2³² - 1.
 */
export function hashOf(text: string, seed = 0): number {
  const bytes = Buffer.from(text, 'utf8')
  const mixed = (k: number): number => {
    const first = Math.imul(k, 0xcc9e2d51)
    return Math.imul((first << 15) | (first >>> 17), 0x1b873593)
  }
  const whole = bytes.length & ~3
  let hash = seed | 0
  for (let i = 0; i < whole; i += 4) {
    hash ^= mixed(bytes.readInt32LE(i))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | bytes[i]!
  if (bytes.length > whole) hash ^= mixed(tail)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/**
 * Of equally frequent tokens Keras puts the later in the order of code points first; surrogates stand for code points
 * beyond all others.
 */
export function laterFirst(a: string, b: string): number {
  const order = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit)
  const shorter = Math.min(a.length, b.length)
  let i = 0
  while (i < shorter && a[i] === b[i]) i++
  return i < shorter ? order(b.charCodeAt(i)) - order(a.charCodeAt(i)) : b.length - a.length
}
