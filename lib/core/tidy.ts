// tidy: disposes what a function made and did not return.
import { checkFunction } from './checks.js'
import { WeftError } from './error.js'
import { checkCall } from './options.js'
import { scopes, type Tensor, Variable } from './tensor.js'
import { walk } from './tree.js'

/**
 * Runs fn and disposes every tensor it made, except variables and those it returns (also inside arrays and records).
 */
export function tidy<T>(fn: () => T): T {
  checkCall('tidy(fn)', arguments)
  checkFunction('tidy', fn)
  const scope = new Set<Tensor>()
  const kept = new Set<Tensor>()
  scopes.push(scope)
  let result: T
  try {
    result = fn()
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new WeftError('ERR_ARGUMENT', 'tidy: the function must be synchronous', {
        hint: 'Dispose tensors by hand, or with `using`, around await',
      })
    }
    walk(result, (t) => {
      kept.add(t)
      if (t.mask) kept.add(t.mask)
    })
  } catch (error) {
    for (const t of scope) if (!(t instanceof Variable)) t.dispose()
    throw error
  } finally {
    scopes.pop()
  }
  const outer = scopes[scopes.length - 1]
  for (const t of scope) {
    if (kept.has(t)) outer?.add(t)
    else if (!(t instanceof Variable)) t.dispose()
  }
  return result
}
