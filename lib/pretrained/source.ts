// Names of the files that a model was read from, so that it is written under the same.
import type { Variable } from '../core/tensor.js'

const sources = new WeakMap<object, ReadonlyMap<string, Variable>>()

/** Keeps the names under which the weights of a model were read. */
export const rememberNames = (model: object, names: ReadonlyMap<string, Variable>): void => void sources.set(model, names)

/** The names under which the weights of a model are written: those they were read by, or the usual ones. */
export function namesToWrite(model: { fileWeights(): Map<string, Variable> }): Map<string, Variable> {
  const usual = model.fileWeights()
  const read = sources.get(model)
  if (!read) return usual
  const known = new Set(read.values())
  return new Map([...read, ...[...usual].filter(([, weight]) => !known.has(weight))])
}
