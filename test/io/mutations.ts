// Mutations of files: values of JSON replaced, removed, renamed, copied or multiplied, and bytes turned, cut or put in.

export type Json = unknown
/** JSON as text, with values in it that are nested deeper than JSON.stringify() can go. */
const textOf = (json: Json): string =>
  JSON.stringify(json)
    .replace('"@lists"', `${'['.repeat(20_000)}${']'.repeat(20_000)}`)
    .replace('"@records"', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`)
/** Values that files from outside hold. */
const odd: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => '',
  () => 'x',
  () => '__proto__',
  () => 'constructor',
  () => -1,
  () => 0,
  () => 1,
  () => 1.5,
  () => 1e9,
  () => 2 ** 31,
  () => 2 ** 53,
  () => 1e308,
  () => -(2 ** 53),
  () => [],
  () => ({}),
  () => [null],
  () => [[1, 2], [3]],
  () => [1e9, 1e9],
  () => ({ className: 'Dense', config: { units: 1e9 } }),
  () => ({ className: 'Dense' }),
  () => ({ $node: 0, output: 0 }),
  () => ({ $tensor: [1], shape: [1e9], dtype: 'float32' }),
  () => ({ toJSON: 1 }),
  () => '@lists',
  () => '@records',
  () => 'y'.repeat(100_000),
  () => new Array(1000).fill(1e6) as Json,
]

/** All places in a value: the holder and the key. */
function placesOf(value: Json, found: [Record<string, Json>, string][] = []): [Record<string, Json>, string][] {
  if (typeof value !== 'object' || value === null) return found
  for (const key of Object.keys(value)) {
    found.push([value as Record<string, Json>, key])
    placesOf((value as Record<string, Json>)[key], found)
  }
  return found
}

export interface Mutator {
  /** JSON as text, with values in it that are nested deeper than JSON.stringify() can go. */
  textOf: (json: Json) => string
  mutated: (json: Json) => Json
  mutatedBytes: (bytes: Buffer) => Buffer
}

/** Mutations that draw from `random`. */
export function mutator(random: () => number): Mutator {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  /** The value with one place of it replaced, removed, renamed, copied or multiplied. */
  function mutated(json: Json): Json {
    const copy = structuredClone(json)
    const places = placesOf(copy)
    const [holder, key] = pick(places)
    const [, other] = pick(places)
    const [from, fromKey] = pick(places)
    const value = holder[key]
    switch (Math.floor(random() * 6)) {
      case 0:
        delete holder[key]
        break
      case 1:
        if (!Array.isArray(holder)) Object.defineProperty(holder, random() < 0.5 ? other : '__proto__', { value, enumerable: true })
        break
      case 2:
        holder[key] = structuredClone(from[fromKey])
        break
      case 3:
        if (typeof value === 'number') {
          holder[key] = value * pick([-1, 0.5, 1000, 1e6, 1e9])
          break
        }
        holder[key] = pick(odd)()
        break
      default:
        holder[key] = pick(odd)()
    }
    return copy
  }

  function mutatedBytes(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes)
    const at = Math.floor(random() * Math.min(copy.length, random() < 0.8 ? 2000 : Infinity))
    switch (Math.floor(random() * 4)) {
      case 0:
        copy[at]! ^= 1 << Math.floor(random() * 8)
        return copy
      case 1:
        return copy.subarray(0, at)
      case 2:
        return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.floor(random() * copy.length))])
      default:
        return Buffer.concat([
          copy.subarray(0, at),
          Buffer.from(pick(['9', '}', '"', ',', '[', '\u0000', '1e9', '99999999'])),
          copy.subarray(at),
        ])
    }
  }
  return { textOf, mutated, mutatedBytes }
}
