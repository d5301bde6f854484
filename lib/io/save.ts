// save: a model's structure, weights, optimizer and training state in a folder.
import { createHash } from 'node:crypto'
import path from 'node:path'
import { checkCall, type OptionTable } from '../core/options.js'
import { keep, type Kept } from '../core/keep.js'
import { type LayerJson, layerToJson } from '../layers/serialize.js'
import { type AnyModel, Model, type SaveOptions } from '../model/model.js'
import { WeftError } from '../core/error.js'
import { gatherOf, world } from '../distributed/world.js'
import type { Variable } from '../core/tensor.js'
import { isRecord } from '../core/tree.js'
import { warnOnce } from '../core/warnings.js'
import { assetsToJson } from './assets.js'
import type { KeptRun } from '../model/run.js'
import { isRemainder, MODEL_FILE, OPTIMIZER_FILE, replaceFolder, TRAINING_FILE, WEIGHTS_FILE, type WriteNew, writeNew } from './folder.js'
import { type FileFacts, FORMAT, isSavedModel, jsonText, manifestText } from './manifest.js'
import { namedOptimizerState, namedVariables } from './names.js'
import { pathOf, type Place } from '../core/place.js'
import { isTooDeep, ownNames } from './schema.js'
import { writeAll, writeKept } from './safetensors.js'

declare module '../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Saves structure, weights, optimizer state and `assets` (JSON values, tokenizers, scalers) in a folder (a path or
     * a file: URL), from which loadModel() goes on. What is saved is the model at the time of the call. It is written
     * aside and then put in place as a whole: whoever loads the model meanwhile gets the old one or the new one. Saves
     * to one folder follow each other.
     * Throws ERR_ARGUMENT for a folder that cannot be used, ERR_STATE for a full disk and the like; the old model then
     * stays.
     */
    save(folder: Place, options?: SaveOptions): Promise<void>
  }
}

/** The values as of now, whatever steps run meanwhile. */
function keptValues(variables: ReadonlyMap<string, Variable>): Values {
  return new Map([...variables].map(([name, variable]) => [name, keep(variable)]))
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
  if (Array.isArray(assets))
    throw new WeftError('ERR_ARGUMENT', 'save: assets are a list, a record is expected', { hint: 'Write { assets: { name: value } }' })
  if (isTooDeep(assets)) throw new WeftError('ERR_ARGUMENT', 'save: assets are nested too deep, or hold themselves')
  const found = notJson(assets, 'assets')
  if (found !== undefined) throw new WeftError('ERR_ARGUMENT', `save: ${found} is not a JSON value`)
}

/** How the model was compiled, with a warning where functions of the user's are part of it. */
function compilation(model: AnyModel, warns: boolean): object {
  const { optimizer } = model
  const json = model.compiled.toJson()
  const own = (kind: 'loss' | 'metrics'): string[] => ownNames(json[kind])
  const parts = [...own('loss').map((name) => `losses: { ${name} }`), ...own('metrics').map((name) => `metrics: { ${name} }`)]
  if (warns && parts.length > 0) {
    warnOnce(
      'WEFT_SAVE',
      `${model.name} is compiled with functions of yours, which are not saved. Give them when it is loaded: loadModel(folder, { ${parts.join(', ')} }), or call compile() then`,
      model,
    )
  }
  const { config } = optimizer
  if (typeof config['learningRate'] !== 'function') return { ...json, optimizer: { className: optimizer.name, config } }
  if (warns) {
    warnOnce(
      'WEFT_SAVE',
      `${model.name} learns at a rate that is a function of yours, which is not saved: the loaded model goes on at the present rate. Call compile() then, or use one of schedules.*`,
      optimizer,
    )
  }
  return { ...json, optimizer: { className: optimizer.name, config: { ...config, learningRate: optimizer.learningRate } } }
}

type Values = ReadonlyMap<string, Kept>
/** What is saved of a model. */
interface Snapshot {
  readonly content: { model: LayerJson; assets: unknown }
  readonly training: object
  /** Where the training is that goes on meanwhile. */
  readonly run: KeptRun | undefined
  readonly weights: Values
  readonly state: Values
}

/** What is saved of a model, as of now: steps may run, and objects change, while the save waits for its turn. */
function snapshot(model: AnyModel, assets: unknown, run: KeptRun | undefined): Snapshot {
  const content = plain({ model: layerToJson(model), assets: assetsToJson(assets) })
  const compiled = model.isCompiled ? compilation(model, run === undefined) : undefined
  const training = plain({
    compiled,
    learningRate: compiled && !model.optimizer.isScheduled ? model.optimizer.learningRate : undefined,
    shuffle: model.shuffleState,
    epochs: model.epochsTrained,
  })
  const variables = namedVariables(model)
  const optimizer = compiled ? namedOptimizerState(model, variables) : new Map<string, Variable>()
  const weights = keptValues(variables)
  const state = new Map([...keptValues(optimizer), ...(run?.values ?? [])])
  return { content, training, run, weights, state }
}

