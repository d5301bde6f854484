// Named functions: what can be given as a string, as JSON or as a function wherever a factory goes (initializers,
// regularizers, constraints).
import { checkFunction } from './checks.js'
import { unknownName, WeftError } from './error.js'
import { show } from './options.js'

/** A function that knows how it was made, so that it can be saved. */
export type Named<F> = F & { readonly className: string; readonly config: object }
/**
 * How options name a function: by the factory's name (also with a capital, as in saved models), by { className, config
 * }, or by the function itself.
 */
export type NamedLike<F, N extends string = string> = N | Capitalize<N> | { readonly className: string; readonly config?: object } | F

/** The function with its name and config. */
export function named<F extends (...args: never[]) => unknown>(className: string, config: object, fn: F): Named<F> {
  return Object.assign(fn, { className, config, toJSON: () => ({ className, config }) })
}

/** 'GlorotUniform' gives 'glorotUniform'. */
export const factoryName = (className: string): string => className.slice(0, 1).toLowerCase() + className.slice(1)

/** The function that an option names. `factories` are by name; each takes a config. */
export function resolveNamed<F extends (...args: never[]) => unknown>(
  kind: string,
  factories: Readonly<Record<string, (config?: never) => F>>,
  value: NamedLike<F>,
): F {
  if (typeof value === 'function') {
    checkFunction(kind, value)
    return value
  }
  const name = typeof value === 'string' ? value : value?.className
  if (typeof name !== 'string') throw new WeftError('ERR_ARGUMENT', `${kind}: expected a name or a function, got ${show(value)}`)
  const key = Object.hasOwn(factories, name) ? name : factoryName(name)
  if (!Object.hasOwn(factories, key)) throw unknownName(kind, name, Object.keys(factories))
  return factories[key]!(typeof value === 'string' ? undefined : (value.config as never))
}
