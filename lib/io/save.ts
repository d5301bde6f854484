// save: a model's structure, weights, optimizer and training state in a folder.
import path from 'node:path'
import { layerToJson } from '../layers/serialize.js'
import { type AnyModel, Model, type SaveOptions } from '../model/model.js'
import { checkOptions, WeftError } from '../core/error.js'
import { copyOf } from '../core/read.js'
import { isRecord, type Tensor, type Variable } from '../core/tensor.js'
import { warnOnce } from '../core/warnings.js'
import { assetsToJson } from './assets.js'
import { formatFacts, MODEL_FILE, OPTIMIZER_FILE, replaceFolder, TRAINING_FILE, WEIGHTS_FILE, writeJson } from './folder.js'
import { writeSafetensors } from './safetensors.js'

declare module '../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Saves structure, weights, optimizer state and `assets` (JSON values, tokenizers, scalers) in a folder, from which loadModel() goes on. It is written aside and
     * then renamed: an existing model at that place stays whole until the new one is.
     */
    save(folder: string, options?: SaveOptions): Promise<void>
  }
}

/** Weights and states of a model under the names they are saved by, each once. */
export function namedVariables(model: AnyModel): Map<string, Variable> {
  const named = new Map<string, Variable>()
  const seen = new Set<Variable>()
  for (const [saved, variable] of model.savedVariables(ROOT)) {
    if (seen.has(variable)) continue
    seen.add(variable)
    const name = saved.slice(ROOT.length + 1)
    if (named.has(name))
      throw new WeftError('ERR_STATE', `save: two weights are named '${name}'`, { hint: 'Give the layers different names' })
    named.set(name, variable)
  }
  return named
}
const ROOT = 'model'

/** The optimizer's state under the names it is saved by. */
export function namedOptimizerState(model: AnyModel): Map<string, Variable> {
  const names = new Map([...namedVariables(model)].map(([name, variable]) => [variable, name]))
  const named = new Map(model.optimizer.state.map((state) => [state.name, state]))
  for (const { of, name, state } of model.optimizer.slots) {
    const weight = names.get(of)
    if (weight !== undefined) named.set(`${weight}/${name}`, state)
  }
  return named
}

/** Copies of the values as of now, whatever steps run meanwhile. */
function copies(variables: ReadonlyMap<string, Variable>): Map<string, Tensor> {
  return new Map([...variables].map(([name, variable]) => [name, copyOf(variable)]))
}

/** The first part of a value that is no JSON, as a path; undefined when all of it is. */
function notJson(value: unknown, where: string): string | undefined {
  if (value === null || ['string', 'boolean'].includes(typeof value)) return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : where
  if (typeof (value as { toJSON?: unknown })?.toJSON === 'function') return undefined
  const parts: [string, unknown][] | undefined = Array.isArray(value)
    ? value.map((item, i) => [`${where}[${i}]`, item])
    : isRecord(value)
      ? Object.entries(value).map(([key, item]) => [`${where}.${key}`, item])
      : undefined
  if (!parts) return where
  for (const [path, part] of parts) {
    const found = notJson(part, path)
    if (found !== undefined) return found
  }
  return undefined
}

function checkAssets(assets: Record<string, unknown>): void {
  const found = notJson(assets, 'assets')
  if (found !== undefined) throw new WeftError('ERR_ARGUMENT', `save: ${found} is not a JSON value`)
}

/** How the model was compiled; undefined, with a warning, when a part of it is a function. */
function compilation(model: AnyModel): object | undefined {
  const { optimizer } = model
  try {
    return { ...model.compiled.toJson(), optimizer: { className: optimizer.name, config: optimizer.config } }
  } catch (error) {
    if (!(error instanceof WeftError)) throw error
    warnOnce(
      'WEFT_SAVE',
      `${model.name} is saved without how it was compiled: ${error.message}. Call compile() after loading it`,
      model.name,
    )
    return undefined
  }
}

async function saveModel(model: AnyModel, folder: string, options: SaveOptions): Promise<void> {
  checkOptions('save', options, ['assets'])
  if (typeof folder !== 'string' || folder === '') throw new WeftError('ERR_ARGUMENT', 'save: expected the name of a folder')
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: save() before the weights exist`, {
      hint: 'Give the first layer inputShape, or fit the model first',
    })
  const assets = options.assets ?? model.assets
  checkAssets(assets)
  const storedAssets = assetsToJson(assets)
  const structure = layerToJson(model)
  const compiled = model.isCompiled ? compilation(model) : undefined
  const weights = copies(namedVariables(model))
  const state = compiled ? copies(namedOptimizerState(model)) : new Map<string, Tensor>()
  const training = {
    compiled,
    learningRate: compiled && !model.optimizer.isScheduled ? model.optimizer.learningRate : undefined,
    shuffle: model.shuffleState,
    epochs: model.epochsTrained,
  }
  try {
    await replaceFolder(folder, async (fresh) => {
      await writeJson(path.join(fresh, MODEL_FILE), { ...formatFacts, model: structure, assets: storedAssets })
      await writeSafetensors(path.join(fresh, WEIGHTS_FILE), weights, { format: formatFacts.format })
      await writeSafetensors(path.join(fresh, OPTIMIZER_FILE), state, { format: formatFacts.format })
      await writeJson(path.join(fresh, TRAINING_FILE), training)
    })
  } finally {
    for (const copy of [...weights.values(), ...state.values()]) copy.dispose()
  }
  model.assets = assets
}

Model.prototype.save = function (folder: string, options: SaveOptions = {}): Promise<void> {
  return saveModel(this, folder, options)
}
