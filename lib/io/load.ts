// loadModel: a saved model, as it was: structure, weights, how it was compiled, optimizer state, and where its random numbers and shuffles were.
import path from 'node:path'
import { device as currentDevice, withDevice } from '../core/device.js'
import { checkOptions, WeftError } from '../core/error.js'
import { sameShape } from '../core/op.js'
import { layerFromJson } from '../layers/serialize.js'
import { type AnyModel, Model } from '../model/model.js'
import { type ObjectiveJson, objectiveOptions } from '../model/objective.js'
import { optimizerFromJson } from '../optimizers/index.js'
import { isRecord, type Variable } from '../core/tensor.js'
import { assetsFromJson } from './assets.js'
import { findFolder, OPTIMIZER_FILE, readJson, readModelFile, TRAINING_FILE, WEIGHTS_FILE } from './folder.js'
import { readSafetensors, type StoredTensor, toTensor } from './safetensors.js'
import { namedOptimizerState, namedVariables } from './save.js'

export interface LoadOptions {
  /** Where the weights go. Default: the current device. */
  device?: string
  /** The user's own layer classes by name: { Scale }. */
  layers?: Record<string, unknown>
}

/** The model saved in a folder. It trains on from where it stopped, bit for bit on the same device. */
export async function loadModel(folder: string, options: LoadOptions = {}): Promise<AnyModel> {
  checkOptions('loadModel', options, ['device', 'layers'])
  if (typeof folder !== 'string' || folder === '') throw new WeftError('ERR_ARGUMENT', 'loadModel: expected the name of a folder')
  const found = await findFolder(folder)
  const { model: structure, assets } = await readModelFile(found)
  const training = await readJson(path.join(found, TRAINING_FILE))
  const weights = await read(path.join(found, WEIGHTS_FILE))
  const state = await read(path.join(found, OPTIMIZER_FILE))
  return withDevice(options.device ?? currentDevice(), () => {
    const model = layerFromJson(structure as never, { layers: options.layers ?? {} } as never) as unknown
    if (!(model instanceof Model)) throw new WeftError('ERR_FORMAT', `${found}: the saved layer is not a model`)
    try {
      restore(`${found}/${WEIGHTS_FILE}`, namedVariables(model), weights)
      if (isRecord(assets)) model.assets = assetsFromJson(assets) as Record<string, unknown>
      restoreTraining(model, training, state, `${found}/${OPTIMIZER_FILE}`)
    } catch (error) {
      model.dispose()
      throw error
    }
    return model
  })
}

async function read(file: string): Promise<Map<string, StoredTensor>> {
  try {
    return await readSafetensors(file)
  } catch (cause) {
    if (cause instanceof WeftError) throw cause
    throw new WeftError('ERR_FORMAT', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** Puts the stored values into the variables; the two must match one for one. */
function restore(file: string, variables: ReadonlyMap<string, Variable>, stored: ReadonlyMap<string, StoredTensor>): void {
  for (const name of stored.keys()) {
    if (!variables.has(name)) throw new WeftError('ERR_FORMAT', `${file} has '${name}', which the model has not`)
  }
  for (const [name, variable] of variables) {
    const value = stored.get(name)
    if (!value) throw new WeftError('ERR_FORMAT', `${file} has no '${name}'`)
    if (!sameShape(value.shape, variable.shape) || value.dtype !== variable.dtype) {
      throw new WeftError(
        'ERR_FORMAT',
        `${file}: '${name}' is ${value.dtype} [${value.shape}], the model has ${variable.dtype} [${variable.shape}]`,
        {
          shapes: [value.shape, variable.shape],
        },
      )
    }
  }
  for (const [name, variable] of variables) {
    const value = toTensor(stored.get(name)!, variable.device)
    variable.assign(value)
    value.dispose()
  }
}

function restoreTraining(model: AnyModel, training: Record<string, unknown>, state: ReadonlyMap<string, StoredTensor>, file: string): void {
  const { compiled, learningRate, shuffle, epochs } = training
  if (typeof epochs === 'number') model.epochsTrained = epochs
  if (isRecord(shuffle)) model.shuffleState = { seed: Number(shuffle['seed']), pass: Number(shuffle['pass']) }
  if (!isRecord(compiled)) return
  const { optimizer: saved, ...objective } = compiled
  if (!isRecord(saved)) throw new WeftError('ERR_FORMAT', `${TRAINING_FILE}: the optimizer is missing`)
  const optimizer = optimizerFromJson(saved as { className: string; config: Record<string, unknown> })
  model.compile(objectiveOptions(objective as unknown as ObjectiveJson, optimizer))
  // state exists for the weights that were trained
  const trained = [...namedVariables(model)].filter(([name]) => [...state.keys()].some((key) => key.startsWith(`${name}/`)))
  optimizer.build(trained.map(([, variable]) => variable))
  restore(file, namedOptimizerState(model), state)
  if (typeof learningRate === 'number') optimizer.adopt(learningRate)
}
