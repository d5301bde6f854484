// Reading tokenizer.json files, which may hold anything.
import { WeftError } from '../core/error.js'

/** A list of the parts of a Sequence. */
export function listOf(json: Record<string, unknown>, name: string): unknown[] {
  const list = json[name]
  if (Array.isArray(list)) return list
  throw new WeftError('ERR_FORMAT', `the Sequence of the tokenizer has no list of ${name}`)
}
