// The dictionaries in Keras' tokenizer JSON: JSON in strings, whose order of keys counts.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'

/** JSON of a dictionary in its order; an object would put words like '2020' first. */
export function dictionaryToJson(dictionary: ReadonlyMap<string | number, string | number>): string {
  return `{${[...dictionary].map(([key, value]) => `${JSON.stringify(String(key))}: ${JSON.stringify(value)}`).join(', ')}}`
}

const ENTRY = /\s*("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]+)\s*[,}]/y

/** The dictionary in a string of JSON, in the order it is written. */
export function dictionaryFromJson(json: unknown, name: string): Map<string, unknown> {
  const wrong = (): WeftError => new WeftError('ERR_FORMAT', `tokenizer JSON: ${name} is not a dictionary in a string`)
  if (typeof json !== 'string') throw wrong()
  const found = new Map<string, unknown>()
  try {
    const whole = JSON.parse(json) as unknown
    if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) throw wrong()
    ENTRY.lastIndex = json.indexOf('{') + 1
    for (let entry = ENTRY.exec(json); entry; entry = ENTRY.exec(json)) found.set(JSON.parse(entry[1]!), JSON.parse(entry[2]!))
    if (found.size !== Object.keys(whole).length) throw wrong()
  } catch (cause) {
    throw cause instanceof WeftError ? cause : wrong()
  }
  return found
}

/** The same with counts or ids for values. */
export function countsFromJson(json: unknown, name: string): Map<string, number> {
  const found = dictionaryFromJson(json, name)
  for (const [word, count] of found) {
    if (!Number.isSafeInteger(count)) throw new WeftError('ERR_FORMAT', `tokenizer JSON: ${name} of ${show(word)} is not an integer`)
  }
  return found as Map<string, number>
}

/** A dictionary whose keys are integers. */
export function byInteger<T>(dictionary: ReadonlyMap<string, T>, name: string): Map<number, T> {
  return new Map(
    [...dictionary].map(([key, value]) => {
      if (!/^-?\d+$/.test(key)) throw new WeftError('ERR_FORMAT', `tokenizer JSON: ${name} has the key ${show(key)}, not an integer`)
      return [Number(key), value]
    }),
  )
}
