// Shown: what console.log(), String() and JSON.stringify() make of the objects that users hold.
import { inspect } from 'node:util'
import { WeftError } from './error.js'

/**
 * Gives objects of a class, or one object, a text for console.log() and String(). `json` is what to write instead of
 * JSON.stringify(), which would give the insides: ERR_ARGUMENT with that hint.
 */
export function shownAs<T extends object>(target: T, text: (one: T) => string, json?: string): void {
  const methods: Record<string | symbol, unknown> = {
    [inspect.custom](this: T): string {
      return text(this)
    },
    toString(this: T): string {
      return text(this)
    },
  }
  if (json !== undefined) {
    methods['toJSON'] = function (this: T): never {
      throw new WeftError('ERR_ARGUMENT', `JSON.stringify: ${this.constructor.name} is not JSON`, { hint: `Write ${json}` })
    }
  }
  for (const name of Reflect.ownKeys(methods))
    Object.defineProperty(target, name, { value: methods[name], writable: true, configurable: true })
}

/** Settings as text: '{ units: 3 }', or nothing where there are none. */
export function settingsText(settings: object): string {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  return Object.keys(given).length === 0 ? '' : ` ${inspect(given, { depth: 2, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 8 })}`
}
