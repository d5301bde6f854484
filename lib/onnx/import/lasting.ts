// Tensors that outlive the call in which they are made.
import { outsideTrace } from '../../core/graph.js'
import { scopes } from '../../core/tensor.js'

/** Runs fn outside any recording, and out of reach of tidy(). */
export function lasting<T>(fn: () => T): T {
  const open = scopes.splice(0)
  try {
    return outsideTrace(fn)
  } finally {
    scopes.push(...open)
  }
}
