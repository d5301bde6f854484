// Names of weights and of the optimizer's state in files: paths in the model, the same in every process.
import { WeftError } from '../core/error.js'
import { sameShape } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import type { AnyModel } from '../model/model.js'
import type { Entry } from './safetensors.js'

/** Weights and states of a model under the paths they are saved by, each once. */
export function namedVariables(model: AnyModel): Map<string, Variable> {
  return unique(model.weightPaths())
}

function unique(pairs: readonly [string, Variable][]): Map<string, Variable> {
  const named = new Map<string, Variable>()
  for (const [name, variable] of pairs) {
    if (named.has(name)) throw new WeftError('ERR_STATE', `save: two weights are named '${name}'`, { hint: 'Give them different names' })
    named.set(name, variable)
  }
  return named
}

/** The optimizer's state under the names it is saved by: a weight's path, '/', and the name of what is kept for it. */
export function namedOptimizerState(
  model: AnyModel,
  variables: ReadonlyMap<string, Variable> = namedVariables(model),
): Map<string, Variable> {
  const names = new Map([...variables].map(([name, variable]) => [variable, name]))
  const named = new Map(model.optimizer.state.map((state) => [state.name, state]))
  for (const { of, name, state } of model.optimizer.slots) {
    const weight = names.get(of)
    if (weight !== undefined) named.set(`${weight}/${name}`, model.optimizer.wholeOf(state))
  }
  return named
}

const ROOT = 'model'
const lastPart = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

/**
 * Variables of a model under the names of files of version 1: those of the layers. Layers inside own layers had
 * automatic names there, which differ from process to process; weights of such are found by their order.
 */
export function oldNames(model: AnyModel, stored: ReadonlyMap<string, Entry>): Map<string, Variable> {
  const pairs = model.savedVariables(ROOT).map(([name, variable]): [string, Variable] => [name.slice(ROOT.length + 1), variable])
  if (pairs.every(([name]) => stored.has(name))) return unique(pairs)
  const entries = [...stored.values()]
  const fits = ([name, variable]: [string, Variable], entry: Entry | undefined): boolean =>
    entry !== undefined &&
    lastPart(entry.name) === lastPart(name) &&
    entry.dtype === variable.dtype &&
    sameShape(entry.shape, variable.shape)
  if (entries.length !== pairs.length || !pairs.every((pair, i) => fits(pair, entries[i]))) return unique(pairs)
  return new Map(pairs.map(([, variable], i) => [entries[i]!.name, variable]))
}
