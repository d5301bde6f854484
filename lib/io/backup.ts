// Backups of a training: a saved model with the place its training is at, put back into the model that goes on.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { sameShape } from '../core/spec.js'
import type { Tensor, Variable } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import type { AnyModel } from '../model/model.js'
import { CALLBACK, type RunJson } from '../model/run.js'
import { FILES, holdsModel, isRemainder, OPTIMIZER_FILE, TRAINING_FILE, WEIGHTS_FILE, withFiles } from './folder.js'
import { namedOptimizerState, namedVariables } from './names.js'
import { type Entry, SafetensorsFile, toTensor } from './safetensors.js'
import { checkTraining } from './schema.js'

/** Where a training was, and the tensors that its callbacks kept. */
export interface Backup {
  readonly run: RunJson
  readonly values: ReadonlyMap<string, Tensor>
}

/**
 * Gives the model the weights, the states and the optimizer's state of a backup, and returns where its training was;
 * undefined where there is no backup. ERR_FORMAT for a backup of another model, and for one that is damaged; the model
 * then stays as it was.
 */
export async function restoreBackup(model: AnyModel, folder: string): Promise<Backup | undefined> {
  if (!(await holdsModel(folder)) || (await isRemainder(folder))) return undefined
  return await withFiles(folder, FILES, async (files) => {
    const file = files.get(TRAINING_FILE)!
    const training = checkTraining(file.path, await file.json())
    if (training.run === undefined)
      throw new WeftError('ERR_FORMAT', `backupAndRestore: ${folder} is a saved model, not a backup of a training`, {
        hint: 'Choose another folder as dir',
      })
    const weights = await SafetensorsFile.read(files.get(WEIGHTS_FILE)!)
    const state = await SafetensorsFile.read(files.get(OPTIMIZER_FILE)!)
    const { optimizer } = model
    const name = training.compiled?.optimizer.className
    if (name !== optimizer.name)
      throw other(folder, `it was trained by ${name === undefined ? 'nothing' : show(name)}, the model has ${optimizer.name}`)
    if (!model.built) model.build(builtFor(await files.get('model.json')!.json(), folder))
    const variables = namedVariables(model)
    check(folder, weights, variables)
    const trained = new Set([...state.tensors.keys()].map((key) => key.slice(0, Math.max(0, key.lastIndexOf('/')))))
    optimizer.build([...variables].filter(([key]) => trained.has(key)).map(([, variable]) => variable))
    optimizer.openWholes(false)
    const slots = namedOptimizerState(model, variables)
    check(folder, state, slots)
    await fill(weights, variables)
    const values = await fill(state, slots)
    optimizer.closeWholes(true)
    if (typeof training.learningRate === 'number' && !optimizer.isScheduled) optimizer.learningRate = training.learningRate
    model.epochsTrained = training.epochs ?? 0
    model.shuffleState = training.shuffle && { ...training.shuffle }
    return { run: training.run, values }
  })
}

/** The shape of the inputs that the saved model was built for. */
function builtFor(manifest: Record<string, unknown>, folder: string): never {
  const { model } = manifest
  const build = isRecord(model) ? model['build'] : undefined
  if (Array.isArray(build)) return build as never
  throw other(folder, 'the model has no weights yet, and the backup does not say for which inputs they were made')
}

const other = (folder: string, why: string): WeftError =>
  new WeftError('ERR_FORMAT', `backupAndRestore: the backup in ${folder} is of another model: ${why}`, {
    hint: 'Go on with the model it was made of, or remove the folder to train from the start',
  })

function check(folder: string, { tensors }: SafetensorsFile, variables: ReadonlyMap<string, Variable>): void {
  for (const name of tensors.keys())
    if (!variables.has(name) && !name.startsWith(CALLBACK)) throw other(folder, `it has '${name}', which the model does not have`)
  for (const [name, { dtype, shape }] of variables) {
    const entry = tensors.get(name)
    if (!entry) throw other(folder, `it has no '${name}'`)
    if (!sameShape(entry.shape, shape) || entry.dtype !== dtype)
      throw other(folder, `'${name}' is ${entry.dtype} [${entry.shape}], the model has ${dtype} [${shape}]`)
  }
}

/**
 * Assigns the values of a file to the variables, one after the other; they match. Returns what callbacks kept, as
 * tensors on the device of the model.
 */
async function fill(file: SafetensorsFile, variables: ReadonlyMap<string, Variable>): Promise<Map<string, Tensor>> {
  const kept = new Map<string, Tensor>()
  const where = [...variables.values()][0]?.device
  let bytes = new Uint8Array(0)
  const target = async ({ from, to }: Entry, at: number, size: number): Promise<Uint8Array> => {
    if (at === 0) bytes = new Uint8Array(to - from)
    return bytes.subarray(at, at + size)
  }
  await file.readAll(target, async ({ name, dtype, shape, from, to }, at, chunk) => {
    if (at + chunk.length < to - from) return
    const variable = variables.get(name)
    const value = toTensor({ dtype, shape, bytes }, variable?.device ?? where)
    if (variable === undefined) {
      kept.set(name, value)
      return
    }
    variable.assign(value)
    value.dispose()
  })
  return kept
}
