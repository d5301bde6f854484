// How a loaded model goes on training: its compilation, the optimizer, and where epochs and shuffles were.
import { WeftError } from '../core/error.js'
import type { Variable } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'
import type { AnyModel } from '../model/model.js'
import { type ObjectiveJson, objectiveOptions, type OwnFunctions } from '../model/objective.js'
import { optimizerFromJson } from '../optimizers/by_name.js'
import type { SafetensorsFile } from './safetensors.js'
import { ownNames, type Training } from './schema.js'

/**
 * Compiles the model as it was, and makes the optimizer's state for the weights that have some in the file. Returns
 * whether it was compiled: a model with losses or metrics of the user's own is not, unless they are given.
 */
export function restoreTraining(
  model: AnyModel,
  training: Training,
  variables: ReadonlyMap<string, Variable>,
  state: SafetensorsFile,
  own: OwnFunctions,
): boolean {
  const { compiled, learningRate, shuffle, epochs } = training
  if (epochs !== undefined) model.epochsTrained = epochs
  if (shuffle !== undefined) model.shuffleState = { seed: shuffle.seed, pass: shuffle.pass }
  if (compiled === undefined) return false
  const { optimizer: saved, ...objective } = compiled
  const missing = missingOf(objective, own)
  if (missing.length > 0) {
    warnOnce(
      'WEFT_LOAD',
      `${model.name} is loaded without how it was compiled: that needs functions of yours. Give them, and training goes on from where it stopped: loadModel(folder, { ${missing.join(', ')} })`,
      model,
    )
    return false
  }
  const optimizer = optimizerFromJson(saved)
  model.compile(objectiveOptions(objective as unknown as ObjectiveJson, optimizer, own))
  const names = new Set([...state.tensors.keys()].map((name) => name.slice(0, Math.max(0, name.lastIndexOf('/')))))
  optimizer.build([...variables].filter(([name]) => names.has(name)).map(([, variable]) => variable))
  if (typeof learningRate === 'number') optimizer.adopt(learningRate)
  return true
}

/** The functions that a compilation needs and that are not given, as parts of the call that gives them. */
function missingOf(objective: Record<string, unknown>, own: OwnFunctions): string[] {
  const lacking = (names: string[], given: object = {}): string[] => names.filter((name) => !Object.hasOwn(given, name))
  const losses = lacking(ownNames(objective['loss']), own.losses)
  const metrics = lacking([...ownNames(objective['metrics']), ...ownNames(objective['weightedMetrics'])], own.metrics)
  const part = (kind: string, names: string[]): string[] => (names.length === 0 ? [] : [`${kind}: { ${[...new Set(names)].join(', ')} }`])
  return [...part('losses', losses), ...part('metrics', metrics)]
}

/** Throws ERR_FORMAT for own functions that are no losses or metrics. */
export function checkOwn(own: OwnFunctions): void {
  for (const [kind, given] of Object.entries(own)) {
    for (const [name, value] of Object.entries(given ?? {})) {
      if (typeof value !== 'function' && (typeof value !== 'object' || value === null))
        throw new WeftError('ERR_ARGUMENT', `loadModel: ${kind}.${name} is not a function`)
    }
  }
}