/** A copy of the value as JSON keeps it. */
function plain<T>(value: T): T {
  try {
    return JSON.parse(JSON.stringify(value)) as T
  } catch (cause) {
    throw new WeftError('ERR_ARGUMENT', `save: the model or its assets cannot be written as JSON: ${(cause as Error).message}`, { cause })
  }
}

/** Writes the files of a model into an empty folder. */
async function writeModel(folder: string, saved: Snapshot, create: WriteNew = writeNew): Promise<void> {
  const { content, run, weights, state } = saved
  const training = jsonText(run === undefined ? saved.training : { ...saved.training, run: await run.toJson() })
  const metadata = { format: FORMAT }
  const files = new Map<string, FileFacts>()
  files.set(WEIGHTS_FILE, await writeKept(path.join(folder, WEIGHTS_FILE), weights, metadata, create))
  files.set(OPTIMIZER_FILE, await writeKept(path.join(folder, OPTIMIZER_FILE), state, metadata, create))
  files.set(TRAINING_FILE, await writeText(path.join(folder, TRAINING_FILE), training, create))
  await writeText(path.join(folder, MODEL_FILE), manifestText(content, files), create)
}

async function writeText(file: string, text: string, create: WriteNew): Promise<FileFacts> {
  const bytes = Buffer.from(text)
  const hash = createHash('sha256')
  await create(file, (sink) => writeAll(sink, bytes, hash))
  return { bytes: bytes.length, sha256: hash.digest('hex') }
}

/**
 * Saves a model. In a distributed run every rank calls it, and rank 0 writes; during a training, whose callbacks are
 * called on rank 0, nobody waits for the others.
 */
async function saveModel(model: AnyModel, place: Place, options: SaveOptions): Promise<void> {
  if (world().rank > 0 && model.trainingRun) return
  if (world().size === 1 || model.trainingRun) return saveHere(model, place, options)
  let error: unknown
  if (model.isCompiled) model.optimizer.openWholes(true)
  if (world().rank === 0) await saveHere(model, place, options).catch((reason: unknown) => void (error = reason))
  if (model.isCompiled) model.optimizer.closeWholes(false)
  const [problem] = await gatherOf('save', error === undefined ? null : (error as Error).message)
  if (error !== undefined) throw error
  if (typeof problem === 'string') throw new WeftError('ERR_DISTRIBUTED', `save: rank 0 could not write: ${problem}`)
}

async function saveHere(model: AnyModel, place: Place, options: SaveOptions): Promise<void> {
  const folder = pathOf('save', place)
  const assets = await withSnapshot(model, options, (saved) => replaceFolder(folder, (fresh) => writeModel(fresh, saved), isSavedModel))
  model.assets = assets
}

/**
 * Saves a model, as of now, and where its training is. The folder may also hold what is left of a backup that was being
 * removed.
 */
export async function saveBackup(model: AnyModel, folder: string, run: KeptRun): Promise<void> {
  const mayReplace = async (place: string): Promise<boolean> => (await isSavedModel(place)) || isRemainder(place)
  await withSnapshot(model, {}, (saved) => replaceFolder(folder, (fresh) => writeModel(fresh, saved), mayReplace), run)
}

/** Writes the files of a model, as of now, into an empty folder, each by `create`. */
export async function writeModelFiles(model: AnyModel, folder: string, create: WriteNew): Promise<void> {
  await withSnapshot(model, {}, (saved) => writeModel(folder, saved, create))
}

async function withSnapshot(
  model: AnyModel,
  options: SaveOptions,
  write: (saved: Snapshot) => Promise<void>,
  run?: KeptRun,
): Promise<Record<string, unknown>> {
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: save() before the weights exist`, {
      hint: 'Give the first layer inputShape, or fit the model first',
    })
  const assets = options.assets ?? model.assets
  checkAssets(assets)
  const saved = snapshot(model, assets, run)
  try {
    await write(saved)
  } finally {
    for (const [name, kept] of [...saved.weights, ...saved.state]) if (!run?.values.has(name)) kept.release()
  }
  return assets
}

const OPTIONS: OptionTable<SaveOptions> = { assets: 'object' }

Model.prototype.save = async function (place: Place, options: SaveOptions = {}): Promise<void> {
  checkCall('save(folder, options)', arguments, OPTIONS)
  return saveModel(this, place, options)
}
