// saveWeights, loadWeights: the weights of a model alone, in one safetensors file.
import { WeftError } from '../core/error.js'
import { keep } from '../core/keep.js'
import { checkCall } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import type { Variable } from '../core/tensor.js'
import { type AnyModel, Model } from '../model/model.js'
import { FORMAT } from './manifest.js'
import { namedVariables } from './names.js'
import { pathOf, type Place } from '../core/place.js'
import { replaceFile } from './replace_file.js'
import { readSafetensors, type StoredTensor, toTensor, writeKept } from './safetensors.js'

declare module '../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Saves the weights in a safetensors file (a path or a file: URL): the values at the time of the call, by the
     * unique names of `weights` ('first/kernel'). The file is written aside and then put in place. Structure,
     * optimizer and states of layers are not in it: save() keeps those.
     * Throws ERR_STATE before the weights exist, and for a full disk and the like; ERR_ARGUMENT for a place that cannot
     * be used.
     */
    saveWeights(file: Place): Promise<void>
    /**
     * Sets the weights to those of a safetensors file, by name: one that saveWeights() wrote, or weights.safetensors of
     * a saved model. Every weight must be in the file, with its shape and dtype. Throws ERR_FORMAT where one is not, or
     * where the file has one that the model lacks; the weights then stay as they were.
     */
    loadWeights(file: Place): Promise<void>
  }
}

/** The weights by their paths; ERR_STATE before they exist. */
function weightsOf(model: AnyModel, method: string): Map<string, Variable> {
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: ${method}() before the weights exist`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const weights = new Set(model.weights)
  return new Map([...namedVariables(model)].filter(([, variable]) => weights.has(variable)))
}

async function saveWeights(model: AnyModel, place: Place): Promise<void> {
  const file = pathOf('saveWeights', place, 'file')
  const values = new Map([...weightsOf(model, 'saveWeights').values()].map((variable) => [variable.name, keep(variable)]))
  try {
    await replaceFile('saveWeights', file, async (fresh) => {
      await writeKept(fresh, values, { format: FORMAT })
    })
  } finally {
    for (const kept of values.values()) kept.release()
  }
}

async function loadWeights(model: AnyModel, place: Place): Promise<void> {
  const file = pathOf('loadWeights', place, 'file')
  const weights = weightsOf(model, 'loadWeights')
  const stored = await readSafetensors(file)
  const values = matching(file, model, weights, stored)
  for (const [variable, value] of values) {
    const fresh = toTensor(value, variable.device)
    variable.assign(fresh)
    fresh.dispose()
  }
}

/** The stored value of each weight; ERR_FORMAT unless there is one for each, and no other. */
function matching(
  file: string,
  model: AnyModel,
  weights: ReadonlyMap<string, Variable>,
  stored: ReadonlyMap<string, StoredTensor>,
): Map<Variable, StoredTensor> {
  const known = new Set(namedVariables(model).keys())
  const values = new Map<Variable, StoredTensor>()
  for (const [path, variable] of weights) {
    // weights.safetensors of a saved model has paths
    const name = stored.has(variable.name) ? variable.name : path
    const value = stored.get(name)
    if (value === undefined)
      throw new WeftError('ERR_FORMAT', `${file} has no '${variable.name}'`, { hint: `It has ${listed([...stored.keys()])}` })
    if (!sameShape(value.shape, variable.shape) || value.dtype !== variable.dtype)
      throw new WeftError(
        'ERR_FORMAT',
        `${file}: '${name}' is ${value.dtype} [${value.shape}], the model has ${variable.dtype} [${variable.shape}]`,
        { shapes: [value.shape, variable.shape] },
      )
    values.set(variable, value)
    known.add(name)
  }
  for (const name of stored.keys())
    if (!known.has(name)) throw new WeftError('ERR_FORMAT', `${file} has '${name}', which the model does not have`)
  return values
}

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'no tensors' : `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`

Model.prototype.saveWeights = async function (file: Place): Promise<void> {
  checkCall('saveWeights(file)', arguments)
  return saveWeights(this, file)
}

Model.prototype.loadWeights = async function (file: Place): Promise<void> {
  checkCall('loadWeights(file)', arguments)
  return loadWeights(this, file)
}
