// Arguments of fit, train and evaluate: (x, y, options), or (source, options) where the source holds the targets.
import { WeftError } from '../core/error.js'
import { checkOptions, type OptionTable, show } from '../core/options.js'
import { isRecord } from '../core/tree.js'
import { isStream, type ModelData } from './feed.js'

/** Where the options of one method stand, and which they are. */
interface Method<T extends object> {
  readonly name: string
  readonly options: OptionTable<T>
}

export interface Split<T extends object> {
  readonly y: ModelData | undefined
  readonly options: T
}

/**
 * Targets and options; ERR_ARGUMENT for surplus arguments, for options where targets belong, and for what is no options
 * object.
 */
export function splitArguments<T extends object>(
  { name, options: table }: Method<T>,
  outputs: readonly string[],
  x: unknown,
  rest: readonly unknown[],
): Split<T> {
  const streamed = isStream(x)
  const most = streamed ? 1 : 2
  if (rest.length > most && rest.slice(most).some((value) => value !== undefined)) {
    const why = streamed ? 'a source of batches holds its own targets' : `takes at most 3 arguments, got ${rest.length + 1}`
    throw new WeftError('ERR_ARGUMENT', `${name}: ${why}`, { hint: `Write ${name}(${streamed ? 'source' : 'x, y'}, options)` })
  }
  const options = rest[most - 1]
  checkOptions(name, options, table as OptionTable<object>, streamed ? 'source' : 'x, y')
  if (streamed) return { y: undefined, options: (options ?? {}) as T }
  const [y] = rest
  // a record of targets has the names of outputs, not those of options
  if (options === undefined && isRecord(y)) {
    const keys = Object.keys(y)
    if (keys.length > 0 && keys.every((key) => Object.hasOwn(table, key) && !outputs.includes(key))) {
      throw new WeftError('ERR_ARGUMENT', `${name}: y is missing; there are options in its place: ${show(y)}`, {
        hint: `Write ${name}(x, y, options), or ${name}(x, undefined, options) for a model that needs no targets`,
      })
    }
  }
  return { y: y as ModelData | undefined, options: (options ?? {}) as T }
}
